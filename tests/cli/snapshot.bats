#!/usr/bin/env bats
# Snapshots: saved from a node under load, looked at, restored, and what happens when it goes wrong.
load helper

# start_restored DATA: a second node; its endpoint in $restored, its process id in $restored_pid.
start_restored() {
    vxcd --data "$1" --port 0 >restored.log 2>&1 3>&- &
    restored_pid=$!
    cli_wait_until 20 grep -q ready restored.log
    restored=$(cat "$1/endpoint")
}

end_restored() { # SIGNAL
    kill "-$1" "$restored_pid"
    wait "$restored_pid" 2>/dev/null || true
    restored_pid=''
}

# Whatever a test started and did not end.
teardown() {
    [ -z "${restored_pid:-}" ] || kill -9 "$restored_pid" 2>/dev/null || true
    [ -z "${load_pid:-}" ] || kill "$load_pid" 2>/dev/null || true
}

token_of() { # LOCK [OPTION…]
    # shellcheck disable=SC2016 # the command expands it
    vxc lock run "$@" -- sh -c 'echo "$VERTX_CLUSTER_FENCING_TOKEN"'
}

node_has_no_image() {
    [ -z "$(ls "$BATS_FILE_TMPDIR/data/snapshots" 2>/dev/null)" ]
}

nothing_is_left() { # FILE
    [ ! -e "$1" ] && [ ! -e "$1.part" ]
}

@test "saved under load it holds every write acknowledged before, and is a node again" {
    local token index
    vxc bench --op map-put --connections 4 --pipeline 16 --seconds 20 --keys 20000 >/dev/null 2>&1 3>&- &
    load_pid=$!
    seq 3000 | awk '{ printf "{\"key\":\"key%07d\",\"value\":\"value %d\"}\n", $1, $1 }' >in.jsonl
    exits 0 vxc map import kept in.jsonl
    exits 0 vxc counter add kept 41
    token=$(token_of kept)
    for i in 1 2 3; do
        exits 0 vxc map put last "$i" acknowledged -o json
        index=$(jq .index <<<"$output")
        exits 0 vxc snapshot save "s$i.snap"
        [ "$(stat -c %a "s$i.snap")" = 600 ]
        exits 0 vxc snapshot inspect "s$i.snap" -o json
        jq -e ".index >= $index" <<<"$output"
        exits 0 vxc snapshot export "s$i.snap"
        grep -q acknowledged <<<"$output"
    done
    kill -0 "$load_pid" # it went on all the time
    kill "$load_pid"
    load_pid=''
    exits 0 vxc snapshot verify s3.snap

    exits 0 vxc snapshot restore s3.snap --data d2 -o json
    jq -e ".node == 1 and .next_token > $token" <<<"$output"
    start_restored d2
    vxc -e "$restored" map export kept >out.jsonl
    cmp in.jsonl out.jsonl
    exits 0 vxc -e "$restored" map get last 3
    prints acknowledged
    exits 0 vxc -e "$restored" counter get kept
    prints 41
    [ "$(token_of kept -e "$restored")" -gt "$token" ]
    token=$(token_of kept -e "$restored")
    exits 0 vxc -e "$restored" map put after restore yes

    end_restored KILL
    start_restored d2
    exits 0 vxc -e "$restored" map get after restore
    prints yes
    exits 0 vxc -e "$restored" map get last 1
    [ "$(token_of kept -e "$restored")" -gt "$token" ]
    end_restored TERM
}

@test "all compressions hold the same state; an older file is replaced" {
    exits 0 vxc map put compressed key value
    echo old >s.snap
    for word in none lz4 zlib; do
        exits 0 vxc snapshot save s.snap --compression "$word"
        says "s.snap: $(stat -c %s s.snap) bytes, index "
        exits 0 vxc snapshot inspect s.snap -o json
        jq -e ".compression == \"$word\"" <<<"$output"
        cp s.snap "$word.snap"
    done
    exits 0 vxc snapshot diff none.snap zlib.snap
    prints ''
    exits 2 vxc snapshot save s.snap --compression brotli
    says 'expected lz4, zlib or none'
    [ ! -e s.snap.part ]
}

flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %02x $((255 - byte)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "damage is 6, a folder that is not empty 7, another node id is taken" {
    exits 0 vxc snapshot save s.snap
    cp s.snap bad.snap
    flip bad.snap 300
    exits 6 vxc snapshot verify bad.snap
    says 'bad.snap'
    exits 6 vxc snapshot restore bad.snap --data d2
    [ ! -e d2 ]
    mkdir d2 && touch d2/something
    exits 7 vxc snapshot restore s.snap --data d2
    [ "$(ls d2)" = something ]
    exits 2 vxc snapshot restore s.snap --data d3 --node-id 0
    exits 0 vxc snapshot restore s.snap --data d3 --node-id 7
    says 'vxcd --data d3 --node-id 7'
    exits 6 vxcd --data d3 --port 0
    exits 2 vxc snapshot restore s.snap
}

@test "a cluster of three is restored on each of its nodes, and all begin alike" {
    list=1=127.0.0.1:7401,2=node-b.example:7402,3=[::1]:7403
    exits 0 vxc map put m k v
    exits 0 vxc snapshot save s.snap
    for id in 1 2 3; do
        exits 0 vxc snapshot restore s.snap --data "r$id" --node-id "$id" --initial-cluster "$list"
        vxc dump --data "r$id" >"r$id.jsonl"
    done
    says 'vxcd --data r3 --node-id 3 --host ::1 --port 7403 --initial-cluster 1=127.0.0.1:7401,2='
    says 'the same file with the same list'
    cmp r1.jsonl r2.jsonl
    cmp r1.jsonl r3.jsonl
    grep -q '"member":2,"address":"node-b.example:7402"' r1.jsonl
    exits 0 vxc snapshot restore s.snap --data r9 --initial-cluster "$list,4=d:1" -o json
    [ "$(jq -r .cluster_id <<<"$output")" != "$(jq -r 'select(.db == "meta").cluster_id' r1.jsonl)" ]
    exits 2 vxc snapshot restore s.snap --data r4 --node-id 4 --initial-cluster "$list"
    says 'node 4 is not in the initial cluster'
    exits 2 vxc snapshot restore s.snap --data r4 --initial-cluster 1=a:0
    says 'the port is no number'
    exits 2 vxc snapshot restore s.snap --data r4 --initial-cluster ''
    [ ! -e r4 ]
}

@test "a full disk leaves nothing, and an older file as it was" {
    head -c 300000 /dev/urandom | base64 -w 0 >value
    exits 0 vxc map put large key --file value
    exits 5 bash -c 'ulimit -f 64; exec vxc snapshot save s.snap'
    says 's.snap.part: write'
    nothing_is_left s.snap
    echo old >s.snap
    exits 5 bash -c 'ulimit -f 64; exec vxc snapshot save s.snap'
    [ "$(cat s.snap)" = old ]
    exits 2 vxc snapshot save nosuchfolder/s.snap
    mkdir folder
    exits 2 vxc snapshot save folder
    cli_wait_until 5 node_has_no_image
    exits 0 vxc map destroy large --yes
}

@test "a node that goes away while it saves leaves nothing, here and there" {
    head -c 6000000 /dev/urandom | base64 -w 0 >value
    for i in 1 2 3 4; do exits 0 vxc map put large "$i" --file value; done
    kill -STOP "$(cli_node)"
    timeout 30 vxc snapshot save s.snap --compression none --timeout 2s 2>errors 3>&- &
    load_pid=$!
    cli_wait_until 5 test -e s.snap.part
    cli_kill_node
    cli_start_node # it went on trying: from the new node, it is a save like any other
    wait "$load_pid"
    load_pid=''
    exits 0 vxc snapshot verify s.snap
    rm s.snap

    kill -STOP "$(cli_node)"
    exits 124 vxc snapshot save s.snap --timeout 300ms
    nothing_is_left s.snap
    kill -CONT "$(cli_node)"
    cli_kill_node
    mkdir -p "$BATS_FILE_TMPDIR/data/snapshots"
    echo left >"$BATS_FILE_TMPDIR/data/snapshots/image.part"
    exits 3 vxc snapshot save s.snap --timeout 300ms
    nothing_is_left s.snap
    cli_start_node
    node_has_no_image
}

@test "an interrupted save leaves nothing" {
    local status=0
    kill -STOP "$(cli_node)"
    vxc snapshot save s.snap --timeout 20s 2>errors 3>&- &
    load_pid=$!
    cli_wait_until 5 test -e s.snap.part
    kill -INT "$load_pid"
    wait "$load_pid" || status=$? # without a word from the node
    load_pid=''
    kill -CONT "$(cli_node)"
    [ "$status" -eq 130 ]
    grep -q interrupted errors
    nothing_is_left s.snap
    cli_wait_until 5 node_has_no_image
}
