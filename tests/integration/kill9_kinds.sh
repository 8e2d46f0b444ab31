#!/usr/bin/env bash
# timeout: 240
# kill -9 at random moments while sessions write objects of every kind; after each restart every
# acknowledged operation is in effect exactly once, and so is every one that was sent again.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
exec python3 "$(dirname "$0")/kill9_kinds.py" "$VXC_BIN/vxcd" "$work"
