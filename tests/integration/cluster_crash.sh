#!/usr/bin/env bash
# timeout: 900
# Three nodes: kill -9 and SIGSTOP of the primary, of a backup, of all.
# CLUSTER_SECONDS (default 5) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group crash --seconds "${CLUSTER_SECONDS:-5}"
