"""How long a node takes to be ready, and what it weighs when it idles."""
import subprocess
import time

import figures
from programs import Vxcd, anonymous_bytes, spawn, until

NAME, TITLE = "readiness", "Ready, and at rest"
ENTRIES, VALUE_SIZE = 1_000_000, 64


def _fresh(ctx):
    ready, idle = [], []
    for _ in range(ctx.runs):
        node = Vxcd(ctx, "fresh")
        ready.append(node.ready_s)
        node.status()
        idle.append(anonymous_bytes(node.pid))
        node.remove()
    return ready, idle


def _killed(ctx, node):
    """Ready again after kill -9 in the middle of a load."""
    load = spawn(node.bench_command("map-put", connections=50, pipeline=16, seconds=60, keys=ctx.keys(ENTRIES),
                                    value_size=VALUE_SIZE),
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = node.status()["commands_total"]
    until(lambda: node.status()["commands_total"] > before + ctx.count(400_000), 60, "the load runs")
    node.kill()
    load.wait()  # it sees that the server is gone
    node.start()
    return node.ready_s


def measure(ctx):
    ctx.step("a fresh directory")
    ready, idle = _fresh(ctx)
    raw = {"fresh_s": ready, "idle_bytes": idle, "entries": ctx.keys(ENTRIES), "stopped_s": [], "killed_s": [],
           "idle_entries_bytes": []}
    node = Vxcd(ctx, "ours")
    node.fill(raw["entries"], VALUE_SIZE)
    for run in range(ctx.runs):
        ctx.step("%s entries, run %d of %d" % (figures.count(raw["entries"]), run + 1, ctx.runs))
        node.stop()
        node.start()
        raw["stopped_s"].append(node.ready_s)
        time.sleep(ctx.seconds(1))  # what a start leaves behind settles
        raw["idle_entries_bytes"].append(anonymous_bytes(node.pid))
        raw["killed_s"].append(_killed(ctx, node))
        node.drain()
    node.remove()
    return raw


def targets(raw):
    entries = figures.count(raw["entries"])
    return [figures.less_than("ready on a fresh directory", figures.median(raw["fresh_s"]) * 1000, 50, "ms"),
            figures.less_than("ready with %s entries" % entries, figures.median(raw["stopped_s"]) * 1000, 1000,
                              "ms"),
            figures.less_than("ready with %s entries after kill -9 under load" % entries,
                              figures.median(raw["killed_s"]) * 1000, 1000, "ms"),
            figures.less_than("anonymous memory, idle", figures.median(raw["idle_bytes"]) / 1e6, 20, "MB"),
            figures.less_than("anonymous memory, idle with %s entries" % entries,
                              figures.median(raw["idle_entries_bytes"]) / 1e6, 20, "MB")]


def render(raw):
    rows = [[text, *(figures.digits(1000 * f(raw[key]), 0) for f in (figures.median, min, max))]
            for text, key in (("fresh directory", "fresh_s"),
                              ("%s entries, stopped" % figures.count(raw["entries"]), "stopped_s"),
                              ("%s entries, kill -9 under load" % figures.count(raw["entries"]), "killed_s"))]
    return figures.table(["from the start of the process to ready", "median ms", "fastest", "slowest"], rows)
