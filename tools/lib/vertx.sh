# shellcheck shell=sh
# For tools/up vertx: a node in ./vxc-data, and two Vert.x applications that are a cluster by it.

: "${root:?}" "${logs=}" "${no_install=}" "${bold=}" "${plain=}" # of tools/up
example=$root/src/vertx/example/target/example.jar
application='' # process id of the one that runs in the background

build_java() {
    [ -n "$no_install" ] || install_packages java
    started=$(now_ms)
    quietly "$root/build/java.log" mvn -B -f "$root/src/vertx" -pl example -am -DskipTests install ||
        die 1 "the Java modules do not build"
    say "built the Java modules in $(seconds_since "$started")"
}

# It ends with this script, whatever happens.
stop_application() {
    if [ -n "$application" ]; then
        kill "-$1" "$application" 2>/dev/null || true
        wait "$application" 2>/dev/null || true
        application=''
    fi
}

# await_line TEXT: in what the application says.
await_line() {
    waited=0
    until grep -q "$1" "$logs/example.log"; do
        kill -0 "$application" 2>/dev/null || { cat "$logs/example.log" >&2 && die 1 "the application has ended"; }
        waited=$((waited + 1))
        [ "$waited" -lt 600 ] || die 1 "the application does not say '$1' within 30 s: $logs/example.log"
        sleep 0.05
    done
}

demonstrate_vertx() {
    step "a durable node"
    start_single
    step "a Vert.x application, and another one: they find each other by the node"
    printf '%s$ java -jar %s &%s\n' "$bold" "$example" "$plain"
    : >"$logs/example.log" # what an earlier run said is not waited for
    java -jar "$example" >"$logs/example.log" 2>&1 &
    application=$!
    await_line "call " # not the first one when the data are of an earlier run: the counter goes on
    cat "$logs/example.log"
    show java -jar "$example" --once
    show vxc node list
    show vxc lock list
    step "kill -9: the application is no member any more, and nothing is sent to it"
    printf '%s$ kill -9 %s%s\n' "$bold" "$application" "$plain"
    stop_application KILL
    waited=0
    until [ -z "$(vxc node list -o jsonl)" ]; do
        waited=$((waited + 1))
        [ "$waited" -lt 600 ] || die 1 "the killed application is a member still, after 30 s"
        sleep 0.05
    done
    show vxc node list
    show vxc registration list
}
