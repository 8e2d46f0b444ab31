"""Checks of the wire protocol; run by protocol.sh. Prints one ok / not ok line per check."""
import atexit
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import wire  # noqa: E402

VXCD, WORK = sys.argv[1], sys.argv[2]
failures = 0


class Node:
    """A vxcd of its own; ready when it has said so."""

    def __init__(self, name, *options):
        self.data, self.options, self.process = os.path.join(WORK, name), list(options), None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [VXCD, "--data", self.data, "--port", "0", *self.options],
            stdout=subprocess.PIPE, stderr=open(self.data + ".log", "a", encoding="utf-8"), text=True)
        for line in self.process.stdout:
            if "ready in" in line:
                break
        else:
            raise RuntimeError("vxcd did not start: see " + self.data + ".log")
        atexit.register(self.process.kill)  # harmless once it has ended
        self.endpoint = open(os.path.join(self.data, "endpoint"), encoding="utf-8").read().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def connect(self, namespace=None):
        return wire.Connection(self.endpoint, namespace=namespace)


def check(function):
    global failures
    name = function.__name__.replace("_", " ")
    try:
        function()
        print("ok", name, flush=True)
    except Exception:  # noqa: BLE001 - every failure is a "not ok" line
        failures += 1
        print("not ok", name, flush=True)
        print("\n".join("#   " + line for line in traceback.format_exc().splitlines()), flush=True)


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "condition not reached"
        time.sleep(0.01)


node = Node("n1", "--timeout", "2000", "--ping-interval", "100")


@check
def ping_is_answered_by_kind_and_by_flag():
    c = node.connect()
    assert c.ask("ping").kind_name == "pong"
    c.send(wire.frame(9, b"", wire.PING, 77))
    reply = c.answer(77)
    assert reply.kind_name == "pong" and reply.flags & wire.PONG


@check
def legacy_maps_sets_counters_and_multimaps_behave():
    c = node.connect()
    assert c.ask("create_map", name="m").map_name == b"m"
    assert c.ask("legacy_map_put", map_name="m", key="k", value="v").code == 0
    assert c.ask("legacy_map_get", map_name="m", key="k").value == b"v"
    assert c.ask("legacy_map_get", map_name="m", key="none").value is None
    assert c.ask("legacy_map_size", map_name="m").size == 1
    assert c.ask("legacy_map_remove", map_name="m", key="k").code == 0
    assert c.ask("legacy_map_size", map_name="m").size == 0
    assert c.ask("legacy_set_add", set_name="s", value="x").code == 0
    assert c.ask("legacy_set_contains", set_name="s", value="x").contains is True
    assert c.ask("legacy_set_size", set_name="s").size == 1
    assert c.ask("legacy_set_remove", set_name="s", value="x").code == 0
    assert c.ask("legacy_set_contains", set_name="s", value="x").contains is False
    assert c.ask("counter_increment", counter_name="c", delta=41).new_value == 41
    assert c.ask("counter_increment", counter_name="c", delta=1).new_value == 42
    assert c.ask("legacy_counter_get", counter_name="c").value == 42
    for key, value in (("a", "1"), ("a", "2"), ("b", "3")):
        assert c.ask("legacy_multimap_put", multimap_name="mm", key=key, value=value).code == 0
    assert sorted(c.ask("legacy_multimap_get", multimap_name="mm", key="a").get("values")) == [b"1", b"2"]
    assert c.ask("legacy_multimap_size", multimap_name="mm").size == 3
    assert c.ask("legacy_multimap_key_size", multimap_name="mm", key="a").size == 2
    assert c.ask("legacy_contains_key", multimap_name="mm", key="b").contains is True
    assert c.ask("legacy_contains_value", multimap_name="mm", value="3").contains is True
    assert c.ask("legacy_contains_value", multimap_name="mm", value="4").contains is False
    assert c.ask("legacy_contains_entry", multimap_name="mm", key="a", value="2").contains is True
    assert sorted(c.ask("legacy_keys", multimap_name="mm").get("keys")) == [b"a", b"b"]
    assert sorted(c.ask("legacy_values", multimap_name="mm").get("values")) == [b"1", b"2", b"3"]
    assert {k: sorted(v) for k, v in c.ask("legacy_entries", multimap_name="mm").entries.items()} == {
        b"a": [b"1", b"2"], b"b": [b"3"]}
    assert c.ask("multimap_remove_value", multimap_name="mm", key="a", value="1").code == 0
    assert c.ask("legacy_multimap_remove", multimap_name="mm", key="b").code == 0
    assert c.ask("legacy_multimap_size", multimap_name="mm").size == 1
    assert c.ask("legacy_clear", multimap_name="mm").code == 0
    assert c.ask("legacy_multimap_size", multimap_name="mm").size == 0


