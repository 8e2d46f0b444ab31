#!/usr/bin/env bash
# timeout: 240
# Three nodes on loopback as one: they elect a primary, replicate, survive its end, and recognise a
# member whose disk was wiped or put back to an older copy.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
# shellcheck source=../lib/cluster.sh
. "$(dirname "$0")/../lib/cluster.sh"

put() {
    vxc --timeout 10s map put m "$1" "$2"
}

# ---- election and replication ----

openssl rand -hex 32 >"$work/secret"
chmod 600 "$work/secret"
options=(--secret-file "$work/secret")
members_begin 3 "${options[@]}"
ok 'three nodes elect a primary'
check 'a write is taken' put first 1
equal 'and read' 1 "$(vxc map get m first)"
check 'every node applies it' wait_until 10 members_agree

# ---- the primary's end ----

for round in 1 2; do
    old=$primary
    before=$(now_ms)
    member_kill "$old"
    check "round $round: a write is taken after kill -9 of the primary" put "killed$round" "$round"
    echo "# a write again $(($(now_ms) - before)) ms after kill -9"
    members_elect || give_up 'another primary'
    equal "round $round: what was acknowledged before is there" 1 "$(vxc map get m first)"
    member_start "$old" --initial-cluster "$initial" "${options[@]}"
    check "round $round: the killed one comes back and catches up" wait_until 10 members_agree
done

old=$primary
before=$(now_ms)
member_stop "$old"
equal 'a primary that is told to stop does' 0 "$member_status"
check 'a write is taken by the one that took over' put handed 1
echo "# a write again $(($(now_ms) - before)) ms after SIGTERM"
member_start "$old" "${options[@]}" # without --initial-cluster: its data know
check 'who stopped comes back by what its data know' wait_until 10 members_agree

# ---- disks that forgot ----

# Waits until the member has ended by itself, with status 6 and a text.
ends_for() {
    local name=$1 id=$2 text=$3
    member_wait "$id"
    equal "$name: exit status 6" 6 "$member_status"
    check "$name: it says so" member_said "$text" "$id"
    check "$name: it says how to come back" member_said 'under a new --node-id with --join' "$id"
    check "$name: the others go on" put after "$name"
}

lost=$(member_beside "$primary")
member_stop "$lost"
mv "$work/$lost" "$work/kept"
member_start "$lost" --initial-cluster "$initial" "${options[@]}"
ends_for 'wiped disk' "$lost" 'its disk was wiped'
rm -rf "${work:?}/$lost"
mv "$work/kept" "$work/$lost"
member_start "$lost" "${options[@]}"
check 'with its own disk again it is welcome' wait_until 10 members_agree

for starts in 1 2; do # since the copy was made
    member_kill "$lost"
    rm -rf "$work/copy"
    cp -a "$work/$lost" "$work/copy"
    for ((i = 0; i < starts; i++)); do
        member_start "$lost" "${options[@]}"
        put "since$starts" "$i"
        check "$starts starts since the copy: start $i" wait_until 10 members_agree
        member_kill "$lost"
    done
    rm -rf "$work/kept"
    mv "$work/$lost" "$work/kept"
    mv "$work/copy" "$work/$lost"
    member_start "$lost" "${options[@]}"
    ends_for "older copy, $starts starts later" "$lost" 'older copy of its data directory'
    rm -rf "${work:?}/$lost"
    mv "$work/kept" "$work/$lost"
    member_start "$lost" "${options[@]}"
    check 'with the newest disk it is welcome' wait_until 10 members_agree
done

# ---- strangers ----

printf 'another secret of enough bytes' >"$work/other"
chmod 600 "$work/other"
member_stop "$lost"
member_start "$lost" --secret-file "$work/other"
check 'a wrong secret is told on its side' wait_until 10 member_said 'code=ESECRET' "$lost"
check 'and on the others' wait_until 10 member_said 'code=ESECRET' "$primary"
check 'which go on' put after secret
member_stop "$lost"
chmod 640 "$work/secret"
member_start "$lost" --secret-file "$work/secret"
member_wait "$lost"
equal 'a secret that others may read is refused' 2 "$member_status"
check 'with the command that helps' member_said "chmod 600" "$lost"
chmod 600 "$work/secret"
member_start "$lost" --initial-cluster "1=127.0.0.1:${member_ports[1]},2=127.0.0.1:${member_ports[2]}" "${options[@]}"
member_wait "$lost"
equal 'an --initial-cluster that contradicts is refused' 2 "$member_status"
member_start "$lost" "${options[@]}"
check 'all is well in the end' wait_until 10 members_agree
finish
