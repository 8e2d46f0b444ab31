#!/bin/bash
# A cluster of three made from one snapshot: each node is restored by itself, and they are one
# cluster, with the data of the snapshot and one state; a node made from anything else is none of it.
# timeout: 180
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"

# ---- the snapshot ----

node_start "$work/old"
for i in 1 2 3 4 5 6 7 8 9; do
    vxc map put kept "key$i" "value$i"
done
vxc counter add kept 41 >"$work/out"
# shellcheck disable=SC2016 # the command expands it
token() { vxc lock run kept -- sh -c 'echo "$VERTX_CLUSTER_FENCING_TOKEN"'; }
vxc snapshot save "$work/s.snap" || give_up 'a snapshot is saved'
old_token=$(token) # which the snapshot does not know of
vxc map put kept key1 later
vxc snapshot save "$work/later.snap" || give_up 'a later snapshot is saved'
node_stop

# ---- three nodes of it ----

free_ports() { # COUNT
    python3 -c 'import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in held])' "$1"
}
read -r -a ports <<<"0 $(free_ports 3)" # by node id
list=1=127.0.0.1:${ports[1]},2=127.0.0.1:${ports[2]},3=127.0.0.1:${ports[3]}
export VERTX_CLUSTER_ENDPOINTS=127.0.0.1:${ports[1]},127.0.0.1:${ports[2]},127.0.0.1:${ports[3]}
pids=(0 '' '' '')

restored() { # ID FILE LIST
    vxc snapshot restore "$2" --data "$work/d$1" --node-id "$1" --initial-cluster "$3"
}

start() { # ID: without --initial-cluster, for the restored state knows its members
    vxcd --data "$work/d$1" --node-id "$1" --port "${ports[$1]}" >"$work/log$1" 2>&1 &
    pids[$1]=$!
    wait_until 30 grep -q ready "$work/log$1" ||
        give_up "node $1 starts" "$(tail -n 5 "$work/log$1")"
}

end() { # ID SIGNAL
    kill "-$2" "${pids[$1]}" 2>/dev/null
    wait "${pids[$1]}" 2>/dev/null
    pids[$1]=''
}
# shellcheck disable=SC2016 # evaluated at the end
at_exit 'for pid in "${pids[@]:1}"; do [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; done'

# state ID: what its directory shows, without what a node has for itself.
state() {
    vxc dump --data "$work/d$1"
}

refused_write() {
    ! vxc --timeout 1s map put new key value
}

move_away_and_restore() { # ID FILE LIST
    mv "$work/d$1" "$work/moved$1.$RANDOM" && restored "$@"
}

for id in 1 2 3; do
    check "node $id is restored" restored "$id" "$work/s.snap" "$list"
done
equal 'nodes 1 and 2 begin with one state' "$(state 1)" "$(state 2)"
equal 'nodes 1 and 3 begin with one state' "$(state 1)" "$(state 3)"

start 1
check 'one of three cannot decide anything' refused_write
start 2
check 'two of three can' wait_until 30 vxc --timeout 2s map put new key value
equal 'the data of the snapshot are there' value1 "$(vxc map get kept key1)"
equal 'all of them' 9 "$(vxc map size kept)"
equal 'counters too' 41 "$(vxc counter get kept)"
new_token=$(token)
check 'fencing tokens are above those that were given after the save' \
    [ "$new_token" -gt "$old_token" ]

# ---- who is none of it ----

check 'a third node from another snapshot is made' move_away_and_restore 3 "$work/later.snap" "$list"
start 3
check 'the others refuse it: it is of another cluster' wait_until 30 grep -q 'node 3 is of another cluster' "$work/log3"
equal 'and it tells nobody what it has' value1 "$(vxc map get kept key1)"
end 3 KILL

# ---- the right one, later, and a failover ----

check 'the third node from the same snapshot is made' move_away_and_restore 3 "$work/s.snap" "$list"
start 3
caught_up() { [ "$(vxc --timeout 2s -e "127.0.0.1:${ports[$1]}" status -o json | jq .applied_index)" -ge "$2" ]; }
index=$(vxc map put new key2 value -o json | jq .index)
check 'node 3 has what was written since' wait_until 30 caught_up 3 "$index"
primary=$(vxc status -o json | jq .primary_id)
end "$primary" KILL
check "the others go on without node $primary" wait_until 30 vxc --timeout 2s map put new key3 value
equal 'with all data' value2 "$(vxc map get kept key2)"
start "$primary"
index=$(vxc map put new key4 value -o json | jq .index)
for id in 1 2 3; do
    check "node $id has all" wait_until 30 caught_up "$id" "$index"
done
for id in 1 2 3; do
    end "$id" TERM
done
data() { state "$1" | grep -v '"db":"\(meta\|cluster\|sessions\)"'; }
equal 'nodes 1 and 2 end with the same data' "$(data 1)" "$(data 2)"
equal 'nodes 1 and 3 end with the same data' "$(data 1)" "$(data 3)"
finish
