#!/usr/bin/env bash
# timeout: 300
# Sizes that people will have: a map of a million entries, hundreds of namespaces, a hundred thousand
# locks of one session, thousands of waiters on one lock, ten thousand connections, keys, names and
# values up to their limits; and all of it still there after kill -9.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
exec python3 "$(dirname "$0")/scale.py" "$VXC_BIN/vxcd" "$work"
