#!/usr/bin/env bats
# Locks, watches, nodes, sessions, registrations.
load helper

start_holder() { # LOCK: holds it until the file "go" is there
    vxc lock run "$1" -- sh -c 'touch held; until [ -e go ]; do sleep 0.02; done' 3>&- &
    holder=$!
    cli_wait_until 10 test -e held
}

@test "lock run: token, child's status, 126 and 127" {
    exits 0 vxc lock run l -- sh -c 'echo $VERTX_CLUSTER_FENCING_TOKEN'
    first=$output
    exits 0 vxc lock run l -- sh -c 'echo $VERTX_CLUSTER_FENCING_TOKEN'
    [ "$output" -gt "$first" ]
    exits 42 vxc lock run l -- sh -c 'exit 42'
    exits 127 vxc lock run l -- /nosuchprogram
    exits 126 vxc lock run l -- /etc/passwd
    exits 143 vxc lock run l -- sh -c 'kill -TERM $$'
    exits 0 vxc lock run l printf %s --timeout
    prints --timeout
}

@test "lock run: a held lock is exit 4, or is waited for" {
    start_holder busy
    exits 4 vxc lock run busy --no-wait -- true
    says 'held'
    exits 4 vxc lock run busy --wait 200ms -- true
    exits 0 vxc lock info busy -o json
    jq -e '.held and .waiting == 0' <<<"$output"
    vxc lock run busy -- echo waited >out 2>err 3>&- &
    waiter=$!
    cli_wait_until 10 bash -c 'vxc lock info busy -o json | jq -e ".waiting == 1 and (.queue | length) == 1" >/dev/null'
    exits 0 vxc lock list -o json
    jq -e '.[] | select(.name == "busy") | .waiting == 1' <<<"$output"
    touch go
    wait "$waiter"
    [ "$(cat out)" = waited ]
    wait "$holder"
    exits 1 vxc lock info busy
}

@test "lock run: signals go to the child, and an interrupted wait leaves the queue" {
    vxc lock run signals -- sh -c 'trap "exit 9" TERM; touch ready; while :; do sleep 0.02; done' 3>&- &
    run=$!
    cli_wait_until 10 test -e ready
    vxc lock run signals -- true 2>err 3>&- &
    waiter=$!
    cli_wait_until 10 grep -q waiting err
    kill -TERM "$waiter"
    status=0
    wait "$waiter" || status=$?
    [ "$status" -eq 143 ]
    exits 0 vxc lock info signals -o json
    jq -e '.waiting == 0' <<<"$output"
    kill -TERM "$run"
    status=0
    wait "$run" || status=$?
    [ "$status" -eq 9 ]
    exits 0 vxc lock run signals --no-wait -- true
}

@test "lock acquire and release across commands" {
    exits 0 vxc lock acquire kept --lease 30s -o json
    handle=$(jq -r .handle <<<"$output")
    jq -e '.token > 0' <<<"$output"
    exits 4 vxc lock run kept --no-wait -- true
    exits 4 vxc lock acquire kept --no-wait
    exits 0 vxc lock release kept "$handle"
    exits 1 vxc lock release kept "$handle"
    exits 2 vxc lock release kept nonsense
    exits 0 vxc lock run kept --no-wait -- true
    exits 2 vxc lock acquire kept --lease 1ms
}

@test "lock destroy" {
    exits 7 vxc lock destroy nosuchlock
    exits 1 vxc lock destroy nosuchlock --yes
}

watch_into() { # FILE WATCH…
    local file=$1
    shift
    timeout 30 vxc watch "$@" >"$file" 2>"$file.err" 3>&- &
    watcher=$!
    cli_wait_until 10 grep -q watching "$file.err"
}

@test "watch: a map's puts, removals and expiries, in order" {
    watch_into events map w --count 4
    vxc map put w a 1
    vxc map remove w a
    vxc map put w b 2 --ttl 50ms
    wait "$watcher"
    [ "$(jq -c '[.event,.name,.key,.value]' events | tr -d '\n')" = \
        '["put","w","a","1"]["remove","w","a",null]["put","w","b","2"]["expire","w","b",null]' ]
    [ "$(jq .index events | sort -n)" = "$(jq .index events)" ]
}

@test "watch: one key only" {
    watch_into events map wk k --count 1
    vxc map put wk other 1
    vxc map put wk k 2
    wait "$watcher"
    [ "$(jq -r .key events)" = k ]
}

@test "watch: sets, multimaps, counters and locks" {
    watch_into set.events set ws --count 1
    set_watcher=$watcher
    watch_into multimap.events multimap wm --count 1
    multimap_watcher=$watcher
    watch_into counter.events counter wc --count 1
    counter_watcher=$watcher
    watch_into lock.events lock wl --count 2
    lock_watcher=$watcher
    vxc set add ws a
    vxc multimap put wm k v
    vxc counter add wc 7
    vxc lock run wl -- true
    wait "$set_watcher" "$multimap_watcher" "$counter_watcher" "$lock_watcher"
    jq -e '.event == "put"' set.events
    jq -e '.event == "put" and .key == "k"' multimap.events
    jq -e '.value == 7' counter.events
    [ "$(jq -r .event lock.events | tr '\n' ' ')" = 'locked unlocked ' ]
}

@test "node join, list, get; watch members; 143 on SIGTERM" {
    watch_into events members --count 2
    vxc node join n1 --info 'host a' 2>join.err 3>&- &
    node=$!
    cli_wait_until 10 grep -q joined join.err
    exits 0 vxc node list -o json
    jq -e '.[] | select(.node == "n1") | .info == "host a"' <<<"$output"
    exits 0 vxc node get n1
    prints 'host a'
    exits 1 vxc node get nosuchnode
    exits 0 vxc session list -o json
    session=$(jq '.[] | select(.node == "n1") | .session' <<<"$output")
    exits 0 vxc session get "$session" -o json
    jq -e '.kind == "managed" and .connected' <<<"$output"
    kill -TERM "$node"
    status=0
    wait "$node" || status=$?
    [ "$status" -eq 143 ]
    wait "$watcher"
    [ "$(jq -r .event events | tr '\n' ' ')" = 'joined left ' ]
    exits 1 vxc session get "$session"
}

@test "session expire ends what the session held" {
    start_holder expired
    session=$(vxc lock info expired -o json | jq .session)
    exits 7 vxc session expire "$session"
    exits 0 vxc session expire "$session" --yes
    status=0
    wait "$holder" || status=$?
    [ "$status" -eq 143 ]
    exits 0 vxc lock run expired --no-wait -- true
    exits 1 vxc session expire "$session" --yes
}

@test "registration list and get of nothing" {
    exits 0 vxc registration list -o json
    prints '[]'
    exits 1 vxc registration get nosuchaddress
}

@test "watch ends with 130 on SIGINT and 143 on SIGTERM" {
    watch_into events map ends
    kill -TERM "$(pgrep -P "$watcher" vxc)"
    status=0
    wait "$watcher" || status=$?
    [ "$status" -eq 143 ]
    watch_into events map ends
    kill -INT "$(pgrep -P "$watcher" vxc)"
    status=0
    wait "$watcher" || status=$?
    [ "$status" -eq 130 ]
}
