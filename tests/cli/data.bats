#!/usr/bin/env bats
# Maps, sets, multimaps, counters, namespaces, transactions: every operation, every output.
load helper

@test "map: put, get, remove, contains and their exit statuses" {
    exits 0 vxc map put m k v
    prints ''
    says_nothing
    exits 0 vxc map get m k
    prints v
    exits 1 vxc map get m nokey
    prints ''
    says_nothing
    exits 1 vxc map get m nokey -o json
    prints ''
    exits 0 vxc map contains m k
    prints true
    exits 1 vxc map contains m nokey
    prints ''
    exits 0 vxc map put m k w --old
    prints v
    exits 0 vxc map put m fresh w --old
    prints ''
    exits 0 vxc map remove m k --old
    prints w
    exits 1 vxc map remove m k
}

@test "map: conditional writes, exit 4 when they do not hold" {
    exits 0 vxc map put-if-absent cond k 1
    exits 4 vxc map put-if-absent cond k 2
    says 'unchanged'
    exits 0 vxc map get cond k
    prints 1
    exits 0 vxc map replace cond k 2
    exits 1 vxc map replace cond nokey 2
    exits 4 vxc map replace-if cond k 1 3
    exits 0 vxc map replace-if cond k 2 3
    exits 4 vxc map remove-if cond k 2
    exits 0 vxc map remove-if cond k 3
    exits 1 vxc map get cond k
}

@test "map: size, keys, values, entries, list in all outputs" {
    vxc map put rows b 2
    vxc map put rows a 1
    exits 0 vxc map size rows
    prints 2
    exits 0 vxc map size rows -o json
    prints '{"size":2}'
    exits 0 vxc map keys rows
    prints $'a\nb'
    exits 0 vxc map values rows -o json
    [ "$(jq -c . <<<"$output")" = '[{"value":"1"},{"value":"2"}]' ]
    exits 0 vxc map entries rows
    prints $'a\t1\nb\t2'
    exits 0 vxc map entries rows -o jsonl
    prints $'{"key":"a","value":"1"}\n{"key":"b","value":"2"}'
    exits 0 vxc map entries rows -o table
    [ "$(head -1 <<<"$output" | tr -s ' ')" = 'KEY VALUE' ]
    exits 0 vxc map entries rows --limit 1
    prints $'a\t1'
    exits 0 vxc map entries nosuchmap -o json
    prints '[]'
    exits 0 vxc map list -o json
    jq -e '.[] | select(.name == "rows") | .size == 2' <<<"$output"
}

@test "map: create, clear and destroy; destroying wants --yes" {
    exits 0 vxc map create made
    exits 1 vxc map create made
    vxc map put made k v
    exits 7 vxc map clear made
    says '--yes'
    exits 0 vxc map clear made --yes
    prints 1
    exits 0 vxc map size made
    prints 0
    exits 7 vxc map destroy made
    exits 0 vxc --yes map destroy made
    exits 1 vxc map destroy made --yes
}

@test "map: values from stdin and files, bytes that are no text" {
    printf 'a\0b\xff\n' >bytes
    exits 0 vxc map put bin stdin - <bytes
    exits 0 vxc map put bin file --file bytes
    vxc map get bin file --file copy
    cmp bytes copy
    vxc map get bin stdin >out
    cmp <(cat bytes; echo) out
    exits 0 vxc map get bin file -o json
    [ "$(jq -r .value64 <<<"$output" | base64 -d | xxd -p)" = "$(xxd -p bytes)" ]
    exits 0 vxc map put bin --key64 /wA= --value64 AAE=
    exits 0 vxc map get bin /wA= --key64 -o jsonl
    prints '{"value":"\u0000\u0001"}'
    exits 0 vxc map entries bin -o json
    jq -e 'length == 3 and (.[] | select(.key64 == "/wA="))' <<<"$output"
    exits 0 vxc map put bin '' ''
    exits 0 vxc map get bin ''
    prints ''
    exits 2 vxc map put bin k
    says 'which value?'
    exits 2 vxc map put bin k v --file bytes
    exits 2 vxc map put bin k --file nosuchfile
}

@test "map: keys of 65,536 bytes, and one byte more" {
    key=$(head -c 65536 /dev/zero | tr '\0' k)
    exits 0 vxc map put long "$key" v
    exits 0 vxc map get long "$key"
    prints v
    exits 2 vxc map get long "${key}k"
    says '65537 bytes'
}

@test "map: a time to live" {
    exits 0 vxc map put ttl k v --ttl 100ms
    cli_wait_until 10 bash -c '! vxc map contains ttl k >/dev/null'
    exits 2 vxc map put ttl k v --ttl 5
}

@test "set: every operation" {
    exits 0 vxc set add s b
    exits 1 vxc set add s b
    exits 0 vxc set add s a
    exits 0 vxc set contains s a
    prints true
    exits 1 vxc set contains s x
    exits 0 vxc set values s
    prints $'a\nb'
    exits 0 vxc set values s -o jsonl
    prints $'{"value":"a"}\n{"value":"b"}'
    exits 0 vxc set size s
    prints 2
    exits 0 vxc set remove s a
    exits 1 vxc set remove s a
    exits 0 vxc set list
    exits 0 vxc set create made
    exits 1 vxc set create made
    exits 7 vxc set clear s
    exits 0 vxc set clear s --yes
    exits 0 vxc set destroy s --yes
    exits 1 vxc set destroy s --yes
}

