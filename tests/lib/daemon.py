"""Nodes, checks and fast pipelines for the integration tests that are written in Python.

A test names its program and work folder on the command line (see node.sh), states its checks with
@check, and ends with finish(). Nodes never outlive the test: they are ended by their process id.
"""
import atexit
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
import zlib

import wire

VXCD, WORK = sys.argv[1], sys.argv[2]
failures = 0
_nodes = []

_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


class NotStarted(RuntimeError):
    """vxcd ended before it was ready; status and what it said."""

    def __init__(self, status, text):
        super().__init__("vxcd did not start, status %s: %s" % (status, text))
        self.status, self.text = status, text


class Node:
    """A vxcd of its own; ready when it has said so."""

    def __init__(self, name, *options, descriptors=None, environment=None):
        self.data, self.options, self.process = os.path.join(WORK, name), list(options), None
        self.descriptors, self.environment = descriptors, environment
        _nodes.append(self)
        self.start()

    def start(self):
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors,) * 2)) \
            if self.descriptors else None
        started = time.monotonic()
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [VXCD, "--data", self.data, "--port", "0", *self.options],
                stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=limit,
                env=dict(os.environ, **(self.environment or {})))
        for line in self.process.stdout:
            if "ready in" in line:
                break
        else:
            self.process.stdout.close()
            raise NotStarted(self.process.wait(), self.log_tail())
        self.ready_s = time.monotonic() - started
        self.endpoint = open(os.path.join(self.data, "endpoint"), encoding="utf-8").read().strip()

    @property
    def log_path(self):
        return self.data + ".log"

    def log_text(self):
        return open(self.log_path, encoding="utf-8", errors="replace").read()

    def log_tail(self):
        return "\n".join(self.log_text().splitlines()[-10:])

    def signal(self, number):
        self.process.send_signal(number)

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        return status

    def forget(self):
        """Stopped, and its folder is about to go: looks for what finish() would look for."""
        _nodes.remove(self)
        text = self.log_text()
        assert "Sanitizer" not in text and "runtime error" not in text, text

    def connect(self, namespace=None, timeout=20):
        return wire.Connection(self.endpoint, timeout=timeout, namespace=namespace)

    def status(self):
        connection = self.connect()
        try:
            return json.loads(connection.ask("status").value)
        finally:
            connection.close()

    def rss_mib(self):
        for line in open("/proc/%d/status" % self.process.pid, encoding="ascii"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")


def _end_nodes():
    for node in _nodes:
        if node.process is not None and node.process.poll() is None:
            node.process.kill()
            node.process.wait()
    shutil.rmtree(WORK, ignore_errors=True)


atexit.register(_end_nodes)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def say(good, name, detail=""):
    global failures
    if not good:
        failures += 1
    print("ok" if good else "not ok", name, flush=True)
    if detail:
        print("\n".join("#   " + line for line in detail.splitlines()), flush=True)


def check(function):
    """Runs the check now. Its name is the line; what it returns is added as figures."""
    name = function.__name__.replace("_", " ")
    try:
        figures = function()
        say(True, name + (": " + figures if figures else ""))
    except Exception:  # noqa: BLE001 - every failure is a "not ok" line
        detail = traceback.format_exc()
        for node in _nodes:
            if not node.alive():
                detail += "\n%s has ended (%s): %s" % (node.data, node.process.returncode, node.log_tail())
        say(False, name, detail)


def finish():
    for node in _nodes:
        found = [line for line in node.log_text().splitlines() if "Sanitizer" in line or "runtime error" in line]
        if found:
            say(False, "no sanitizer complains", "\n".join(found[:20]))
    sys.exit(1 if failures else 0)


def until(condition, seconds=10, what="condition not reached"):
    """Polls; returns what the condition gave."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, what
        time.sleep(0.01)


# ---- several nodes as one cluster ----

def free_ports(count):
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Member(Node):
    def __init__(self, number, port, initial_cluster, *options):
        super().__init__("n%d" % number, "--node-id", str(number), "--port", str(port),
                         "--initial-cluster", initial_cluster, *options)
        self.number = number


def start_cluster(*options, count=3):
    """The nodes, and their endpoints as one list."""
    ports = free_ports(count)
    places = ["127.0.0.1:%d" % port for port in ports]
    initial = ",".join("%d=%s" % (i + 1, place) for i, place in enumerate(places))
    members = [None] * count

    def start(i):  # each is ready only when there is a primary
        members[i] = Member(i + 1, ports[i], initial, *options)
    threads = [threading.Thread(target=start, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return members, ",".join(places)


def status_of(node):
    try:
        return node.status() if node.alive() else None
    except (OSError, ValueError):
        return None


def primary_of(nodes):
    """The node that is the primary, once one is."""
    def found():
        for node in nodes:
            status = status_of(node)
            if status and status["role"] == "primary":
                return node
        return None
    return until(found, 20, "no primary")


def request(name, request_id, sequence=None, floor=0, /, **fields):
    """One request as a frame."""
    body, flags = wire.payload(name, **fields), wire.REQUEST
    if sequence is not None:
        body, flags = struct.pack("<QQ", sequence, floor) + body, flags | wire.SEQUENCED
    return wire.frame(wire.KINDS[name], body, flags, request_id)


def map_put(map_name, key, value, request_id):
    """request("map_put", …) by hand, for the million."""
    rest = struct.pack("<IBBHII", 37 + len(map_name) + len(key) + len(value), 1, wire.REQUEST, 132,
                       request_id, len(map_name))
    rest += b"%b%b%b%b%b%b" % (map_name, struct.pack("<I", len(key)), key, struct.pack("<I", len(value)), value,
                               b"\0" * 9)
    return struct.pack("<I", zlib.crc32(rest)) + rest


def pump(connection, frames, window=4000, limit=100):
    """Sends frames while reading the replies; yields (kind, flags, request_id, payload) of each frame
    that comes, until every request has been answered once (MORE or not). Events come too."""
    frames, sock = iter(frames), connection.socket
    out, inbox, asked, answered, more = b"", connection.buffer, 0, 0, True
    end = time.monotonic() + limit
    sock.setblocking(False)
    try:
        while more or out or answered < asked:
            if more and len(out) < 65536 and asked - answered < window:
                batch = []
                for frame in frames:
                    batch.append(frame)
                    asked += 1
                    if asked - answered >= window or len(batch) >= 512:
                        break
                else:
                    more = False
                out += b"".join(batch)
            if not out and answered == asked:
                break  # there were no frames
            wait = max(0, end - time.monotonic())
            readable, writable, _ = select.select([sock], [sock] if out else [], [], wait)
            if not readable and not writable:
                raise TimeoutError("%d of %d answered in %d s" % (answered, asked, limit))
            if writable:
                out = out[sock.send(out):]
            if readable:
                data = sock.recv(1 << 20)
                if not data:
                    raise ConnectionError("closed")
                inbox, at = inbox + data, 0
                while len(inbox) - at >= 16:
                    size, _, flags, kind, request_id = struct.unpack_from("<IBBHI", inbox, at + 4)
                    if len(inbox) - at < size:
                        break
                    answered += 0 if flags & wire.EVENT else 1
                    yield kind, flags, request_id, inbox[at + 16:at + size]
                    at += size
                inbox = inbox[at:]
    finally:
        connection.buffer = inbox
        sock.settimeout(20)


def pages(connection, name, /, **fields):
    """All rows of a paged request."""
    cursor, count = None, 0
    while True:
        page = connection.ask(name, cursor=cursor, **fields)
        assert page.kind_name == "page_reply", page
        count += 1
        yield from page.rows
        cursor = page.next
        if cursor is None:
            return


def lock_info(connection, lock):
    value = connection.ask("lock_get", lock=lock).value
    return None if value is None else wire.parse(wire.KINDS["lock_info"], value)


def percentile(samples, fraction):
    samples = sorted(samples)
    return samples[min(len(samples) - 1, int(len(samples) * fraction))]
