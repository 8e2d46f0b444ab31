#!/usr/bin/env bash
# timeout: 200
# Everything at once: all kinds of load by vxc bench, snapshots, status, dumps, watches and locks beside
# it, clients killed in the middle, a stop under load. Meant for a vxcd of a sanitizer's build, which
# must report nothing (tools/test runs it with the thread and the address sanitizer), by a client of
# the release build: VXC_CLIENT names that vxc, LOAD_SECONDS how long each load lasts.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
: "${VXC_CLIENT:=vxc}" "${LOAD_SECONDS:=4}"
export TSAN_OPTIONS="suppressions=$repository/tests/lib/tsan.supp halt_on_error=1 exitcode=66"
export ASAN_OPTIONS='halt_on_error=1 exitcode=67' LSAN_OPTIONS='exitcode=68'
# Without address randomization, which tsan of gcc 12 does not bear on newer kernels.
export VXC_NODE_WRAPPER='setarch -R' VXC_READY_SECONDS=60

node_start "$work/data"
started=$(now_ms)

# The loads: one of each kind, side by side, and one whose clients are killed again and again.
# All work on the same map with values of the same size, which each of them checks.
common=(--keys 2000 --value-size 300)
loads=()
for op in map-put map-get counter-add lock mixed ping; do
    "$VXC_CLIENT" bench --op "$op" --connections 6 --pipeline 32 "${common[@]}" \
        --seconds "$LOAD_SECONDS" --timeout 60s -o json >"$work/$op.json" 2>"$work/$op.err" &
    loads+=("$op:$!")
done
loaded() {
    kill -0 "${loads[0]#*:}" 2>/dev/null
}
(
    while loaded; do
        "$VXC_CLIENT" bench --op mixed --connections 20 --pipeline 64 "${common[@]}" --seconds 60 >/dev/null 2>&1 &
        nap 0.3
        kill -9 $! # with requests of twenty connections under way
        wait $! 2>/dev/null
    done
) &
killer=$!
(
    while loaded; do
        "$VXC_CLIENT" status -o json && "$VXC_CLIENT" dump >"$work/dump" && "$VXC_CLIENT" session list &&
            "$VXC_CLIENT" lock run busy -- true && "$VXC_CLIENT" map keys bench || exit 1
    done >/dev/null 2>"$work/look.err"
) &
looker=$!
"$VXC_CLIENT" watch map bench >"$work/events" 2>/dev/null &
watcher=$!

saved=0
while loaded; do
    "$VXC_CLIENT" --timeout 60s snapshot save "$work/s$saved.snap" >/dev/null 2>"$work/save.err" ||
        not_ok "snapshot $saved is saved under load" "$(cat "$work/save.err")"
    saved=$((saved + 1))
done

for load in "${loads[@]}"; do
    op=${load%%:*} status=0
    wait "${load#*:}" || status=$?
    equal "load $op ends well" '0 0' "$status $(jq .errors "$work/$op.json" 2>/dev/null)"
done
status=0
wait "$looker" || status=$?
equal 'status, dump, sessions, locks and scans answer meanwhile' 0 "$status"
[ "$status" -eq 0 ] || cat "$work/look.err"
wait "$killer"
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
check 'a watch saw changes' test -s "$work/events"
check 'at least one snapshot was saved' test "$saved" -gt 0
for ((i = 0; i < saved; i++)); do
    "$VXC_CLIENT" snapshot verify "$work/s$i.snap" >/dev/null || not_ok "snapshot $i is whole"
done

# A stop under load, and what was acknowledged before it.
"$VXC_CLIENT" map put kept key value >/dev/null || not_ok 'a value can be put'
"$VXC_CLIENT" bench --op mixed --connections 10 --pipeline 64 "${common[@]}" --seconds 60 >/dev/null 2>&1 &
load=$!
under_load() {
    [ "$(status_of inflight_requests)" != 0 ]
}
status_of() {
    "$VXC_CLIENT" status -o json | jq "[.. | .$1? | numbers] | add"
}
check 'a load is under way' wait_until 20 under_load
node_stop
equal 'a stop under load is a clean one' 0 "$node_status"
kill "$load" 2>/dev/null
wait "$load" 2>/dev/null
equal 'no sanitizer complains' '' "$(grep -E 'Sanitizer|runtime error' "$node_log")"
node_start "$work/data"
equal 'what was acknowledged is there' value "$("$VXC_CLIENT" map get kept key)"
node_stop
equal 'and stops again' 0 "$node_status"
equal 'no sanitizer complains of that' '' "$(grep -E 'Sanitizer|runtime error' "$node_log")"
echo "# $saved snapshots in $((($(now_ms) - started) / 1000)) s"
finish
