# shellcheck shell=bash
# For the integration tests: a work folder, nodes that never outlive the test, checks, clean-up.
#
# A test sources this, states its checks by ok, not_ok, check and refused, and ends with finish.
# VXC_BIN is the build folder that holds vxcd and vxc. Nothing here waits a fixed time: it waits for
# conditions and gives up after a limit.
set -u -o pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${VXC_BIN:=$repository/build/release}"
PATH=$VXC_BIN:$VXC_BIN/test-programs:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/vxc-test.XXXXXX")
node=''         # process id of the node that runs now
node_log=$work/node.log
ready_ms_max=0  # slowest start seen
checks_failed=0
exit_hooks=()   # commands for the end, the last one first
unset "${!VERTX_CLUSTER_@}"
export LC_ALL=C # sort, comm and ranges go by bytes

for program in vxcd vxc; do
    [ -x "$VXC_BIN/$program" ] && continue
    echo "not ok $program is not in $VXC_BIN: build it first (tools/up --build-only)"
    exit 1
done

clean_up() {
    trap - EXIT
    local i
    [ -z "$node" ] || { kill -9 "$node" && wait "$node"; } 2>/dev/null
    for ((i = ${#exit_hooks[@]} - 1; i >= 0; i--)); do
        eval "${exit_hooks[$i]}"
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# at_exit COMMAND: run at the end, however the test ends.
at_exit() {
    exit_hooks+=("$1")
}

# ---- checks ----

ok() {
    echo "ok $1"
}

# not_ok NAME [DETAIL…]
not_ok() {
    checks_failed=$((checks_failed + 1))
    echo "not ok $1"
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | sed 's/^/#   /'
}

# check NAME COMMAND…: holds when the command succeeds.
check() {
    local name=$1 output status=0
    shift
    output=$("$@" 2>&1) || status=$?
    if [ "$status" -eq 0 ]; then
        ok "$name"
    else
        not_ok "$name" "status $status: $*" "$output"
    fi
}

# equal NAME EXPECTED ACTUAL
equal() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2" "actual:   $3"; fi
}

# The end of every test.
finish() {
    [ "$checks_failed" -eq 0 ]
    exit
}

# A check that makes the rest pointless.
give_up() {
    not_ok "$@"
    [ ! -s "$node_log" ] || tail -n 20 "$node_log" | sed 's/^/#   node: /'
    finish
}

# ---- waiting ----

exec {nap_fd}<> <(:)

# nap SECONDS: without a process of its own.
nap() {
    local _
    read -r -t "$1" -u "$nap_fd" _ || true
}

now_ms() {
    local now=$EPOCHREALTIME
    now=${now/[.,]/}
    echo $((now / 1000))
}

# wait_until SECONDS COMMAND…: polls until the command succeeds.
wait_until() {
    local deadline=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(now_ms)" -lt "$deadline" ] || return 1
        nap 0.01
    done
}

# ---- nodes ----

node_said_ready() {
    grep -q ready "$node_log" 2>/dev/null || ! kill -0 "$node" 2>/dev/null
}

# node_try DATA [OPTION…]: starts vxcd and waits until it is ready or gone; node_status is '' or its
# exit status, node_log what it printed. Without --port in OPTION the port is random.
node_try() {
    local data=$1 started
    shift
    started=$(now_ms)
    node_status=''
    case " $* " in
    *' --port '*) ;;
    *) set -- --port 0 "$@" ;;
    esac
    : >"$node_log" # here, for the child may get there later than the first look for its ready line
    # shellcheck disable=SC2086 # VXC_NODE_WRAPPER is a command with arguments, such as env A=b
    ${VXC_NODE_WRAPPER:-} vxcd --data "$data" "$@" >"$node_log" 2>&1 &
    node=$!
    if ! wait_until "${VXC_READY_SECONDS:-30}" node_said_ready; then
        give_up "the node is ready in ${VXC_READY_SECONDS:-30} s"
    fi
    if ! kill -0 "$node" 2>/dev/null || ! grep -q ready "$node_log"; then
        node_status=0
        wait "$node" 2>/dev/null || node_status=$?
        node=''
        return 0
    fi
    ready_ms=$(($(now_ms) - started))
    [ "$ready_ms" -le "$ready_ms_max" ] || ready_ms_max=$ready_ms
    VERTX_CLUSTER_ENDPOINTS=$(cat "$data/endpoint")
    export VERTX_CLUSTER_ENDPOINTS
}

# node_start DATA [OPTION…]: the same where anything but ready ends the test.
node_start() {
    node_try "$@"
    [ -z "$node_status" ] || give_up "vxcd starts on $1" "exit status $node_status"
}

node_kill() {
    kill -9 "$node" 2>/dev/null # it may have ended by itself
    wait "$node" 2>/dev/null
    node=''
}

# SIGTERM; node_status is the exit status.
node_stop() {
    kill -TERM "$node"
    node_status=0
    wait "$node" || node_status=$?
    node=''
}

# status_value FIELD: from the running node.
status_value() {
    vxc status -o json | jq -r ".$1"
}

# map_lines MAP: its entries as {"key":…,"value":…}, one a line, written one way whoever wrote them.
map_lines() {
    vxc map export "$1" | jq -cS .
}
