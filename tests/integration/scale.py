"""Checks at scale; run by scale.sh. Prints one ok / not ok line per check, with figures."""
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import wire  # noqa: E402
from daemon import (Node, check, finish, lock_info, map_put, pages, percentile, pump, request,  # noqa: E402
                    until)

GRANTED = 40
ENTRIES = 1_000_000
seed = int(os.environ.get("VXC_SEED", "0")) or random.SystemRandom().getrandbits(32)
rng = random.Random(seed)
print("# seed %d (VXC_SEED)" % seed, flush=True)
node = Node("n1")


# ---- a million entries ----

def key_of(i):
    return b"%08x" % (i * 2654435761 & 0xffffffff)  # all different, in no order


def put_all(connection, count):
    errors = 0
    for kind, _, _, _ in pump(connection, (map_put(b"million", key_of(i), b"v%d" % i, i) for i in range(count))):
        errors += kind != wire.KINDS["value_reply"]
    assert errors == 0, "%d puts refused" % errors


def export_is_whole(connection):
    expected = sorted((key_of(i), b"v%d" % i) for i in range(ENTRIES))
    at = 0
    for row in pages(connection, "map_scan", map="million", what=3, limit_rows=10000, limit_bytes=1 << 20):
        assert row == expected[at], (at, row, expected[at])
        at += 1
    assert at == ENTRIES, at


@check
def a_million_entries_are_put_and_exported_in_key_order():
    c = node.connect()
    started = time.monotonic()
    put_all(c, ENTRIES)
    put_s = time.monotonic() - started
    assert c.ask("map_size", map="million").number == ENTRIES
    started = time.monotonic()
    export_is_whole(c)
    return "put in %.1f s, exported in %.1f s, RSS %d MiB" % (put_s, time.monotonic() - started, node.rss_mib())


@check
def a_million_entries_are_there_after_kill_9():
    c = node.connect()
    c.ask("map_put", map="last", key="k", value="acknowledged right before the kill")
    node.kill()
    node.start()
    c = node.connect()
    assert c.ask("map_get", map="last", key="k").value == b"acknowledged right before the kill"
    assert c.ask("map_size", map="million").number == ENTRIES
    export_is_whole(c)
    return "ready in %.2f s" % node.ready_s


@check
def clear_of_a_million_entries_takes_as_long_as_of_ten():
    c = node.connect()
    small = []
    for _ in range(20):
        for i in range(10):
            c.ask("map_put", map="small", key=str(i), value="v")
        started = time.monotonic()
        assert c.ask("map_clear", map="small").number == 10
        small.append(time.monotonic() - started)
    started = time.monotonic()
    assert c.ask("map_clear", map="million").number == ENTRIES
    big = time.monotonic() - started
    assert c.ask("map_size", map="million").number == 0
    assert c.ask("map_get", map="million", key=key_of(1)).value is None
    assert c.ask("map_scan", map="million", what=1).rows == []
    assert big < max(0.05, 10 * max(small)), "%.1f ms, small maps %.1f ms" % (big * 1e3, max(small) * 1e3)
    return "%.2f ms, of ten entries %.2f ms" % (big * 1e3, percentile(small, 0.5) * 1e3)


def rows_in_lmdb():
    text = subprocess.run(["mdb_stat", "-a", os.path.join(node.data, "state")], check=True, capture_output=True,
                          text=True).stdout
    return sum(int(line.split()[1]) for line in text.splitlines() if line.strip().startswith("Entries"))


