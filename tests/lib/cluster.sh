# shellcheck shell=bash disable=SC2154,SC2034 # work comes from node.sh; some variables are for the tests
# For the integration tests of several nodes, behind node.sh: members 1, 2, 3 … on loopback, each with
# its folder $work/ID and its log $work/ID.log. All of them end with the test.
member_pids=() # by id
member_ports=()

# free_ports COUNT: ports that nobody has now, one a line. Somebody may take one meanwhile:
# members_begin tries again.
free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets), sep="\n")
PY
}

# shellcheck disable=SC2317 # called at the end of the test
members_end() {
    local pid
    for pid in "${member_pids[@]}"; do
        { kill -9 "$pid" && wait "$pid"; } 2>/dev/null
    done
}
at_exit members_end

# member_said PATTERN ID
member_said() {
    grep -q -- "$1" "$work/$2.log" 2>/dev/null
}

member_is_settled() {
    member_said 'ready in' "$1" || ! kill -0 "${member_pids[$1]}" 2>/dev/null
}

# member_start ID [OPTION…]: starts it and waits until it listens or has ended.
member_start() {
    local id=$1
    shift
    : >"$work/$id.log"
    vxcd --data "$work/$id" --node-id "$id" --port "${member_ports[$id]}" "$@" >"$work/$id.log" 2>&1 &
    member_pids[id]=$!
    wait_until 30 member_is_settled "$id" || give_up "member $id is ready in 30 s" "$(cat "$work/$id.log")"
}

member_is_up() {
    kill -0 "${member_pids[$1]}" 2>/dev/null
}

# member_kill ID: as a power cut of the process.
member_kill() {
    kill -9 "${member_pids[$1]}" 2>/dev/null
    wait "${member_pids[$1]}" 2>/dev/null
}

# member_stop ID: SIGTERM; member_status is its exit status.
member_stop() {
    kill -TERM "${member_pids[$1]}"
    member_wait "$1"
}

# member_wait ID: until it ends by itself; member_status is its exit status.
member_wait() {
    member_status=0
    wait_until 30 member_is_gone "$1" || give_up "member $1 ends in 30 s" "$(tail -n 5 "$work/$1.log")"
    wait "${member_pids[$1]}" 2>/dev/null || member_status=$?
}

member_is_gone() {
    ! kill -0 "${member_pids[$1]}" 2>/dev/null
}

# members_begin COUNT [OPTION…]: a new cluster; initial is its --initial-cluster, and
# VERTX_CLUSTER_ENDPOINTS names all of its members.
members_begin() {
    local count=$1 id port ports
    shift
    mapfile -t ports < <(free_ports "$((count + 3))") # some more for those who join
    initial='' VERTX_CLUSTER_ENDPOINTS=''
    for ((id = 1; id <= count + 3; id++)); do
        port=${ports[$((id - 1))]}
        member_ports[id]=$port
        [ "$id" -le "$count" ] || continue
        initial+=${initial:+,}$id=127.0.0.1:$port
        VERTX_CLUSTER_ENDPOINTS+=${VERTX_CLUSTER_ENDPOINTS:+,}127.0.0.1:$port
    done
    export VERTX_CLUSTER_ENDPOINTS
    for ((id = 1; id <= count; id++)); do
        member_start "$id" --initial-cluster "$initial" "$@"
    done
    for ((id = 1; id <= count; id++)); do
        member_is_up "$id" || give_up "member $id starts" "$(cat "$work/$id.log")"
    done
    members_elect || give_up "a new cluster elects a primary"
}

# member_value ID FIELD: of what it says of itself.
member_value() {
    vxc -e "127.0.0.1:${member_ports[$1]}" --timeout 2s status -o json 2>/dev/null | jq -r ".$2"
}

# Looks for the primary that knows that it is one; its id is in `primary`.
members_find_primary() {
    local id
    for id in "${!member_pids[@]}"; do
        if member_is_up "$id" && [ "$(member_value "$id" role)" = primary ]; then
            primary=$id
            return 0
        fi
    done
    return 1
}

# Waits for one.
members_elect() {
    wait_until 20 members_find_primary
}

# Has every member that is up applied as much as the primary?
members_agree() {
    local id want applied
    members_find_primary || return 1
    want=$(member_value "$primary" commit_index)
    for id in "${!member_pids[@]}"; do
        member_is_up "$id" || continue
        applied=$(member_value "$id" applied_index)
        [ "${applied:-0}" -ge "$want" ] || return 1
    done
}

# Do all members that are up have the same state in LMDB, at the same entry?
members_digests_agree() {
    local id all=''
    for id in "${!member_pids[@]}"; do
        member_is_up "$id" || continue
        all+=$(member_value "$id" digest_index):$(member_value "$id" state_digest)$'\n'
    done
    [ "$(sort -u <<<"$all" | grep -c .)" -eq 1 ] && ! grep -q '^:' <<<"$all"
}

# members_are_alike NAME: two checks.
members_are_alike() {
    check "$1: all members have applied the same" wait_until 60 members_agree
    check "$1: all members have the same digest" wait_until 30 members_digests_agree
}

# Another member than the ones given.
member_beside() {
    local id
    for id in "${!member_pids[@]}"; do
        case " $* " in *" $id "*) continue ;; esac
        echo "$id"
        return
    done
}

# ---- a client that writes all the time, one operation after the other ----

writer=''

writer_begin() {
    vxc bench --op counter-add --connections 1 --pipeline 1 --keys 100 --seconds 600 --no-fill \
        >"$work/writer.log" 2>&1 &
    writer=$!
}

# shellcheck disable=SC2317 # called at the end of the test too
writer_end() {
    [ -z "$writer" ] || { kill "$writer" && wait "$writer"; } 2>/dev/null
    writer=''
}
at_exit writer_end
