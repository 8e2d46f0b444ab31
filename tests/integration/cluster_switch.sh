#!/usr/bin/env bash
# timeout: 60
# The switch that the cluster tests run over does what it is told.
: "${VXC_BIN:=$(dirname "$0")/../../build/release}"
exec python3 "$(dirname "$0")/../cluster/switch_test.py" "$VXC_BIN/test-programs"
