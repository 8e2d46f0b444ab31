"""One connection, one request at a time: what a caller waits for."""
import os

import figures
from programs import Redis, Vxcd

NAME, TITLE = "latency", "One at a time"
KEYS, VALUE_SIZE = 100_000, 64
PINS = [("server on core 0, client on core 1", "0", "1"), ("not pinned", None, None)]
OPERATIONS = [("put", "map-put", "set", 10_000, 1.2), ("get", "map-get", "get", 50_000, 1.5)]


def measure(ctx):
    rows = []
    for pin, server, client in PINS if len(os.sched_getaffinity(0)) > 1 else PINS[1:]:
        node = Vxcd(ctx, "ours", cores=server)
        redis = Redis(ctx, "redis", cores=server) if "redis" in ctx.peers else None
        node.fill(ctx.keys(KEYS), VALUE_SIZE)
        if redis:
            redis.fill(ctx.keys(KEYS), VALUE_SIZE)
        for name, op, test, count, _ in OPERATIONS:
            ctx.step("one %s at a time, %s" % (name, pin))
            row = {"operation": name, "pin": pin, "ours": [], "redis": []}
            for _ in range(ctx.runs):
                node.drain()
                ours = node.bench(op, cores=client, connections=1, pipeline=1, count=ctx.count(count),
                                  keys=ctx.keys(KEYS), value_size=VALUE_SIZE)
                row["ours"].append([ours["p50_us"], ours["p99_us"]])
                if redis:
                    redis.settle()
                    theirs = redis.bench(test, 1, 1, ctx.count(count), ctx.keys(KEYS), VALUE_SIZE, cores=client)
                    row["redis"].append([theirs["p50_us"], theirs["p99_us"]])
            rows.append(row)
        node.remove()
        if redis:
            redis.stop()
    return {"rows": rows}


def _median(pairs, index):
    return figures.median([pair[index] for pair in pairs])


def targets(raw):
    bounds = {name: bound for name, _, _, _, bound in OPERATIONS}
    return [figures.at_most("%s p50 against redis, %s" % (row["operation"], row["pin"]),
                            _median(row["ours"], 0) / _median(row["redis"], 0), bounds[row["operation"]], "times")
            for row in raw["rows"] if row["redis"]]


def render(raw):
    rows = []
    for row in raw["rows"]:
        cells = [figures.digits(_median(row["ours"], i), 0) for i in (0, 1)]
        cells += [figures.digits(_median(row["redis"], i), 0) if row["redis"] else "–" for i in (0, 1)]
        rows.append([row["operation"] + ", " + row["pin"], *cells])
    return figures.table(["operation", "p50 µs", "p99 µs", "redis p50 µs", "redis p99 µs"], rows)
