#!/bin/bash
# Power cuts of one node: everything acknowledged is there afterwards, and the term never goes back.
#
# The data directory lies on an ext4 image of its own. A client imports into a map and notes each
# acknowledged key; at a random moment the filesystem is shut down without flushing (fs_shutdown), the
# node is killed, the image mounted again, the node started, and the map compared with a model:
#   an acknowledged key has the value of this round, or the test has failed;
#   a key sent but not acknowledged has the value of this round or the one before, and keeps it;
#   any other key has the value it had.
# Two controls prove that the cuts lose what is not flushed and that the model sees loss: a file
# written and not flushed just before each cut must be gone, and a node whose flushes are lies
# (no_flush) must be caught losing acknowledged keys.
#
# POWERCUT_CUTS (default 40), POWERCUT_SEED
# timeout: 1500
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"

cuts=${POWERCUT_CUTS:-40}
seed=${POWERCUT_SEED:-$RANDOM}
RANDOM=$seed
echo "# seed $seed, $cuts cuts"
keys_per_round=20000
key_space=30000
mount_point=$work/disk
mkdir "$mount_point"

# ---- the disk ----

# new_disk: an empty ext4 filesystem; the image is sparse.
new_disk() {
    umount "$mount_point" 2>/dev/null
    rm -f "$work/image"
    truncate -s 1G "$work/image"
    mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 "$work/image" || give_up 'mkfs.ext4'
    mount_disk || give_up 'a loop device with ext4 can be mounted' 'this test needs root'
}

mount_disk() {
    mount -o loop "$work/image" "$mount_point"
}
at_exit "umount '$mount_point' 2>/dev/null"

unmounted() {
    umount "$mount_point" 2>"$work/umount.err"
}

# cut_power KEYS: when so many keys are acknowledged, the filesystem stops, the node dies, what was not
# flushed is gone. Leaves in $work/acked what had been acknowledged before the cut.
cut_power() {
    local acked_size
    acked_size=$(fs_shutdown "$mount_point" "$mount_point/unsynced" "$work/acked.all" $(($1 * 10))) ||
        give_up 'the filesystem can be shut down'
    node_kill
    # The client would try to reach the node until its time is up.
    [ -z "$import" ] || { kill -9 "$import" && wait "$import"; } 2>/dev/null
    head -c "$acked_size" "$work/acked.all" | awk 'length($0) == 9' >"$work/acked"
    wait_until 10 unmounted || give_up 'the cut filesystem can be unmounted' "$(cat "$work/umount.err")"
    mount_disk || give_up 'the filesystem is mounted again after the cut'
    if [ -s "$mount_point/unsynced" ] && grep -q uuu "$mount_point/unsynced"; then
        control_kept=$((control_kept + 1))
    fi
    rm -f "$mount_point/unsynced"
}

# ---- the model: a file of lines "key value", and its comparison ----

# round_lines ROUND: what this round's client sends; the same keys come back in later rounds.
round_lines() {
    awk -v round="$1" -v count="$keys_per_round" -v space="$key_space" -v seed="$seed" 'BEGIN {
        srand(seed * 1000 + round)
        start = int(rand() * space)
        for (i = 0; i < count; i++)
            printf "{\"key\":\"key-%05d\",\"value\":\"round %d line %d %0*d\"}\n",
                (start + i * 7) % space, round, i, int(rand() * 200) + 1, 0
    }'
}

# compare MODEL SENT ACKED THERE: prints violations; the new model goes to $work/model.next. A key is
# sent at most once per round, for 7 and the key space have no common divisor.
compare() {
    awk -F '"' -v next_model="$work/model.next" '
        FILENAME == ARGV[1] { before[$4] = $8; next }
        FILENAME == ARGV[2] { sent[$4] = $8; next }
        FILENAME == ARGV[3] { acked[$0]; next }
        { there[$4] = $8; print > next_model }
        END {
            for (key in acked)
                if (!(key in there) || there[key] != sent[key])
                    print "acknowledged, then lost: " key " is " (key in there ? there[key] : "missing")
            for (key in before)
                if (!(key in there)) { if (!(key in acked)) print "was there, then lost: " key }
                else if (there[key] != before[key] && !(key in sent)) print "changed by nobody: " key
            for (key in there)
                if (there[key] != before[key] && there[key] != sent[key])
                    print "a value never sent: " key " is " there[key]
        }' "$1" "$2" "$3" "$4"
}

