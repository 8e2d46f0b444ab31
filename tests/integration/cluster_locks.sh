#!/usr/bin/env bash
# timeout: 200
# Three nodes: a lock's holder is stopped beyond its lease, wakes up and writes on.
# CLUSTER_SECONDS (default 4) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group locks --seconds "${CLUSTER_SECONDS:-4}"
