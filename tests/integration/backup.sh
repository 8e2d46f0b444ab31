#!/usr/bin/env bash
# timeout: 120
# Three nodes on loopback, by a client that shares no code with them: what backups answer, replies in
# order while reads wait for their rounds, and what a handover leaves to both protocols.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
exec python3 "$(dirname "$0")/backup.py" "$VXC_BIN/vxcd" "$work"
