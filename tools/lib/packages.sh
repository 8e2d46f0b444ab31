# shellcheck shell=sh
# Debian packages that the project needs, in groups, and their installation.
#
# Nothing is asked and nothing is downloaded when all is there: dpkg-query decides, apt only acts.
# Debian 12 and 13 are served alike; the one difference is libraft (see install_raft_source).
# Needs tools/lib/common.sh.

# The C programs and the tools that read their data.
packages_build='gcc libc6-dev cmake ninja-build pkgconf
    liblmdb-dev lmdb-utils libuv1-dev zlib1g-dev liblz4-dev libssl-dev liburing-dev libdeflate-dev
    libxxhash-dev libjansson-dev libsmartcols-dev libinih-dev uthash-dev'

# What tools/up vertx builds and runs with.
packages_java='maven default-jdk-headless'

# What tools/test runs with, on top of the above.
packages_test='libcmocka-dev bats jq python3 e2fsprogs mount util-linux iproute2 strace procps
    netcat-openbsd xxd clang libclang-rt-dev
    g++ binutils abigail-tools golang-go'

# What .ci/run checks with, on top of both.
packages_ci='clang-format clang-tidy shellcheck git'

# What tools/test coverage needs.
packages_coverage='gcovr'

# The consensus engine must be exactly this upstream version: older ones contradict committed
# entries (docs/architecture.md), newer ones have not been studied.
raft_version=0.22.1

# What tests/bench/run measures beside this program, and with; it installs nothing by itself.
packages_bench='redis-server redis-tools etcd-server etcd-client zookeeper default-jre-headless
    libzookeeper-mt-dev libnghttp2-dev linux-perf util-linux python3'

# install_packages GROUP…: makes sure that all packages of the groups are there.
install_packages() {
    wanted=''
    for group in "$@"; do
        case $group in
        build) wanted="$wanted $packages_build" ;;
        test) wanted="$wanted $packages_test $packages_java" ;;
        java) wanted="$wanted $packages_java" ;;
        ci) wanted="$wanted $packages_ci" ;;
        coverage) wanted="$wanted $packages_coverage" ;;
        bench) wanted="$wanted $packages_bench $packages_java" ;;
        *) die 2 "no package group '$group'" ;;
        esac
    done
    command -v dpkg-query >/dev/null || die 2 "this is not a Debian system: install by hand" \
        "what tools/lib/packages.sh lists, then use --no-install"
    # shellcheck disable=SC2086 # a list of words
    missing=$(missing_packages $wanted)
    raft_installed || raft_missing=libraft-dev
    if [ -z "$missing" ] && [ -z "${raft_missing:-}" ]; then
        return 0
    fi
    # shellcheck disable=SC2086
    say "missing packages:" $missing ${raft_missing:+"libraft-dev $raft_version"}
    install_missing
}

# Those of the named packages that are not installed.
missing_packages() {
    # shellcheck disable=SC2016 # dpkg-query's own variables
    dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        awk -v wanted="$*" '
            $2 == "installed" { there[$1] = 1 }
            END {
                count = split(wanted, name, " ")
                for (i = 1; i <= count; i++) if (!(name[i] in there)) printf "%s ", name[i]
            }'
}

raft_installed() {
    # shellcheck disable=SC2016
    case $(dpkg-query -W -f='${db:Status-Status} ${Version}' libraft-dev 2>/dev/null) in
    "installed $raft_version"-*) return 0 ;;
    esac
    return 1
}

install_missing() {
    become_root
    install_log=$(mktemp)
    started=$(now_ms)
    apt_get update || die 2 "apt-get update failed: is the network there? (log: $install_log)"
    if [ -n "${raft_missing:-}" ]; then
        raft=$(raft_candidate)
        if [ -z "$raft" ]; then
            install_raft_source
            apt_get update || die 2 "apt-get update failed after adding $raft_source"
            raft=$(raft_candidate)
        fi
        [ -n "$raft" ] || die 2 "no libraft-dev $raft_version in Debian's main or backports suite" \
            "for this system: see /etc/apt/sources.list.d"
        missing="$missing $raft"
    fi
    # shellcheck disable=SC2086
    apt_get install --no-install-recommends --allow-downgrades $missing ||
        die 2 "apt-get install failed (log: $install_log)"
    rm -f "$install_log"
    say "installed in $(seconds_since "$started")"
}

# Sets as_root, the prefix of commands that change the system.
become_root() {
    as_root=''
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null || die 2 "installing packages needs root or sudo: run once as root," \
        "or install the packages named above and use --no-install"
    as_root=sudo
}