@check
def what_was_cleared_is_reclaimed_and_its_room_used_again():
    started = time.monotonic()
    before, rows = node.status(), rows_in_lmdb()
    c = node.connect()
    until(lambda: rows_in_lmdb() < 1000, 60, "rows of the cleared map stay in LMDB")
    reclaimed = time.monotonic() - started
    put_all(c, ENTRIES // 4)  # into freed pages
    c.ask("map_destroy", map="million")
    until(lambda: rows_in_lmdb() < 1000, 60, "rows of the destroyed map stay in LMDB")
    after = node.status()
    grown = after["store"]["file_bytes"] / before["store"]["file_bytes"]
    assert grown < 1.25, "the file has grown by %.2f" % grown
    assert after["bounds"]["quota"]["used"] < 100000, after["bounds"]["quota"]
    assert after["log"]["bytes"] <= 4 * (64 << 20), after["log"]
    return "%d rows in %.1f s, file %d MiB, log %d MiB, RSS %d MiB" % (
        rows, reclaimed, after["store"]["file_bytes"] >> 20, after["log"]["bytes"] >> 20,
        node.rss_mib())


# ---- namespaces ----

@check
def objects_of_300_namespaces_with_the_same_names_are_apart():
    names = [b"ns-%03d" % i for i in range(297)] + [b"\0", b"\xff" * 300, bytes(range(256)) * 256]
    c = node.connect()
    started = time.monotonic()
    for i, name in enumerate(names):
        assert c.ask("use_namespace", namespace_name=name).kind_name == "done_reply"
        c.ask("map_put", map="m", key="k", value=name[:64] + b"%d" % i)
        c.ask("set_add", set="m", value="s%d" % i)
        c.ask("counter_add", counter="m", delta=i)
        c.ask("multimap_put", multimap="m", key="k", value="mm%d" % i)
    made_s = time.monotonic() - started
    for i in range(0, len(names), 2):
        c.ask("use_namespace", namespace_name=names[i])
        assert c.ask("map_clear", map="m").number == 1
    node.kill()
    node.start()
    c = node.connect()
    for i, name in enumerate(names):
        c.ask("use_namespace", namespace_name=name)
        value = c.ask("map_get", map="m", key="k").value
        assert value == (None if i % 2 == 0 else name[:64] + b"%d" % i), (i, value)
        assert list(pages(c, "set_scan", set="m")) == [(b"s%d" % i, b"")]
        assert c.ask("counter_get", counter="m").number == i
        assert list(pages(c, "multimap_scan", multimap="m", what=3)) == [(b"k", b"mm%d" % i)]
        assert [row[0] for row in c.ask("map_list").rows] == [b"m"]
    listed = [row[0] for row in c.ask("namespace_list").rows]
    assert sorted(names + [b""]) == sorted(listed), set(listed) ^ set(names)  # the default one too
    return "made in %.1f s" % made_s


# ---- locks ----

class Sequences:
    """Sequences of a session and the floor that the replies allow; outcomes that are awaited keep it."""

    def __init__(self):
        self.next, self.done, self.open = 1, 0, set()

    def take(self):
        sequence, self.next = self.next, self.next + 1
        self.open.add(sequence)
        return sequence

    def floor(self):
        return min(self.open, default=self.next) - 1


def acquire_many(connection, names, wait_ms):
    """Pipelined acquires of one session; tokens in order. Requests are answered in their order, so the
    floor follows the replies."""
    answered, tokens = [0], []
    first = connection.sequence + 1

    def frames():
        for i, name in enumerate(names):
            yield request("lock_acquire", i + 1, first + i, first - 1 + answered[0], lock=name, wait_ms=wait_ms)

    for kind, _, request_id, body in pump(connection, frames(), window=2000):
        if kind == wire.KINDS["event_lock"]:
            continue
        reply = wire.parse(kind, body)
        assert kind == wire.KINDS["lock_reply"], reply
        answered[0] += 1
        tokens.append(reply.token if reply.acquired else 0)
    connection.sequence += len(names)
    return tokens


def grants(connection, count, seconds=30):
    connection.socket.settimeout(seconds)
    events = []
    while len(events) < count:
        event = connection.event()
        if event.kind_name == "event_lock":
            assert event.type == GRANTED, event
            events.append(event)
    return events


def hundred_thousand_locks(end_session):
    names = [b"lock-%06d" % i for i in range(100_000)]
    holder, waiter = node.connect("locks"), node.connect("locks")
    holder.open_session(timeout_ms=60000, name="holder")
    waiter.open_session(timeout_ms=60000, name="waiter")
    started = time.monotonic()
    tokens = acquire_many(holder, names, 0)
    acquired_s = time.monotonic() - started
    assert all(a < b for a, b in zip([0] + tokens, tokens)), "tokens rise"
    wanted = names[::1000]
    assert acquire_many(waiter, wanted, -1) == [0] * len(wanted)
    started = time.monotonic()
    listed = [row[0] for row in pages(waiter, "lock_list")]
    listed_s = time.monotonic() - started
    assert listed == names, (len(listed), listed[:2])
    started = time.monotonic()
    end_session(holder, waiter)
    ended_s = time.monotonic() - started
    events = grants(waiter, len(wanted))
    assert [event.lock for event in events] == wanted or sorted(e.lock for e in events) == wanted
    assert all(event.token > tokens[-1] for event in events)
    assert len({event.token for event in events}) == len(wanted)
    left = [row[0] for row in pages(waiter, "lock_list")]
    assert left == wanted, len(left)
    waiter.ask("session_close")
    assert list(pages(node.connect("locks"), "lock_list")) == []
    return "acquired in %.1f s, listed in %.2f s, ended in %.3f s" % (acquired_s, listed_s, ended_s)


@check
def a_hundred_thousand_locks_go_with_the_close_of_their_session():
    return hundred_thousand_locks(lambda holder, _: holder.ask("session_close"))


@check
def a_hundred_thousand_locks_go_with_the_expiry_of_their_session():
    def expire(holder, waiter):
        assert waiter.ask("session_expire", session=holder.session[0]).truth
    return hundred_thousand_locks(expire)


def resume(old):
    c = node.connect("queue")
    reply = c.ask("session_resume", session=old.session[0], secret=old.session[1], last_event_index=0)
    assert reply.kind_name == "session_reply", reply
    c.session, c.sequence = old.session, old.sequence
    c.events = [event for event in c.events if event.kind_name == "event_lock"]
    return c


@check
def five_thousand_waiters_of_one_lock_are_served_in_their_order():
    holder = node.connect("queue")
    holder.open_session(timeout_ms=60000)
    token = holder.answer(holder.post("lock_acquire", sequenced=True, lock="L", wait_ms=0)).token
    sessions = [node.connect("queue") for _ in range(50)]
    for c in sessions:
        c.open_session(timeout_ms=60000)
    order = []
    started = time.monotonic()
    for _ in range(10):  # ten at a time, so that the order between sessions is known
        for number, c in enumerate(sessions):
            ids = [(c.post("lock_acquire", sequenced=True, lock="L", wait_ms=-1), c.sequence) for _ in range(10)]
            for request_id, sequence in ids:
                reply = c.answer(request_id)
                order.append((number, sequence))
                assert not reply.acquired and reply.flags & wire.MORE and reply.queue_position == len(order), reply
    queued_s = time.monotonic() - started
    assert lock_info(holder, "L").waiting == 5000
    for number in (7, 8, 9):  # they leave the queue and nobody else notices
        assert sessions[number].ask("session_close").kind_name == "done_reply"
    order = [place for place in order if place[0] not in (7, 8, 9)]
    assert lock_info(holder, "L").waiting == len(order)
    node.kill()  # with the queue full
    node.start()
    resumed = time.monotonic()
    holder = resume(holder)
    sessions = [None if number in (7, 8, 9) else resume(c) for number, c in enumerate(sessions)]
    assert lock_info(holder, "L").waiting == len(order)
    started = time.monotonic()
    assert holder.ask("lock_release", lock="L", token=token).truth
    for number, sequence in order:
        c = sessions[number]
        event = c.event()
        assert event.type == GRANTED and event.acquire_sequence == sequence, (number, sequence, event)
        assert event.token > token, "fences rise"
        token = event.token
        c.post("lock_release", lock="L", token=token)
    until(lambda: not lock_info(holder, "L"), 10, "the lock is still there")
    return "queued in %.1f s, ready in %.2f s, resumed in %.2f s, %d grants in %.1f s" % (
        queued_s, node.ready_s, started - resumed, len(order), time.monotonic() - started)


# ---- connections ----

def latencies(connection, count=400):
    samples = []
    for i in range(count):
        started = time.monotonic()
        assert connection.ask("map_put", map="latency", key=str(i), value="v").kind_name == "value_reply"
        samples.append(time.monotonic() - started)
    return percentile(samples, 0.5) * 1e3, percentile(samples, 0.99) * 1e3


def answered(data):
    """Kinds of the whole frames in `data`."""
    kinds, at = [], 0
    while len(data) - at >= 16:
        size, _, _, kind = struct.unpack_from("<IBBH", data, at + 4)
        if len(data) - at < size:
            break
        kinds.append(kind)
        at += size
    return kinds


@check
def ten_thousand_connections_are_held_and_others_do_not_wait():
    count = 10_000
    probe = node.connect()
    alone, rss = latencies(probe), node.rss_mib()
    host, port = node.endpoint.rsplit(":", 1)
    hello = request("hello", 1, version_min=1, version_max=1, client_name="one of many", namespace_name="crowd")
    poll, sockets, inbox = select.epoll(), {}, {}
    started = time.monotonic()
    for i in range(count):
        s = socket.create_connection((host, int(port)), 20)
        s.sendall(hello + request("ping", 2) + map_put(b"crowd", b"%05d" % i, b"v", 3))
        s.setblocking(False)
        poll.register(s, select.EPOLLIN)
        sockets[s.fileno()], inbox[s.fileno()] = s, b""
    connected_s = time.monotonic() - started
    waiting, end = set(sockets), time.monotonic() + 60
    while waiting:
        assert time.monotonic() < end, "%d connections without their answers" % len(waiting)
        for descriptor, _ in poll.poll(1):
            data = sockets[descriptor].recv(65536)
            assert data, "a connection was closed"
            inbox[descriptor] += data
            if len(answered(inbox[descriptor])) == 3:
                waiting.discard(descriptor)
    served_s = time.monotonic() - started
    kinds = [wire.KINDS[name] for name in ("hello_reply", "pong", "value_reply")]
    assert all(answered(data) == kinds for data in inbox.values())
    held, held_rss = latencies(probe), node.rss_mib()
    status = node.status()
    assert status["connections"] > count, status["connections"]
    probe.ask("use_namespace", namespace_name="crowd")
    assert probe.ask("map_size", map="crowd").number == count
    assert held[1] < max(50, 5 * alone[1]), "p99 %.1f ms, alone %.1f ms" % (held[1], alone[1])
    poll.close()
    for s in sockets.values():
        s.close()
    until(lambda: node.status()["connections"] < 10, 20, "closed connections are still counted")
    return "connected in %.1f s, all served in %.1f s, RSS %d -> %d MiB (%.1f KiB each), put p50/p99 %.2f/%.2f ms, " \
        "before %.2f/%.2f ms" % (connected_s, served_s, rss, held_rss, (held_rss - rss) * 1024 / count, *held, *alone)


# ---- keys, names and values ----

def in_order(keys):
    """Keys over 440 bytes are in the order of their first 440."""
    return all(a[:440] <= b[:440] for a, b in zip(keys, keys[1:]))


@check
def keys_names_and_values_of_every_size_survive_kill_9():
    sizes = (1, 2, 439, 440, 441, 511, 512, 513, 4096, 65535, 65536)
    keys = [rng.randbytes(size) for size in sizes] + [b"\0", b"\0\0", b"\xff", b"\xff" * 65536, b"\xff" * 65535 + b"\0"]
    names = [rng.randbytes(size) for size in (1, 440, 441, 511, 512, 65536)] + [b"\0" * 512, b"\0" * 513, b""]
    limit = (16 << 20) - (128 << 10)
    value_sizes = (0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, limit - 1, limit)
    values = {b"value-%d" % size: rng.randbytes(size) for size in value_sizes}
    c = node.connect("sizes")
    for name in names:
        for i, key in enumerate(keys):
            assert c.ask("map_put", map=name, key=key, value=b"v%d" % i).kind_name == "value_reply"
            assert c.ask("set_add", set=name, value=key).truth
            assert c.ask("multimap_put", multimap=name, key=key, value=key[::-1]).truth
        assert c.ask("counter_add", counter=name, delta=len(name)).number == len(name)
    for key, value in values.items():
        reply = c.ask("map_put", map="values", key=key, value=value)
        assert reply.kind_name == "value_reply", reply
    assert c.ask("map_put", map="values", key="too large", value=b"x" * (limit + 1)).code == -17
    assert c.ask("map_put", map="m", key=b"k" * 65537, value="").code == -17
    assert c.ask("map_put", map=b"n" * 65537, key="k", value="").code == -17
    for again in range(2):
        node.kill()
        node.start()
        c = node.connect("sizes")
        for name in names:
            rows = list(pages(c, "map_scan", map=name, what=3))
            assert sorted(rows) == sorted((key, b"v%d" % i) for i, key in enumerate(keys))
            assert in_order([key for key, _ in rows])
            values_of_set = [key for key, _ in pages(c, "set_scan", set=name)]
            assert sorted(values_of_set) == sorted(keys) and in_order(values_of_set)
            rows = list(pages(c, "multimap_scan", multimap=name, what=3))
            assert sorted(rows) == sorted((key, key[::-1]) for key in keys)
            assert c.ask("counter_get", counter=name).number == len(name)
        for key, value in values.items():
            assert c.ask("map_get", map="values", key=key).value == value, key
        assert sum(1 for _ in pages(c, "map_scan", map="values", what=2)) == len(values)
    return "%d names x %d keys, %d values, ready in %.2f s" % (len(names), len(keys), len(values), node.ready_s)


@check
def the_node_stops_cleanly_after_all_that():
    assert node.stop() == 0
    node.start()
    return "ready in %.2f s" % node.ready_s


finish()