@check
def legacy_nodes_join_lock_and_expire():
    a, b = node.connect(), node.connect()
    refused = a.ask("legacy_lock_acquire", lock_name="l")
    assert refused.kind_name == "legacy_error" and b"Join" in refused.error
    assert a.ask("join", node_id="node-a").connection_id > 0
    assert b.ask("join", node_id="node-b").code == 0
    assert set(a.ask("get_nodes").nodes) >= {b"node-a", b"node-b"}
    assert a.ask("legacy_lock_acquire", lock_name="l").acquired is True
    assert a.ask("legacy_lock_acquire", lock_name="l").acquired is True, "the owner is told again"
    waiting = b.post("legacy_lock_acquire", lock_name="l")
    reply = b.answer(waiting)
    assert reply.acquired is False and reply.queue_position == 1 and reply.flags & wire.MORE
    sync = a.ask("lock_sync", held_locks=["l", "other"])
    assert sync.synchronized_locks == [b"l"] and sync.failed_locks == [b"other"]
    assert a.ask("legacy_lock_release", lock_name="l").code == 0
    grant = b.answer(waiting)
    assert grant.acquired is True and grant.kind == 36
    assert a.ask("legacy_lock_release", lock_name="l").code == 1, "not the holder any more"
    waiting = a.post("legacy_lock_acquire", lock_name="l")
    assert a.answer(waiting).acquired is False
    b.close()  # silent for TIMEOUT + PING_INTERVAL: its session ends and the lock moves on
    def keep_alive_until_granted():
        a.socket.settimeout(0.2)
        try:
            return a.answer(waiting).acquired
        except socket.timeout:
            a.ask("ping")
            return False
    until(keep_alive_until_granted)
    assert b"node-b" not in a.ask("get_nodes").nodes
    assert a.ask("leave", node_id="node-a").code == 0
    assert a.ask("leave", node_id="node-a").kind_name == "legacy_error"


@check
def a_state_sync_takes_effect_once():
    def text(value):
        return struct.pack("<I", len(value)) + value
    operations = [b"\x01" + text(b"synced") + text(b"k") + b"\x01" + text(b"v"),  # map_updated
                  b"\x07" + text(b"synced") + struct.pack("<q", -5),  # counter_updated
                  b"\x11" + text(b"somebody"), b"\x13" + text(b"somebody") + struct.pack("<Q", 1)]  # nodes: nothing
    payload = struct.pack("<QI", 41, len(operations)) + b"".join(operations)
    c = node.connect()
    for _ in range(2):
        c.send(wire.frame(wire.KINDS["state_sync"], payload, wire.REQUEST, 9))
        ack = c.answer(9)
        assert ack.kind_name == "state_sync_ack" and ack.code == 0 and ack.sync_id == 41
        assert c.ask("legacy_map_get", map_name="synced", key="k").value in (b"v", b"newer")
        assert c.ask("legacy_counter_get", counter_name="synced").value == -5
        assert c.ask("legacy_map_put", map_name="synced", key="k", value="newer").code == 0
    assert c.ask("legacy_map_get", map_name="synced", key="k").value == b"newer"
    assert b"somebody" not in c.ask("get_nodes").nodes


@check
def unknown_kinds_and_bad_payloads_get_typed_errors():
    c = node.connect()
    c.send(wire.frame(999, b"", wire.REQUEST, 5))
    assert c.answer(5).kind_name == "error_reply"
    c.send(wire.frame(75, b"", wire.REQUEST, 6))
    assert c.answer(6).kind_name == "legacy_error"
    c.send(wire.frame(wire.KINDS["map_put"], b"\xff\xff\xff\xff", wire.REQUEST, 7))
    assert c.answer(7).code == -18
    assert c.ask("ping").kind_name == "pong"


@check
def strangers_are_shown_out_and_nothing_changes():
    before = node.connect().ask("map_size", map="strange").number
    good = wire.frame(wire.KINDS["map_put"], wire.payload("map_put", map="strange", key="k", value="v"))
    strange = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 64, b"\x16\x03\x01\x02\x00" + b"\x01" * 64,
        struct.pack("<II", 0, 0) + b"\0" * 16, struct.pack("<II", 0, 15) + b"\0" * 16,
        struct.pack("<II", 0, 2**31) + b"\0" * 16, struct.pack("<II", 0, 2**32 - 1) + b"\0" * 16,
        struct.pack("<II", 0, (16 << 20) + 1) + b"\0" * 16,
        wire.frame(wire.KINDS["map_put"], good[16:], version=9), os.urandom(4096),
    ]
    strange += [good[:i] + bytes([good[i] ^ 1]) + good[i + 1:] for i in range(len(good))]
    for data in strange:
        c = node.connect()
        try:
            c.send(data)
            c.socket.shutdown(socket.SHUT_WR)
            while c.receive() is not None:
                pass
        except (ConnectionError, AssertionError, ValueError):
            pass
        c.close()
    assert node.connect().ask("map_size", map="strange").number == before


