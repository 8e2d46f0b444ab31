#!/usr/bin/env bats
# A cluster of three on loopback, and how vxc looks after it: any endpoint will do, status asks every
# member, members come and go. The tests build on one another, in this order.
load helper

# start_member NUMBER OPTION…: does not wait.
start_member() {
    local number=$1
    shift
    vxcd --data "$BATS_FILE_TMPDIR/d$number" --node-id "$number" --port "$(port "$number")" "$@" \
        >"$BATS_FILE_TMPDIR/node$number.log" 2>&1 3>&- &
    echo $! >"$BATS_FILE_TMPDIR/pid$number"
}

port() { # NUMBER
    sed -n "$1p" "$BATS_FILE_TMPDIR/ports"
}

place() { # NUMBER
    echo "127.0.0.1:$(port "$1")"
}

member_is_ready() { # NUMBER
    grep -q ready "$BATS_FILE_TMPDIR/node$1.log"
}

end_member() { # SIGNAL NUMBER
    kill -"$1" "$(cat "$BATS_FILE_TMPDIR/pid$2")" 2>/dev/null || true
    cli_wait_until 20 member_is_gone "$2"
}

member_is_gone() { # NUMBER
    ! kill -0 "$(cat "$BATS_FILE_TMPDIR/pid$1")" 2>/dev/null
}

primary() {
    vxc status -o json | jq .primary_id
}

status_is() { # JQ-CONDITION
    vxc status -o json | jq -e "$1" >/dev/null
}

members_are() { # JQ-CONDITION
    vxc member list -o json | jq -e "$1" >/dev/null
}

