"""Writes and linearizable reads of three nodes, beside etcd and ZooKeeper in the same sitting."""
import os

import figures
from clusters import EtcdCluster, VxcdCluster, ZookeeperCluster
from programs import cpu_seconds

NAME, TITLE = "cluster", "Three nodes beside etcd and ZooKeeper"
KEYS, VALUE_SIZE, SECONDS, WARM_UP_SECONDS = 100_000, 256, 3, 5
LOADS = [(1, 1), (4, 4), (8, 32), (16, 64)]  # connections, requests under way on each
OPERATIONS = [("put", "durable puts"), ("get", "linearizable gets")]

# What each made when it was looked at alone, on another and faster machine of this size with values of 64 bytes:
# requests under way → per second. A peer that makes less than a share of it was hindered, or the machine is slower:
# then ours is compared with what is known. Of ZooKeeper's linearizable reads there is no such figure.
KNOWN = {("etcd", "put"): {1: 1040, 256: 8400, 1024: 18200}, ("ZooKeeper", "put"): {1: 1063, 256: 8500, 1024: 15100},
         ("etcd", "get"): {1: 1400, 256: 7100, 1024: 10300}}
KNOWN_P50_US = {("etcd", "put"): 885, ("ZooKeeper", "put"): 860}  # of one at a time
KNOWN_SHARE = 0.8


def _warm_up(ctx, cluster):
    """A program that compiles itself while it runs is slow at first."""
    for op, _ in OPERATIONS:
        ctx.step("warming up %s: %s" % (cluster.NAME, op))
        cluster.bench(op, connections=LOADS[-1][0], pipeline=LOADS[-1][1], seconds=ctx.seconds(WARM_UP_SECONDS),
                      keys=ctx.keys(KEYS), value_size=VALUE_SIZE)


def _run(ctx, cluster, op, connections, pipeline):
    os.sync()  # what the load before has left to write is not to hinder this one
    before = sum(cpu_seconds(process.pid) for process in cluster.processes())
    result = cluster.bench(op, connections=connections, pipeline=pipeline, seconds=ctx.seconds(SECONDS),
                           keys=ctx.keys(KEYS), value_size=VALUE_SIZE)
    cpu = sum(cpu_seconds(process.pid) for process in cluster.processes()) - before
    return {"ops_per_second": result["ops_per_second"], "p50_us": result["p50_us"], "p99_us": result["p99_us"],
            "cpu_us": cpu * 1e6 / max(1, result["operations"])}


def measure(ctx):
    peers = {"etcd": EtcdCluster, "zookeeper": ZookeeperCluster}
    clusters = [VxcdCluster(ctx)] + [peers[name](ctx) for name in sorted(ctx.peers & set(peers))]
    for cluster in clusters:
        ctx.step("filling %s keys of %s" % (figures.count(ctx.keys(KEYS)), cluster.NAME))
        cluster.fill(ctx.keys(KEYS), VALUE_SIZE)
        _warm_up(ctx, cluster)
    rows = []
    for op, _ in OPERATIONS:
        for connections, pipeline in LOADS:
            row = {"op": op, "connections": connections, "pipeline": pipeline,
                   "runs": {cluster.NAME: [] for cluster in clusters}}
            for run in range(ctx.runs):
                ctx.step("%s, %d x %d, run %d of %d" % (op, connections, pipeline, run + 1, ctx.runs))
                for cluster in clusters:
                    row["runs"][cluster.NAME].append(_run(ctx, cluster, op, connections, pipeline))
            rows.append(row)
    for cluster in clusters:
        cluster.stop()
    return {"keys": ctx.keys(KEYS), "rows": rows}


def _median(row, name, key):
    return figures.median([run[key] for run in row["runs"][name]])


def _in_flight(row):
    return row["connections"] * row["pipeline"]


def _peers(row):
    return [name for name in row["runs"] if name != VxcdCluster.NAME]


def _stand_in(row, name):
    """What this peer is known to make with so many under way, if it stayed far below it; else None."""
    known = [rate for load, rate in sorted(KNOWN.get((name, row["op"]), {}).items()) if load <= _in_flight(row)]
    return known[-1] if known and _median(row, name, "ops_per_second") < KNOWN_SHARE * known[-1] else None


def _of_peer(row, name, key):
    """Its figure, the better of measured and known. At a known rate no answer can come sooner, on average, than
    the requests under way divided by it (Little's law), and the slowest of a hundred comes later than that."""
    value, rate = _median(row, name, key), _stand_in(row, name)
    if rate is None:
        return value
    if key == "ops_per_second":
        return rate
    known = 1e6 * _in_flight(row) / rate
    if key == "p50_us" and _in_flight(row) == 1:
        known = min(known, KNOWN_P50_US.get((name, row["op"]), known))
    return min(value, known)


def _against(rows, key, best):
    """Ours against the best of the peers, over these rows."""
    ours = best(_median(row, VxcdCluster.NAME, key) for row in rows)
    return ours / best(_of_peer(row, name, key) for row in rows for name in _peers(row))


def targets(raw):
    puts = [row for row in raw["rows"] if row["op"] == "put" and _peers(row)]
    if not puts:
        return []
    found = [figures.at_least("three nodes: most puts per second, against the most of etcd and ZooKeeper",
                              _against(puts, "ops_per_second", max), 8, "times"),
             figures.less_than("three nodes: p50 of one put at a time, against the lower of theirs",
                               _against(puts[:1], "p50_us", min), 1, "times")]
    for row in puts[1:]:
        found.append(figures.at_most("three nodes: p99 of puts, %d under way, against the lower of theirs"
                                     % _in_flight(row), _against([row], "p99_us", min), 0.5, "times"))
    return found


def render(raw):
    parts = []
    for op, title in OPERATIONS:
        cells = []
        for row in raw["rows"]:
            if row["op"] != op:
                continue
            for name in row["runs"]:
                cells.append(["%d (%d x %d)" % (_in_flight(row), row["connections"], row["pipeline"]), name,
                              figures.spread([run["ops_per_second"] for run in row["runs"][name]]),
                              figures.count(_median(row, name, "p50_us")),
                              figures.count(_median(row, name, "p99_us")),
                              figures.digits(_median(row, name, "cpu_us"), 1)])
        parts.append("%s, values of %d bytes, %s keys:\n\n"
                     % (title.capitalize(), VALUE_SIZE, figures.count(raw["keys"]))
                     + figures.table(["under way (connections x each)", "cluster", "per second", "p50 µs", "p99 µs",
                                      "CPU µs of all three, each"],
                                     cells))
    replaced = ["* %s, %d under way: %s made %s/s; %s/s stand in." % (
        row["op"], _in_flight(row), name, figures.count(_median(row, name, "ops_per_second")),
        figures.count(_stand_in(row, name)))
        for row in raw["rows"] for name in _peers(row) if _stand_in(row, name) is not None]
    if replaced:
        parts.append("Below %.0f %% of what a peer is known to make on a faster machine the targets hold ours, from this one, "
                     "against that:\n\n" % (100 * KNOWN_SHARE) + "\n".join(replaced))
    return "\n\n".join(parts)
