#!/bin/bash
# What an operator or a stranger can get wrong: each gives one clear message that says what, where and
# what to do, with the documented exit status, and harms nothing.
# timeout: 120
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"

# refused STATUS[|STATUS] NAME PATTERN COMMAND…: ends by itself with the status, says at most a few lines on
# stderr of which one matches PATTERN (an extended regular expression), and nothing on stdout.
refused() {
    local expected=$1 name=$2 pattern=$3 status=0
    shift 3
    timeout -k 2 20 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    if [[ "|$expected|" != *"|$status|"* ]]; then
        not_ok "$name" "exit status $status instead of $expected: $*" "$(tail -n 5 "$work/err" "$work/out")"
    elif ! grep -qE -- "$pattern" "$work/err"; then
        not_ok "$name" "stderr does not match /$pattern/:" "$(cat "$work/err")"
    elif [ "$(grep -c . "$work/err")" -gt 4 ]; then
        not_ok "$name" "more than four lines for one mistake:" "$(cat "$work/err")"
    elif grep -q ready "$work/out"; then
        not_ok "$name" "it says ready all the same"
    else
        ok "$name: $(grep -m 1 -E -- "$pattern" "$work/err")"
    fi
}

data=$work/data
node_start "$data"
vxc map put m k v || give_up "a value can be put"
port=${VERTX_CLUSTER_ENDPOINTS##*:}

# ---- options and environment ----
refused 2 'an unknown option is answered with the likely one' 'did you mean .*port' vxcd --data "$work/a" --prot 1
refused 2 'an option without its value' '--data' vxcd --data
refused 2 'a port above 65535' '65536' vxcd --data "$work/a" --port 65536
refused 2 'a port that is no number' 'abc' vxcd --data "$work/a" --port abc
for setting in PORT=70000 PORT=-1 PORT=x TIMEOUT=0 TIMEOUT=-5 TIMEOUT=99999999999999999999 \
    TIMEOUT=soon PING_INTERVAL=0 PING_INTERVAL=x HOST=not..an..address; do
    refused 2 "environment VERTX_CLUSTER_$setting" "VERTX_CLUSTER_${setting%%=*}" \
        env "VERTX_CLUSTER_$setting" vxcd --data "$work/a"
done
refused 2 'plaintext off loopback' '--i-accept-plaintext-on' vxcd --data "$work/a" --host 0.0.0.0
refused 2 'plaintext off loopback by the environment' '--i-accept-plaintext-on' \
    env VERTX_CLUSTER_HOST=0.0.0.0 vxcd --data "$work/a"
refused 2 'an address that this machine does not have' '192\.0\.2\.1' \
    vxcd --data "$work/a" --host 192.0.2.1 --i-accept-plaintext-on 192.0.2.1
refused 2 'a port in use' "$port" vxcd --data "$work/b" --port "$port"

# ---- the data directory ----
refused 5 'a data directory in use' "$data" vxcd --data "$data"
refused '2|5' 'a data directory that cannot be created' '/proc/none' vxcd --data /proc/none/data
: >"$work/file"
refused '2|5' 'a data directory that is a file' "$work/file" vxcd --data "$work/file"
check 'the running node is not disturbed by any of it' test "$(vxc map get m k)" = v

# ---- strangers on the port ----
# Whatever is sent, the node closes the connection or answers, and goes on.
stranger() {
    timeout 3 nc -N -w 1 127.0.0.1 "$port" <"$work/stranger" >/dev/null 2>&1
}
bytes() {
    printf '%b' "$1" >"$work/stranger"
    stranger
}
bytes ''                                                                      # nothing
bytes 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'                                     # another protocol
bytes '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'                          # TLS
bytes '\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x01\x00\x00\x00\x00\x00'      # size 0
bytes '\x00\x00\x00\x00\xff\xff\xff\xff\x01\x01\x01\x00\x00\x00\x00\x00'      # size 2^32-1
bytes '\x00\x00\x00\x00\x00\x00\x00\x80\x01\x01\x01\x00\x00\x00\x00\x00'      # size 2^31
bytes '\x00\x00\x00\x00\x01\x00\x00\x01\x01\x01\x01\x00\x00\x00\x00\x00'      # size 16 MiB + 1
bytes '\x00\x00\x00\x00\x10\x00\x00\x00\x01\x01\x01\x00\x00\x00\x00\x00'      # wrong checksum
bytes '\x00\x00\x00'                                                          # a header cut short
for seed in {1..40}; do
    head -c 512 /dev/zero >"$work/stranger"
    damage_file "$work/stranger" garbage "$seed" >/dev/null
    stranger
done
check 'strangers on the port leave the node serving' test "$(vxc map get m k)" = v
check 'and its log names the closed connections' grep -qiE 'frame|checksum|conn' "$node_log"

# ---- a node's own directory, closed cleanly ----
node_stop
equal 'SIGTERM ends the node with status 0' 0 "$node_status"
cp -a "$data" "$work/foreign"
refused 6 'the data of another node' 'node' vxcd --data "$work/foreign" --node-id 42
cp -a "$data" "$work/damaged"
while IFS= read -r file; do
    damage_file "$file" garbage 1 >/dev/null
done < <(find "$work/damaged" -type f -name 'vote*')
refused 6 'both vote files damaged' 'vote.*(offset|byte)' vxcd --data "$work/damaged"

if mkdir "$work/small" && mount -t tmpfs -o size=6m none "$work/small"; then
    at_exit "umount '$work/small' 2>/dev/null"
    refused 5 'a full disk' "$work/small.*(space|full)|(space|full).*$work/small" \
        vxcd --data "$work/small/data"
    umount "$work/small"
else
    not_ok 'a full disk' 'cannot mount a tmpfs: this test needs root'
fi
if mkdir "$work/ro" && mount -t tmpfs -o size=512m none "$work/ro"; then
    at_exit "umount '$work/ro' 2>/dev/null"
    cp -a --sparse=always "$data" "$work/ro/data"
    mount -o remount,ro "$work/ro"
    refused 5 'a read-only disk' "$work/ro/data.*[Rr]ead-only|[Rr]ead-only.*$work/ro/data" \
        vxcd --data "$work/ro/data"
    umount "$work/ro"
else
    not_ok 'a read-only disk' 'cannot mount a tmpfs: this test needs root'
fi

node_start "$data"
check 'after all of it the node serves what it held' test "$(vxc map get m k)" = v
finish
