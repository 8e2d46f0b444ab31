"""The machine, and what one flush of its disk costs."""
import mmap
import os
import platform
import time

import figures
from programs import output_of

NAME, TITLE = "machine", "The machine"
FILE_BYTES = 16 << 20


def _first(path, prefix):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(prefix):
                return line.split(":", 1)[1].strip()
    return "unknown"


def _flushes(ctx, size, direct):
    """Flushes per second of `size` bytes each, one after the other, over a zero-filled file."""
    path = os.path.join(ctx.work, "flush")
    with open(path, "wb") as file:
        file.write(bytes(FILE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    flags = os.O_WRONLY | (os.O_DIRECT | os.O_DSYNC if direct else 0)
    block = mmap.mmap(-1, size)  # aligned, as O_DIRECT wants it
    block.write(b"x" * size)
    descriptor, done = os.open(path, flags), 0
    try:
        started = time.perf_counter()
        while time.perf_counter() - started < ctx.seconds(2):
            os.pwritev(descriptor, [block], done * size % FILE_BYTES)
            if not direct:
                os.fdatasync(descriptor)
            done += 1
        return done / (time.perf_counter() - started)
    finally:
        os.close(descriptor)
        os.remove(path)


def measure(ctx):
    raw = {
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "system": _system(),
        "filesystem": output_of(["findmnt", "-no", "FSTYPE,OPTIONS", "-T", ctx.work]).split()[0],
        "vxc": output_of([ctx.program("vxc"), "version"]).split("\n")[0].strip(),
        "commit": ctx.commit,
        "flushes": {},
    }
    if "redis" in ctx.peers:
        raw["redis"] = output_of(["redis-server", "--version"]).split()[2].removeprefix("v=")
    for direct in (False, True):
        for size in (4096, 65536):
            raw["flushes"]["%s %d" % ("O_DIRECT, O_DSYNC" if direct else "fdatasync", size)] = \
                [_flushes(ctx, size, direct) for _ in range(min(3, ctx.runs))]
    return raw


def _system():
    with open("/etc/os-release", encoding="utf-8") as lines:
        found = dict(line.rstrip().split("=", 1) for line in lines if "=" in line)
    return found.get("PRETTY_NAME", "unknown").strip('"')


def targets(_raw):
    return []


def render(raw):
    rows = [["processor", "%s, %d cores" % (raw["cpu"], raw["cores"])],
            ["memory", "%.1f GiB" % (raw["memory_bytes"] / 2**30)],
            ["system", "%s, Linux %s" % (raw["system"], raw["kernel"])],
            ["filesystem of the data", raw["filesystem"]],
            ["this program", "%s, commit %s" % (raw["vxc"], raw["commit"])]]
    if "redis" in raw:
        rows.append(["redis-server", raw["redis"]])
    text = figures.table(["", ""], rows).replace("---:", "---")
    flushes = [[name.rsplit(" ", 1)[0], name.rsplit(" ", 1)[1], figures.spread(values)]
               for name, values in raw["flushes"].items()]
    return text + "\n\nFlushes of its disk, one after the other, over a zero-filled file:\n\n" + \
        figures.table(["way", "bytes", "per second"], flushes)
