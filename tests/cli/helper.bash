# For the tests of the command line: a node of their own, on a free port, gone at the end.
#
# VXC_BIN is the build folder that holds vxcd and vxc. Every file starts one node (setup_file) and
# tests use names of their own in it. Nothing waits a fixed time.

cli_setup() {
    local repository
    repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export PATH=${VXC_BIN:-$repository/build/release}:$PATH
    command -v vxcd >/dev/null || { echo "vxcd is not in VXC_BIN=${VXC_BIN:-}: build it first" >&2; return 1; }
    unset VERTX_CLUSTER_HOST VERTX_CLUSTER_PORT VERTX_CLUSTER_TIMEOUT VERTX_CLUSTER_PING_INTERVAL
    unset VERTX_CLUSTER_ENDPOINTS VERTX_CLUSTER_FENCING_TOKEN
    cd "$BATS_FILE_TMPDIR" || return 1
}

cli_wait_until() { # SECONDS COMMAND…
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "gave up on: $*" >&2; return 1; }
        read -r -t 0.02 <> <(:) || true
    done
}

cli_node_is_ready() {
    grep -q ready "$BATS_FILE_TMPDIR/node.log"
}

# cli_start_node: on the same port as before when there was one.
cli_start_node() {
    local port=0
    [ ! -s "$BATS_FILE_TMPDIR/port" ] || port=$(cat "$BATS_FILE_TMPDIR/port")
    : >"$BATS_FILE_TMPDIR/node.log"
    vxcd --data "$BATS_FILE_TMPDIR/data" --port "$port" >"$BATS_FILE_TMPDIR/node.log" 2>&1 3>&- &
    echo $! >"$BATS_FILE_TMPDIR/pid"
    cli_wait_until 20 cli_node_is_ready
    VERTX_CLUSTER_ENDPOINTS=$(cat "$BATS_FILE_TMPDIR/data/endpoint")
    export VERTX_CLUSTER_ENDPOINTS
    echo "${VERTX_CLUSTER_ENDPOINTS##*:}" >"$BATS_FILE_TMPDIR/port"
}

cli_node() {
    cat "$BATS_FILE_TMPDIR/pid"
}

cli_kill_node() {
    kill -9 "$(cli_node)"
    wait "$(cli_node)" 2>/dev/null || true
}

cli_stop_node() {
    [ -s "$BATS_FILE_TMPDIR/pid" ] || return 0
    kill -CONT "$(cli_node)" 2>/dev/null || true
    kill -TERM "$(cli_node)" 2>/dev/null || true
    wait "$(cli_node)" 2>/dev/null || true
    cli_wait_until 10 cli_node_is_gone
}

cli_node_is_gone() {
    ! kill -0 "$(cli_node)" 2>/dev/null
}

# exits STATUS COMMAND…: stdout in $output, stderr in $errors.
exits() {
    local expected=$1 status=0
    shift
    errors_file=$BATS_TEST_TMPDIR/errors
    output=$(timeout 30 "$@" 2>"$errors_file") || status=$?
    errors=$(cat "$errors_file")
    if [ "$status" -ne "$expected" ]; then
        printf 'exit status %s instead of %s: %s\nstdout: %s\nstderr: %s\n' \
            "$status" "$expected" "$*" "$output" "$errors" >&2
        return 1
    fi
}

prints() {
    [ "$output" = "$1" ] || { printf 'expected: %s\nprinted:  %s\n' "$1" "$output" >&2; return 1; }
}

says() {
    case "$errors" in
    *"$1"*) ;;
    *)
        printf 'expected on stderr: %s\nwas: %s\n' "$1" "$errors" >&2
        return 1
        ;;
    esac
}

says_nothing() {
    [ -z "$errors" ] || { printf 'on stderr: %s\n' "$errors" >&2; return 1; }
}

setup_file() {
    cli_setup
    cli_start_node
}

teardown_file() {
    cli_stop_node
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
}
