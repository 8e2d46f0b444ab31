"""kill -9 while sessions write every kind; run by kill9_kinds.sh. One ok / not ok line per check.

Each writer has objects of its own, so that it can say what every reply must be: it keeps a model that
takes each operation once, when it is first sent. After a crash it resumes its session and sends what
was not answered again, with the same sequences. Counters of the bank and locks are shared.
"""
import os
import random
import struct
import sys
import threading
import time
import traceback
from collections import defaultdict

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
import wire  # noqa: E402
from daemon import Node, check, finish, lock_info, pages, request, until  # noqa: E402

seed = int(os.environ.get("VXC_SEED", "0")) or random.SystemRandom().getrandbits(32)
rounds = int(os.environ.get("VXC_KILLS", "60"))
rng = random.Random(seed)
print("# seed %d (VXC_SEED), %d kills (VXC_KILLS)" % (seed, rounds), flush=True)

WRITERS, WINDOW, ACCOUNTS, LOCKS, ADDRESSES = 4, 24, 5, 3, 4
GRANTED = 40
node = Node("n1")
up = threading.Event()  # the node runs and was looked at; writers may connect
up.set()
pausing = threading.Event()
ending = threading.Event()
fences, fences_guard = defaultdict(int), threading.Lock()


class Writer(threading.Thread):
    def __init__(self, number):
        super().__init__()
        self.number, self.rng = number, random.Random(seed * 100 + number)
        self.connection, self.session, self.error, self.idle = None, None, None, False
        self.sequence, self.outstanding = 0, {}  # sequence: (name, fields, expect)
        self.answered, self.retried, self.resumed, self.last_event = 0, 0, 0, 0
        self.map, self.set, self.multimap, self.counter, self.registrations = {}, set(), set(), 0, set()
        self.bank, self.info, self.expiring = [0] * ACCOUNTS, b"info", 0
        self.plain, self.plain_maybe = {}, {}  # written without sequence: known, and what may be
        self.lock, self.lock_state, self.lock_sequence, self.token = None, "none", 0, 0
        self.hold = 0
        self.counter_answered = 0

    def of(self, kind):
        return "%s-%d" % (kind, self.number)

    # ---- the operations; each takes effect in the model at once and says what its reply must be ----

    def on_map(self):
        key, value = b"k%d" % self.rng.randrange(40), self.rng.randbytes(self.rng.choice((0, 3, 30, 700)))
        old, name = self.map.get(key), self.of("map")
        ttl = self.rng.choice((0, 0, 3_600_000))
        choice = self.rng.randrange(7)
        if choice <= 1:
            self.map[key] = value
            return "map_put", dict(map=name, key=key, value=value, ttl_ms=ttl, want_old=True), dict(value=old)
        if choice == 2:
            self.map.setdefault(key, value)
            return "map_put_if_absent", dict(map=name, key=key, value=value, ttl_ms=ttl), dict(value=old)
        if choice == 3:
            self.map.pop(key, None)
            return "map_remove", dict(map=name, key=key, want_old=True), dict(value=old)
        if choice == 4:
            if old is not None:
                self.map[key] = value
            return "map_replace", dict(map=name, key=key, value=value), dict(value=old)
        if choice == 5:
            expected = old if old is not None and self.rng.random() < 0.7 else b"not this"
            if old == expected:
                self.map[key] = value
            return ("map_replace_if", dict(map=name, key=key, expected=expected, value=value),
                    dict(truth=old == expected))
        if self.rng.random() < 0.9:
            return self.on_map()
        count = len(self.map)
        self.map.clear()
        return "map_clear", dict(map=name), dict(number=count)

    def on_set(self):
        value, name = b"v%d" % self.rng.randrange(60), self.of("set")
        there = value in self.set
        if self.rng.random() < 0.6:
            self.set.add(value)
            return "set_add", dict(set=name, value=value), dict(truth=not there)
        self.set.discard(value)
        return "set_remove", dict(set=name, value=value), dict(truth=there)

    def on_multimap(self):
        key, value = b"k%d" % self.rng.randrange(8), b"v%d" % self.rng.randrange(8)
        name, there = self.of("multimap"), (key, value) in self.multimap
        choice = self.rng.random()
        if choice < 0.6:
            self.multimap.add((key, value))
            return "multimap_put", dict(multimap=name, key=key, value=value), dict(truth=not there)
        if choice < 0.9:
            self.multimap.discard((key, value))
            return "multimap_remove", dict(multimap=name, key=key, value=value), dict(truth=there)
        gone = {entry for entry in self.multimap if entry[0] == key}
        self.multimap -= gone
        return "multimap_remove_key", dict(multimap=name, key=key), dict(number=len(gone))

    def on_counter(self):
        name, before = self.of("counter"), self.counter
        if self.rng.random() < 0.2:
            expected = before if self.rng.random() < 0.7 else before + 1
            if expected == before:
                self.counter = before + 1000
            return ("counter_compare_and_set", dict(counter=name, expected=expected, value=before + 1000),
                    dict(truth=expected == before))
        delta, want_old = self.rng.randrange(1, 100), self.rng.random() < 0.5
        self.counter += delta
        return ("counter_add", dict(counter=name, delta=delta, want_old=want_old),
                dict(number=before if want_old else self.counter))

    def on_bank(self):
        """A unit moves from one account to another."""
        a, b = self.rng.sample(range(ACCOUNTS), 2)
        self.bank[a] -= 1
        self.bank[b] += 1
        move = [("counter_add", dict(counter="bank-%d" % a, delta=-1)),
                ("counter_add", dict(counter="bank-%d" % b, delta=1))]
        return ("transaction", dict(compares=[], then_operations=move, else_operations=[]), dict(succeeded=True))

    def on_transaction(self):
        """Map and set change together, when the map has the key."""
        key = b"k%d" % self.rng.randrange(40)
        holds = key in self.map
        compare = ("compare", dict(target=wire.KINDS["map_get"], operator=5, name=self.of("map"), key=key))
        then = [("map_remove", dict(map=self.of("map"), key=key)), ("set_add", dict(set=self.of("set"), value=key))]
        other = [("map_put", dict(map=self.of("map"), key=key, value="else")),
                 ("set_remove", dict(set=self.of("set"), value=key))]
        if holds:
            del self.map[key]
            self.set.add(key)
        else:
            self.map[key] = b"else"
            self.set.discard(key)
        return ("transaction", dict(compares=[compare], then_operations=then, else_operations=other),
                dict(succeeded=holds))

    def on_registration(self):
        address, seq = b"address-%d" % self.rng.randrange(ADDRESSES), self.rng.randrange(6)
        place, common = (address, seq), dict(address=address, node_id=self.of("node"), seq=seq)
        choice = self.rng.random()
        if choice < 0.5:
            self.registrations.add(place)
            return "registration_add", dict(common, data=self.of("data")), {}
        if choice < 0.9:
            there = place in self.registrations
            self.registrations.discard(place)
            return "registration_remove", common, dict(truth=there)
        self.registrations = {place for place in self.registrations if self.rng.random() < 0.7} | {place}
        whole = [("registration_add", dict(address=a, node_id=self.of("node"), seq=s, data=self.of("data")))
                 for a, s in sorted(self.registrations)]
        return "registration_resync", dict(registrations=whole), {}

    def on_info(self):
        self.info = b"info %d" % self.sequence
        return "node_set_info", dict(info=self.info), {}

    def on_expiring(self):
        self.expiring += 1
        return ("map_put", dict(map=self.of("expiring"), key=b"%d" % self.expiring, value="v",
                                ttl_ms=self.rng.randrange(1, 400)), {})

    def on_lock(self):
        if self.lock_state == "none":
            self.lock, self.lock_state = "lock-%d" % self.rng.randrange(LOCKS), "asked"
            self.lock_sequence = self.sequence + 1
            return "lock_acquire", dict(lock=self.lock, wait_ms=-1), None
        if self.lock_state == "held" and self.hold <= 0:
            self.lock_state = "releasing"
            return "lock_release", dict(lock=self.lock, token=self.token), dict(truth=True)
        self.hold -= 1
        return self.on_counter()

    OPERATIONS = [on_map] * 4 + [on_set] * 2 + [on_multimap] * 2 + [on_counter] * 3 + [on_bank] * 3 + \
        [on_transaction, on_registration, on_registration, on_expiring, on_lock, on_lock] + [on_info]

    # ---- talking to the node ----

    def floor(self):
        waiting = [self.lock_sequence] if self.lock_state in ("asked", "waiting") else []
        return min([*self.outstanding, *waiting, self.sequence + 1]) - 1

    def issue(self):
        if self.rng.random() < 0.05 and not self.plain_maybe:
            key, value = b"k%d" % self.rng.randrange(30), b"%d" % self.sequence
            self.plain_maybe[key] = value
            self.connection.send(request("map_put", 0, map=self.of("plain"), key=key, value=value))
        name, fields, expect = self.rng.choice(self.OPERATIONS)(self)
        self.sequence += 1
        self.outstanding[self.sequence] = (name, fields, expect, self.counter)
        self.send(self.sequence)

    def send(self, sequence):
        name, fields, _, _ = self.outstanding[sequence]
        self.connection.send(request(name, sequence & 0xffffffff, sequence, self.floor(), **fields))

    def connect(self):
        up.wait()
        connection = wire.Connection(node.endpoint, timeout=20)
        if self.session is None:
            connection.open_session(timeout_ms=60000, name=self.of("writer"))
            self.session = connection.session
            assert connection.ask("node_join", node_id=self.of("node"), info=self.info).kind_name == "members_reply"
        else:
            reply = connection.ask("session_resume", session=self.session[0], secret=self.session[1],
                                   last_event_index=self.last_event)
            assert reply.kind_name == "session_reply" and reply.resumed, "the session is gone: %s" % reply
            self.resumed += 1
        self.connection = connection
        for key, value in self.plain_maybe.items():  # its outcome is unknown
            got = connection.ask("map_get", map=self.of("plain"), key=key).value
            assert got in (value, self.plain.get(key)), (key, got, value, self.plain.get(key))
            if got is not None:
                self.plain[key] = got
        self.plain_maybe.clear()
        if self.lock_state == "waiting":
            self.outstanding = {self.lock_sequence: ("lock_acquire", dict(lock=self.lock, wait_ms=-1), None,
                                                     self.counter_answered), **self.outstanding}
            self.lock_state = "asked"
        for sequence in list(self.outstanding):
            self.send(sequence)
            self.retried += 1
            if self.rng.random() < 0.3:
                self.send(sequence)  # and once more: a client cannot know

    def granted(self, token):
        with fences_guard:
            assert token > fences[self.lock], "%s: token %d after %d" % (self.lock, token, fences[self.lock])
            fences[self.lock] = token
        self.lock_state, self.token, self.hold = "held", token, self.rng.randrange(12)

    def handle(self, message):
        if message.flags & wire.EVENT:
            self.last_event = message.index
            if message.kind_name == "event_lock" and self.lock_state in ("asked", "waiting") and \
                    message.acquire_sequence == self.lock_sequence:
                assert message.type == GRANTED, message
                self.outstanding.pop(self.lock_sequence, None)
                self.granted(message.token)
            return
        if message.request_id == 0:
            (key, value), = self.plain_maybe.items()
            assert message.kind_name == "value_reply", message
            self.plain[key] = value
            self.plain_maybe.clear()
            return
        if message.request_id not in self.outstanding:
            return  # an acquire that its grant event has answered already, or sent twice
        name, _, expect, counter = self.outstanding.pop(message.request_id)
        assert message.kind_name not in ("error_reply", "legacy_error"), (name, message)
        self.answered, self.counter_answered = self.answered + 1, counter
        if name == "lock_acquire":
            if message.acquired:
                self.granted(message.token)
            else:
                assert message.flags & wire.MORE, message
                self.lock_state = "waiting"
            return
        if name == "lock_release":
            self.lock_state = "none"
        for field, value in expect.items():
            assert message[field] == value, (name, field, message[field], value, message.request_id)

    def run(self):
        try:
            while not ending.is_set():
                try:
                    self.step()
                except OSError:  # ConnectionError is one
                    if self.connection is not None:
                        self.connection.close()
                    self.connection = None
                    time.sleep(0.002)
        except Exception:  # noqa: BLE001 - told by the main thread
            self.error = traceback.format_exc()
            self.idle = True

    def step(self):
        if self.connection is None:
            self.connect()
        while self.connection.events:
            self.handle(self.connection.events.pop(0))
        if pausing.is_set() and not self.outstanding and not self.plain_maybe:
            self.idle = True
            while pausing.is_set() and not ending.is_set():
                time.sleep(0.001)
            self.idle = False
            return
        while len(self.outstanding) < WINDOW and not pausing.is_set():
            self.issue()
        message = self.connection.receive()
        if message is None:
            raise ConnectionError("closed")
        self.handle(message)


