#!/usr/bin/env bash
# timeout: 200
# Three nodes: each is restarted in turn, and no operation fails.
# CLUSTER_SECONDS (default 5) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group restart --seconds "${CLUSTER_SECONDS:-5}"