@check
def replies_keep_request_order_and_reads_see_earlier_writes():
    c = node.connect()
    ids = []
    for i in range(500):
        ids.append(c.post("map_put", map="order", key="k", value=str(i)))
        ids.append(c.post("map_get", map="order", key="k"))
    for n, request_id in enumerate(ids):
        reply = c.receive()
        assert reply.request_id == request_id
        if n % 2:
            assert reply.value == str(n // 2).encode()


@check
def maps_do_all_their_operations():
    c = node.connect("maps")
    assert c.ask("map_get", map="m", key="k").value is None
    assert c.ask("map_put", map="m", key="k", value="1", want_old=True).value is None
    assert c.ask("map_put", map="m", key="k", value="2", want_old=True).value == b"1"
    assert c.ask("map_put_if_absent", map="m", key="k", value="3").value == b"2"
    assert c.ask("map_put_if_absent", map="m", key="k2", value="3").value is None
    assert c.ask("map_contains", map="m", key="k2").truth
    assert c.ask("map_replace", map="m", key="none", value="x").value is None
    assert not c.ask("map_contains", map="m", key="none").truth
    assert c.ask("map_replace", map="m", key="k", value="4").value == b"2"
    assert not c.ask("map_replace_if", map="m", key="k", expected="9", value="5").truth
    assert c.ask("map_replace_if", map="m", key="k", expected="4", value="5").truth
    assert not c.ask("map_remove_if", map="m", key="k", expected="4").truth
    assert c.ask("map_remove_if", map="m", key="k", expected="5").truth
    assert c.ask("map_remove", map="m", key="k2", want_old=True).value == b"3"
    assert c.ask("map_size", map="m").number == 0
    for i in range(25):
        c.ask("map_put", map="m", key="%02d" % i, value="v%d" % i)
    rows, cursor = [], None
    while True:
        page = c.ask("map_scan", map="m", what=3, cursor=cursor, limit_rows=10)
        rows += page.rows
        cursor = page.next
        if cursor is None:
            break
    assert rows == [(b"%02d" % i, b"v%d" % i) for i in range(25)]
    assert [k for k, _ in c.ask("map_scan", map="m", what=1).rows] == [k for k, _ in rows]
    assert [v for _, v in c.ask("map_scan", map="m", what=2).rows] == [v for _, v in rows]
    assert [name for name, _ in c.ask("map_list").rows] == [b"m"]
    assert c.ask("map_clear", map="m").number == 25
    assert c.ask("map_size", map="m").number == 0
    assert c.ask("map_destroy", map="m").truth and not c.ask("map_destroy", map="m").truth
    assert b"maps" in [name for name, _ in c.ask("namespace_list").rows]


@check
def entries_with_a_time_to_live_vanish():
    c = node.connect()
    c.ask("map_put", map="ttl", key="k", value="v", ttl_ms=50)
    c.ask("map_put", map="ttl", key="stays", value="v", ttl_ms=50)
    c.ask("map_put", map="ttl", key="stays", value="v")
    until(lambda: c.ask("map_get", map="ttl", key="k").value is None)
    assert c.ask("map_size", map="ttl").number == 1
    assert c.ask("map_get", map="ttl", key="stays").value == b"v"


@check
def large_keys_values_and_names_fit_up_to_their_limits():
    c = node.connect()
    for size in (1, 511, 512, 65536):
        key = b"k" * size
        assert c.ask("map_put", map="big", key=key, value="v%d" % size).kind_name == "value_reply"
        assert c.ask("map_get", map="big", key=key).value == b"v%d" % size
    assert c.ask("map_put", map="big", key=b"k" * 65537, value="v").kind_name == "error_reply"
    name = bytes(range(256)) * 256
    c.ask("map_put", map=name, key="k", value="v")
    assert c.ask("map_get", map=name, key="k").value == b"v"
    most = (16 << 20) - (128 << 10)
    assert c.ask("map_put", map="big", key="value", value=b"x" * most).kind_name == "value_reply"
    assert c.ask("map_get", map="big", key="value").value == b"x" * most
    refused = c.ask("map_put", map="big", key="value", value=b"x" * (most + 1))
    assert refused.kind_name == "error_reply" and refused.code == -17
    assert c.ask("map_put", map="big", key="empty", value="").kind_name == "value_reply"
    assert c.ask("map_get", map="big", key="empty").value == b""


@check
def a_retried_sequence_takes_effect_once():
    c = node.connect()
    c.open_session()
    first = c.answer(c.post("counter_add", sequence=1, counter="once", delta=5))
    again = c.answer(c.post("counter_add", sequence=1, counter="once", delta=5))
    assert first.number == again.number == 5
    d = node.connect()
    resumed = d.ask("session_resume", session=c.session[0], secret=c.session[1])
    assert resumed.resumed
    assert d.answer(d.post("counter_add", sequence=1, counter="once", delta=5)).number == 5
    assert d.ask("counter_get", counter="once").number == 5
    wrong = node.connect().ask("session_resume", session=c.session[0], secret=b"x" * 16)
    assert wrong.code == -15


@check
def locks_are_fair_and_fenced():
    holder, second, third = node.connect(), node.connect(), node.connect()
    for c in (holder, second, third):
        c.open_session()
    got = holder.answer(holder.post("lock_acquire", sequenced=True, lock="L", wait_ms=-1))
    assert got.acquired and got.token > 0
    assert not second.answer(second.post("lock_acquire", sequenced=True, lock="L", wait_ms=0)).acquired
    waits = []
    for c in (second, third):
        reply = c.answer(c.post("lock_acquire", sequenced=True, lock="L", wait_ms=-1))
        assert not reply.acquired
        waits.append(reply.queue_position)
    assert waits == [1, 2]
    info = wire.parse(wire.KINDS["lock_info"], holder.ask("lock_get", lock="L").value)
    assert info.held and info.token == got.token and info.waiting == 2
    assert holder.answer(holder.post("lock_release", sequenced=True, lock="L", token=got.token)).truth
    event = second.event()
    assert event.kind_name == "event_lock" and event.type == 40 and event.token > got.token
    assert second.answer(second.post("session_close")).kind_name == "done_reply"
    event2 = third.event()
    assert event2.type == 40 and event2.token > event.token
    short = holder.answer(holder.post("lock_acquire", sequenced=True, lock="L", wait_ms=30))
    assert not short.acquired
    assert holder.event().type == 41


@check
def watches_members_and_registrations_arrive_in_one_order():
    w, c = node.connect("events"), node.connect("events")
    w.open_session()
    c.open_session()
    map_watch = w.ask("watch_add", kind=1, name="m").number
    w.ask("watch_add", kind=6, name="")
    w.ask("watch_add", kind=7, name="")
    c.ask("map_put", map="m", key="k", value="v")
    event = w.event()
    assert event.kind_name == "event_data" and event.watch == map_watch and event.value == b"v"
    assert c.ask("node_join", node_id="n1", info="i").nodes == [b"n1"]
    joined = w.event()
    assert joined.kind_name == "event_members" and joined.type == 20 and joined.view == [b"n1"]
    assert c.ask("registration_add", address="addr", node_id="n1", seq=1, data="d").kind_name == "done_reply"
    registered = w.event()
    assert registered.kind_name == "event_registrations" and registered.address == b"addr"
    assert len(registered.registrations) == 1
    assert len(c.ask("registration_get", address="addr").rows) == 1
    assert c.ask("node_get", node_id="n1").value == b"i"
    assert c.ask("node_get", node_id="nobody").value is None
    assert c.ask("node_set_info", info="j").kind_name == "done_reply"
    assert w.event().type == 22
    c.ask("session_close")
    gone = w.event()
    assert gone.kind_name == "event_registrations" and gone.registrations == []
    assert w.event().type == 21, "registrations leave before their node"


@check
def transactions_compare_and_write_at_once():
    c = node.connect()
    c.ask("map_put", map="t", key="k", value="1")
    compare = ("compare", dict(target=wire.KINDS["map_get"], operator=1, name="t", key="k", expected="1"))
    then = [("map_put", dict(map="t", key="k", value="2")), ("counter_add", dict(counter="t", delta=1)),
            ("set_add", dict(set="t", value="x"))]
    other = [("map_get", dict(map="t", key="k"))]
    reply = c.ask("transaction", compares=[compare], then_operations=then, else_operations=other)
    assert reply.succeeded and [r.kind_name for r in reply.replies] == ["value_reply", "number_reply", "truth_reply"]
    reply = c.ask("transaction", compares=[compare], then_operations=then, else_operations=other)
    assert not reply.succeeded and reply.replies[0].value == b"2"
    assert c.ask("counter_get", counter="t").number == 1


@check
def counters_wrap_and_compare():
    c = node.connect()
    assert c.ask("counter_compare_and_set", counter="w", expected=0, value=2**63 - 1).truth
    assert c.ask("counter_add", counter="w", delta=1).number == -2**63
    assert c.ask("counter_add", counter="w", delta=-1, want_old=True).number == -2**63
    assert c.ask("counter_get", counter="w").number == 2**63 - 1
    assert not c.ask("counter_compare_and_set", counter="w", expected=0, value=1).truth


@check
def slow_readers_are_cut_or_held_back():
    c = node.connect()
    c.ask("map_put", map="slow", key="k", value=b"x" * (1 << 20))
    c.socket.settimeout(5)
    sent = 0
    try:
        for _ in range(4000):
            c.post("map_get", map="slow", key="k")
            sent += 1
    except (socket.timeout, ConnectionError, BlockingIOError):
        pass
    other = node.connect()
    assert other.ask("ping").kind_name == "pong", "others are served"
    c.close()


@check
def a_closed_connection_ends_the_session_after_its_grace():
    """For who asked for it; not for who is back by then, nor for who did not ask."""
    watcher = node.connect()
    watcher.open_session(timeout_ms=60000)
    watcher.ask("watch_add", kind=7, name="closing")
    sessions = {}
    for name, grace_ms in (("stays", 0), ("returns", 300), ("goes", 300)):
        c = node.connect()
        opened = c.ask("session_open", timeout_ms=60000, name=name, close_grace_ms=grace_ms)
        c.ask("registration_add", address="closing", node_id=name, seq=1, data="")
        assert watcher.event().kind_name == "event_registrations"
        sessions[name] = {"session": opened.session, "secret": opened.secret}
        c.close()
        if name == "returns":
            back = node.connect()
            assert back.ask("session_resume", close_grace_ms=300, **sessions[name]).resumed
    left = watcher.event().registrations
    assert [node_id for node_id, _ in left] == [b"stays", b"returns"], left
    again = node.connect()
    assert again.ask("session_resume", **sessions["stays"]).resumed
    assert back.ask("ping").kind_name == "pong"
    assert node.connect().ask("session_resume", **sessions["goes"]).code == -14, "ESESSION"
    back.close()  # its grace was said again when it was resumed
    assert [node_id for node_id, _ in watcher.event().registrations] == [b"stays"]
    watcher.close()
    again.close()


@check
def acknowledged_writes_survive_a_kill():
    c = node.connect()
    c.open_session(timeout_ms=60000)
    for i in range(200):
        c.ask("map_put", map="durable", key=str(i), value="v%d" % i)
    token = c.answer(c.post("lock_acquire", sequenced=True, lock="durable", wait_ms=-1)).token
    node.kill()
    node.start()
    d = node.connect()
    assert d.ask("map_size", map="durable").number == 200
    assert d.ask("session_resume", session=c.session[0], secret=c.session[1]).resumed
    info = wire.parse(wire.KINDS["lock_info"], d.ask("lock_get", lock="durable").value)
    assert info.held and info.token == token and info.session == c.session[0]
    assert d.answer(d.post("lock_acquire", sequence=1, lock="durable", wait_ms=-1)).token == token


@check
def the_reference_mode_serves_alike_and_gives_the_same_digest():
    digests = []
    for mode in ("fast", "each"):
        other = Node("mode-" + mode, "--apply", mode)
        c = other.connect()
        for i in range(50):
            c.ask("map_put", map="m", key=str(i % 7), value="v%d" % i)
            c.ask("counter_add", counter="c", delta=i)
        c.ask("map_clear", map="m")
        for i in range(7):
            c.ask("map_put", map="m", key=str(i), value="v%d" % i)
            c.ask("set_add", set="s", value=str(i))
        assert c.ask("counter_get", counter="c").number == sum(range(50))
        assert other.stop() == 0
        other.start()
        c = other.connect()
        assert c.ask("map_size", map="m").number == 7
        status = json.loads(c.ask("status").value)
        assert status["apply"] == mode and status["state_digest"] != "0" * 16
        digests.append(status["state_digest"])
        other.stop()
    assert digests[0] == digests[1], digests


@check
def sigterm_stops_cleanly():
    assert node.stop() == 0
    assert not os.path.exists(os.path.join(node.data, "endpoint"))


sys.exit(1 if failures else 0)
