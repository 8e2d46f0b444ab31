"""One of two backups stands still, or its disk is slow: what clients notice, against before."""
import os
import signal

import figures
from clusters import VxcdCluster

NAME, TITLE = "slow_backup", "A slow backup"
KEYS, VALUE_SIZE, SECONDS = 100_000, 256, 5
CONNECTIONS, PIPELINE = 8, 32
FLUSH_MS = 500


def _load(ctx, cluster):
    result = cluster.bench("put", connections=CONNECTIONS, pipeline=PIPELINE, seconds=ctx.seconds(SECONDS),
                           keys=ctx.keys(KEYS), value_size=VALUE_SIZE)
    return {key: result[key] for key in ("ops_per_second", "p50_us", "p99_us")}


def _halves(ctx, cluster, hinder, release):
    """The rate before, and while `hinder` has been done to a backup."""
    runs = []
    for run in range(ctx.runs):
        ctx.step("run %d of %d" % (run + 1, ctx.runs))
        backup = cluster.backup()
        healthy = _load(ctx, cluster)
        hinder(backup)
        try:
            runs.append({"healthy": healthy, "hindered": _load(ctx, cluster)})
        finally:
            release(backup)
        cluster.settle()
    return runs


def _stopped(ctx):
    cluster = VxcdCluster(ctx)
    cluster.fill(ctx.keys(KEYS), VALUE_SIZE)
    runs = _halves(ctx, cluster, lambda node: node.process.send_signal(signal.SIGSTOP),
                   lambda node: node.process.send_signal(signal.SIGCONT))
    cluster.stop()
    return runs


def _slow_disk(ctx):
    def mark(name):
        return os.path.join(ctx.work, name + ".slow")

    def become_slow(node):
        with open(mark(node.name), "w", encoding="ascii") as file:
            file.write(str(FLUSH_MS))
    preload = ctx.program("test-programs/slow_flush.so")
    cluster = VxcdCluster(ctx, lambda name: {"LD_PRELOAD": preload, "SLOW_FLUSH_FILE": mark(name)})
    cluster.fill(ctx.keys(KEYS), VALUE_SIZE)
    runs = _halves(ctx, cluster, become_slow, lambda node: os.remove(mark(node.name)))
    cluster.stop()
    return runs


def measure(ctx):
    raw = {}
    for key, way in (("stopped", _stopped), ("slow_disk", _slow_disk)):
        raw[key] = way(ctx)
    return raw


WAYS = [("stopped", "one of two backups stopped (SIGSTOP)"),
        ("slow_disk", "%d ms more per flush of one of two backups" % FLUSH_MS)]


def _ratio(runs, key):
    return figures.median([run["hindered"][key] / run["healthy"][key] for run in runs])


def targets(raw):
    found = []
    for key, text in WAYS:
        found.append(figures.at_least(text + ": rate, against before", _ratio(raw[key], "ops_per_second"), 0.8, "times"))
        found.append(figures.at_most(text + ": p99, against before", _ratio(raw[key], "p99_us"), 2, "times"))
    return found


def render(raw):
    rows = []
    for key, text in WAYS:
        for half, name in (("healthy", "before"), ("hindered", text)):
            rows.append([name, *(figures.count(figures.median([run[half][figure] for run in raw[key]]))
                                 for figure in ("ops_per_second", "p50_us", "p99_us"))])
    return "Puts, %d x %d, values of %d bytes:\n\n" % (CONNECTIONS, PIPELINE, VALUE_SIZE) + figures.table(
        ["", "per second", "p50 µs", "p99 µs"], rows)
