"""Every i-th call to the disk fails, for every i (see io_errors.sh and fail_io.c).

A story is told from the beginning for each i, until a telling meets no failure. What must hold each
time: whoever ends says why and with a documented status; what was acknowledged is there after a start
on a disk that works; a full disk refuses, and is over when there is room; what a failed save, restore
or extract began is gone.
"""
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import daemon  # noqa: E402
from daemon import Node, NotStarted, WORK, finish, say, until  # noqa: E402
import wire  # noqa: E402

STRIDE = int(os.environ.get("IO_ERRORS_STRIDE", "12"))
WORKERS = 3
ONLY = os.environ.get("IO_ERRORS_ONLY", "")  # a regular expression over "story: plan"
NO_SPACE, BUSY = -4, -5
BIN = os.path.dirname(daemon.VXCD)
SHIM = os.path.join(BIN, "test-programs", "fail_io.so")
SPACE = "write,size,open,rename"  # what a full disk refuses
PLANS = [(call, with_) for call in ("write", "flush", "rename", "size", "open") for with_ in ("EIO", "ENOSPC")
         if (call, with_) != ("flush", "ENOSPC")] + [("write", "short"), (SPACE, "full")]
tellings = 0
tellings_guard = threading.Lock()


class Failure:
    """The i-th call of a plan, for one telling."""

    def __init__(self, folder, place, plan, i):
        self.call, self.with_ = plan
        self.report, self.full = place + ".report", place + ".full"
        self.environment = dict(
            LD_PRELOAD=SHIM, FAIL_IO_FOLDER=folder, FAIL_IO_CLASS=self.call, FAIL_IO_AT=str(i),
            FAIL_IO_WITH="ENOSPC" if self.with_ == "full" else self.with_, FAIL_IO_REPORT=self.report)
        if self.with_ == "full":
            open(self.full, "wb").close()
            self.environment["FAIL_IO_WHILE"] = self.full

    def begin_after(self, begun):
        """Nothing counts before begin(), when told before the program starts."""
        self.begun = self.report + ".begun"
        if begun:
            self.environment["FAIL_IO_AFTER"] = self.begun

    def begin(self):
        open(self.begun, "wb").close()

    def where(self):
        """What failed, as "pwrite /path"; empty when i was not reached."""
        return open(self.report, encoding="utf-8").read().strip() if os.path.exists(self.report) else ""

    def make_room(self):
        if os.path.exists(self.full):
            os.unlink(self.full)

    def forget(self):
        self.make_room()
        for file in (self.report, self.report + ".begun"):
            if os.path.exists(file):
                os.unlink(file)

    @property
    def no_space(self):
        return self.with_ in ("ENOSPC", "full")


# ---- a node ----

class Talk:
    """A client that remembers what was acknowledged."""

    def __init__(self, node, failure, acknowledged):
        self.node, self.failure, self.acknowledged = node, failure, acknowledged
        self.connection = node.connect(timeout=20)
        self.refused = 0

    def put(self, key, value):
        """Tries again while there is no space; a full disk gets room after the first refusal, or when
        the write was taken already and waits in the log's memory: it is answered once there is room."""
        deadline = time.monotonic() + 15
        while True:
            room = threading.Timer(2, self.failure.make_room)
            room.start()
            try:
                reply = self.connection.ask("map_put", map="m", key=key, value=value)
            finally:
                room.cancel()
            if reply.kind_name == "value_reply":
                self.acknowledged[key] = value
                return
            assert reply.code in (NO_SPACE, BUSY) and self.failure.no_space, reply
            self.refused += 1
            self.failure.make_room()
            assert time.monotonic() < deadline, "writes do not go on although there is room"
            time.sleep(0.01)

    def until_in_lmdb(self):
        """The commit of what was written; on a full disk it waits for room."""
        begun = time.monotonic()

        def there():
            status = json.loads(self.connection.ask("status").value)
            if time.monotonic() > begun + 2:
                self.failure.make_room()
            return find(status, "lmdb_applied_index") >= find(status, "applied_index")
        until(there, 15, "LMDB does not follow")

    def snapshot(self):
        """The image's bytes; None when it failed, which only a failure may do."""
        begun = self.connection.ask("snapshot_begin", compression=1)
        while begun.kind_name == "value_reply":
            info = wire.parse(wire.KINDS["snapshot_info"], begun.value)
            if info.ready:
                break
            begun = self.connection.ask("snapshot_get", id=info.id)
            time.sleep(0.001)
        if begun.kind_name == "error_reply":
            assert self.failure.where(), begun
            self.failure.make_room()
            return None
        image = b""
        while True:
            reply = self.connection.ask("snapshot_read", id=info.id, offset=len(image), size=1 << 20)
            assert reply.kind_name == "value_reply", reply
            if not reply.value:
                break
            image += reply.value
        assert len(image) == info.file_bytes
        self.connection.ask("snapshot_end", id=info.id)
        return image


