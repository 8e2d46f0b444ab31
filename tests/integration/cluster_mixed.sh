#!/usr/bin/env bash
# timeout: 200
# Three nodes: one fault after the other, at random.
# CLUSTER_SECONDS (default 10) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group mixed --seconds "${CLUSTER_SECONDS:-10}"
