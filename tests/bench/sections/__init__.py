"""The sections of docs/performance.md, in their order there.

A section is a module with
    NAME, TITLE       for --only and for the heading
    measure(ctx)      → raw figures, which go to build/bench/*.json
    targets(raw)      → the figures that have a target, see figures.at_least and its sisters
    render(raw)       → what stands below the heading
so that the document can be written again from the raw figures alone.
"""
from . import (machine, throughput, endurance, latency, values, scale, readiness, oneshot, snapshot, others,
               profile, cluster, slow_backup, failover, catch_up, vertx)

BY_NODES = {
    1: [machine, throughput, endurance, latency, values, scale, readiness, oneshot, snapshot, others, profile],
    3: [cluster, slow_backup, failover, catch_up],
}
# What is measured only when --only names it, for it wants peers and a build of its own.
APART = [vertx]
ALL = [section for chosen in BY_NODES.values() for section in chosen] + APART
PEERS = ["redis", "etcd", "zookeeper", "hazelcast", "infinispan"]
