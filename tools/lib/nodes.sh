# shellcheck shell=sh
# For tools/up: nodes that never outlive the script, and commands shown as a person would type them.
#
# A node is a number; its data directory is data_of NUMBER, its log $logs/vxcd-NUMBER.log. Only one
# that start_node started is ever ended, by its process id.

: "${bold=}" "${plain=}" # of tools/lib/common.sh
started_nodes='' # NUMBER:PID …
status_json=''   # of a node; the caller sets it
logs=''          # folder; the caller sets it

# data_of NUMBER: the caller defines it.

# pid_of NUMBER: nothing when it does not run.
pid_of() {
    for started_node in $started_nodes; do
        [ "${started_node%%:*}" != "$1" ] || printf '%s\n' "${started_node#*:}"
    done
}

# forget_node NUMBER: it has ended.
forget_node() {
    kept=''
    for started_node in $started_nodes; do
        [ "${started_node%%:*}" = "$1" ] || kept="$kept $started_node"
    done
    started_nodes=$kept
}

stop_nodes() {
    for started_node in $started_nodes; do
        kill -TERM "${started_node#*:}" 2>/dev/null || true
    done
    for started_node in $started_nodes; do
        wait "${started_node#*:}" 2>/dev/null || true
    done
    started_nodes=''
}

# start_node NUMBER OPTION…: does not wait.
start_node() {
    number=$1
    shift
    : >"$logs/vxcd-$number.log"
    vxcd --data "$(data_of "$number")" "$@" >"$logs/vxcd-$number.log" 2>&1 &
    started_nodes="$started_nodes $number:$!"
}

# await_node NUMBER: until it has printed its ready line.
await_node() {
    node_pid=$(pid_of "$1")
    waited=0
    until grep -q 'ready' "$logs/vxcd-$1.log"; do
        if ! kill -0 "$node_pid" 2>/dev/null; then
            status=0
            wait "$node_pid" || status=$?
            forget_node "$1"
            cat "$logs/vxcd-$1.log" >&2
            die "$status" "vxcd did not start (exit status $status)"
        fi
        waited=$((waited + 1))
        [ "$waited" -lt 1200 ] || { cat "$logs/vxcd-$1.log" >&2 && die 1 "vxcd is not ready after 60 s"; }
        sleep 0.05
    done
}

# kill_node NUMBER: with signal 9, shown.
kill_node() {
    node_pid=$(pid_of "$1")
    show kill -9 "$node_pid"
    wait "$node_pid" 2>/dev/null || true
    forget_node "$1"
}

# show COMMAND…: prints the command as a person would type it, then runs it.
show() {
    shown=''
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./:=,-]*) shown="$shown '$word'" ;;
        *) shown="$shown $word" ;;
        esac
    done
    printf '%s$%s%s\n' "$bold" "$shown" "$plain"
    "$@"
}

# status_field NAME: a number or word of $status_json, the first of that name.
status_field() {
    printf '%s' "$status_json" | sed 's/[,{]/\n/g' |
        sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\"}]*\).*/\1/p" | head -n 1
}
