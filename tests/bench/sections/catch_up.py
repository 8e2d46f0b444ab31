"""An empty node joins three that hold a large state: how long it takes, and what clients feel meanwhile."""
import json
import os
import subprocess
import time

import figures
from clusters import VxcdCluster
from programs import BenchError, Vxcd, free_port, spawn, until

NAME, TITLE = "catch_up", "An empty node catches up"
KEYS, VALUE_SIZE = 1_000_000, 1000  # 1 GB of values
LOAD = {"connections": 4, "pipeline": 1}  # clients that ask one by one: p99 is what they feel
SECONDS = 5  # of one load; they follow one another
WITHIN = 600  # seconds


def _load(ctx, cluster):
    command = cluster.bench_command("mixed", seconds=ctx.seconds(SECONDS), keys=ctx.keys(KEYS),
                                    value_size=VALUE_SIZE, **LOAD)
    return spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _result(load):
    out, error = load.communicate()
    if load.returncode != 0:
        raise BenchError("the load failed: " + error.strip())
    result = json.loads(out)
    return {key: result[key] for key in ("ops_per_second", "p50_us", "p99_us")}


def _join(ctx, cluster):
    """Adds a member and starts it; the process that ends when it has become a voter, its id and node."""
    address = "127.0.0.1:%d" % free_port()
    adding = spawn(cluster.command("member", "add", address, "--wait", "%ds" % WITHIN, "-o", "jsonl"),
                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    line = adding.stdout.readline()
    if not line:
        raise BenchError("vxc member add ended with status %d" % adding.wait())
    added = json.loads(line)
    options = added["command"].split()[3:]  # behind "vxcd --data FOLDER"
    return adding, added["id"], Vxcd(ctx, "joined", options=options)


def measure(ctx):
    cluster = VxcdCluster(ctx)
    ctx.step("filling %s keys of %d bytes" % (figures.count(ctx.keys(KEYS)), VALUE_SIZE))
    cluster.fill(ctx.keys(KEYS), VALUE_SIZE)
    cluster.settle()
    ctx.step("clients before it")
    raw = {"state_bytes": ctx.keys(KEYS) * (VALUE_SIZE + 16), "before": [], "during": []}
    for _ in range(2):
        raw["before"].append(_result(_load(ctx, cluster)))
    ctx.step("an empty node joins")
    started = time.perf_counter()
    adding, joined, node = _join(ctx, cluster)
    while adding.poll() is None:
        load = _load(ctx, cluster)
        until(lambda: load.poll() is not None or adding.poll() is not None, WITHIN, "the node catches up")
        if adding.poll() is not None:
            raw["seconds"] = time.perf_counter() - started
        raw["during"].append(_result(load))
    raw.setdefault("seconds", time.perf_counter() - started)
    if adding.returncode != 0 or cluster.members()[joined]["role"] != "backup":
        raise BenchError("vxc member add ended with status %d" % adding.returncode)
    raw["file_bytes"] = os.path.getsize(os.path.join(node.data, "state/data.mdb"))
    node.remove()
    cluster.stop()
    return raw


def _highest(runs, key):
    return max(run[key] for run in runs)


def targets(_raw):
    return []


def render(raw):
    text = "An empty node was a voter, with %.2f GB of keys and values, after %.1f s (%s MB/s), from `vxc member add` on." \
        % (raw["state_bytes"] / 1e9, raw["seconds"], figures.count(raw["state_bytes"] / 1e6 / raw["seconds"]))
    text += "\n\nFour clients with one mixed request each under way, the slowest of several loads:\n\n"
    return text + figures.table(
        ["", "operations per second", "p50 µs", "p99 µs"],
        [[name, figures.count(min(run["ops_per_second"] for run in raw[phase])),
          figures.count(_highest(raw[phase], "p50_us")), figures.count(_highest(raw[phase], "p99_us"))]
         for name, phase in (("before", "before"), ("while it catches up", "during"))])
