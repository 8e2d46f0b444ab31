"""From ten thousand keys to ten million: cost per message, and a minute of puts over the most."""
import figures
from programs import Vxcd, cpu_seconds

NAME, TITLE = "scale", "From ten thousand keys to ten million"
KEYS = [10_000, 100_000, 1_000_000, 10_000_000]
CONNECTIONS, PIPELINE, VALUE_SIZE, SECONDS = 50, 16, 64, 8


def _cost(ctx, node, op, keys):
    """Rate, and processor time of the server per message."""
    before = cpu_seconds(node.pid)
    result = node.bench(op, connections=CONNECTIONS, pipeline=PIPELINE, seconds=ctx.seconds(SECONDS), keys=keys,
                        value_size=VALUE_SIZE)
    node.drain()  # what LMDB has yet to write belongs to the cost
    cpu = cpu_seconds(node.pid) - before
    return {"rate": result["ops_per_second"], "cpu_us": cpu * 1e6 / result["operations"]}


def measure(ctx):
    sizes, minute = [], None
    for keys in KEYS if not ctx.quick else KEYS[:2]:
        ctx.step("%s keys" % figures.count(keys))
        node = Vxcd(ctx, "ours")
        node.fill(keys, VALUE_SIZE)
        sizes.append({"keys": keys, "put": _cost(ctx, node, "map-put", keys),
                      "get": _cost(ctx, node, "map-get", keys)})
        if keys == (KEYS[1] if ctx.quick else KEYS[-1]):
            ctx.step("%d s of map-put over them" % ctx.seconds(60))
            result = node.bench("map-put", connections=CONNECTIONS, pipeline=PIPELINE, seconds=ctx.seconds(60),
                                keys=keys, value_size=VALUE_SIZE)
            minute = {"keys": keys, "per_second": result["per_second"], "stall_us": result["stall_us"]}
        node.remove()
    return {"sizes": sizes, "minute": minute}


def targets(raw):
    return [figures.at_most("%s of puts over %s keys, longest stall"
                            % ("a minute" if len(raw["minute"]["per_second"]) >= 59 else "a short run",
                               figures.count(raw["minute"]["keys"])),
                            raw["minute"]["stall_us"] / 1e6, 1, "s")]


def render(raw):
    rows = [[figures.count(size["keys"]), figures.count(size["put"]["rate"]), figures.digits(size["put"]["cpu_us"]),
             figures.count(size["get"]["rate"]), figures.digits(size["get"]["cpu_us"])] for size in raw["sizes"]]
    text = figures.table(["keys", "map-put per second", "server CPU µs each", "map-get per second",
                          "server CPU µs each"], rows)
    for name, key in (("map-put", "put"), ("map-get", "get")):
        text += "\n\nServer CPU per %s, µs, by number of keys:\n\n" % name
        text += figures.bars([(figures.count(size["keys"]), size[key]["cpu_us"]) for size in raw["sizes"]])
    rates = raw["minute"]["per_second"]
    marks = [second for second in (10, 30, 60) if second <= len(rates)] or [len(rates)]
    text += "\n\nThe minute of puts over %s keys, after so many seconds:\n\n" % figures.count(raw["minute"]["keys"])
    return text + figures.table(["second", "operations in it"],
                                [[mark, figures.count(rates[mark - 1])] for mark in marks]
                                + [["slowest", figures.count(min(rates))]])
