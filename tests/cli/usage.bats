#!/usr/bin/env bats
# Usage: options before and after, did-you-mean, help, exit status 2.
load helper

@test "no command, half a command: help on stderr, exit 2" {
    exits 2 vxc
    prints ''
    says 'usage: vxc COMMAND'
    exits 2 vxc map
    says 'vxc map get MAP KEY'
}

@test "help that was asked for is on stdout, exit 0" {
    exits 0 vxc --help
    says_nothing
    [[ $output == *'Exit status:'* ]]
    exits 0 vxc help map put
    [[ $output == *'--ttl'* ]]
    exits 0 vxc map put --help
    [[ $output == *'--ttl'* ]]
    exits 2 vxc help nonsense
}

@test "version" {
    exits 0 vxc version
    [[ $output == 'vxc '* ]]
    exits 0 vxc --version
    exits 0 vxc version -o json
    jq -e '.vxc and .protocol == 1' <<<"$output"
}

@test "a typo is told with what was meant" {
    exits 2 vxc mpa get m k
    says 'did you mean "vxc map"?'
    exits 2 vxc map gte m k
    says 'did you mean "vxc map get"?'
    exits 2 vxc map get m k --timout 1s
    says 'did you mean "--timeout"?'
    exits 2 vxc --endpoint x:1 status
    says 'did you mean "--endpoints"?'
    exits 2 vxc watch mapp m
    says 'did you mean "map"?'
    prints ''
}

@test "global options stand before or after the command" {
    vxc map put usage k v
    exits 0 vxc -o json map get usage k
    prints '{"value":"v"}'
    exits 0 vxc map get usage k -o json
    prints '{"value":"v"}'
    exits 0 vxc map --output=json get usage k
    prints '{"value":"v"}'
    exits 0 vxc map get -ojson usage k
    prints '{"value":"v"}'
    endpoints=$VERTX_CLUSTER_ENDPOINTS
    unset VERTX_CLUSTER_ENDPOINTS
    exits 0 vxc map get usage k -e "$endpoints"
    prints v
    exits 0 vxc --endpoints "$endpoints" map get usage k
    prints v
}

@test "-- ends the options" {
    vxc map put usage -- -k --v
    exits 0 vxc map get usage -- -k
    prints --v
    exits 0 vxc map put usage minus -5
    exits 0 vxc map get usage minus
    prints -5
}

@test "wrong words are usage errors" {
    exits 2 vxc map get m
    says 'usage: vxc map get MAP KEY'
    exits 2 vxc map get m k x
    exits 2 vxc map get m k -o yaml
    says 'table, json, jsonl or raw'
    exits 2 vxc map get m k --timeout 5
    says '500ms, 2s or 1m'
    exits 2 vxc map get m k --timeout
    says 'needs a value'
    exits 2 vxc map get m k --quiet=yes
    says 'takes no value'
    exits 2 vxc map get m k --ttl 5s
    says 'map get has no option "--ttl"'
    exits 2 vxc counter add c many
    exits 2 vxc counter add c 9223372036854775808
    exits 2 vxc session get x
    exits 2 vxc bench --op nonsense
    exits 2 vxc bench --connections 0
    exits 2 vxc lock run l --wait 1s --no-wait -- true
    exits 2 vxc map put m k --key64 v
    says 'base64'
}

@test "the endpoint comes from -e, the environment, or ./vxc-data" {
    vxc map put usage where here
    endpoints=$VERTX_CLUSTER_ENDPOINTS
    unset VERTX_CLUSTER_ENDPOINTS
    exits 2 vxc map get usage where
    says 'where is the cluster?'
    mkdir vxc-data
    echo "$endpoints" >vxc-data/endpoint
    exits 0 vxc map get usage where
    prints here
    echo 127.0.0.1:1 >vxc-data/endpoint
    VERTX_CLUSTER_ENDPOINTS=$endpoints exits 0 vxc map get usage where
    VERTX_CLUSTER_ENDPOINTS=127.0.0.1:1 exits 0 vxc map get usage where -e "$endpoints"
    exits 2 vxc map get usage where -e nonsense
    says 'HOST:PORT'
}

@test "several endpoints: the next one is tried" {
    vxc map put usage several found
    exits 0 vxc -e "127.0.0.1:1,$VERTX_CLUSTER_ENDPOINTS" map get usage several
    prints found
}
