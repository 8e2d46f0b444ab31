#!/bin/bash
# Images between nodes: a backup that is too far behind gets one while writes go on, also when it is
# killed in the middle, and so does an empty new member; a damaged or missing state is repaired from a
# peer, a damaged log or vote is not, and says how to come back. Afterwards all members have the same
# digest.
#
# CATCHUP_MB of log behind which the backup is left (default 200; the log keeps 64 for slow ones)
# timeout: 600
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
# shellcheck source=../lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

megabytes=${CATCHUP_MB:-200}
leave_behind() {
    vxc bench --op map-put --pipeline 8 --keys 50 --value-size 1000000 --count "$megabytes" \
        --no-fill >"$work/bench.log" 2>&1
}

is_empty() {
    [ -z "$(ls -A "$1" 2>/dev/null)" ]
}

is_gone() {
    [ ! -e "$1" ]
}

damage_state() {
    local seed
    for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do
        damage_file "$work/$1/state/data.mdb" garbage "$seed" >/dev/null
    done
}

members_begin 3
backup=$(member_beside "$primary")
vxc map put m k v || give_up "a write"

# ---- too far behind ----

member_kill "$backup"
leave_behind || give_up "writes without one backup" "$(tail -n 3 "$work/bench.log")"
writer_begin
member_start "$backup"
check 'a backup that is far behind is sent an image' \
    wait_until 30 member_said image_fetch_begun "$backup"
arrived() {
    stat -c %s "$work/$backup/incoming/image.part" 2>/dev/null || echo 0
}
has_some() {
    [ "$(arrived)" -gt 4000000 ]
}
check 'some of it arrives' wait_until 30 has_some
kill -STOP "${member_pids[$backup]}"
had=$(arrived)
member_kill "$backup"
equal 'not all of it' 0 "$(grep -c image_fetched "$work/$backup.log")"
member_start "$backup"
check 'killed in the middle, it goes on where it was' wait_until 30 member_said image_fetch_resumed "$backup"
# One part may have been half written.
goes_on_with_all() {
    local at
    at=$(sed -n 's/.* image_fetch_resumed .* at=\([0-9]*\).*/\1/p' "$work/$backup.log" | tail -n 1)
    [ "$at" -le "$had" ] && [ "$at" -gt $((had - 1100000)) ]
}
check 'with all that had arrived' goes_on_with_all
check 'and installs the image' wait_until 90 member_said image_installed "$backup"
check 'the writer was served all the time' kill -0 "$writer"
writer_end
members_are_alike 'after the image'
check 'nothing of the image is left with the backup' wait_until 10 is_gone "$work/$backup/incoming"
check 'nor with the primary' wait_until 10 is_empty "$work/$primary/outgoing"
member_kill "$backup"
member_start "$backup"
check 'started again it needs no image' wait_until 60 members_agree
if member_said image_ "$backup"; then not_ok 'and asks for none'; else ok 'and asks for none'; fi

# ---- a new member ----

# The log no longer begins with entry 1, so it cannot be brought up to date by the log alone.
vxc member add "127.0.0.1:${member_ports[4]}" --id 4 --wait 90s >"$work/add.log" 2>&1 &
at_exit "kill $! 2>/dev/null"
is_added() {
    vxc member list -o json 2>/dev/null | grep -q '"id": *4'
}
check 'a new member is added' wait_until 20 is_added
member_start 4 --join "${VERTX_CLUSTER_ENDPOINTS//,*/}"
check 'an empty node gets an image' wait_until 60 member_said image_installed 4
check 'and becomes a voter' wait_until 60 grep -q 'caught up and is a voter' "$work/add.log"
members_are_alike 'a new member'
check 'and is removed again' vxc member remove 4 --yes
member_kill 4
unset 'member_pids[4]'

# ---- a damaged state ----

repaired() {
    local what=$1 number=$2
    check "$what: it says so" member_said state_damaged "$backup"
    check "$what: it gets another one" wait_until 60 member_said state_repaired "$backup"
    check "$what: the damaged one is kept" test -d "$work/$backup/state.damaged-$number"
    members_are_alike "$what"
}

member_stop "$backup"
damage_state "$backup"
member_start "$backup"
repaired 'a damaged state' 1
member_stop "$backup"
damage_state "$backup"
vxc map put m k2 v2
member_start "$backup"
repaired 'damaged again' 2
check 'the older one is gone' is_gone "$work/$backup/state.damaged-1"
member_kill "$backup"
damage_state "$backup"
writer_begin
member_start "$backup"
check 'damaged while writes go on: it gets another one' \
    wait_until 60 member_said state_repaired "$backup"
writer_end
members_are_alike 'damaged while writes go on'

member_kill "$backup"
rm -rf "$work/$backup/state"
member_start "$backup"
check 'a missing state: it gets another one' wait_until 60 member_said state_repaired "$backup"
members_are_alike 'a missing state'

# Without anybody who could help it waits. One peer is enough, which need not be primary, and cannot
# become it before: there is no majority without the one that waits.
mapfile -t others < <(printf '%s\n' 1 2 3 | grep -vx "$backup") # one of them may not be primary any more
for id in 1 2 3; do
    member_kill "$id"
done
damage_state "$backup"
member_start "$backup"
equal 'alone with a damaged state a member waits' repairing "$(member_value "$backup" role)"
member_start "${others[0]}"
check 'a peer that is no primary helps it' wait_until 60 member_said state_repaired "$backup"
check 'then the two are a majority' members_elect
member_start "${others[1]}"
members_are_alike 'after all were down'
equal 'what was written is there' v "$(vxc map get m k)"

# ---- what peers cannot give back ----

# refused_with FILE…: damages files of the stopped backup, which then ends with 6 and says what to do.
refused_with() {
    local what=$1 file seed
    shift
    member_stop "$backup"
    cp -a "$work/$backup" "$work/kept"
    for file in "$@"; do
        for seed in 1 2 3 4; do
            damage_file "$work/$backup/$file" garbage "$seed" >/dev/null
        done
    done
    member_start "$backup"
    member_wait "$backup"
    equal "$what: it does not start" 6 "$member_status"
    check "$what: it says how to come back" member_said "vxc member remove $backup" "$backup"
    rm -rf "${work:?}/$backup"
    mv "$work/kept" "$work/$backup"
    member_start "$backup"
}

backup=$(member_beside "$primary")
refused_with 'a damaged vote' vote/vote-a vote/vote-b
refused_with 'a damaged log' log/base-a log/base-b
finish
