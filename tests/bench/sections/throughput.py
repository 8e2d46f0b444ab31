"""Operations per second beside redis, alternating, medians."""
import figures
from programs import Redis, Vxcd

NAME, TITLE = "throughput", "Operations per second"

# name, our operation, redis-benchmark's test, keys, pipeline, operations, at least so many times redis
# (None: stated only), more than so many per second (None: no target)
ROWS = [
    ("map-put, 50 x 16", "map-put", "set", 1_000_000, 16, 1_000_000, 2.0, None),
    ("map-put, 50 x 256", "map-put", "set", 1_000_000, 256, 1_000_000, 2.0, None),
    ("map-put, 50 x 1", "map-put", "set", 1_000_000, 1, 1_000_000, 1.0, None),
    ("map-get, 50 x 16", "map-get", "get", 1_000_000, 16, 2_000_000, 1.0, None),
    ("map-get, 50 x 256", "map-get", "get", 1_000_000, 256, 2_000_000, 1.0, None),
    ("counter-add, 50 x 16", "counter-add", "incr", 1_000, 16, 1_000_000, 1.5, None),
    ("map-get of 100,000 keys, 50 x 256", "map-get", "get", 100_000, 256, 3_000_000, None, 1_000_000),
    ("counter-add of 1,000 counters, 50 x 256", "counter-add", "incr", 1_000, 256, 3_000_000, None, 1_000_000),
]
CONNECTIONS, VALUE_SIZE = 50, 64


def _row(ctx, node, redis, row):
    name, op, test, keys, pipeline, count, _, _ = row
    keys, count = ctx.keys(keys), ctx.count(count)
    result = {"name": name, "ours": [], "p99_us": [], "redis": [], "redis_p99_us": []}
    for run in range(ctx.runs):
        ctx.step("%s, run %d of %d" % (name, run + 1, ctx.runs))
        node.drain()
        ours = node.bench(op, connections=CONNECTIONS, pipeline=pipeline, count=count, keys=keys,
                          value_size=VALUE_SIZE)
        result["ours"].append(ours["ops_per_second"])
        result["p99_us"].append(ours["p99_us"])
        if redis:
            redis.settle()
            theirs = redis.bench(test, CONNECTIONS, pipeline, count, keys, VALUE_SIZE)
            result["redis"].append(theirs["ops_per_second"])
            result["redis_p99_us"].append(theirs["p99_us"])
    return result


def measure(ctx):
    rows = []
    for keys in (1_000_000, 1_000, 100_000):  # a pair of servers for each size of the state
        ctx.step("filling %s keys" % figures.count(ctx.keys(keys)))
        node = Vxcd(ctx, "ours")
        redis = Redis(ctx, "redis") if "redis" in ctx.peers else None
        node.fill(ctx.keys(keys), VALUE_SIZE)
        if redis:
            redis.fill(ctx.keys(keys), VALUE_SIZE)
        rows += [_row(ctx, node, redis, row) for row in ROWS if row[3] == keys]
        node.remove()
        if redis:
            redis.stop()
    order = [row[0] for row in ROWS]
    return {"rows": sorted(rows, key=lambda row: order.index(row["name"]))}


def _with_rules(raw):
    rules = {row[0]: row for row in ROWS}
    return [(row, rules[row["name"]]) for row in raw["rows"]]


def targets(raw):
    found = []
    for row, (name, _, test, _, _, _, ratio, rate) in _with_rules(raw):
        if rate is not None:
            found.append(figures.more_than(name + ", messages per second", figures.median(row["ours"]), rate))
        if ratio is not None and row["redis"]:
            found.append(figures.at_least("%s, against redis %s" % (name, test.upper()),
                                          figures.median(row["ours"]) / figures.median(row["redis"]), ratio,
                                          "times"))
    return found


def render(raw):
    rows = []
    for row, rule in _with_rules(raw):
        theirs = figures.spread(row["redis"]) if row["redis"] else "–"
        ratio = figures.digits(figures.median(row["ours"]) / figures.median(row["redis"])) if row["redis"] else "–"
        rows.append([row["name"], figures.spread(row["ours"]), rule[2].upper() + " " + theirs, ratio,
                     figures.count(figures.median(row["p99_us"])),
                     figures.count(figures.median(row["redis_p99_us"])) if row["redis"] else "–"])
    return figures.table(["operation, connections x in flight", "operations per second", "redis", "ratio",
                          "p99 µs", "redis p99 µs"], rows)
