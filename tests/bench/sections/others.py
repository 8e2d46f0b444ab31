"""Operations without a target."""
import figures
from programs import Vxcd

NAME, TITLE = "others", "Other operations"
ROWS = [("ping", 1_000, 16), ("ping", 1_000, 256), ("lock", 1_000, 16), ("mixed", 1_000_000, 16),
        ("mixed", 1_000_000, 256)]
CONNECTIONS, VALUE_SIZE, SECONDS = 50, 64, 3


def measure(ctx):
    node, rows = Vxcd(ctx, "ours"), []
    for op, keys, pipeline in ROWS:
        ctx.step("%s, %d x %d" % (op, CONNECTIONS, pipeline))
        runs = [node.bench(op, connections=CONNECTIONS, pipeline=pipeline, seconds=ctx.seconds(SECONDS),
                           keys=ctx.keys(keys), value_size=VALUE_SIZE) for _ in range(min(3, ctx.runs))]
        rows.append({"op": op, "pipeline": pipeline, "rate": [run["ops_per_second"] for run in runs],
                     "p99_us": [run["p99_us"] for run in runs]})
        node.drain()
    node.remove()
    return {"rows": rows}


def targets(_raw):
    return []


def render(raw):
    return figures.table(["operation, connections x in flight", "operations per second", "p99 µs"],
                         [["%s, %d x %d" % (row["op"], CONNECTIONS, row["pipeline"]), figures.spread(row["rate"]),
                           figures.count(figures.median(row["p99_us"]))] for row in raw["rows"]])
