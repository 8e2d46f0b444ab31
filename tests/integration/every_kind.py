"""Random requests of every kind; run by every_kind.sh. One ok / not ok line per check."""
import os
import random
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import wire  # noqa: E402
from daemon import Node, check, finish, pump, request  # noqa: E402

seed = int(os.environ.get("VXC_SEED", "0")) or random.SystemRandom().getrandbits(32)
seconds = int(os.environ.get("VXC_SECONDS", "20"))
rng = random.Random(seed)
print("# seed %d (VXC_SEED), %d s (VXC_SECONDS)" % (seed, seconds), flush=True)
node = Node("n1", "--timeout", "1000", "--ping-interval", "100")

with open(wire._definition, encoding="utf-8") as definition:
    ROLES = re.findall(r"\bM\((\d+), \w+, (\w+), (\w+),\s+\w+\)", definition.read().replace("\\\n", " "))
# A legacy lock is answered a second time when it is granted, in no order with the other replies; what nodes
# say to each other makes the connection another one.
REQUESTS = [name for _, name, role in ROLES if role == "REQUEST" and wire.KINDS[name] < 300 and
            name not in ("state_sync", "legacy_lock_acquire")]
OFTEN = ["session_open", "session_resume", "lock_acquire", "lock_release", "lock_cancel", "map_put", "transaction",
         "watch_add", "registration_add", "node_join", "join"]
SELDOM = ["session_expire", "session_close", "map_clear", "leave", "hello"]
IN_TRANSACTIONS = [name for name in REQUESTS if 130 <= wire.KINDS[name] <= 139 or 150 <= wire.KINDS[name] <= 154 or
                   180 <= wire.KINDS[name] <= 182]
NAMES = [b"", b"a", b"b", b"c\0", b"x" * 440, b"x" * 441, b"x" * 500, b"\xff" * 65536]
BITS = {"U8": 8, "U16": 16, "U32": 32, "U64": 64, "I64": 64, "CODE": 8}
USUAL = {"ttl_ms": (0, 0, 1, 50, 1000), "wait_ms": (-1, -1, 0, 10, 100), "timeout_ms": (0, 100, 200, 1000, 5000),
         "token": (0, 0), "kind": tuple(range(9)), "what": (0, 1, 2, 3, 4), "operator": tuple(range(8)),
         "target": (130, 152, 180), "version_min": (1,), "version_max": (1,)}
sessions, cursors = [], [b"", b"x", b"\0" * 8, b"\xff" * 600]


def number(kind, name):
    if name in USUAL and rng.random() < 0.9:
        return rng.choice(USUAL[name])
    bits = BITS[kind]
    value = rng.choice((0, 1, 2, 3, 10, 200, 2**bits - 1, 2**(bits - 1), 2**(bits - 1) - 1, rng.getrandbits(bits)))
    value %= 2**bits
    return value - 2**64 if kind == "I64" and value >= 2**63 else value


def some_bytes(name):
    if name == "value":
        return rng.choice((b"", b"1", b"2", rng.randbytes(rng.choice((3, 100, 5000, 100000)))))
    return rng.choice(NAMES) if rng.random() < 0.9 else rng.randbytes(rng.choice((1, 8, 16, 440, 600, 65537)))


def messages(name):
    count = rng.choice((0, 1, 2, 3, 10))
    if name == "registrations":
        return [("registration_add", fields_of("registration_add")) for _ in range(count)]
    if name == "compares":
        return [("compare", fields_of("compare")) for _ in range(min(count, 2))]
    return [(inner, fields_of(inner)) for inner in rng.choices(IN_TRANSACTIONS, k=count)]


def fields_of(name):
    made = {}
    for kind, field in wire.FIELDS[name]:
        if kind in BITS:
            made[field] = number(kind, field)
        elif kind == "BOOL":
            made[field] = rng.random() < 0.5
        elif kind == "BYTES":
            made[field] = some_bytes(field)
        elif kind == "OPT_BYTES":
            made[field] = rng.choice((None, None, rng.choice(cursors) if field == "cursor" else some_bytes(field)))
        elif kind == "ITEMS":
            made[field] = [some_bytes(field) for _ in range(rng.randrange(5))]
        else:
            made[field] = messages(field)
    if name in ("session_resume", "session_get", "session_expire") and sessions and rng.random() < 0.9:
        made["session"], secret = rng.choice(sessions)
        if "secret" in made:
            made["secret"] = secret
    return made


def make(connection, count):
    """Frames of `count` requests with ids from 1 on."""
    frames = []
    while len(frames) < count:
        name = rng.choice(REQUESTS if rng.random() < 0.7 else OFTEN)
        if name in SELDOM and rng.random() < 0.5:
            continue
        sequence, floor, last = None, 0, connection.sequence
        if name == "lock_acquire" or rng.random() < 0.5:
            sequence = rng.choice((last + 1, last + 1, last + 1, last, max(0, last - 3)))  # again for another, too
            floor = rng.choice((0, max(0, last - 10), max(0, last - 2)))
            connection.sequence = max(last, sequence)
        frames.append(request(name, len(frames) + 1, sequence, floor, **fields_of(name)))
    return frames


def talk(connection, count):
    """Sends requests and reads their answers; how many there were."""
    answered = 0
    for kind, flags, request_id, body in pump(connection, make(connection, count), window=500, limit=30):
        message = wire.parse(kind, body)
        if flags & wire.EVENT:
            continue
        answered += 1
        assert request_id == answered, "%s to %d, not to %d" % (message.kind_name, request_id, answered)
        if message.kind_name == "session_reply" and len(sessions) < 50:
            sessions.append((message.session, message.secret))
        if message.kind_name == "page_reply" and message.next is not None and len(cursors) < 200:
            cursors.append(message.next)
    return answered


@check
def requests_of_every_kind_are_answered_in_order():
    connections, answered, kills = [], 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert node.alive(), "the node has ended"
        if not connections or (len(connections) < 20 and rng.random() < 0.4):
            connections.append(node.connect())
        c = rng.choice(connections)
        try:
            if rng.random() < 0.1:  # leaves in the middle of whatever it was
                c.send(b"".join(make(c, 50))[:rng.randrange(1, 200000)])
                if rng.random() < 0.5:
                    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise ConnectionError("left")
            answered += talk(c, rng.choice((1, 3, 20, 200)))
        except TimeoutError:
            raise
        except OSError:  # its session was resumed elsewhere, or it left
            c.close()
            connections.remove(c)
        if rng.random() < 0.006:
            kills += 1
            node.kill()
            node.start()
            connections.clear()
    return "%d answers, %d kills" % (answered, kills)


@check
def what_they_left_is_the_same_after_a_restart():
    counts = ("objects", "counters", "registrations", "watches", "locks", "locks_held", "sessions")
    assert node.stop() == 0
    node.start()
    before = node.status()
    node.kill()
    node.start()
    after = node.status()
    if before["sessions"] == after["sessions"]:  # none has expired meanwhile
        assert [before[name] for name in counts] == [after[name] for name in counts], (before, after)
        assert after["locks_waiting"] <= before["locks_waiting"]  # a wait may have run out
    assert node.stop() == 0
    return ", ".join("%s %d" % (name, after[name]) for name in counts)


finish()
