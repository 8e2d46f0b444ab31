#!/usr/bin/env bash
# timeout: 200
# The wire protocol against a running node, by a client that shares no code with it: every kind has its
# behaviour, replies keep their order, sessions, locks, watches and registrations do what they promise,
# strangers are shown out, and what was acknowledged is there after kill -9.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
python3 "$(dirname "$0")/protocol.py" "$VXC_BIN/vxcd" "$work"
