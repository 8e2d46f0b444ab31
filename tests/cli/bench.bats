#!/usr/bin/env bats
# bench: what it prints, and that what it says it did is in the state.
load helper

counter_sum() { # of the counters bench/…
    vxc counter list -o jsonl | jq -s 'map(select(.name | startswith("bench/")) | .value) | add // 0'
}

@test "bench: every operation, its figures, no error" {
    for op in ping map-put map-get counter-add lock mixed; do
        exits 0 vxc bench --op "$op" --connections 3 --pipeline 8 --count 500 --keys 40 --value-size 100 -o json
        jq -e --arg op "$op" '.op == $op and .connections == 3 and .pipeline == 8 and .keys == 40
            and .value_size == 100 and .operations == 500 and .seconds > 0 and .ops_per_second > 0
            and .p50_us > 0 and .p50_us <= .p99_us and .p99_us <= .p999_us and .p999_us <= .max_us
            and .stall_us > 0 and .errors == 0 and .errors_by_kind == {} and .per_second == []' <<<"$output"
    done
}

@test "bench: the map holds every key, filled once and overwritten" {
    exits 0 vxc -n filled bench --op map-put --connections 5 --pipeline 7 --count 100 --keys 1234 -o json
    says 'filling map bench with 1234 keys of 64 bytes'
    exits 0 vxc -n filled map size bench
    prints 1234
    exits 0 vxc -n filled map get bench key:000000001233
    [ "${#output}" -eq 64 ]
    # The same keys and values: nothing to fill. Others: to be filled again.
    exits 0 vxc -n filled bench --op map-get --connections 5 --pipeline 7 --count 5000 --keys 1234 -o json
    says_nothing
    exits 0 vxc -n filled bench --op map-get --count 100 --keys 1234 --value-size 65 -o json
    says 'filling map bench'
    exits 0 vxc -n filled map get bench key:000000000000
    [ "${#output}" -eq 65 ]
}

@test "bench: --no-fill takes the map as it is, and what is not there is an error by kind" {
    exits 5 vxc -n nofill bench --op map-get --no-fill --count 50 --keys 10 -o json
    says '50 of 50 operations failed: not found'
    jq -e '.operations == 50 and .errors == 50 and .errors_by_kind == {"not found": 50}
        and .ops_per_second == 0' <<<"$output"
    exits 0 vxc -n nofill bench --op map-put --no-fill --count 50 --keys 1000000 -o json
    exits 0 vxc -n nofill map size bench
    [ "$output" -gt 40 ] && [ "$output" -le 50 ]
}

@test "bench: the counters' sum is the number of successes" {
    before=$(counter_sum)
    exits 0 vxc bench --op counter-add --connections 7 --pipeline 33 --count 20000 --keys 1000 -o json
    jq -e '.operations == 20000 and .errors == 0' <<<"$output"
    [ "$(counter_sum)" -eq $((before + 20000)) ]
    exits 0 vxc counter get bench/999
    [ "$output" -gt 0 ]
}

@test "bench: --seconds prints each second and says how many there were" {
    exits 0 vxc bench --op ping --connections 2 --pipeline 4 --seconds 2 -o json
    says 'second 1: '
    jq -e '(.per_second | length) >= 1 and (.per_second | add) <= .operations and .per_second[0] > 0' <<<"$output"
    exits 0 vxc -q bench --op ping --seconds 1
    says_nothing
}

@test "bench: values of a megabyte pass through a small buffer, checked" {
    exits 0 vxc -n large bench --op map-get --connections 3 --pipeline 4 --count 60 --keys 5 --value-size 1048576 -o json
    jq -e '.errors == 0 and .operations == 60' <<<"$output"
    # As large as a frame can be, and none at all.
    exits 0 vxc -n large bench --op map-get --count 4 --keys 2 --pipeline 2 --value-size 16646144 -o json
    exits 0 vxc -n large bench --op mixed --count 400 --keys 2 --pipeline 9 --value-size 0 -o json
    jq -e '.errors == 0 and .operations == 400' <<<"$output"
}

@test "bench: a server that dies ends the load with a reason" {
    vxc bench --op map-put --connections 3 --pipeline 8 --seconds 30 --keys 1000 >out 2>errors 3>&- &
    load=$!
    cli_wait_until 20 grep -q 'second 1' errors
    cli_kill_node
    status=0
    wait "$load" || status=$?
    [ "$status" -eq 3 ]
    grep -q 'vxc: bench: connection' errors
    [ ! -s out ]
    cli_start_node
}

@test "tests/bench/run writes a report" {
    local repository
    repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    TMPDIR=$BATS_TEST_TMPDIR run timeout 120 "$repository/tests/bench/run" --quick \
        --only machine,throughput,latency,readiness --out "$BATS_TEST_TMPDIR/report.md"
    [ "$status" -eq 0 ] || { echo "$output" >&2; false; }
    for heading in '## The machine' '## Operations per second' '## One at a time' '## Ready, and at rest'; do
        grep -qxF "$heading" report.md
    done
    grep -q '| map-put, 50 x 16 | [1-9][0-9,]* |' report.md
    grep -q 'a quick run' report.md
}

@test "tests/bench/run refuses a peer, a section and a number of nodes that it does not know" {
    local repository
    repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    run "$repository/tests/bench/run" --peers redis,etdc
    [ "$status" -eq 2 ]
    [[ $output == *'--peers etdc: expected one of redis, etcd, zookeeper'* ]]
    run "$repository/tests/bench/run" --only lattency
    [ "$status" -eq 2 ]
    [[ $output == *'--only lattency: expected one of machine, '* ]]
    run "$repository/tests/bench/run" --nodes 2
    [ "$status" -eq 2 ]
}
