"""Saving a large state while clients work: rate beside LMDB copy + lz4 alone, their p99, memory."""
import json
import os
import subprocess
import threading
import time

import figures
from programs import BenchError, Vxcd, anonymous_bytes, output_of, spawn
from .endurance import MEMORY_BOUNDS

NAME, TITLE = "snapshot", "Snapshots"
KEYS, VALUE_SIZE = 1_000_000, 1000  # 1 GB of values
LOAD = {"connections": 4, "pipeline": 1}  # clients that ask one by one: p99 is what they feel
SECONDS = 12


def _save(node, path):
    started = time.perf_counter()
    output_of(node.command("-q", "--timeout", "60s", "snapshot", "save", path))
    took = time.perf_counter() - started
    size = os.path.getsize(path)
    os.remove(path)
    return took, size


def _alone(ctx, node):
    """What the two libraries need for the same state, without a node's checks and without a client."""
    results = {}
    for way in ("staged", "piped"):
        path = os.path.join(ctx.work, "alone.lz4")
        results[way] = json.loads(output_of(
            [ctx.program("test-programs/copy_bench"), way, os.path.join(node.data, "state"), path]))
        os.remove(path)
    return results


def _clients(ctx, node, seconds, busy):
    """p99 of clients for so long; `busy` is called again and again beside them."""
    load = spawn(node.bench_command("mixed", seconds=seconds, keys=ctx.keys(KEYS), value_size=VALUE_SIZE, **LOAD),
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    highest, ended = [0], threading.Event()

    def watch():
        while not ended.wait(0.02):
            highest[0] = max(highest[0], anonymous_bytes(node.pid))
    watcher = threading.Thread(target=watch)
    watcher.start()
    saves = []
    try:
        while load.poll() is None:
            saves.append(busy())
    finally:
        ended.set()
        watcher.join()
    if load.wait() != 0:
        raise BenchError("the load failed: " + load.stderr.read())
    result = json.loads(load.stdout.read())
    return {"p50_us": result["p50_us"], "p99_us": result["p99_us"], "rate": result["ops_per_second"],
            "anonymous": highest[0], "saves": saves}


def measure(ctx):
    keys, path = ctx.keys(KEYS), os.path.join(ctx.work, "bench.snap")
    ctx.step("filling %s keys of %d bytes" % (figures.count(keys), VALUE_SIZE))
    node = Vxcd(ctx, "ours")
    node.fill(keys, VALUE_SIZE)
    status = node.status()
    raw = {"state_bytes": keys * (VALUE_SIZE + 16), "file_bytes": status["store"]["file_bytes"], "alone": [],
           "save_s": [], "bounds": sum(status["bounds"][name]["limit"] for name in MEMORY_BOUNDS)}
    for run in range(min(3, ctx.runs)):
        ctx.step("saving %.2f GB, run %d of %d" % (raw["state_bytes"] / 1e9, run + 1, min(3, ctx.runs)))
        raw["alone"].append(_alone(ctx, node))
        took, raw["image_bytes"] = _save(node, path)
        raw["save_s"].append(took)
    ctx.step("clients before a save, and during saves")
    raw["before"] = [_clients(ctx, node, ctx.seconds(SECONDS), lambda: time.sleep(0.1)) for _ in range(2)]
    raw["during"] = [_clients(ctx, node, ctx.seconds(SECONDS), lambda: _save(node, path)) for _ in range(2)]
    for phase in raw["before"]:
        del phase["saves"]
    node.remove()
    return raw


def _alone_s(raw, way):
    return figures.median([run[way]["seconds"] for run in raw["alone"]])


def _p99(raw, phase):
    return figures.median([run["p99_us"] for run in raw[phase]])


def _anonymous(raw, phase):
    return max(run["anonymous"] for run in raw[phase])


def targets(raw):
    return [figures.at_least("rate of a save, against LMDB copy + lz4 alone",
                             100 * _alone_s(raw, "piped") / figures.median(raw["save_s"]), 60, "%"),
            figures.at_most("p99 of clients during saves, against before", _p99(raw, "during") / _p99(raw, "before"),
                            2, "times"),
            figures.less_than("anonymous memory during saves, against 100 MB plus the bounds",
                              _anonymous(raw, "during") / 1e6, 100 + raw["bounds"] / 1e6, "MB")]


def render(raw):
    took = figures.median(raw["save_s"])

    def rate(seconds):
        return figures.count(raw["state_bytes"] / 1e6 / seconds)
    text = figures.table(
        ["%.2f GB of keys and values, %.2f GB in LMDB, %.2f GB saved"
         % (raw["state_bytes"] / 1e9, raw["file_bytes"] / 1e9, raw["image_bytes"] / 1e9), "seconds", "MB/s"],
        [["`vxc snapshot save`, from start to end", figures.digits(took), rate(took)],
         ["LMDB copy into lz4, one pass", figures.digits(_alone_s(raw, "piped")), rate(_alone_s(raw, "piped"))],
         ["LMDB copy to a file, then lz4", figures.digits(_alone_s(raw, "staged")), rate(_alone_s(raw, "staged"))]])
    text += "\n\nFour clients with one mixed request each under way:\n\n"
    return text + figures.table(
        ["", "operations per second", "p50 µs", "p99 µs", "anonymous memory"],
        [[name, figures.count(figures.median([run["rate"] for run in raw[phase]])),
          figures.count(figures.median([run["p50_us"] for run in raw[phase]])), figures.count(_p99(raw, phase)),
          figures.mb(_anonymous(raw, phase))]
         for name, phase in (("before", "before"), ("during saves, one after the other", "during"))])
