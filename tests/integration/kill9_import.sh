#!/bin/bash
# Real input and kill -9: every record that `apt-cache dumpavail` prints, imported by package name.
#
# In each round a part of the records is imported into a map of its own while the node is killed at a
# random moment and started again at once, on the same port. After the restart every entry that had
# been acknowledged is there with its value, nothing is there that was not sent, and the maps of the
# rounds before are unchanged. At the end all records are imported, with kills before and after the
# last acknowledgement, and the export equals the input.
#
# KILL9_ROUNDS (default 12), KILL9_SEED
# timeout: 900
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"

rounds=${KILL9_ROUNDS:-12}
seed=${KILL9_SEED:-$RANDOM}
RANDOM=$seed
echo "# seed $seed, $rounds rounds"
data=$work/data

# Records to JSON lines. A name that occurs twice (two versions) keeps its last record, as an import
# in order does. Bytes that are no UTF-8 are replaced here, for JSON cannot carry them.
apt-cache dumpavail | jq -Rsc '
    split("\n\n")[] | select(startswith("Package: ") or contains("\nPackage: ")) |
    {key: capture("(^|\n)Package: (?<name>[^\n]+)").name, value: .}' >"$work/all.jsonl"
tac "$work/all.jsonl" | awk -F '"' '!seen[$4]++' | tac | jq -cS . >"$work/records.jsonl"
record_count=$(wc -l <"$work/records.jsonl")
[ "$record_count" -ge 10000 ] ||
    give_up 'apt-cache dumpavail gives at least 10000 records' "it gave $record_count: apt-get update"
ok "$record_count records of $(wc -c <"$work/records.jsonl") bytes from apt-cache dumpavail"

# lines_of KEYS: the records whose keys are in the file KEYS, sorted.
lines_of() {
    awk -F '"' 'NR == FNR { wanted[$0]; next } $4 in wanted' "$1" "$2" | sort
}

# acknowledged_are_there MAP ACKED SENT: prints what is wrong.
acknowledged_are_there() {
    map_lines "$1" | sort >"$work/there" || return 1
    lines_of "$2" "$3" >"$work/acknowledged"
    sort "$3" >"$work/sent"
    comm -23 "$work/acknowledged" "$work/there" >"$work/lost"
    comm -13 "$work/sent" "$work/there" >"$work/alien"
    [ ! -s "$work/lost" ] && [ ! -s "$work/alien" ] && return 0
    echo "lost: $(wc -l <"$work/lost"), never sent: $(wc -l <"$work/alien"), such as:"
    head -qn 1 "$work/lost" "$work/alien" | cut -c 1-200
    cp "$work/acknowledged" "$work/there" "${VXC_KEEP:-$work}" 2>/dev/null
    return 1
}

fingerprint() {
    map_lines "$1" | sha256sum
}

# kill_and_restart: at once, while the dead process may still be going away: a lock or a port that it
# held must not stop the new one. The port stays, as clients expect.
kill_and_restart() {
    local dead=$node
    {
        kill -9 "$dead"
        node_try "$data" --port "$port"
        wait "$dead"
    } 2>/dev/null # bash tells of each killed child
    [ -z "$node_status" ] || give_up "a restart right after kill -9" "exit status $node_status"
    restarts=$((restarts + 1))
}

acked_at_least() {
    [ "$(stat -c %s "$work/acked")" -ge "$1" ]
}

restarts=0
node_start "$data"
port=${VERTX_CLUSTER_ENDPOINTS##*:}

# ---- readable by Debian's tools while the node runs ----
vxc map put live first 'visible-to-mdb-dump'
put_ms=$(now_ms)
visible() {
    mdb_dump -p -s maps "$data/state" 2>/dev/null | grep -q 'visible-to-mdb-dump'
}
wait_until 10 visible
delay_ms=$(($(now_ms) - put_ms))
if [ "$delay_ms" -le 2000 ]; then
    ok "mdb_dump shows a value $delay_ms ms after it was put"
else
    not_ok 'mdb_dump shows a value at most 2 s after it was put' "it took $delay_ms ms"
fi
check 'mdb_stat reads the state of the running node' mdb_stat -a "$data/state"

# ---- rounds: killed during the import ----
prints=()
cut_short=0
for ((round = 1; round <= rounds; round++)); do
    map=round$round
    shuf -n 15000 --random-source=<(yes "$seed.$round") "$work/records.jsonl" >"$work/part.jsonl"
    whole=$(awk -F '"' '{ size += length($4) + 1 } END { print size }' "$work/part.jsonl")
    : >"$work/acked"
    vxc map import "$map" "$work/part.jsonl" --acked "$work/acked" >/dev/null 2>"$work/import.err" &
    import=$!
    wait_until 20 acked_at_least $(((RANDOM * 32768 + RANDOM) % whole))
    [ "$(wc -l <"$work/acked")" -ge 15000 ] || cut_short=$((cut_short + 1))
    # In every second round the client dies too; else it goes on with the new node.
    [ $((round % 2)) -eq 0 ] || kill -9 "$import"
    kill_and_restart
    wait "$import" 2>/dev/null
    acked_count=$(wc -l <"$work/acked")
    check "round $round: all $acked_count acknowledged entries survive kill -9" \
        acknowledged_are_there "$map" "$work/acked" "$work/part.jsonl"
    prints[round]=$(fingerprint "$map")
done
changed=''
for ((round = 1; round <= rounds; round++)); do
    [ "${prints[round]}" = "$(fingerprint "round$round")" ] || changed="$changed round$round"
done
equal 'the maps of earlier rounds are unchanged after all kills' '' "$changed"
if [ "$cut_short" -gt 0 ]; then
    ok "$cut_short of $rounds kills came before the last acknowledgement"
else
    not_ok 'some kills come before the last acknowledgement, or they prove nothing'
fi

# ---- all records, killed again and again until everything is acknowledged ----
rm -f "$work/acked"
cp "$work/records.jsonl" "$work/rest.jsonl"
for ((attempt = 1; attempt <= 40; attempt++)); do
    vxc map import packages "$work/rest.jsonl" --acked "$work/acked" >/dev/null 2>"$work/import.err" &
    import=$!
    if [ "$attempt" -le 3 ]; then
        nap "0.$(printf %03d $((200 + RANDOM % 800)))"
        kill_and_restart
    fi
    if wait "$import"; then break; fi
    awk -F '"' 'NR == FNR { done[$0]; next } !($4 in done)' "$work/acked" "$work/records.jsonl" >"$work/rest.jsonl"
done
check "all $record_count records are acknowledged after $attempt attempts" \
    test "$(sort -u "$work/acked" | wc -l)" -eq "$record_count"
kill_and_restart
export_equals_input() {
    map_lines packages | sort | cmp - <(sort "$work/records.jsonl")
}
check 'the export after kill -9 equals what was acknowledged' export_equals_input
equal 'the size of the map' "$record_count" "$(vxc map size packages)"

# ---- the same with a large state, and the restart itself ----
vxc map put live second 'visible-in-the-large-state'
nap 1.9
check 'mdb_dump of the large state shows a value put 2 s before' \
    grep -q 'visible-in-the-large-state' <(mdb_dump -p -s maps "$data/state" 2>/dev/null)
for ((i = 0; i < 10; i++)); do
    kill_and_restart
done
check 'the export is the same after ten more kills' export_equals_input
ok "$restarts restarts right after kill -9, none failed on a lock or a port; slowest ready in $ready_ms_max ms"
node_stop
equal 'SIGTERM ends the node with status 0' 0 "$node_status"
finish