def find(status, name):
    """A field of the status, however deep."""
    for key, value in status.items():
        if key == name:
            return value
        if isinstance(value, dict):
            found = find(value, name)
            if found is not None:
                return found
    return None


def work(talk):
    for i in range(4):
        talk.put(b"first %d" % i, b"v" * 100)
    talk.until_in_lmdb()
    saved = talk.snapshot()
    if saved is not None:
        path = talk.node.data + ".snap"
        with open(path, "wb") as file:
            file.write(saved)
        verified = vxc("snapshot", "verify", path)
        assert verified.returncode == 0, verified
        os.unlink(path)
    for i in range(4):
        talk.put(b"then %d" % i, b"w" * 5000)


def go_on(talk):
    talk.put(b"again", b"x")
    talk.until_in_lmdb()


def fill_segments(talk):
    """More than a segment of 64 MiB holds. What a start does has failed in other stories already."""
    for i in range(6):
        talk.put(b"large %d" % i, bytes([i]) * (13 << 20))


def judge_end(failure, status, text, started):
    """Whoever ends by itself says why, with a status that docs/operations.md knows."""
    where = failure.where()
    assert where, "ended without a failure, status %s: %s" % (status, text)
    assert status in ((70,) if started else (1, 5, 70)), "status %s after %s: %s" % (status, where, text)
    assert failure.with_ == "full" or "/snapshots/" not in where, "a failed snapshot ended the node: " + text
    if status == 70:
        assert "vxc: fatal: " in text, text
    else:
        assert re.search(r"^vxcd: .*(:|cannot) ", text, re.M), text
        assert failure.with_ == "short" or (status == 5) == failure.no_space, \
            "status %s after %s: %s" % (status, where, text)
    # Only what was already issued may end a node for want of space; short writes are carried on.
    in_place = re.search(r"/log/[0-9]|/log/base-|/vote/vote-|/state/data.mdb$|fsync |fdatasync ", where)
    if failure.with_ == "short":
        assert "/data.mdb" in where, "%s was not carried on: %s" % (where, text)
    elif failure.no_space and started:
        assert in_place, "no space in %s ended the node: %s" % (where, text)


def must_end(failure):
    """A failed flush or write of what counts must not be lived through."""
    where = failure.where()
    if failure.with_ != "EIO":
        return False
    return bool(re.match(r"(fsync|fdatasync|pwritev?) .*/(log|vote|state)(/|$)", where)) and "spare" not in where


def tell_node(name, plan, i, story, origin=None, once_ready=False):
    """One telling; false when i was not reached."""
    acknowledged = dict(origin[1]) if origin else {}
    data = os.path.join(WORK, name)
    failure = Failure(data, data, plan, i)
    failure.begin_after(once_ready)
    if origin:
        subprocess.run(["cp", "-a", "--sparse=always", origin[0], data], check=True)
    node, talk, status, text = None, None, None, ""
    try:
        node = Node.__new__(Node)
        node.__init__(name, environment=failure.environment)
        talk = Talk(node, failure, acknowledged)
        failure.begin()
        story(talk)
        status = node.stop()
        text = node.log_tail()
        assert status in (0, 70), "status %s: %s" % (status, text)
    except NotStarted as error:
        judge_end(failure, error.status, error.text, False)
    except (ConnectionError, OSError):
        status = node.process.wait(timeout=20)
        text = node.log_tail()
        node.process.stdout.close()
        assert status != 0, "a connection was cut"
    if status:
        judge_end(failure, status, text, True)
    assert status != 0 or not must_end(failure), "lived through a failed " + failure.where()
    assert failure.with_ != "short" or talk is None or talk.refused == 0, "a short write was refused"
    reached = failure.where() != ""
    failure.forget()
    look_again(node, acknowledged)
    return reached


def look_again(node, acknowledged):
    """On a disk that works."""
    node.environment = None
    node.start()
    connection = node.connect()
    for key, value in acknowledged.items():
        got = connection.ask("map_get", map="m", key=key)
        assert got.value == value, "%s is lost: %s" % (key, got)
    connection.close()
    assert node.stop() == 0, node.log_tail()
    litter = [os.path.join(folder, file) for folder, _, files in os.walk(node.data) for file in files
              if file.endswith((".part", ".copy"))]
    assert not litter, litter
    shutil.rmtree(node.data)


# ---- vxc ----

def vxc(*arguments, failure=None):
    environment = dict(os.environ, **(failure.environment if failure else {}))
    return subprocess.run([os.path.join(BIN, "vxc"), *arguments], env=environment, capture_output=True, text=True,
                          timeout=60, check=False)


def judge_vxc(failure, done):
    """True when it did its work."""
    if done.returncode == 0:
        return True
    assert failure.where(), done
    assert done.returncode in (5, 70), "status %d: %s" % (done.returncode, done.stderr)
    assert failure.with_ != "short" or "/data.mdb" in failure.where(), \
        "%s was not carried on: %s" % (failure.where(), done.stderr)
    assert done.stderr.startswith("vxc: ") and ": " in done.stderr[5:], done.stderr
    return False


