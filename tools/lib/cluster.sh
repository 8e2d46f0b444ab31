# shellcheck shell=sh
# For tools/up 3: a cluster of three nodes on loopback, in ./vxc-cluster.

: "${root:?}" "${logs=}" "${bold=}" "${plain=}" # of tools/up
cluster=./vxc-cluster

data_of() {
    printf '%s/%s\n' "$cluster" "$1"
}

# Does anybody listen there (state 0A)?
port_is_taken() {
    grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6
}

# The ports of a cluster stay as they were when it began: they are in its members' addresses.
choose_ports() {
    mkdir -p "$cluster"
    if [ -s "$cluster/ports" ]; then
        read -r port_1 port_2 port_3 <"$cluster/ports"
        for port in "$port_1" "$port_2" "$port_3"; do
            ! port_is_taken "$port" ||
                die 2 "port $port, which is one of $cluster, is taken: is this cluster running already?"
        done
        return 0
    fi
    port_1=7401
    while port_is_taken "$port_1" || port_is_taken $((port_1 + 1)) || port_is_taken $((port_1 + 2)); do
        port_1=$((port_1 + 10))
        [ "$port_1" -lt 8400 ] || die 2 "no three free ports between 7401 and 8403"
    done
    port_2=$((port_1 + 1))
    port_3=$((port_1 + 2))
    printf '%s %s %s\n' "$port_1" "$port_2" "$port_3" >"$cluster/ports"
}

port_of() {
    case $1 in
    1) printf '%s\n' "$port_1" ;;
    2) printf '%s\n' "$port_2" ;;
    *) printf '%s\n' "$port_3" ;;
    esac
}

start_member() {
    printf '%s$ vxcd --data %s --node-id %s --port %s --initial-cluster %s &%s\n' "$bold" \
        "$(data_of "$1")" "$1" "$(port_of "$1")" "$initial_cluster" "$plain"
    start_node "$1" --node-id "$1" --port "$(port_of "$1")" --initial-cluster "$initial_cluster"
}

start_cluster() {
    choose_ports
    initial_cluster=1=127.0.0.1:$port_1,2=127.0.0.1:$port_2,3=127.0.0.1:$port_3
    VERTX_CLUSTER_ENDPOINTS=127.0.0.1:$port_1,127.0.0.1:$port_2,127.0.0.1:$port_3
    export VERTX_CLUSTER_ENDPOINTS
    for member in 1 2 3; do
        start_member "$member"
    done
    for member in 1 2 3; do
        await_node "$member"
    done
}

# primary: its number, waited for.
primary() {
    waited=0
    # shellcheck disable=SC2034 # status_field reads it
    until status_json=$(vxc status -o json 2>/dev/null) && primary_id=$(status_field primary_id) &&
        [ "${primary_id:-0}" -gt 0 ]; do
        waited=$((waited + 1))
        [ "$waited" -lt 300 ] || die 1 "the cluster has no primary after 15 s"
        sleep 0.05
    done
    printf '%s\n' "$primary_id"
}

# show_members OPTION…
show_members() {
    show vxc status -o table "$@" 2>&1 | awk '/^$/ { rest = 1 } !rest || /^vxc:/'
}

demonstrate_cluster() {
    step "three nodes, one cluster"
    start_cluster
    show vxc map put greetings hello world
    show vxc counter add visits 1
    show_members
    first=$(primary) || exit
    step "kill -9 of the primary, node $first: the others go on"
    kill_node "$first"
    show vxc map put greetings again 'written after the kill'
    show vxc map get greetings hello
    show vxc map get greetings again
    show vxc counter get visits
    show_members
    step "it comes back, catches up, and has the same state"
    start_member "$first"
    await_node "$first"
    show_members --checkpoint
}

follow_cluster() {
    step "running; stop with Ctrl-C (the data stay in $cluster)"
    say "in another terminal:  export PATH=$root/build/release:\$PATH" \
        "VERTX_CLUSTER_ENDPOINTS=$VERTX_CLUSTER_ENDPOINTS"
    say "then, for example:  vxc member list ; vxc member transfer ; vxc status --checkpoint ; vxc --help"
    trap 'printf "\n"; stop_nodes; say "stopped; the data stay in $cluster"; exit 0' INT TERM HUP
    while :; do
        for number in 1 2 3; do
            kill -0 "$(pid_of "$number")" 2>/dev/null || {
                tail -n 20 "$logs/vxcd-$number.log" >&2
                die 1 "node $number has ended"
            }
        done
        sleep 1
    done
}
