#!/bin/bash
# Damaged files: the node refuses them with status 6, naming file and offset, or serves correct data.
#
# Two directories are prepared, one closed cleanly, one left by kill -9 right after the last
# acknowledgement was old enough to be covered by a marker. For each file in them, and each kind of
# damage (tests/integration/damage_file.c), seeded copies are damaged once and opened: first by the
# offline dump, then by the node. Neither may die by a signal, hang, or show anything else than what
# was there. A file that is missing altogether is one kind more.
#
# DAMAGE_CASES per file kind and kind of damage (default 16), DAMAGE_SEED
# timeout: 1200
# shellcheck source=../lib/node.sh
. "$(dirname "$0")/../lib/node.sh"

cases=${DAMAGE_CASES:-16}
seed=${DAMAGE_SEED:-$RANDOM}
echo "# seed $seed, $cases cases for each kind of file and of damage"

# ---- one case, in a process of its own (xargs below) ----

# contents PREFIX: all that clients see, from the node at VERTX_CLUSTER_ENDPOINTS.
contents() {
    vxc map export records >"$1.map" && vxc counter list -o json >"$1.counters" &&
        vxc set values colours >"$1.set" && vxc map export large >"$1.large"
}

# opened_right COPY: what the node makes of the copy; prints the outcome, or "WRONG: …".
opened_right() {
    local copy=$1 pid status=0 deadline
    timeout -k 2 30 vxc dump --data "$copy" -o jsonl >"$copy.dump" 2>"$copy.dump.err" || status=$?
    if [ "$status" -gt 7 ]; then
        echo "WRONG: vxc dump ended with status $status: $(tail -n 3 "$copy.dump.err")"
        return
    fi
    : >"$copy.log"
    vxcd --data "$copy" --port 0 >"$copy.log" 2>&1 &
    pid=$!
    deadline=$(($(now_ms) + 30000))
    until grep -q ready "$copy.log"; do
        if ! kill -0 "$pid" 2>/dev/null; then
            status=0
            wait "$pid" || status=$?
            refusal_right "$copy" "$status"
            return
        fi
        if [ "$(now_ms)" -gt "$deadline" ]; then
            kill -9 "$pid"
            echo "WRONG: neither ready nor refused after 30 s"
            return
        fi
        nap 0.01
    done
    VERTX_CLUSTER_ENDPOINTS=$(cat "$copy/endpoint")
    export VERTX_CLUSTER_ENDPOINTS
    served_right "$copy" "$pid"
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

refusal_right() {
    if [ "$2" -ne 6 ]; then
        echo "WRONG: vxcd ended with status $2: $(grep -vE '^(vxcd|/).*[(][+]' "$1.log" | tail -n 3)"
    elif ! grep -q "$1/" "$1.log"; then
        echo "WRONG: refused without naming the file: $(tail -n 2 "$1.log")"
    elif ! grep -qE 'offset|byte|missing|size|page' "$1.log"; then
        echo "WRONG: refused without naming the place: $(tail -n 2 "$1.log")"
    else
        echo refused
    fi
}

served_right() {
    local part
    if ! contents "$1.seen" 2>"$1.client.err"; then
        # Damage found while serving ends the node with the same status and report.
        local waited status=0
        for ((waited = 0; waited < 200; waited++)); do
            if ! kill -0 "$2" 2>/dev/null; then
                wait "$2" || status=$?
                refusal_right "$1" "$status"
                return
            fi
            nap 0.01
        done
        echo "WRONG: served, but not all: $(tail -n 2 "$1.client.err")"
        return
    fi
    for part in map counters set large; do
        cmp -s "$1.seen.$part" "$reference.$part" && continue
        echo "WRONG: other data than was there ($part): $(diff "$1.seen.$part" "$reference.$part" | head -n 3 | cut -c 1-200)"
        return
    done
    echo served
}

# one_case BASE FILE KIND SEED
one_case() {
    local base=$1 file=$2 kind=$3 case_seed=$4 copy what outcome
    copy=$work/case.$BASHPID
    cp -a --sparse=always "$base" "$copy"
    if [ "$kind" = missing ]; then
        what='file removed'
        rm "$copy/$file"
    else
        what=$(damage_file "$copy/$file" "$kind" "$case_seed")
    fi
    outcome=$(opened_right "$copy" 2>&1 | tr '\n\t' '  ')
    outcome=${outcome% }
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$(basename "$base")" "$file" "$kind" "$case_seed" "$what" "$outcome"
    if [ -n "${VXC_KEEP:-}" ] && [[ $outcome == WRONG* ]]; then
        cp -a --sparse=always "$copy" "$VXC_KEEP/"
    fi
    rm -rf "$copy" "$copy".*
}

# ---- the directories ----

fill() {
    awk 'BEGIN { for (i = 0; i < 3000; i++)
        printf "{\"key\":\"key-%05d\",\"value\":\"value %d %0*d\"}\n", i, i, i % 300 + 1, 0 }' >"$work/fill.jsonl"
    awk 'BEGIN { for (i = 0; i < 20; i++)
        printf "{\"key\":\"%0*d\",\"value\":\"%0*d\"}\n", 400 + i * 40, i, 20000 + i, i }' >"$work/large.jsonl"
    vxc map import records "$work/fill.jsonl" >/dev/null && vxc map import large "$work/large.jsonl" >/dev/null &&
        vxc counter add visits 7 >/dev/null && vxc counter add big 9000000000000000000 >/dev/null &&
        vxc set add colours red >/dev/null && vxc set add colours blue >/dev/null
}