writers = [Writer(number) for number in range(WRITERS)]


def no_errors():
    for writer in writers:
        if writer.error:
            raise AssertionError("writer %d: %s" % (writer.number, writer.error))
    return True


def look_before_retries(connection):
    """What holds at every moment, whatever was not answered."""
    accounts = [connection.ask("counter_get", counter="bank-%d" % i).number for i in range(ACCOUNTS)]
    assert sum(accounts) == 0, accounts
    for w in writers:
        value = connection.ask("counter_get", counter=w.of("counter")).number
        possible = {w.counter_answered} | {counter for _, _, _, counter in w.outstanding.values()}
        assert value in possible, (w.number, value, sorted(possible))
        assert connection.ask("session_get", session=w.session[0]).value is not None


def look_at_everything(connection):
    accounts = [connection.ask("counter_get", counter="bank-%d" % i).number for i in range(ACCOUNTS)]
    assert accounts == [sum(w.bank[i] for w in writers) for i in range(ACCOUNTS)], accounts
    registered = set()
    for address, pairs in pages(connection, "registration_list"):
        for node_id, info in wire.Reader(pairs).field("PAIRS"):
            registered.add((address, node_id, wire.parse(wire.KINDS["registration_info"], info).seq))
    assert registered == {(address, w.of("node").encode(), seq) for w in writers for address, seq in w.registrations}
    held = {w.lock: w for w in writers if w.lock_state == "held"}
    for i in range(LOCKS):
        info = lock_info(connection, "lock-%d" % i)
        waiting = sum(w.lock_state == "waiting" and w.lock == "lock-%d" % i for w in writers)
        holder = held.get("lock-%d" % i)
        if holder is not None:
            assert info.session == holder.session[0] and info.token == holder.token, (info, holder.token)
        else:
            assert info is None or waiting > 0, info  # a grant may be on its way to a waiter
        assert info is None or info.waiting <= waiting, (info, waiting)
    for w in writers:
        rows = dict(pages(connection, "map_scan", map=w.of("map"), what=3))
        assert rows == w.map, (w.number, set(rows) ^ set(w.map))
        assert connection.ask("map_size", map=w.of("map")).number == len(w.map)
        assert {row[0] for row in pages(connection, "set_scan", set=w.of("set"))} == w.set
        assert set(pages(connection, "multimap_scan", multimap=w.of("multimap"), what=3)) == w.multimap
        assert connection.ask("multimap_size", multimap=w.of("multimap")).number == len(w.multimap)
        assert connection.ask("counter_get", counter=w.of("counter")).number == w.counter
        found = dict(pages(connection, "map_scan", map=w.of("plain"), what=3))
        assert found == w.plain, (w.of("plain"), sorted(set(found.items()) ^ set(w.plain.items()))[:10])
        assert connection.ask("node_get", node_id=w.of("node")).value == w.info
        assert connection.ask("session_get", session=w.session[0]).value is not None


