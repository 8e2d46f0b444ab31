# shellcheck shell=sh
# What tools/up, tools/test and .ci/run share: messages, time, and how a step is run and reported.
# Sourced with `root` set to the top of the checkout.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else
    bold='' red='' plain=''
fi

say() {
    printf '%s\n' "$*"
}

# A heading: what happens now.
step() {
    printf '%s== %s%s\n' "$bold" "$*" "$plain"
}

# die STATUS MESSAGE…: what failed, and what to do about it.
die() {
    die_status=$1
    shift
    printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2
    exit "$die_status"
}

now_ms() {
    # Debian's date has nanoseconds.
    echo $(($(date +%s%N) / 1000000))
}

# seconds_since MS: elapsed time for people, such as "12.3 s".
seconds_since() {
    elapsed_ms=$(($(now_ms) - $1))
    printf '%d.%d s' $((elapsed_ms / 1000)) $((elapsed_ms % 1000 / 100))
}

# quietly LOG COMMAND…: its output goes to LOG and is shown only when it fails.
quietly() {
    quietly_log=$1
    shift
    "$@" >"$quietly_log" 2>&1 </dev/null && return 0
    quietly_status=$?
    say "${red}failed (status $quietly_status): $*${plain}" >&2
    say "the end of $quietly_log:" >&2
    tail -n 40 "$quietly_log" >&2
    return "$quietly_status"
}
