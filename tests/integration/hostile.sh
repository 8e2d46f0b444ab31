#!/usr/bin/env bash
# timeout: 200
# Clients that are slow, broken, greedy or strangers: they are cut within the bounds of limits.h, memory
# stays bounded, others are served meanwhile; and what a broken connection leaves open is settled:
# sessions expire late but never early, resume without losing an event, and every retry counts once.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
exec python3 "$(dirname "$0")/hostile.py" "$VXC_BIN/vxcd" "$work"