def pause_and_look():
    pausing.set()
    until(lambda: all(w.idle for w in writers), 20, "writers do not come to rest")
    no_errors()
    connection = node.connect()
    look_at_everything(connection)
    connection.close()
    pausing.clear()
    until(lambda: not any(w.idle for w in writers) and no_errors(), 5)


@check
def every_operation_is_in_effect_exactly_once_after_each_kill():
    for writer in writers:
        writer.start()
    until(lambda: all(w.answered > 100 for w in writers) and no_errors(), 20, "writers do not begin")
    slowest, looks, started = 0, 0, time.monotonic()
    try:
        for _ in range(rounds):
            time.sleep(rng.choice((rng.uniform(0, 0.05), rng.uniform(0.05, 0.5), rng.uniform(0.2, 1))))
            no_errors()
            up.clear()
            node.kill()
            node.start()
            slowest = max(slowest, node.ready_s)
            until(lambda: all(w.connection is None for w in writers), 20, "connections outlive the node")
            no_errors()
            connection = node.connect()
            look_before_retries(connection)
            connection.close()
            up.set()
            if rng.random() < 0.7:
                pause_and_look()
                looks += 1
        pause_and_look()
        pausing.set()
        until(lambda: all(w.idle for w in writers), 20)
        connection = node.connect()
        for w in writers:
            until(lambda w=w: connection.ask("map_size", map=w.of("expiring")).number == 0, 10,
                  "entries with a TTL stay")
    finally:
        ending.set()
        up.set()
        for writer in writers:
            writer.join(25)
    no_errors()
    return "%d kills, %d looks at everything, %d operations answered, %d sent again, %d resumed sessions, ready in " \
        "%.2f s at the most, %.0f s" % (rounds, looks + 1, sum(w.answered for w in writers),
                                         sum(w.retried for w in writers), sum(w.resumed for w in writers), slowest,
                                         time.monotonic() - started)


@check
def fences_kept_rising():
    assert len(fences) == LOCKS and all(fences.values()), dict(fences)
    connection = node.connect()
    connection.open_session()
    reply = connection.answer(connection.post("lock_acquire", sequenced=True, lock="another", wait_ms=0))
    assert reply.acquired and reply.token > max(fences.values())
    return "last token %d" % reply.token


@check
def all_goes_when_the_sessions_close():
    connection = node.connect()
    for w in writers:
        c = node.connect()
        assert c.ask("session_resume", session=w.session[0], secret=w.session[1]).resumed
        assert c.ask("session_close").kind_name == "done_reply"
    assert list(pages(connection, "registration_list")) == []
    assert connection.ask("node_list").rows == []
    assert [name for name, _ in pages(connection, "lock_list")] in ([], [b"another"])
    assert node.stop() == 0


finish()