reference=$work/reference
settled() {
    [ "$(status_value applied_index)" -eq "$(status_value lmdb_applied_index)" ]
}
node_start "$work/clean"
fill || give_up 'the data can be written'
node_stop
node_start "$work/clean" # its log now has a second run
vxc map put records last 'after the restart' >/dev/null || give_up 'the data can be written'
contents "$reference" || give_up 'the data can be read back'
wait_until 10 settled || give_up 'the state follows the log in 10 s'
node_kill
cp -a --sparse=always "$work/clean" "$work/killed"
node_start "$work/clean"
node_stop
equal 'a clean stop' 0 "$node_status"

plan() {
    local base file kind i n=0
    for base in clean killed; do
        while IFS= read -r file; do
            printf '%s\t%s\t%s\t%s\n' "$work/$base" "$file" missing 0
            for kind in flip zero garbage cut misplace; do
                for ((i = 0; i < cases; i++)); do
                    n=$((n + 1))
                    printf '%s\t%s\t%s\t%s\n' "$work/$base" "$file" "$kind" $((seed * 100000 + n))
                done
            done
        done < <(cd "$work/$base" && find . -type f ! -name endpoint ! -name 'lock*' -printf '%P\n' | sort)
    done
}

plan >"$work/plan"
export -f one_case opened_right refusal_right served_right contents now_ms nap
export work reference nap_fd
export VXC_BIN
# A copy of this shell per case; its nap needs its own descriptor.
started=$(now_ms)
# shellcheck disable=SC2016 # expanded by the inner shell
tr '\t' '\n' <"$work/plan" | xargs -d '\n' -n 4 -P "$(($(nproc) + 1))" \
    bash -c 'exec {nap_fd}<> <(:); one_case "$@"' one_case >"$work/outcomes"

case_count=$(wc -l <"$work/plan")
equal "all cases ran, $((($(now_ms) - started) / case_count)) ms each" "$case_count" "$(wc -l <"$work/outcomes")"
while IFS= read -r file; do
    wrong=$(awk -F '\t' -v file="$file" '$2 == file && $6 ~ /^WRONG/' "$work/outcomes")
    tally=$(awk -F '\t' -v file="$file" '$2 == file { n[$6 == "refused" ? "refused" : $6 == "served" ? "served" : "wrong"]++ }
        END { printf "%d refused, %d served with correct data, %d wrong", n["refused"], n["served"], n["wrong"] }' "$work/outcomes")
    if [ -z "$wrong" ]; then
        ok "damage of $file: $tally"
    else
        not_ok "damage of $file: $tally" "$(printf '%s\n' "$wrong" | head -n 8)"
    fi
done < <(cut -f 2 "$work/plan" | sort -u)
finish