apt_get() {
    # shellcheck disable=SC2086
    quietly "$install_log" $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

# libraft-dev of the right version together with its shared library, each as name=version; they are
# named one by one because apt would take the library from another suite otherwise.
raft_candidate() {
    raft_exact=$(apt-cache madison libraft-dev 2>/dev/null |
        awk -v prefix="$raft_version-" 'index($3, prefix) == 1 { print $3; exit }')
    [ -n "$raft_exact" ] || return 0
    raft_library=$(apt-cache show "libraft-dev=$raft_exact" | sed -n 's/^Depends:.*\(libraft[0-9][a-z0-9]*\) .*/\1/p')
    printf '%s ' "libraft-dev=$raft_exact" "${raft_library:-libraft0}=$raft_exact"
}

# Debian 12's main suite has a libraft that must not be used; its backports suite has the right one.
# The entry is the machine's own entry for its main suite with the suite's name changed, so that it
# points to wherever this machine gets its packages. The pin lets nothing but libraft come from there.
install_raft_source() {
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [ -n "$codename" ] || die 2 "/etc/os-release names no VERSION_CODENAME: cannot find libraft $raft_version"
    suite=$codename-backports
    entry=$(mktemp)
    if deb822_entry "$codename" "$suite" >"$entry" && [ -s "$entry" ]; then
        raft_source=/etc/apt/sources.list.d/vertx-cluster-raft.sources
    elif list_entry "$codename" "$suite" >"$entry" && [ -s "$entry" ]; then
        raft_source=/etc/apt/sources.list.d/vertx-cluster-raft.list
    else
        die 2 "no entry for the suite '$codename' in /etc/apt: add the suite '$suite' by hand"
    fi
    say "adding the suite $suite, for libraft alone ($raft_source)"
    pin=$(mktemp)
    cat >"$pin" <<PIN
Package: *
Pin: release n=$suite
Pin-Priority: 1

Package: libraft-dev libraft0
Pin: release n=$suite
Pin-Priority: 600
PIN
    if ! $as_root install -m 644 "$entry" "$raft_source" ||
        ! $as_root install -m 644 "$pin" /etc/apt/preferences.d/vertx-cluster-raft; then
        die 2 "cannot write below /etc/apt"
    fi
    rm -f "$entry" "$pin"
}

# deb822_entry CODENAME SUITE: the first enabled stanza that has the suite CODENAME, for SUITE.
deb822_entry() {
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        # A blank line between files ends the last stanza of the one before.
        cat "$file"
        echo
    done | awk -v codename="$1" -v suite="$2" '
        BEGIN { RS = "" }
        {
            count = split($0, line, "\n")
            types = found = disabled = 0
            stanza = ""
            for (i = 1; i <= count; i++) {
                text = line[i]
                if (text ~ /^#/) continue
                lower = tolower(text)
                if (lower ~ /^types:/) { types = (text ~ /(^|[ \t:])deb([ \t]|$)/); text = "Types: deb" }
                if (lower ~ /^enabled:[ \t]*(no|false|0|off)/) disabled = 1
                if (lower ~ /^suites:/) {
                    words = split(text, word, /[ \t]+/)
                    for (w = 2; w <= words; w++) if (word[w] == codename) found = 1
                    text = "Suites: " suite
                }
                if (lower ~ /^components:/) text = "Components: main"
                stanza = stanza text "\n"
            }
            if (types && found && !disabled) { printf "%s", stanza; exit }
        }'
}

# list_entry CODENAME SUITE: the same from the one-line format, "deb [options] URI SUITE COMPONENT…".
list_entry() {
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] && cat "$file"
    done | awk -v codename="$1" -v suite="$2" '
        $1 == "deb" {
            options = ""
            rest = $0
            sub(/^[ \t]*deb[ \t]+/, "", rest)
            if (match(rest, /^\[[^]]*\][ \t]*/)) {
                options = substr(rest, 1, RLENGTH)
                rest = substr(rest, RLENGTH + 1)
            }
            split(rest, word, /[ \t]+/)
            if (word[2] == codename) { print "deb " options word[1], suite, "main"; exit }
        }'
}

# Package lists for the test with real input (apt-cache dumpavail); on a machine where everything was
# installed already they may never have been fetched.
package_lists_present() {
    [ "$(apt-cache dumpavail 2>/dev/null | grep -c '^Package:')" -ge 10000 ]
}

install_package_lists() {
    package_lists_present && return 0
    say "fetching the package lists (input of the import test)"
    become_root
    install_log=$(mktemp)
    apt_get update || die 2 "apt-get update failed (log: $install_log)"
    rm -f "$install_log"
}