def tell_vxc(name, plan, i, run):
    folder = os.path.join(WORK, name)
    os.mkdir(folder)
    failure = Failure(folder, os.path.join(WORK, name), plan, i)
    run(folder, failure)
    reached = failure.where() != ""
    failure.forget()
    shutil.rmtree(folder)
    return reached


def save(folder, failure):
    target = os.path.join(folder, "s.snap")
    shutil.copy(older, target)
    good = judge_vxc(failure, vxc("-e", giver.endpoint, "snapshot", "save", target, failure=failure))
    left = os.listdir(folder)
    assert left == ["s.snap"], left
    whole = vxc("snapshot", "verify", target)
    assert whole.returncode == 0, whole
    same = open(target, "rb").read() == open(older, "rb").read()
    assert same != good or "fsync" in failure.where(), "the older image is %s" % ("still there" if same else "gone")


def restore(folder, failure):
    target = os.path.join(folder, "d")
    done = vxc("snapshot", "restore", image, "--data", target, failure=failure)
    if judge_vxc(failure, done):
        node = Node(os.path.join(os.path.basename(folder), "d"))
        connection = node.connect()
        assert connection.ask("map_get", map="m", key="k1").value == b"v1"
        connection.close()
        assert node.stop() == 0
        node.forget()
    else:  # also by a fatal end
        assert os.listdir(folder) == [], [f for f in os.walk(folder)]


def extract(folder, failure):
    target = os.path.join(folder, "x")
    if judge_vxc(failure, vxc("snapshot", "extract", image, target, failure=failure)):
        seen = subprocess.run(["mdb_stat", "-a", target], capture_output=True, check=False)
        assert seen.returncode == 0 and b"maps" in seen.stdout, seen
    else:
        assert os.listdir(folder) == [], os.listdir(folder)


# ---- all of them ----

STORIES = [
    ("a node from its first start to its stop", tell_node, dict(story=work), 1),
    ("a start after kill -9", tell_node, dict(story=go_on), 1),
    ("the next segment of the log", tell_node, dict(story=fill_segments, once_ready=True), 6),
    ("vxc snapshot save", tell_vxc, dict(run=save), 1),
    ("vxc snapshot restore", tell_vxc, dict(run=restore), 1),
    ("vxc snapshot extract", tell_vxc, dict(run=extract), 1),
]


def sweep(number, plan):
    """All i of one story and plan; a line of the report."""
    global tellings
    title, tell, arguments, coarser = STORIES[number]  # coarser: its writes are many of one kind
    line = "%s: %s %s" % (title, plan[0], plan[1])
    if not re.search(ONLY, line):
        return
    stride = STRIDE * (coarser if "write" in plan[0] or plan[0] == "flush" else 1)
    count, i, wrong = 0, 1, []
    begun = time.monotonic()
    while len(wrong) < 3:
        name = "%d-%s-%s-%d" % (number, plan[0].replace(",", "+"), plan[1], i)
        failed_there = os.path.join(WORK, name + ".report")
        try:
            if not tell(name, plan, i, **arguments):
                break
            count += 1
        except Exception as error:  # noqa: BLE001 - every failure is told
            where = open(failed_there, encoding="utf-8").read() if os.path.exists(failed_there) else "nothing"
            wrong.append("call %d (%s): %s: %s" % (i, where.strip(), type(error).__name__, error))
        i += stride
    with tellings_guard:
        tellings += count + len(wrong)
        say(not wrong, "%s: %d tellings in %.0f s" % (line, count, time.monotonic() - begun), "\n".join(wrong))


def prepare():
    """What the stories begin from: data after kill -9, a running node, two images."""
    global giver, image, older
    killed = Node("killed")
    connection = killed.connect()
    acknowledged = {b"kept %d" % i: b"value %d" % i for i in range(20)}
    for key, value in acknowledged.items():
        assert connection.ask("map_put", map="m", key=key, value=value).kind_name == "value_reply"
    connection.close()
    killed.kill()
    STORIES[1][2]["origin"] = (killed.data, acknowledged)
    giver = Node("giver")
    older, image = os.path.join(WORK, "older.snap"), os.path.join(WORK, "image.snap")
    connection = giver.connect()
    for i in range(200):
        assert connection.ask("map_put", map="m", key="k%d" % i, value="v%d" % i).kind_name == "value_reply"
        if i == 100:
            assert vxc("-e", giver.endpoint, "snapshot", "save", older).returncode == 0
    assert vxc("-e", giver.endpoint, "snapshot", "save", image).returncode == 0
    connection.close()


def give_up(*_):
    """At once: a pool would wait for all that was given to it."""
    daemon._end_nodes()
    os._exit(143)


signal.signal(signal.SIGTERM, give_up)
prepare()
with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
    for result in [pool.submit(sweep, number, plan) for number in range(len(STORIES)) for plan in PLANS]:
        result.result()
print("# %d tellings" % tellings)
finish()
