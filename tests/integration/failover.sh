#!/usr/bin/env bash
# timeout: 240
# Three nodes on loopback, a client that writes every 5 ms: the primary is killed again and again, and
# each node is restarted in turn. FAILOVER_KILLS (8) says how often.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
exec python3 "$(dirname "$0")/failover.py" "$VXC_BIN/vxcd" "$work"
