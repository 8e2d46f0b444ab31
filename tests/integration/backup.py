"""What backups answer, and what a change of the primary leaves to clients; run by backup.sh."""
import json
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import wire  # noqa: E402
from daemon import check, finish, primary_of, start_cluster, status_of, until  # noqa: E402

NOT_PRIMARY = -12
nodes, _ = start_cluster("--timeout", "5000", "--ping-interval", "5000")


def backups():
    first = primary_of(nodes)
    return [node for node in nodes if node is not first]


def until_all_follow(node):
    """Every backup knows that this one is the primary."""
    until(lambda: all(status_of(one)["primary_id"] == node.number for one in nodes), 10, "nobody follows")


def join(connection, name):
    reply = connection.ask("join", node_id=name)
    assert reply.code == 0, reply


def hand_over(first):
    """SIGTERM: another node is the primary before this one has ended."""
    assert first.stop() == 0
    follower = primary_of([node for node in nodes if node is not first])
    first.start()
    until_all_follow(follower)
    return follower


@check
def backups_say_who_is_primary_in_both_protocols():
    first = primary_of(nodes)
    until_all_follow(first)
    for node in backups():
        c = node.connect()
        hello = c.ask("hello", version_min=1, version_max=1, client_name="test", namespace_name="")
        assert hello.primary == 0 and hello.primary_address.decode() == first.endpoint, hello
        redirect = c.ask("legacy_map_put", map_name="m", key="k", value="v")
        assert redirect.kind_name == "leader_redirect" and redirect.code == 1, redirect
        assert redirect.leader_address.decode() == first.endpoint
        for refused in (c.ask("map_put", map="m", key="k", value="v"), c.ask("map_get", map="m", key="k"),
                        c.ask("session_open", timeout_ms=1000), c.ask("checkpoint"), c.ask("member_remove", id=1)):
            assert refused.kind_name == "error_reply" and refused.code == NOT_PRIMARY, refused
            assert refused.message.decode().split()[-1] == first.endpoint, refused
        assert c.ask("ping").kind_name == "pong"
        status = json.loads(c.ask("status").value)
        assert status["primary_address"] == first.endpoint
        assert sorted(m["role"] for m in status["members"]) == ["backup", "backup", "primary"]
        assert len(c.ask("member_list").rows) == 3
        c.close()


@check
def stale_reads_of_a_backup_say_what_they_saw():
    c = primary_of(nodes).connect()
    written = c.ask("map_put", map="stale", key="k", value="v").index
    for node in backups():
        b = node.connect()
        seen = 0

        def is_there():
            nonlocal seen
            reply = b.ask("map_get", stale=True, map="stale", key="k")
            assert reply.index >= seen, "it went back"
            seen = reply.index
            assert (reply.value == b"v") == (reply.index >= written), (reply, written)
            return reply.value
        until(is_there)


@check
def pipelined_reads_see_exactly_the_writes_before_them():
    c = primary_of(nodes).connect()
    asked = []
    for i in range(500):
        asked.append((c.post("map_put", map="order", key="k", value=str(i)), None))
        asked.append((c.post("map_get", map="order", key="k"), str(i).encode()))
    for request_id, value in asked:
        message = c.receive()  # in this order
        assert message.request_id == request_id, (message, request_id)
        assert value is None or message.value == value, (message.value, value)


@check
def nodes_of_the_original_protocol_keep_locks_and_places_when_the_primary_hands_over():
    first = primary_of(nodes)
    a, b = first.connect(), first.connect()
    join(a, "node-a")
    join(b, "node-b")
    assert a.ask("legacy_lock_acquire", lock_name="l").acquired == 1
    assert b.ask("legacy_lock_acquire", lock_name="l").queue_position == 1
    follower = hand_over(first)
    assert a.receive() is None and b.receive() is None  # they are told by the end of their connections
    a, b = follower.connect(), follower.connect()
    join(a, "node-a")
    join(b, "node-b")
    held = a.ask("lock_sync", held_locks=[b"l", b"other"])
    assert (held.synchronized_locks, held.failed_locks) == ([b"l"], [b"other"]), held
    waiting = b.post("legacy_lock_acquire", lock_name="l")
    assert b.answer(waiting).queue_position == 1
    assert a.ask("legacy_lock_release", lock_name="l").code == 0
    assert b.answer(waiting).acquired == 1  # on the new connection, under the new request id
    assert a.ask("leave", node_id="node-a").code == 0 and b.ask("leave", node_id="node-b").code == 0


@check
def a_state_sync_is_applied_once_by_whatever_primary():
    def sync(connection):
        def text(value):
            return struct.pack("<I", len(value)) + value
        operation = b"\x07" + text(b"synced") + struct.pack("<q", 5)  # counter_updated
        connection.send(wire.frame(wire.KINDS["state_sync"], struct.pack("<QI", 77, 1) + operation, wire.REQUEST, 9))
        reply = connection.answer(9)
        assert reply.kind_name == "state_sync_ack" and reply.code == 0 and reply.sync_id == 77, reply
    first = primary_of(nodes)
    c = first.connect()
    sync(c)
    assert c.ask("counter_increment", counter_name="synced", delta=1).new_value == 6
    c = hand_over(first).connect()
    sync(c)
    assert c.ask("legacy_counter_get", counter_name="synced").value == 6


@check
def nothing_in_flight_is_lost_or_done_twice_when_the_primary_hands_over():
    first = primary_of(nodes)
    c = first.connect(namespace="")
    session = c.open_session()
    first.signal(15)
    sent, answered = 0, {}
    try:
        while sent < 3000:
            c.post("counter_add", sequenced=True, counter="flown", delta=1)
            sent += 1
    except OSError:
        pass
    try:
        while len(answered) < sent:
            message = c.receive()
            if message is None:
                break
            if not message.flags & wire.EVENT:
                answered[message.request_id] = message
    except OSError:
        pass
    first.process.wait(timeout=30)
    first.process.stdout.close()
    follower = primary_of([node for node in nodes if node is not first])
    first.start()
    d = follower.connect(namespace="")
    assert d.ask("session_resume", session=session.session, secret=session.secret,
                 last_event_index=0).kind_name == "session_reply"
    offset = c.request_id - sent  # request ids and sequences both count by one
    for sequence in range(1, sent + 1):
        reply = answered.get(sequence + offset)
        if reply is None or reply.kind_name != "number_reply":
            reply = d.ask("counter_add", sequence=sequence, counter="flown", delta=1)
        assert reply.kind_name == "number_reply", reply
    assert d.ask("counter_get", counter="flown").number == sent
    return "%d sent, %d answered before the end" % (sent, len(answered))


@check
def a_transfer_by_request_makes_that_node_the_primary():
    until_all_follow(primary_of(nodes))
    first = primary_of(nodes)
    target = backups()[0]
    reply = until(lambda: next((r for r in [first.connect().ask("member_transfer", id=target.number)]
                                if r.kind_name == "done_reply"), None))
    assert reply.kind_name == "done_reply"
    assert primary_of(nodes) is target
    refused = target.connect().ask("member_transfer", id=99)
    assert refused.kind_name == "error_reply" and refused.message, refused


for member in nodes:
    member.stop()
finish()