# ---- rounds ----

# power_cut_round: writes, cuts, restarts, compares. Adds to acked_total; violations to a file.
power_cut_round() {
    local round=$1
    round_lines "$round" >"$work/sent"
    : >"$work/acked.all"
    vxc map import m "$work/sent" --acked "$work/acked.all" >/dev/null 2>"$work/import.err" &
    import=$!
    # Most cuts come while the client writes, some before its first or after its last acknowledgement.
    cut_power $(((RANDOM * 32768 + RANDOM) % (keys_per_round + keys_per_round / 10)))
    node_start "$mount_point/data"
    : >"$work/model.next"
    vxc map export m >"$work/there" 2>"$work/export.err" || grep -q 'no such' "$work/export.err" ||
        echo "the export failed: $(cat "$work/export.err")" >>"$work/violations"
    compare "$work/model" "$work/sent" "$work/acked" "$work/there" >>"$work/violations"
    mv "$work/model.next" "$work/model"
    acked_total=$((acked_total + $(wc -l <"$work/acked")))
    if [ "$(wc -l <"$work/acked")" -lt "$keys_per_round" ]; then cut_short=$((cut_short + 1)); fi
}

# start_series: an empty disk, an empty model, a running node.
start_series() {
    new_disk
    : >"$work/model"
    : >"$work/violations"
    acked_total=0 cut_short=0 control_kept=0 ready_ms_max=0
    node_start "$mount_point/data"
}

start_series
started=$(now_ms)
term=0
term_went_back=''
for ((cut = 1; cut <= cuts; cut++)); do
    power_cut_round "$cut"
    term_now=$(status_value term 2>/dev/null)
    [ "${term_now:-0}" -ge "$term" ] || term_went_back="$term_went_back $term->$term_now"
    term=$term_now
    if [ -s "$work/violations" ]; then
        not_ok "power cut $cut" "$(head -n 10 "$work/violations")" "the node said:" "$(tail -n 5 "$node_log")"
        [ -z "${VXC_KEEP:-}" ] || cp --sparse=always "$work/image" "$node_log" "$work/acked" "$work/sent" "$VXC_KEEP/"
        break
    fi
done
elapsed_ms=$(($(now_ms) - started))
survived=$((cut - 1))
equal "all $acked_total acknowledged writes survive $survived power cuts" "$cuts" "$survived"
equal "the term never goes back (now $term)" '' "$term_went_back"
if [ "$ready_ms_max" -le 5000 ]; then
    ok "ready after each cut, the slowest in $ready_ms_max ms ($((elapsed_ms / (survived + 1))) ms for a cut)"
else
    not_ok 'ready at most 5 s after each cut' "the slowest took $ready_ms_max ms"
fi
if [ $((cut_short * 4)) -ge "$cuts" ]; then
    ok "$cut_short cuts came while the client wrote"
else
    not_ok 'a quarter of the cuts come while the client writes' "$cut_short did"
fi
if [ $((control_kept * 10)) -le "$cuts" ]; then
    ok "control: the file that was not flushed is lost ($control_kept of $cuts kept)"
else
    not_ok 'control: a file that was not flushed is lost at a cut' "$control_kept of $cuts kept it"
fi
[ -z "$node" ] || node_kill

# ---- control: a node whose flushes are lies is caught ----
caught=''
export VXC_NODE_WRAPPER="env LD_PRELOAD=$VXC_BIN/test-programs/no_flush.so"
start_series
round_lines 1 >"$work/sent"
: >"$work/acked.all"
vxc map import m "$work/sent" --acked "$work/acked.all" >/dev/null 2>"$work/import.err"
import=''
cut_power "$keys_per_round"
# A node that finds such a disk may also refuse it, which is seeing it too.
node_try "$mount_point/data"
if [ -n "$node_status" ]; then
    caught="exit status $node_status"
else
    vxc map export m >"$work/there" 2>/dev/null
    lost=$(compare "$work/model" "$work/sent" "$work/acked" "$work/there" | grep -c 'then lost')
    [ "$lost" -eq 0 ] || caught="$lost of $(wc -l <"$work/acked") lost"
fi
if [ -n "$caught" ]; then
    ok "control: a node that does not flush is caught losing acknowledged keys ($caught)"
else
    not_ok 'control: a node that does not flush is caught' 'the test saw no loss'
fi
finish
