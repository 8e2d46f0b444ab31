#!/usr/bin/env bash
# timeout: 180
# One node in a namespace of its own: crashes, pauses, power cuts, a full disk, bad links, a stopped lock
# holder; what its clients see must be linearizable. CLUSTER_SECONDS (default 3) for each.
exec "$(dirname "$0")/../cluster/run" --nodes 1 --seconds "${CLUSTER_SECONDS:-3}"
