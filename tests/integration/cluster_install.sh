#!/usr/bin/env bash
# timeout: 200
# Three nodes: a backup that was down for too long gets an image, which is interrupted.
# CLUSTER_SECONDS (default 5) for each scenario; docs/reliability.md tells what they do and check.
exec "$(dirname "$0")/../cluster/run" --group install --seconds "${CLUSTER_SECONDS:-5}"
