#!/bin/bash
# A state that is damaged while its node runs: rows in the file change under it. Either a row is met, and
# the node ends rather than serve it; or a commit goes over it, the next checkpoint differs from that of
# the majority, and the node gets another state from a peer without an end. The id stays in both cases.
# (States that are found damaged by a start: catchup.sh.)
# timeout: 300
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
# shellcheck source=../lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

# rot ID VALUE: another checksum for all rows of that value, also in pages that no longer count. It stands
# 17 bytes before the value of a map's entry, with flags and version in between (docs/format.md).
rot() {
    python3 - "$work/$1/state/data.mdb" "$2" <<'PY'
import sys
with open(sys.argv[1], "r+b", buffering=0) as file:
    data, value = file.read(), sys.argv[2].encode()
    at = data.find(value)
    if at < 0:
        sys.exit("no row has " + sys.argv[2])
    while at >= 0:
        file.seek(at - 17)
        file.write(bytes([data[at - 17] ^ 1]))
        at = data.find(value, at + 1)
PY
}

# Is all that it applied in its LMDB?
is_synced() {
    [ "$(member_value "$1" lmdb_applied_index)" = "$(member_value "$1" applied_index)" ]
}

put() {
    vxc --timeout 10s map put m "$1" "$2"
}

# put_damaged ID KEY: a row on that member's disk, damaged since it was written there.
put_damaged() {
    put "$2" "the value of $2 as it was" || give_up "a write"
    wait_until 10 members_agree || give_up "members agree"
    wait_until 10 is_synced "$1" || give_up "member $1 has it on its disk"
    rot "$1" "the value of $2 as it was" || give_up "the row of $2 is damaged"
}

# Writes all the time, and notes when each was acknowledged, in ms. What was under way at a primary that
# gives up its place has an unknown outcome, so one may fail; the next finds the new one.
client=''
client_begin() {
    while :; do vxc --timeout 10s counter add served 1 >/dev/null 2>&1 && date +%s%3N; done >"$work/served.log" &
    client=$!
}

# shellcheck disable=SC2317 # called at the end of the test too
client_end() {
    [ -z "$client" ] || { kill "$client" && wait "$client"; } 2>/dev/null
    client=''
}
at_exit client_end

# was_served MS: never longer than that without an acknowledged write.
was_served() {
    date +%s%3N | awk -v most="$1" '
        NR > 1 && $1 - before > most { bad = 1; print $1 - before " ms without a write" }
        { before = $1 }
        END { exit bad || NR < 10 }' "$work/served.log" -
}

# is_whole WHAT ID NUMBER: that member, once its state has been replaced.
is_whole() {
    local what=$1 id=$2 number=$3
    check "$what: the damaged one is kept" test -d "$work/$id/state.damaged-$number"
    check "$what: its place in the cluster is the same" wait_until 20 members_elect
    members_are_alike "$what"
    check "$what: checkpoints say the same" vxc status --checkpoint
}

# ---- a checkpoint that differs ----

# differs WHAT ID: what a checkpoint finds on that member is repaired while it runs.
differs() {
    local what=$1 id=$2 pid=${member_pids[$2]}
    check "$what: no checkpoint differs so far" vxc status --checkpoint
    put_damaged "$id" "rotten$id"
    client_begin
    check "$what: it does not notice at once" put "rotten$id" "the value that went over it"
    wait_until 10 members_agree || give_up "members agree"
    vxc status --checkpoint >"$work/checkpoint.log" 2>&1
    check "$what: the checkpoint finds it" wait_until 20 member_said 'state_damaged.*its digest at entry' "$id"
    check "$what: the others go on" put during "$id"
    check "$what: it gets another state" wait_until 60 member_said state_repaired "$id"
    check "$what: a client was served all the time" was_served 5000
    client_end
    is_whole "$what" "$id" 1
    members_find_primary
    equal "$what: what was written last is there" 'the value that went over it' "$(vxc map get m "rotten$id")"
    equal "$what: it is the same process" "$pid" "${member_pids[$id]}"
    check "$what: which never ended" kill -0 "$pid"
    if member_said_elsewhere 'state_damaged' "$id"; then
        not_ok "$what: and nobody else was repaired"
    else
        ok "$what: and nobody else was repaired"
    fi
}

# member_said_elsewhere PATTERN ID: did another member say so?
member_said_elsewhere() {
    local id
    for id in "${!member_pids[@]}"; do
        [ "$id" = "$2" ] || ! member_said "$1" "$id" || return 0
    done
    return 1
}

members_begin 3
backup=$(member_beside "$primary")
differs 'a backup' "$backup"
member_stop "$backup"
member_start "$backup"
check 'a start finds the repaired state whole' wait_until 10 members_agree
if member_said state_damaged "$backup"; then not_ok 'and says nothing of damage'; else ok 'and says nothing of damage'; fi
members_elect
differs 'a primary' "$primary"

# ---- a row that is met ----

# cold ID: that member has no rows in memory.
cold() {
    wait_until 10 is_synced "$1"
    member_stop "$1"
    member_start "$1"
    wait_until 10 members_agree || give_up "member $1 comes back"
}

# ended WHAT ID NUMBER: it ended because of what it met; a start repairs it.
ended() {
    member_wait "$2"
    equal "$1: it ends with 6" 6 "$member_status"
    check "$1: it names the row" member_said 'checksum' "$2"
    members_elect || give_up 'the others have a primary'
    member_start "$2"
    check "$1: it gets another state" wait_until 60 member_said state_repaired "$2"
    is_whole "$1" "$2" "$3"
}

backup=$(member_beside "$primary")
for key in applied read; do
    put "$key" "the value of $key as it was" || give_up 'writes'
done
wait_until 10 members_agree
cold "$backup"
rot "$backup" 'the value of applied as it was'
check 'a backup meets a damaged row: the write is taken' put applied 'another value'
number=$(find "$work/$backup" -name 'state.damaged-*' | wc -l)
ended 'a backup meets a damaged row' "$backup" $((number + 1))

cold "$backup"
check 'it becomes the primary' vxc member transfer "$backup"
rot "$backup" 'the value of read as it was'
if answer=$(vxc --timeout 20s map get m read 2>&1); then # from another one, when it ended first
    equal 'a primary meets a damaged row: the reader gets what was written' 'the value of read as it was' "$answer"
else
    equal 'a primary meets a damaged row: the reader is told' 'vxc: map get m: the state on this node is damaged' "$answer"
fi
equal 'asked again, another one has it' 'the value of read as it was' "$(vxc --timeout 20s map get m read)"
ended 'a primary meets a damaged row' "$backup" $((number + 2))
finish
