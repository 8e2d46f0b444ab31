#!/usr/bin/env bash
# timeout: 600
# Three nodes: power cuts of all at once, full disks, a backup whose flushes are slow.
# CLUSTER_SECONDS (default 5) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group disk --seconds "${CLUSTER_SECONDS:-5}"
