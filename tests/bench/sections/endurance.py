"""A minute of durable puts: each second's rate, the bounds, and what is left to drain."""
import json
import subprocess
import time

import figures
from programs import BenchError, Redis, Vxcd, anonymous_bytes, output_of, spawn

NAME, TITLE = "endurance", "A minute of puts"
KEYS, PIPELINE, CONNECTIONS, VALUE_SIZE = 1_000_000, 16, 50, 64
WARM_UP = 10  # seconds that the rate of the last fifty leaves out
MEMORY_BOUNDS = ("inflight", "held", "uncommitted_log", "log_memory", "clean_rows", "dirty_rows",
                 "event_history")


def watch_bounds(node, seen):
    """Adds the highest use of each bound so far, and the highest anonymous memory, to `seen`."""
    status = json.loads(output_of(node.command("--timeout", "30s", "status", "-o", "json")))
    used = 0
    for name, bound in status["bounds"].items():
        kept = seen["bounds"].setdefault(name, {"limit": bound["limit"], "unit": bound["unit"], "used": 0})
        kept["used"] = max(kept["used"], bound["used"])
        used += bound["used"] if name in MEMORY_BOUNDS else 0
    anonymous = anonymous_bytes(node.pid)
    seen["anonymous"] = max(seen.get("anonymous", 0), anonymous)
    # Beyond what the bounds account for: both are read one after the other under load.
    seen["beyond"] = max(seen.get("beyond", 0), anonymous - used)


def _ours(ctx, seconds):
    node, seen = Vxcd(ctx, "ours"), {"bounds": {}}
    node.fill(ctx.keys(KEYS), VALUE_SIZE)
    load = spawn(node.bench_command("map-put", connections=CONNECTIONS, pipeline=PIPELINE, seconds=seconds,
                                    keys=ctx.keys(KEYS), value_size=VALUE_SIZE),
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while load.poll() is None:
        watch_bounds(node, seen)
        time.sleep(0.5)
    if load.returncode != 0:
        raise BenchError("the load failed: " + load.stderr.read())
    result = json.loads(load.stdout.read())
    drain = node.drain()
    node.remove()
    return {"per_second": result["per_second"], "stall_us": result["stall_us"], "p99_us": result["p99_us"],
            "drain_s": drain, **seen}


def _redis(ctx, seconds):
    redis, rates = Redis(ctx, "redis"), []
    redis.fill(ctx.keys(KEYS), VALUE_SIZE)
    load = spawn(redis.command("set", CONNECTIONS, PIPELINE, 1_000_000_000, ctx.keys(KEYS), VALUE_SIZE),
                 stdout=subprocess.DEVNULL)
    began = at = time.monotonic()
    before = redis.calls("set")
    for second in range(1, seconds + 1):
        time.sleep(max(0, began + second - time.monotonic()))
        calls, now = redis.calls("set"), time.monotonic()
        rates.append((calls - before) / (now - at))
        before, at = calls, now
    load.kill()
    load.wait()
    redis.stop()
    return {"per_second": rates}


def measure(ctx):
    seconds = ctx.seconds(60)
    ctx.step("%d s of map-put" % seconds)
    raw = {"seconds": seconds, "ours": _ours(ctx, seconds)}
    if "redis" in ctx.peers:
        ctx.step("%d s of redis SET" % seconds)
        raw["redis"] = _redis(ctx, seconds)
    return raw


def _last_rate(rates, extra_seconds=0.0):
    """Of the last seconds, the drain that they leave behind included."""
    last = rates[WARM_UP:] or rates
    return sum(last) / (len(last) + extra_seconds)


def targets(raw):
    ours, found = raw["ours"], []
    if "redis" in raw:
        found.append(figures.at_least(
            "map-put, rate of the last %d s with drain, against redis SET"
            % len(ours["per_second"][WARM_UP:] or ours["per_second"]),
            _last_rate(ours["per_second"], ours["drain_s"]) / _last_rate(raw["redis"]["per_second"]), 1.0, "times"))
    fullest = max(b["used"] / b["limit"] for b in ours["bounds"].values())
    found.append(figures.at_most("fullest bound of `vxc status`", 100 * fullest, 100, "%"))
    allowed = sum(ours["bounds"][name]["limit"] for name in MEMORY_BOUNDS)
    found.append(figures.less_than("anonymous memory under load, against 100 MB plus the bounds",
                                   ours["anonymous"] / 1e6, 100 + allowed / 1e6, "MB"))
    return found


def render(raw):
    ours, theirs = raw["ours"], raw.get("redis")
    rows = [["last seconds", figures.count(_last_rate(ours["per_second"])),
             figures.count(_last_rate(theirs["per_second"])) if theirs else "–"],
            ["last seconds, drain included", figures.count(_last_rate(ours["per_second"], ours["drain_s"])), "–"],
            ["slowest second", figures.count(min(ours["per_second"])),
             figures.count(min(theirs["per_second"])) if theirs else "–"]]
    text = figures.table(["operations per second", "map-put", "redis SET"], rows)
    text += "\n\nLMDB had all of it %.2f s after the last put; the longest time without an answer was %.0f ms.\n" \
        % (ours["drain_s"], ours["stall_us"] / 1000)
    text += "\nAnonymous memory was at most %s; beyond what the bounds held at that moment, at most %s.\n" \
        % (figures.mb(ours["anonymous"]), figures.mb(ours["beyond"]))
    text += "\nEach second, in thousands:\n\n```\nmap-put    %s\n" % _seconds(ours["per_second"])
    if theirs:
        text += "redis SET  %s\n" % _seconds(theirs["per_second"])
    text += "```\n\nThe bounds that `vxc status` prints, at their fullest:\n\n"
    text += figures.table(["bound", "most used", "limit", "unit"],
                          [[name, figures.count(b["used"]), figures.count(b["limit"]), b["unit"]]
                           for name, b in ours["bounds"].items()])
    return text


def _seconds(rates, per_line=20):
    cells = ["%4.0f" % (rate / 1000) for rate in rates]
    lines = ["".join(cells[i:i + per_line]) for i in range(0, len(cells), per_line)]
    return ("\n" + " " * 11).join(lines)
