#!/usr/bin/env bash
# timeout: 180
# One node grows to three while it is written to, survives the end of its founder, and loses a member
# that is removed: who that was ends, and does not come back.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
# shellcheck source=../lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

put() {
    vxc --timeout 10s map put m "$1" "$2"
}

role() {
    vxc member list -o json 2>/dev/null | jq -r ".. | objects | select(.id? == $1 and .role?) | .role" | head -n 1
}

is_voter() {
    [ "$(role "$1")" = backup ] || [ "$(role "$1")" = primary ]
}

# join ID: starts it before it was added, adds it, waits until it is a voter.
join() {
    local id=$1
    member_start "$id" --join "$VERTX_CLUSTER_ENDPOINTS"
    check "node $id is told that it has to be added" wait_until 10 member_said 'code=ENOTFOUND' "$id"
    check "node $id is told how" member_said "vxc member add 127.0.0.1:${member_ports[$id]}" "$id"
    check "node $id is added and becomes a voter" vxc --timeout 30s member add "127.0.0.1:${member_ports[$id]}"
    check "node $id is one" wait_until 10 is_voter "$id"
    VERTX_CLUSTER_ENDPOINTS+=,127.0.0.1:${member_ports[$id]}
}

# A writer that counts what was acknowledged, all the time.
write_on() {
    local i=0
    until [ -e "$work/enough" ]; do
        vxc --timeout 20s map put w "$i" "$i" >/dev/null 2>>"$work/writer.err" && echo "$i" >>"$work/written"
        i=$((i + 1))
    done
}

members_begin 1
check 'one node alone is a cluster' put before joining
write_on &
writer=$!
join 2
join 3
check 'all have everything' wait_until 10 members_agree

# ---- the founder ends ----

founder=$primary
members=$VERTX_CLUSTER_ENDPOINTS
member_kill "$founder"
check 'the two others go on without the founder' put after founder
equal 'with what it knew' joining "$(vxc map get m before)"
member_start "$founder" # its data know the others
check 'and it comes back' wait_until 10 members_agree
: >"$work/enough"
wait "$writer"
equal 'every acknowledged write is there' "$(sort -u "$work/written")" \
    "$(vxc map keys w | sort -u | comm -12 - <(sort -u "$work/written"))"
check 'and there were some' test "$(wc -l <"$work/written")" -gt 20

# ---- one is removed ----

join 4
members_elect || give_up 'a primary'
removed=$(member_beside "$primary" 4)
check "node $removed is removed" vxc --timeout 20s member remove "$removed"
member_wait "$removed"
equal 'the removed one ends with status 6' 6 "$member_status"
check 'and says so' member_said 'was removed' "$removed"
check 'the others go on' put removed 1
member_start "$removed"
member_wait "$removed"
equal 'it does not come back under its id' 6 "$member_status"
export VERTX_CLUSTER_ENDPOINTS=$members
check 'all is well in the end' wait_until 10 members_agree
finish
