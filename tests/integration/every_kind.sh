#!/usr/bin/env bash
# timeout: 120
# Random well-formed requests of every kind, with fields at their edges, on many connections that come
# and go: each is answered once and in its order, and the node neither ends nor forgets.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
exec python3 "$(dirname "$0")/every_kind.py" "$VXC_BIN/vxcd" "$work"
