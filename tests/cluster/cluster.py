"""A cluster of real processes in namespaces of their own, and what can be done to it."""
import json
import os
import signal
import subprocess
import time

from disk import Folder, Image
from network import PORT, Network

READY_SECONDS = 30


def until(condition, seconds, what):
    """Polls; gives what the condition gave, and how many seconds that took."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value, time.monotonic() - began
        if time.monotonic() - began > seconds:
            raise AssertionError("%s within %g s" % (what() if callable(what) else what, seconds))
        time.sleep(0.02)


class Node:
    """A vxcd; its id is its place in the network."""

    def __init__(self, cluster, number, disk):
        self.cluster, self.number, self.disk = cluster, number, disk
        self.process, self.stopped, self.expected_down = None, False, True
        self.environment, self.programs = {}, cluster.programs
        self.log_path = os.path.join(cluster.work, "node%d.log" % number)

    def start(self):
        """Does not wait until it is ready: without the others it may not become so."""
        self.note("start")
        address = self.cluster.network.address(self.number)
        words = [os.path.join(self.programs, "vxcd"), "--data", os.path.join(self.disk.path, "data"), "--node-id",
                 str(self.number), "--host", address, "--port", str(PORT), "--i-accept-plaintext-on", address,
                 *self.cluster.options]
        with open(self.log_path, "ab") as log:
            # pylint: disable=consider-using-with # it lives on
            self.process = subprocess.Popen(self.cluster.network.inside(self.number) + words, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=dict(os.environ, **self.environment))
        self.stopped, self.expected_down = False, False

    def note(self, text):
        self.cluster.network.note("node %d: %s" % (self.number, text))

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9; also of one that is stopped or gone."""
        self.note("kill -9")
        self.expected_down = True
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ask_to_stop(self):
        self.note("SIGTERM")
        self.expected_down = True
        self.process.terminate()

    def stop(self):
        """SIGTERM; gives the exit status."""
        self.ask_to_stop()
        return self.process.wait(timeout=30)

    def pause(self):
        self.note("SIGSTOP")
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def resume(self):
        if self.stopped and self.alive():
            self.note("SIGCONT")
            self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def log_text(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()


class Cluster:
    """Nodes 1 to `count`. `disk_mib`: each on a filesystem of its own of that size, else in a folder."""

    def __init__(self, work, programs, count, seed, disk_mib=0):
        self.work, self.programs, self.count = work, programs, count
        os.makedirs(work)
        self.network = Network(count, work, os.path.join(programs, "test-programs"), seed)
        self.nodes, self.options = {}, []
        if count > 1:
            secret = os.path.join(work, "secret")
            with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
                file.write("a secret for the cluster tests only\n")
            members = ",".join("%d=%s" % (i, self.network.endpoint(i)) for i in range(1, count + 1))
            self.options = ["--initial-cluster", members, "--secret-file", secret]
        try:
            for number in range(1, count + 1):
                path = os.path.join(work, "disk%d" % number)
                self.nodes[number] = Node(self, number, Image(path, disk_mib) if disk_mib else Folder(path))
        except BaseException:
            self.close()
            raise

    def program(self, name):
        return os.path.join(self.programs, name)

    def close(self):
        for node in self.nodes.values():
            node.kill()
        for node in self.nodes.values():
            node.disk.close()
        self.network.close()

    # ---- clients ----

    def client(self, *words, timeout="2s", endpoints=None, seconds=20, programs=None):
        """Runs vxc, that of `programs`, where the clients are."""
        return subprocess.run(
            self.network.inside(self.network.clients) +
            [os.path.join(programs or self.programs, "vxc"), "-e", endpoints or self.network.endpoints, "--timeout", timeout, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=seconds,
            check=False)

    def writes(self, timeout="500ms"):
        """Does a write succeed?"""
        return self.client("counter", "add", "probe", "1", timeout=timeout).returncode == 0

    def status(self, timeout="2s", checkpoint=False):
        """What the cluster says of itself; None without an answer."""
        words = ["status", "-o", "json"] + (["--checkpoint"] if checkpoint else [])
        done = self.client(*words, timeout=timeout)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status_of(self, node):
        """What that node says of itself; waits for an answer."""
        def ask():
            done = self.client("status", "-o", "json", timeout="1s", endpoints=self.network.endpoint(node.number))
            return json.loads(done.stdout) if done.returncode == 0 else None
        return until(ask, 15, "node %d tells its status" % node.number)[0]

    def members(self, **options):
        status = self.status(**options)
        return (status or {}).get("members", [])

    def primary(self):
        """The node that the clients find as primary; waits for one."""
        if self.count == 1:
            return self.nodes[1]

        def find():
            found = [m["id"] for m in self.members(timeout="1s") if m.get("role") == "primary"]
            return self.nodes[int(found[0])] if len(found) == 1 else None
        node = until(find, 15, "there is one primary")[0]
        node.note("is the primary")
        return node

    def others(self, *but):
        return [node for node in self.nodes.values() if node not in but]

    # ---- all of it ----

    def start(self):
        for node in self.nodes.values():
            node.start()
        until(self.writes, READY_SECONDS, "the cluster takes a write")

    def heal(self):
        """Undoes whatever was done; nodes that are down are started."""
        self.network.heal()
        for node in self.nodes.values():
            if isinstance(node.disk, Image):
                node.disk.free()
            node.resume()
            if not node.alive():
                node.start()

    def ended_by_themselves(self):
        """Nodes that nobody ended and that are gone all the same, with what they said."""
        return ["node %d ended with status %s:\n%s" % (node.number, node.process.returncode,
                                                       "\n".join(node.log_text().splitlines()[-8:]))
                for node in self.nodes.values() if not node.expected_down and not node.alive()]

    def equal_digests(self):
        """Do all members have the same state at the same index? Gives the text for people, or None."""
        if self.count == 1:
            return "one node" if self.status() else None
        members = self.members(checkpoint=True, timeout="5s")
        seen = {(m.get("digest_index"), m.get("state_digest")) for m in members}
        if len(members) == self.count and len(seen) == 1 and None not in next(iter(seen)):
            return "at index %s" % next(iter(seen))[0]
        return None
