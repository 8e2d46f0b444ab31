"""kill -9 of the primary, again and again: how long until a client's writes are acknowledged again."""
import subprocess
import threading
import time

import figures
from clusters import VxcdCluster
from programs import BenchError, spawn, until

NAME, TITLE = "failover", "A write after the primary's end"
KILLS, EVERY_MS = 100, 5


class Probe:
    """A client that writes every few milliseconds; its writes as they are acknowledged."""

    def __init__(self, ctx, endpoints):
        self.writes, self.failed = [], 0  # (began, ended), nanoseconds of the monotonic clock
        self.process = spawn([ctx.program("test-programs/write_probe"), endpoints, str(EVERY_MS)],
                             stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            began, ended, code = map(int, line.split())
            if code == 0:
                self.writes.append((began, ended))
            else:
                self.failed += 1

    def first_after(self, at):
        """The end of the first write that began after this moment and was acknowledged; None: not yet."""
        found = None
        for began, ended in reversed(self.writes):
            if began < at:
                break
            found = ended
        return found

    def stop(self):
        self.process.kill()
        self.reader.join()
        self.process.wait()


def measure(ctx):
    kills = 3 if ctx.quick else KILLS
    cluster = VxcdCluster(ctx)
    probe, gaps = Probe(ctx, cluster.endpoints), []
    for number in range(kills):
        if number % 10 == 0:
            ctx.step("kill %d of %d" % (number + 1, kills))
        cluster.settle()
        began = time.monotonic_ns()
        until(lambda: probe.first_after(began), 60, "the client writes")
        primary = cluster.nodes[cluster.primary()]
        at = time.monotonic_ns()
        primary.kill()
        until(lambda: probe.first_after(at) or probe.process.poll() is not None, 60, "a write after a kill -9")
        if probe.process.poll() is not None:
            raise BenchError("write_probe ended with status %d" % probe.process.returncode)
        gaps.append((probe.first_after(at) - at) / 1e6)
        primary.start()
    probe.stop()
    cluster.stop()
    return {"gaps_ms": gaps, "writes": len(probe.writes), "failed": probe.failed}


def _percentile(values, percent):
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def targets(raw):
    return [figures.at_most("a write again after kill -9 of the primary, p99 of %d" % len(raw["gaps_ms"]),
                            _percentile(raw["gaps_ms"], 99) / 1000, 1, "s")]


def render(raw):
    gaps = raw["gaps_ms"]
    rows = [[text, figures.digits(value, 0)] for text, value in (
        ("median", figures.median(gaps)), ("p90", _percentile(gaps, 90)), ("p99", _percentile(gaps, 99)),
        ("longest", max(gaps)), ("shortest", min(gaps)))]
    text = figures.table(["from kill -9 to the end of the first write that began after it", "ms"], rows)
    text += "\n\n%s kills of the primary of three nodes, one after the other, while one client writes every %d ms; " \
        % (figures.count(len(gaps)), EVERY_MS)
    return text + "of its %s writes %s failed after all retries." \
        % (figures.count(raw["writes"] + raw["failed"]), figures.count(raw["failed"]))