@test "multimap: every operation" {
    exits 0 vxc multimap put mm k 2
    exits 0 vxc multimap put mm k 1
    exits 1 vxc multimap put mm k 1
    exits 0 vxc multimap put mm l 3
    exits 0 vxc multimap get mm k
    prints $'1\n2'
    exits 0 vxc multimap contains-key mm k
    exits 1 vxc multimap contains-key mm x
    exits 0 vxc multimap contains-value mm 3
    exits 1 vxc multimap contains-value mm 9
    exits 0 vxc multimap contains-entry mm k 1
    exits 1 vxc multimap contains-entry mm k 3
    exits 0 vxc multimap size mm
    prints 3
    exits 0 vxc multimap key-size mm k
    prints 2
    exits 0 vxc multimap keys mm
    prints $'k\nl'
    exits 0 vxc multimap values mm
    prints $'1\n2\n3'
    exits 0 vxc multimap entries mm
    prints $'k\t1\nk\t2\nl\t3'
    exits 0 vxc multimap remove mm k 1
    exits 1 vxc multimap remove mm k 1
    exits 0 vxc multimap remove-key mm k
    prints 1
    exits 0 vxc multimap list
    exits 0 vxc multimap create made
    exits 0 vxc multimap clear mm --yes
    exits 0 vxc multimap destroy mm --yes
    exits 1 vxc multimap destroy mm --yes
}

@test "counter: every operation" {
    exits 0 vxc counter get c
    prints 0
    exits 0 vxc counter add c 5
    prints 5
    exits 0 vxc counter add c -7 --old
    prints 5
    exits 0 vxc counter get c -o json
    prints '{"name":"c","value":-2}'
    exits 4 vxc counter cas c 1 2
    exits 0 vxc counter cas c -2 9223372036854775807
    exits 0 vxc counter add c 1
    prints -9223372036854775808
    exits 0 vxc counter list -o json
    prints '[{"name":"c","value":-9223372036854775808}]'
    exits 7 vxc counter destroy c
    exits 0 vxc counter destroy c --yes
    exits 1 vxc counter destroy c --yes
    exits 0 vxc counter list -o json
    prints '[]'
}

@test "namespaces keep names apart" {
    exits 0 vxc -n blue map put shared k blue
    exits 1 vxc map get shared k
    exits 0 vxc -n blue map get shared k
    prints blue
    exits 0 vxc namespace list -o json
    jq -e '[.[].name] | index("") != null and index("blue") != null' <<<"$output"
}

@test "txn: both branches, and what is wrong in its text" {
    cat >once.json <<'JSON'
{"if":   [{"map":"tx","key":"k","absent":true}],
 "then": [{"op":"map put","map":"tx","key":"k","value":"v"},{"op":"counter add","counter":"txc","delta":3},
          {"op":"set add","set":"txs","value64":"/w=="}],
 "else": [{"op":"map get","map":"tx","key":"k"}]}
JSON
    exits 0 vxc txn once.json
    jq -e '.succeeded and .replies[1].number == 3' <<<"$output"
    exits 4 vxc txn <once.json
    jq -e '(.succeeded | not) and .replies[0].value == "v"' <<<"$output"
    exits 0 vxc counter get txc
    prints 3
    exits 0 vxc set contains txs --value64 /w==
    echo '{"if":[{"counter":"txc","less":3}],"then":[],"else":[]}' >less.json
    exits 4 vxc txn less.json
    echo '{"if":[{"counter":"txc","greater":2}]}' >greater.json
    exits 0 vxc txn greater.json
    exits 2 vxc txn - <<<'{"then":[{"op":"map putt"}]}'
    says 'then[0]'
    exits 2 vxc txn - <<<'{"then":[{"op":"map put","map":"m","key":"k"}]}'
    says '"value"'
    exits 2 vxc txn - <<<'{"when":[]}'
    exits 2 vxc txn - <<<'{'
    says 'line'
}

@test "status, ping, dump, bench" {
    vxc map put dumped k v
    exits 0 vxc status -o json
    jq -e '.role == "primary" and .applied_index > 0 and (.nodes | has("legacy")) and .bounds' <<<"$output"
    exits 0 vxc status -o table
    [[ $output == *role*primary* ]]
    exits 0 vxc ping
    exits 0 vxc ping -o json
    jq -e '.primary and .node' <<<"$output"
    vxc dump -o jsonl >dump
    jq -es 'any(.db == "maps" and .map == "dumped" and .value == "v")' dump
    exits 0 vxc dump -o json
    jq -e 'length > 0' <<<"$output"
    exits 2 vxc dump --log
    says '--data'
    for op in ping map-put map-get counter-add lock mixed; do
        exits 0 vxc bench --op "$op" --connections 2 --pipeline 8 --count 500 --keys 10 -o json
        jq -e '.operations == 500 and .errors == 0 and .ops_per_second > 0 and .p50_us <= .p999_us' <<<"$output"
    done
}

@test "stdout that cannot be written is an error, a reader that leaves is none" {
    vxc map put full k v
    exits 5 bash -c 'vxc map get full k >/dev/full'
    says 'No space left'
    exits 0 bash -c 'set -o pipefail; vxc bench --op map-put --count 20000 --keys 20000 >/dev/null; vxc map export bench | head -1 | jq -e .key; [ "${PIPESTATUS[0]}" -eq 141 ]'
}
