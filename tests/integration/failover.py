"""The primary of three nodes is killed while a client writes; run by failover.sh.

The client is the C library's (failover_client.c): one session adds 1 to a counter every 5 ms, another
one watches it. Every acknowledged increment must be there exactly once, every event must come exactly
once and in order, and no operation may fail. The time from the kill to the first acknowledged write
that was submitted after it is printed: it judges nothing but that it is below 10 s.
"""
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from daemon import VXCD, WORK, check, finish, percentile, primary_of, start_cluster, status_of, until  # noqa: E402

kills = int(os.environ.get("FAILOVER_KILLS", "8"))
programs = os.path.dirname(VXCD)
INTERVAL_MS, TIMEOUT_MS = 5, 60000
print("# %d kills (FAILOVER_KILLS)" % kills, flush=True)


def all_in_step():
    statuses = [status_of(node) for node in nodes]
    if not all(statuses):
        return False
    applied = [status["applied_index"] for status in statuses]
    return min(applied) > 0 and max(applied) - min(applied) < 200


class Client:
    """The writing and watching program; its lines are read as they come."""

    def __init__(self, counter):
        self.counter, self.acks, self.failures, self.events, self.notices = counter, [], [], [], []
        self.process = subprocess.Popen(
            [os.path.join(programs, "test-programs", "failover_client"), endpoints, counter,
             str(INTERVAL_MS), str(TIMEOUT_MS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pending, self.reader = None, threading.Thread(target=self.read)
        self.reader.start()
        until(lambda: self.acks or self.process.poll() is not None, 20, "no write is acknowledged")
        assert self.acks, "the client has ended"

    def read(self):
        for line in self.process.stdout:
            word, rest = line.split(" ", 1)
            if word == "ack":
                submitted, answered, value = rest.split()
                self.acks.append((float(submitted), float(answered), int(value)))
            elif word == "event":
                self.events.append(int(rest))
            elif word == "fail":
                self.failures.append(rest.strip())
            elif word == "notice":
                self.notices.append(rest.strip())
            elif word == "end":
                self.pending = int(rest)

    def end(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=60)
        self.reader.join()
        self.process.stdout.close()
        assert status == 0 and self.pending == 0, (status, self.pending)

    def gap_after(self, moment_ms):
        """From then until a write submitted later is acknowledged; None as long as none is."""
        return next((answered - moment_ms for submitted, answered, _ in list(self.acks)[-2000:]
                     if submitted >= moment_ms), None)

    def longest_gap_ms(self):
        answers = sorted(answered for _, answered, _ in self.acks)
        return max(b - a for a, b in zip(answers, answers[1:]))

    def judge(self):
        assert not self.failures, "%d failed: %s" % (len(self.failures), self.failures[:5])
        values = sorted(value for _, _, value in self.acks)
        assert values == list(range(1, len(values) + 1)), "acknowledged values are not 1 to %d" % len(values)
        counter = subprocess.run([os.path.join(programs, "vxc"), "-e", endpoints, "counter", "get", self.counter],
                                 stdout=subprocess.PIPE, text=True, check=True, timeout=30).stdout
        assert int(counter) == len(values), "%d acknowledged, but the counter is %s" % (len(values), counter)
        assert self.events == list(range(1, len(values) + 1)), "events: %d of %d, first wrong one: %s" % (
            len(self.events), len(values),
            next(((i + 1, e) for i, e in enumerate(self.events) if e != i + 1), None))


nodes, endpoints = start_cluster()
until(all_in_step, 30, "the cluster does not come into step")
gaps = []


@check
def acknowledged_increments_are_there_once_and_events_come_once_however_often_the_primary_is_killed():
    client = Client("killed")
    for _ in range(kills):
        victim = primary_of(nodes)
        killed_ms = time.monotonic() * 1000
        victim.kill()
        gaps.append(until(lambda: client.gap_after(killed_ms), 10, "no write 10 s after the kill"))
        victim.start()
        until(all_in_step, 60, "the killed node does not catch up")
    client.end()
    client.judge()
    return "%d writes, %d kills; a write again after ms: median %.0f, p99 %.0f, all %s" % (
        len(client.acks), kills, percentile(gaps, 0.5), percentile(gaps, 0.99),
        " ".join("%.0f" % gap for gap in sorted(gaps)))


@check
def a_silent_primary_is_left_and_found_again():
    client = Client("stopped")
    victim = primary_of(nodes)
    stopped_ms = time.monotonic() * 1000
    victim.signal(signal.SIGSTOP)
    try:
        gap = until(lambda: client.gap_after(stopped_ms), 20, "no write 20 s after the stop")
    finally:
        victim.signal(signal.SIGCONT)
    until(all_in_step, 60, "the stopped node does not catch up")
    client.end()
    client.judge()
    return "a write again after %.0f ms" % gap


@check
def no_operation_fails_while_each_node_is_restarted_in_turn():
    client = Client("restarted")
    for node in nodes:
        assert node.stop() == 0
        node.start()
        until(all_in_step, 60, "the restarted node does not catch up")
        goal = len(client.acks) + 100
        until(lambda: len(client.acks) >= goal, 20, "writes do not go on")  # noqa: B023
    client.end()
    client.judge()
    return "%d writes, longest time without an answer %.0f ms" % (len(client.acks), client.longest_gap_ms())


@check
def one_endpoint_is_enough():
    global endpoints
    every, endpoints = endpoints, endpoints.split(",")[primary_of(nodes).number - 1]
    client = Client("one-endpoint")
    victim = primary_of(nodes)
    killed_ms = time.monotonic() * 1000
    victim.kill()
    gap = until(lambda: client.gap_after(killed_ms), 10, "no write 10 s after the kill")
    victim.start()
    until(all_in_step, 60, "the killed node does not catch up")
    client.end()
    endpoints = every
    client.judge()
    return "a write again after %.0f ms" % gap


for node in nodes:
    if node.alive():
        node.stop()
finish()
