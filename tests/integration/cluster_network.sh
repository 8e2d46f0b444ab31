#!/usr/bin/env bash
# timeout: 900
# Three nodes: partitions, one-way links, half-open connections, bad, flapping and thin links.
# CLUSTER_SECONDS (default 5) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group network --seconds "${CLUSTER_SECONDS:-5}"
