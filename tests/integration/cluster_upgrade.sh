#!/usr/bin/env bash
# timeout: 500
# Three nodes: from an older build to this one and back, node by node (builds the older one first, once); a
# build of another protocol between nodes is refused.
# CLUSTER_SECONDS (default 5) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group upgrade --seconds "${CLUSTER_SECONDS:-5}"
