#!/bin/bash
# A disk that fills up while the node runs: growing writes are refused, everything else goes on, and
# writes go on by themselves once there is room. Nothing acknowledged is lost, whatever happens next.
# timeout: 240
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"

disk=$work/disk
mkdir "$disk"
if ! mount -t tmpfs -o size=400m none "$disk"; then
    give_up 'a small disk' 'cannot mount a tmpfs: this test needs root'
fi
at_exit "umount '$disk' 2>/dev/null"
head -c 60M /dev/zero >"$disk/balloon"
node_start "$disk/data"
vxc map put kept first value || give_up 'a value can be put'

# 64 entries of 1 MB at a time, until the node refuses.
awk 'BEGIN { for (i = 0; i < 64; i++) printf "{\"key\":\"%03d\",\"value\":\"%01000000d\"}\n", i, i }' >"$work/block.jsonl"
status=0
for ((i = 0; i < 12 && status == 0; i++)); do
    vxc --timeout 30s map import "bulk$i" "$work/block.jsonl" --acked "$work/acked.$i" >/dev/null 2>"$work/err" ||
        status=$?
done
equal 'a growing write on the full disk is refused with status 5' 5 "$status"
check 'the refusal says that there is no space' grep -qi 'space' "$work/err"
check 'the node lives' kill -0 "$node"
check 'it answers reads' test "$(vxc map get kept first)" = value
check 'it tells its status' vxc status -o json
check 'it still removes' vxc map clear bulk0 --yes

rm "$disk/balloon"
accepts_writes() {
    vxc --timeout 2s map put kept second "after the flood" 2>/dev/null
}
if wait_until 20 accepts_writes; then
    ok 'writes go on by themselves when there is room again'
else
    not_ok 'writes go on by themselves when there is room again' "$(vxc map put kept second x 2>&1)"
fi

# Filled to the brim again, killed, and given room: all that was acknowledged is there.
dd if=/dev/zero of="$disk/balloon" bs=1M >/dev/null 2>&1
rm -f "$work/acked.last"
vxc --timeout 5s map import last "$work/block.jsonl" --acked "$work/acked.last" >/dev/null 2>&1
touch "$work/acked.last"
node_kill
rm "$disk/balloon"
node_start "$disk/data"
vxc map export last 2>/dev/null | cut -d '"' -f 4 | sort >"$work/there"
sort "$work/acked.last" >"$work/acknowledged"
equal "all $(wc -l <"$work/acked.last") writes acknowledged on the full disk are there after kill -9" '' \
    "$(comm -23 "$work/acknowledged" "$work/there")"
equal 'and so is the first one' value "$(vxc map get kept first)"
finish
