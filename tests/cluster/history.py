"""Clients that note what they see (vxc-history), and what their notes say."""
import json
import re
import signal
import subprocess


class History:
    """A run of vxc-history, beside which the network and the nodes suffer."""

    def __init__(self, cluster, path, seed, options):
        self.path, self.error_path = path, path + ".err"
        self.cluster, self.totals, self.text = cluster, {}, ""
        with open(self.error_path, "wb") as errors:
            # pylint: disable=consider-using-with # it lives until finish()
            self.process = subprocess.Popen(
                cluster.network.inside(cluster.network.clients) +
                [cluster.program("vxc-history"), "-e", cluster.network.endpoints, "--seconds", "3600",
                 "--session-ms", "3000", "--timeout-ms", "2000", "--seed", str(seed), "--out", path, *options],
                stderr=errors, stdin=subprocess.DEVNULL)

    def finish(self, seconds=60):
        """Ends the work, lets every key be read once more; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=seconds)
        with open(self.error_path, encoding="utf-8") as errors:
            self.text = errors.read().strip()
        names = ("ok", "fail", "info", "lost", "gap_ms")
        found = re.search(r"ok (\d+), fail (\d+), info (\d+), sessions lost (\d+), .* (\d+) ms$", self.text)
        self.totals = dict(zip(names, map(int, found.groups()))) if found else {}
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def lines(self):
        with open(self.path, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def refused(self):
        """Operations that ended without an answer to what was asked."""
        return [line for line in self.lines() if "e" in line]

    def pace(self, spans):
        """Of the writes that were answered in these spans (seconds of the monotonic clock): how many a second, and
        the p99 of their latency in ms. Lock acquires wait for others, so they say nothing."""
        latencies = sorted((line["t1"] - line["t0"]) / 1e6 for line in self.lines()
                           if any(begun <= line["t1"] / 1e9 < ended for begun, ended in spans) and "e" not in line and
                           line["f"] not in ("lock_acquire", "map_get", "counter_get", "set_contains"))
        if not latencies:
            return 0, float("inf")
        return len(latencies) / sum(ended - begun for begun, ended in spans), latencies[int(len(latencies) * 0.99)]
