"""Large values, read."""
import figures
from programs import Redis, Vxcd

NAME, TITLE = "values", "Large values"
SIZES = [(64 << 10, 1000), (1 << 20, 60)]  # bytes, keys: both fit the cache of clean rows
CONNECTIONS, PIPELINE, GB_PER_SECOND = 8, 4, 1.25


def measure(ctx):
    rows = []
    for size, keys in SIZES:
        ctx.step("values of %d KiB" % (size >> 10))
        node = Vxcd(ctx, "ours")
        redis = Redis(ctx, "redis") if "redis" in ctx.peers else None
        count = ctx.count(6_000_000_000 // size)
        node.fill(keys, size)
        if redis:
            redis.fill(keys, size)
        row = {"size": size, "ours": [], "redis": []}
        for _ in range(ctx.runs):
            ours = node.bench("map-get", connections=CONNECTIONS, pipeline=PIPELINE, count=count, keys=keys,
                              value_size=size)
            row["ours"].append(ours["ops_per_second"] * size / 1e9)
            if redis:
                theirs = redis.bench("get", CONNECTIONS, PIPELINE, count, keys, size)
                row["redis"].append(theirs["ops_per_second"] * size / 1e9)
        rows.append(row)
        node.remove()
        if redis:
            redis.stop()
    return {"rows": rows}


def targets(raw):
    return [figures.more_than("map-get of %d KiB" % (row["size"] >> 10), figures.median(row["ours"]),
                              GB_PER_SECOND, "GB/s") for row in raw["rows"]]


def render(raw):
    return figures.table(
        ["values of", "map-get GB/s", "redis GET GB/s"],
        [["%d KiB" % (row["size"] >> 10), figures.digits(figures.median(row["ours"])),
          figures.digits(figures.median(row["redis"])) if row["redis"] else "–"] for row in raw["rows"]])
