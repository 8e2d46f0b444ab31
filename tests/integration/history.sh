#!/usr/bin/env bash
# timeout: 200
# What clients see of one node that is killed again and again can be explained by one order of all
# operations (tests/porcupine), and the checker sees what cannot.
#
# HISTORY_SECONDS (default 20) of work, a kill each one or two seconds.
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"
seconds=${HISTORY_SECONDS:-20}
checker=$repository/tests/porcupine

# ---- the checker's own tests, one line each ----
(cd "$checker" && go vet ./... && go test -count=1 -v ./...) >"$work/go.log" 2>&1
go_status=$?
sed -nE 's/^ *--- PASS: ([^ ]*).*/ok checker: \1/p; s/^ *--- FAIL: ([^ ]*).*/not ok checker: \1/p' "$work/go.log"
equal 'the checker finds what is planted, and nothing else' 0 "$go_status"
[ "$go_status" -eq 0 ] || tail -n 40 "$work/go.log" | sed 's/^/#   /'

# ---- bad input ----
status_of() {
    "$@" >/dev/null 2>&1
    echo $?
}
equal 'without endpoints, or with what is no number: 2' '2 2 2 2' "$(status_of vxc-history --out /dev/null) $(
    status_of vxc-history -e 127.0.0.1:1 --out /dev/null --clients 0) $(
    status_of vxc-history -e 127.0.0.1:1 --out /dev/null --mix map=1,cup=2) $(
    status_of vxc-history -e 127.0.0.1:1 --out "$work/no/such/folder")"
equal 'a cluster that is not there: 1' 1 "$(status_of vxc-history -e 127.0.0.1:1 --seconds 0.5 --final-seconds 0 \
    --out /dev/null)"
printf '{"f":"map_get"}\n' >"$work/odd.jsonl"
equal 'lines that are no record: 2' 2 "$(status_of "$checker/check" "$work/odd.jsonl")"

# ---- a node that is killed ----
node_start "$work/data"
port=${VERTX_CLUSTER_ENDPOINTS##*:}
vxc-history -e "$VERTX_CLUSTER_ENDPOINTS" --clients 8 --seconds "$seconds" --keys 20 --session-ms 3000 \
    --out "$work/h.jsonl" 2>"$work/h.err" &
history=$!
at_exit "kill -9 $history 2>/dev/null"
kills=0
end=$(($(now_ms) + seconds * 1000))
while [ "$(now_ms)" -lt "$end" ]; do
    nap "$((RANDOM % 2)).$((RANDOM % 10))5" # the moment is what is random here
    node_kill
    kills=$((kills + 1))
    node_start "$work/data" --port "$port"
done
history_status=0
wait "$history" || history_status=$?
equal "vxc-history ends well beside $kills kills, and reads every key at the end" 0 "$history_status"
sed 's/^/# /' "$work/h.err"
verdict=$("$checker/check" -html "$work/violation.html" "$work/h.jsonl" 2>&1)
equal "a node that is killed: $verdict" 0 "$?"
if [ -n "${VXC_KEEP:-}" ]; then cp "$work/h.jsonl" "$work"/*.html "$VXC_KEEP/" 2>/dev/null; fi

# ---- the control: what the node has forgotten is found ----
sed 's/"st":"ok","v":"[^"]*"/"st":"ok","v":null/; t' "$work/h.jsonl" | head -n 5000 >"$work/forgotten.jsonl"
verdict=$("$checker/check" -html "$work/violation.html" "$work/forgotten.jsonl" 2>&1)
equal 'control: values that were read as nothing are found' 1 "$?"
node_stop
finish
