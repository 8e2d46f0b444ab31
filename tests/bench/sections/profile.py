"""Where the time of vxcd goes: perf, by layer and by function."""
import os
import re
import shutil
import subprocess

import figures
from programs import BenchError, Vxcd, output_of, spawn

NAME, TITLE = "profile", "Where the time goes"
LOADS = [("map-put, 50 x 16", "map-put", 16), ("map-get, 50 x 256", "map-get", 256)]
KEYS, CONNECTIONS, VALUE_SIZE, SECONDS, TOP = 1_000_000, 50, 64, 6, 12
KERNEL = "kernel"


def _layers(ctx):
    """Function → layer, from the libraries of the build; a static name that several have is "several"."""
    found = {}
    for folder in ("src", "storage"):
        for root, _, files in os.walk(os.path.join(ctx.bin, folder)):
            for file in files:
                layer = re.fullmatch(r"libvxc_(\w+)\.a", file)
                if layer is None:
                    continue
                symbols = output_of(["nm", "--defined-only", os.path.join(root, file)])
                for name in re.findall(r"^[0-9a-f]+ [tT] (\S+)$", symbols, re.M):
                    name = name.split(".")[0]
                    known = found.setdefault(name, layer.group(1))
                    found[name] = known if known == layer.group(1) else "several"
    return found


def _layer_of(layers, dso, symbol):
    if dso.startswith("["):
        return KERNEL
    if dso == "vxcd":
        return layers.get(symbol.split(".")[0], "engine (libraft) and others")
    return re.sub(r"(-[\d.]+)?\.so.*", "", dso)


def _profile(ctx, node, op, pipeline, layers):
    path = os.path.join(ctx.work, "perf.data")
    load = spawn(node.bench_command(op, connections=CONNECTIONS, pipeline=pipeline,
                                    seconds=ctx.seconds(SECONDS) + 1, keys=ctx.keys(KEYS), value_size=VALUE_SIZE),
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    output_of(["perf", "record", "-q", "-F", "1999", "-p", str(node.pid), "-o", path, "--", "sleep",
               str(ctx.seconds(SECONDS))])
    if load.wait() != 0:
        raise BenchError("the load beside perf failed")
    text = output_of(["perf", "report", "-q", "-i", path, "--stdio", "-s", "dso,symbol", "-t", "|"])
    os.remove(path)
    shares = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) >= 3 and cells[0].endswith("%"):
            kind, symbol = cells[2][:3], cells[2][4:]
            layer = KERNEL if kind == "[k]" else _layer_of(layers, cells[1], symbol)
            # A library without symbols shows addresses: together they are one function to us.
            place = (layer, "(no name)" if symbol.startswith("0x") else symbol)
            shares[place] = shares.get(place, 0) + float(cells[0][:-1])
    if not shares:
        raise BenchError("perf report shows nothing")
    return sorted(([share, layer, symbol] for (layer, symbol), share in shares.items()), reverse=True)


def measure(ctx):
    if shutil.which("perf") is None:
        return {"missing": "perf is not installed (Debian: linux-perf)", "loads": []}
    layers, loads = _layers(ctx), []
    node = Vxcd(ctx, "ours")
    node.fill(ctx.keys(KEYS), VALUE_SIZE)
    for name, op, pipeline in LOADS:
        ctx.step("perf during " + name)
        try:
            rows = _profile(ctx, node, op, pipeline, layers)
        except BenchError as error:
            return {"missing": "perf does not work here: %s" % str(error)[:300], "loads": []}
        shares = {}
        for share, layer, _ in rows:
            shares[layer] = shares.get(layer, 0) + share
        loads.append({"name": name, "layers": shares, "top": rows[:TOP]})
        node.drain()
    node.remove()
    return {"loads": loads}


def targets(_raw):
    return []


def render(raw):
    if "missing" in raw:
        return "Not measured: %s." % raw["missing"]
    parts = []
    for load in raw["loads"]:
        shares = sorted(((share, layer) for layer, share in load["layers"].items()), reverse=True)
        parts.append("**%s.** Share of the server's processor time by layer, threads included:\n\n" % load["name"]
                     + figures.table(["layer", "%"], [[layer, figures.digits(share, 1)]
                                                      for share, layer in shares if share >= 0.5])
                     + "\n\nThe functions that take most:\n\n"
                     + figures.table(["function", "layer", "%"],
                                     [["`%s`" % symbol, layer, figures.digits(share, 1)]
                                      for share, layer, symbol in load["top"]]))
    return "\n\n".join(parts)
