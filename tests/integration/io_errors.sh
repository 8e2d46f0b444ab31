#!/usr/bin/env bash
# timeout: 560
# Every i-th write, flush, rename, change of a size and open fails, with EIO, ENOSPC or by half, once or
# for as long as the disk is full: in a node that starts, works and stops, in one that starts after
# kill -9, in one whose log goes on to the next segment, and in vxc snapshot save, restore and extract.
# IO_ERRORS_STRIDE=n tries every n-th i (1: each one), IO_ERRORS_ONLY=regexp some of the lines.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
python3 "$(dirname "$0")/io_errors.py" "$VXC_BIN/vxcd" "$work"
