#!/usr/bin/env bats
# Import and export, dumps of files, servers that are away.
load helper

make_lines() { # COUNT
    seq "$1" | awk '{ printf "{\"key\":\"key%07d\",\"value\":\"value %d\"}\n", $1, $1 }'
}

@test "what is imported is exported, in the order of keys, and acknowledged" {
    make_lines 5000 >in.jsonl
    shuf in.jsonl >shuffled.jsonl
    exits 0 vxc map import round shuffled.jsonl --acked acked
    says '5000 entries imported'
    vxc map export round >out.jsonl
    cmp in.jsonl out.jsonl
    [ "$(sort acked)" = "$(jq -r .key in.jsonl | sort)" ]
    exits 0 vxc map import round in.jsonl --acked acked -o json # acked is appended to
    jq -e '.imported == 5000' <<<"$output"
    [ "$(wc -l <acked)" -eq 10000 ]
}

@test "bytes that are no text travel as base64" {
    cat >in.jsonl <<'LINES'
{"key":"line\nbreak","value":"\u0000"}
{"key64":"/wA=","value64":"AAH/"}
{"key":"base64:x","value":""}
LINES
    exits 0 vxc map import bytes in.jsonl --acked acked
    [ "$(sort acked)" = "$(printf '%s\n' base64:/wA= "base64:$(printf 'line\nbreak' | base64)" "base64:$(printf base64:x | base64)" | sort)" ]
    exits 0 vxc map export bytes
    [ "$(jq -cS . <<<"$output" | sort)" = "$(jq -cS . in.jsonl | sort)" ]
}

@test "the later line of a key wins, and existing keys are overwritten" {
    for i in $(seq 200); do echo "{\"key\":\"same\",\"value\":\"$i\"}"; done >in.jsonl
    exits 0 vxc map import same in.jsonl --pipeline 100
    exits 0 vxc map get same same
    prints 200
}

@test "bad lines are told by number; what came before is in" {
    printf '{"key":"a","value":"1"}\n\n{"key":"b"}\n' >in.jsonl
    exits 2 vxc map import bad in.jsonl --acked acked
    says 'line 3: there is no value'
    [ "$(cat acked)" = a ]
    exits 2 vxc map import bad - <<<'xx'
    says 'line 1: not JSON'
    exits 2 vxc map import bad - <<<'[1]'
    exits 2 vxc map import bad - <<<'{"key":"a","value":1}'
    says '"value" must be a string'
    exits 2 vxc map import bad - <<<'{"key":"a","value64":"?"}'
    says 'base64'
    exits 2 vxc map import bad - <<<'{"key":"a","key64":"YQ==","value":"b"}'
    exits 2 vxc map import bad - <<<'{"key":"a","value":"b","valeu":"c"}'
    says 'valeu'
    exits 2 vxc map import bad nosuchfile
    exits 2 vxc map import bad in.jsonl --acked /nosuchfolder/acked
    exits 0 vxc map import bad - </dev/null
}

@test "an import survives kill -9 of the node; nothing acknowledged is lost" {
    make_lines 150000 >in.jsonl
    vxc map import survive in.jsonl --acked acked --timeout 10s 2>err 3>&- &
    import=$!
    for i in 1 2; do
        count=$(wc -l <acked 2>/dev/null || echo 0)
        cli_wait_until 20 bash -c "[ \$(cat acked 2>/dev/null | wc -l) -gt $count ] || ! kill -0 $import"
        cli_kill_node
        cli_start_node
    done
    wait "$import"
    vxc map export survive >out.jsonl
    cmp in.jsonl out.jsonl
    [ "$(wc -l <acked)" -eq 150000 ]
}

@test "nobody there: exit 3; there but silent: exit 124" {
    exits 3 vxc -e 127.0.0.1:1 --timeout 300ms map get m k
    says 'Connection refused'
    says 'is vxcd running there?'
    exits 3 vxc -e 127.0.0.1:1 --timeout 300ms map import m - <<<'{"key":"a","value":"b"}'
    exits 3 vxc -e 127.0.0.1:1 --timeout 300ms lock run l -- true
    exits 3 vxc -e 127.0.0.1:1 --timeout 300ms bench --count 1
    kill -STOP "$(cli_node)"
    exits 124 vxc --timeout 300ms map get m k
    says 'no answer in time'
    exits 124 vxc --timeout 300ms map put m k v
    exits 124 vxc --timeout 300ms lock run l -- true
    kill -CONT "$(cli_node)"
    exits 0 vxc ping
}

@test "a command waits for a node that is just starting" {
    vxc map put starting k v
    cli_kill_node
    vxc --timeout 20s map get starting k >out 3>&- &
    get=$!
    cli_start_node
    wait "$get"
    [ "$(cat out)" = v ]
}

@test "lock run: the child is told when the lock is lost" {
    vxc lock run lost --lease 1s -- sh -c 'trap "exit 9" TERM; touch held; while :; do sleep 0.02; done' \
        2>err 3>&- &
    run=$!
    cli_wait_until 10 test -e held
    cli_kill_node
    status=0
    wait "$run" || status=$?
    [ "$status" -eq 9 ]
    grep -q 'the lock is lost' err
    cli_start_node
}

@test "lock run: a restart of the node is survived" {
    vxc lock run kept --lease 20s -- sh -c 'touch held; until [ -e go ]; do sleep 0.02; done; exit 5' 3>&- &
    run=$!
    cli_wait_until 10 test -e held
    cli_kill_node
    cli_start_node
    cli_wait_until 10 bash -c 'vxc session list -o json | jq -e ".[] | select(.locks_held == 1 and .connected)" >/dev/null'
    touch go
    status=0
    wait "$run" || status=$?
    [ "$status" -eq 5 ]
    exits 1 vxc lock info kept
}

@test "dump of files, beside the node and without it, equals the live dump" {
    data=$BATS_FILE_TMPDIR/data
    vxc map put offline k v
    vxc counter add offline 3
    vxc dump -o jsonl | grep -E '"db":"(maps|counters)"' >live
    vxc dump --data "$data" -o jsonl | grep -E '"db":"(maps|counters)"' >beside
    cmp live beside
    vxc dump --log --data "$data" -o jsonl >log
    jq -es 'any(.op == "map put" and .name == "offline" and .key == "k" and .value == "v" and .index > 0 and .term > 0)' log
    exits 0 vxc dump --log --data "$data" --limit 1 -o json
    jq -e 'length == 1' <<<"$output"
    cli_kill_node
    vxc dump --data "$data" -o jsonl | grep -E '"db":"(maps|counters)"' >dead
    cmp live dead
    cli_start_node
    exits 2 vxc dump --data /nosuchfolder
    exits 2 vxc dump --data .
    says 'there is no log in it'
}

@test "damaged files: exit 6, with the file named" {
    cli_stop_node
    cp -r "$BATS_FILE_TMPDIR/data" copy
    size=$(stat -c %s copy/state/data.mdb)
    for ((at = 8192; at < size; at += 4096)); do
        dd if=/dev/urandom of=copy/state/data.mdb bs=64 count=1 seek=$((at / 64)) conv=notrunc status=none
    done
    exits 6 vxc dump --data copy
    says 'copy/state'
    rm -r copy
    cp -r "$BATS_FILE_TMPDIR/data" copy
    segment=$(find copy/log -type f -size +1M | sort | head -1)
    dd if=/dev/urandom of="$segment" bs=64 count=1 seek=64 conv=notrunc status=none
    exits 6 vxc dump --log --data copy
    says 'copy/log'
    cli_start_node
}