setup_file() {
    cli_setup
    python3 - >ports <<'PYTHON'
import socket
sockets = [socket.socket() for _ in range(5)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
    print(one.getsockname()[1])
PYTHON
    INITIAL=1=$(place 1),2=$(place 2),3=$(place 3)
    VERTX_CLUSTER_ENDPOINTS=$(place 1),$(place 2),$(place 3)
    export INITIAL VERTX_CLUSTER_ENDPOINTS
    for number in 1 2 3; do
        start_member "$number" --initial-cluster "$INITIAL"
    done
    for number in 1 2 3; do
        cli_wait_until 20 member_is_ready "$number"
    done
}

teardown_file() {
    local file
    for file in "$BATS_FILE_TMPDIR"/pid*; do
        kill -9 "$(cat "$file")" 2>/dev/null || true
        cli_wait_until 10 member_is_gone "${file##*pid}"
    done
}

@test "every command works from any one endpoint" {
    for number in 1 2 3; do
        exits 0 vxc -e "$(place $number)" counter add from-any 1
        prints "$number"
        exits 0 vxc -e "$(place $number)" counter get from-any
        prints "$number"
    done
}

@test "member list: who is there, as a table and as JSON" {
    members_are 'map(.id) == [1, 2, 3] and (map(.role) | sort) == ["backup", "backup", "primary"]'
    cli_wait_until 10 members_are '(map(.match_index) | min) > 0'
    members_are ".[1].address == \"$(place 2)\" and (.[] | select(.role == \"primary\") | .silent_ms) == null"
    exits 0 vxc member list -o table
    [[ $output == *MATCH*"$(place 3)"* ]]
}

@test "status has every member, and what one node says as ever" {
    cli_wait_until 10 status_is '.members | map(.role) | sort == ["backup", "backup", "primary"]'
    status_is '.role and .term > 0 and .bounds and (.members | map(.id) == [1, 2, 3] and all(.commit_index > 0))'
    exits 0 vxc -e "$(place 2)" status -o json
    jq -e '.node_id == 2 and (.members | length) == 3' <<<"$output"
    exits 0 vxc status -o table
    [[ $output == *ROLE*"$(place 1)"*WHAT* ]]
}

@test "status --checkpoint: all have the same state" {
    vxc map put checked k v
    exits 0 vxc status --checkpoint -o json
    says 'all digests are equal'
    jq -e '.checkpoint.digests_equal and .checkpoint.index > 0 and
        (.members | all(.digest_index >= 1) and (map(.checkpoint_digest) | unique | length) == 1)' <<<"$output"
}

@test "transfer: another one is the primary, and clients find it" {
    local first
    first=$(primary)
    exits 0 vxc member transfer $((first % 3 + 1))
    prints ''
    cli_wait_until 10 members_are ".[$((first % 3))].role == \"primary\""
    exits 0 vxc map put transferred k v
    exits 2 vxc member transfer nobody
    exits 1 vxc member transfer 9
    says '9 is not a member; the members are 1, 2, 3'
    exits 5 vxc member transfer "$(primary)"
    says 'is the primary already'
}

@test "bench ends when its node is not the primary any more, and says who is" {
    local first second status=0
    first=$(primary)
    second=$((first % 3 + 1))
    vxc bench --op map-put --seconds 30 --keys 100 >out 2>errors 3>&- &
    local load=$!
    cli_wait_until 20 grep -q 'second 1' errors
    exits 0 vxc member transfer "$second"
    wait "$load" || status=$?
    [ "$status" -eq 3 ]
    grep -q "$(place "$first") is not the primary any more; it is $(place "$second") now" errors
    [ ! -s out ]
}

@test "the primary is killed: writes go on, status calls it unreachable" {
    local first
    first=$(primary)
    vxc map put killed k v
    end_member 9 "$first"
    exits 0 vxc map put killed k w
    exits 0 vxc map get killed k
    prints w
    exits 0 vxc status -o json
    jq -e ".members | map(select(.id == $first)) == [.[$((first - 1))]] and .[$((first - 1))].role == \"unreachable\" and
        .[$((first - 1))].commit_index == null" <<<"$output"
    exits 0 vxc status --checkpoint -o json
    says 'does not answer'
    start_member "$first" --initial-cluster "$INITIAL"
    cli_wait_until 20 status_is '.members | all(.role != "unreachable")'
}

@test "a node is added: its command works as printed, and it becomes a voter" {
    exits 2 vxc member add nowhere
    says 'HOST:PORT'
    cli_wait_until 20 members_are 'all((.silent_ms // 0) < 1000)'
    vxc member add "$(place 4)" --wait 60s >printed 2>said 3>&- &
    local add=$!
    cli_wait_until 20 test -s printed
    [[ $(cat printed) == "vxcd --data ./vxc-data-4 --node-id 4 --port $(port 4) --join "*"$(place 1)"* ]]
    members_are '.[3].id == 4 and .[3].role == "standby"'
    exits 5 vxc member promote 4
    says 'caught up'
    # shellcheck disable=SC2046 # the words of the command
    command $(cat printed) >"$BATS_FILE_TMPDIR/node4.log" 2>&1 3>&- &
    echo $! >"$BATS_FILE_TMPDIR/pid4"
    wait "$add"
    grep -q 'is a voter' said
    members_are '.[3].role == "backup"'
    exits 4 vxc member add "$(place 4)" --id 4 --no-wait
}

@test "a standby stays one, and is removed again for ever" {
    cli_wait_until 20 members_are 'all((.silent_ms // 0) < 1000)'
    exits 0 vxc member add "$(place 5)" --standby --no-wait -o json
    jq -e '.id == 5 and (.command | startswith("vxcd "))' <<<"$output"
    members_are '.[4].role == "standby"'
    exits 5 vxc member transfer 5
    says '5 is a standby, and only a voter can be the primary'
    exits 0 vxc member remove 5 -o json
    jq -e '.index > 0' <<<"$output"
    members_are 'length == 4'
    exits 1 vxc member remove 5
}

# lines_of_bar FILE: what was drawn over one another, each on a line of its own.
lines_of_bar() {
    tr '\r' '\n' <"$1" | sed 's/\x1b\[K//' | grep '\['
}

@test "on a terminal a bar of one line shows how far a new member is" {
    local terminal=$BATS_TEST_DIRNAME/../lib/terminal.py columns status
    for columns in 80 40; do
        cli_wait_until 20 members_are 'all((.silent_ms // 0) < 1000)'
        status=0
        python3 "$terminal" "$columns" vxc member add "$(place 5)" --standby --wait 300ms >drawn || status=$?
        [ "$status" -eq 124 ]
        lines_of_bar drawn >lines
        [ "$(wc -l <lines)" -ge 2 ]
        [ "$(sort -u lines | wc -l)" -eq 1 ] # one over the other
        [ "$(wc -L <lines)" -lt "$columns" ]
        grep -q '^waiting     \[\.*' lines
        [ "$columns" -eq 40 ] || grep -q '0 %  for the node to be started$' lines
        tail -n 2 drawn | grep -q 'has not caught up yet'
        exits 0 vxc member remove "$(vxc member list -o json | jq '.[-1].id')"
    done
}

@test "a cluster without a majority says so" {
    end_member 9 1
    end_member 9 2
    end_member 9 3
    exits 3 vxc --timeout 2s -e "$(place 4)" map put alone k v
    says 'no node of the cluster is its primary now'
    exits 0 vxc -e "$(place 4)" status -o json
    jq -e '.members | map(select(.role == "unreachable")) | length == 3' <<<"$output"
    exits 0 vxc --timeout 2s -e "$(place 4)" member list
    says 'no primary'
}
