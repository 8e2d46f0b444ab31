"""The scenarios: what is done to a cluster while clients work on it.

Each is a function over a Test (run): `t.cluster`, `t.network`, `t.history`; `while t.time()` is its duration;
`t.check` states a check of its own. What every scenario ends with is in run: all is healed, a write succeeds
within five seconds, the clients' history is linearizable, and all nodes have the same state.
"""
import json
import os
import re
import shutil
import signal
import subprocess

import old_build
from cluster import until
from resource_server import Resource

ALL = []
# Clients that make an old primary's knowledge stale, and clients that then ask it.
STALE = ["--clients", "16", "--impatient", "6", "--idle", "10"]


class Scenario:
    """What the table in docs/reliability.md has a line of."""

    def __init__(self, function, seconds, group, nodes, disk_mib, prepare, options):
        self.run, self.name, self.title = function, function.__name__, function.__doc__.split("\n")[0].rstrip(".")
        self.seconds, self.group, self.nodes, self.disk_mib = seconds, group, nodes, disk_mib
        self.prepare, self.options = prepare, options


def scenario(seconds, group, nodes=(3,), disk_mib=0, prepare=None, options=()):
    """`nodes`: with how many it makes sense, the first being usual; `prepare` sees the cluster before its
    start; `options` are of vxc-history."""
    def register(function):
        ALL.append(Scenario(function, seconds, group, nodes, disk_mib, prepare, list(options)))
        return function
    return register


def write_again(t, seconds=5):
    return until(t.cluster.writes, seconds, "a write succeeds again")[1]


# ---- processes ----

@scenario(8, "crash")
def kill_primary(t):
    """kill -9 of the primary, again and again."""
    slowest = 0
    while t.time():
        node = t.cluster.primary()
        node.kill()
        slowest = max(slowest, write_again(t))
        t.pause(0.1, 0.5)
        node.start()
        t.pause(0.5, 1.2)
    t.check("a write within 3 s of each kill", slowest < 3, "the slowest after %.2f s" % slowest)


@scenario(6, "crash")
def kill_backup(t):
    """kill -9 of a backup, again and again."""
    while t.time():
        node = t.random.choice(t.cluster.others(t.cluster.primary()))
        node.kill()
        t.pause(0.2, 1)
        node.start()
        t.caught_up(node)
        t.pause(0.1, 0.5)
    t.gap_ms_max = 1000


@scenario(8, "crash", nodes=(3, 1))
def kill_all(t):
    """kill -9 of all nodes at once, again and again."""
    slowest = 0
    while t.time():
        for node in t.cluster.nodes.values():
            node.kill()
        t.pause(0, 0.3)
        for node in t.random.sample(list(t.cluster.nodes.values()), t.cluster.count):
            node.start()
        slowest = max(slowest, write_again(t, 10))
        t.pause(0.3, 1.2)
    t.check("a write within 5 s of each start", slowest < 5, "the slowest after %.2f s" % slowest)


@scenario(8, "crash", nodes=(3, 1), options=STALE)
def pause_primary(t):
    """SIGSTOP of the primary for up to two seconds, then SIGCONT: it must not answer from what it knew."""
    while t.time():
        node = t.cluster.primary()
        node.pause()
        t.pause(0.8, 2.5)
        node.resume()
        t.pause(0.3, 1)


@scenario(8, "crash")
def pause_backup(t):
    """SIGSTOP of one backup: the others do not wait for it."""
    compare_halves(t, lambda node: node.pause(), lambda node: node.resume())


@scenario(12, "restart")
def rolling_restart(t):
    """SIGTERM and start of one node after the other, the primary too."""
    rounds = handed = 0
    while t.time() or rounds == 0:
        for node in t.cluster.nodes.values():
            handed += node == t.cluster.primary()
            status = node.stop()
            if status != 0:
                t.check("a stop by SIGTERM ends with 0", False, "node %d ended with %d" % (node.number, status))
            node.start()
            t.caught_up(node)
        rounds += 1
    t.zero_refused, t.gap_ms_max = True, 1000
    t.check("the primary changed hands", handed > 0, "%d times in %d rounds" % (handed, rounds))


# ---- old and new ----

def with_old_programs(cluster):
    for node in cluster.nodes.values():
        node.programs = old_build.folder()


def change_programs(t, node, programs, damaged):
    """Stops the node and starts another build of it. A damaged state it gets from the others, as an image."""
    status = node.stop()
    if status != 0:
        t.check("a stop by SIGTERM ends with 0", False, "node %d ended with %d" % (node.number, status))
    if damaged:
        with open(os.path.join(node.disk.path, "data", "state", "data.mdb"), "r+b") as state:
            state.write(bytes(1 << 16))
    node.programs = programs
    mark = len(node.log_text())
    node.start()
    t.caught_up(node, 30)
    if damaged:
        t.check("a node whose state is damaged gets one of the other build",
                "state_repaired" in node.log_text()[mark:])


def hand_over_to(t, node):
    """A transfer may fail under load, and is asked for again."""
    def asked():
        return t.cluster.primary() == node or not t.cluster.client("member", "transfer", str(node.number), timeout="5s")
    until(asked, 10, "node %d becomes the primary" % node.number)


@scenario(12, "upgrade", prepare=with_old_programs)
def upgrade(t):
    """A cluster of an older build is upgraded node by node, and goes back."""
    nodes = list(t.cluster.nodes.values())
    rounds = 0
    while t.time() or rounds == 0:
        for programs, others in (t.cluster.programs, old_build.folder()), (old_build.folder(), t.cluster.programs):
            order = t.random.sample(nodes, len(nodes))
            for node in order:
                change_programs(t, node, programs, damaged=node == order[0])
                if node != order[-1]:
                    hand_over_to(t, node)  # over at least one of the other build
                    t.pause(0.1, 0.3)
                    hand_over_to(t, order[-1])
                    t.pause(0.1, 0.3)
            done = t.cluster.client("counter", "add", "probe", "1", programs=others)
            t.check("a client of the other build is served", done.returncode == 0, done.stderr)
        rounds += 1
    t.zero_refused, t.gap_ms_max = True, 1000
    t.check("all nodes went there and back", True, "%d times" % rounds)


@scenario(4, "upgrade")
def next_protocol(t):
    """A node of a build that speaks another version of the protocol between nodes is refused, and waits."""
    rounds = 0
    while t.time() or rounds == 0:
        node = t.random.choice(list(t.cluster.nodes.values()))
        node.stop()
        marks = {other.number: len(other.log_text()) for other in t.cluster.nodes.values()}
        node.programs = os.path.join(t.cluster.programs, "test-programs", "next_protocol")
        node.start()
        for other in t.cluster.nodes.values():
            until(lambda other=other: re.search(r"refused.* code=EVERSION .*run releases that have one in common",
                                                other.log_text()[marks[other.number]:]), 10,
                  "node %d says that node %d is refused, and what to do" % (other.number, node.number))
        t.pause(0.5, 1)
        t.check("it waits, and serves nobody", node.alive() and t.cluster.client(
            "counter", "get", "probe", timeout="300ms", endpoints=t.network.endpoint(node.number)).returncode != 0)
        t.check("it stops when it is told to", node.stop() == 0)
        node.programs = t.cluster.programs
        node.start()
        t.caught_up(node)
        rounds += 1
    t.zero_refused, t.gap_ms_max = True, 1000


# ---- the network ----

@scenario(7, "network")
def partition_minority(t):
    """One backup cut off from the other nodes; clients reach all three."""
    while t.time():
        node = t.random.choice(t.cluster.others(t.cluster.primary()))
        t.network.cut([node.number], [other.number for other in t.cluster.others(node)])
        t.pause(0.5, 2)
        t.network.heal()
        t.caught_up(node)  # else the next cut might leave no majority
        t.pause(0.2, 1)
    t.gap_ms_max = 1000


@scenario(12, "network")
def healing(t):
    """A backup cut off for a quarter of a second to four: it is back soon after the network is."""
    took = []
    while t.time():
        node = t.random.choice(t.cluster.others(t.cluster.primary()))
        t.network.cut([node.number], [other.number for other in t.cluster.others(node)])
        t.pause(0.25, 4)
        t.network.heal()
        took.append(t.caught_up(node))
    t.check("caught up within 2 s of each healing", max(took) < 2, " ".join("%.2f" % s for s in took) + " s")
    t.gap_ms_max = 1000


@scenario(9, "network", options=STALE)
def partition_primary(t):
    """The primary alone cut off from the other nodes; clients still reach it, and it must refuse them."""
    while t.time():
        node = t.cluster.primary()
        t.network.cut([node.number], [other.number for other in t.cluster.others(node)])
        write_again(t)
        t.pause(0.5, 1.5)
        t.network.heal()
        t.pause(0.2, 1)


@scenario(8, "network")
def partition_all(t):
    """No node reaches another: nobody may acknowledge anything."""
    while t.time():
        primary = t.cluster.primary()
        for node in t.cluster.nodes.values():
            t.network.cut([node.number], [other.number for other in t.cluster.others(node)])
        t.pause(1.2, 1.5)  # three election timeouts: the primary has stepped down
        done = t.cluster.client("counter", "add", "probe", "1", timeout="300ms",
                                endpoints=t.network.endpoint(primary.number))
        if done.returncode == 0:
            t.check("a primary without a majority acknowledges nothing", False, done.stdout)
        t.network.heal()
        write_again(t)
        t.pause(0.3, 1)


@scenario(9, "network", options=STALE)
def one_way(t):
    """The primary is heard but hears nobody, or hears all and is not heard."""
    turn = 0
    while t.time():
        node = t.cluster.primary()
        for other in t.cluster.others(node):
            ends = (node.number, other.number) if turn % 2 else (other.number, node.number)
            t.network.rule(*ends, drop=1)
        write_again(t)
        t.pause(0.5, 1.5)
        t.network.heal()
        t.pause(0.3, 1)
        turn += 1


@scenario(10, "network")
def half_open(t):
    """The primary vanishes without a word, its connections half open, and is back with nothing of them."""
    slowest = 0
    while t.time():
        node = t.cluster.primary()
        t.network.both(node.number, 0, drop=1)
        t.pause(0.1, 0.3)
        node.kill()  # the kernel's words about it reach nobody
        slowest = max(slowest, write_again(t, 10))
        t.pause(0.2, 0.6)
        node.start()
        t.network.heal()
        t.pause(1, 1.5)
    t.check("a write within 5 s", slowest < 5, "the slowest after %.2f s" % slowest)


@scenario(8, "network", nodes=(3, 1))
def bad_links(t):
    """Every link loses 2 %, delays 5 to 10 ms, duplicates and reorders."""
    t.network.rule(0, 0, loss=20, delay=5000, jitter=5000, duplicate=10, reorder=20)
    while t.time():
        t.pause(0.3, 0.5)
    t.check("packets were lost", int(t.network.ask("count").split()[2]) > 10, t.network.ask("count"))


@scenario(10, "network", options=["--rate", "200"])
def far_away(t):
    """One backup behind 100 ms each way and 3 % loss: it follows, on connections that last."""
    node = t.random.choice(t.cluster.others(t.cluster.primary()))

    def broken():
        return sum(other.log_text().count("peer disconnected") for other in t.cluster.nodes.values())
    before = broken()
    for other in t.cluster.others(node):
        t.network.both(node.number, other.number, delay=100000, loss=30)
    slowest = 0
    while t.time():
        t.pause(0.5, 1)
        slowest = max(slowest, t.caught_up(node, 20))
    lost = broken() - before
    t.check("it has what was acknowledged within 10 s", slowest < 10, "%.2f s at most" % slowest)
    t.check("connections last 2 s on average", lost * 2 <= 4 * t.seconds, "%d ended in %d s" % (lost, t.seconds))
    t.gap_ms_max = 1000


@scenario(8, "network")
def flapping(t):
    """The link between the primary and a backup comes and goes each 50 to 500 ms."""
    node = t.cluster.primary()
    other = t.random.choice(t.cluster.others(node))
    while t.time():
        t.network.both(node.number, other.number, drop=1)
        t.pause(0.05, 0.5)
        t.network.heal()
        t.pause(0.05, 0.5)
    t.gap_ms_max = 1000


@scenario(8, "network")
def thin_link(t):
    """1 Mbit/s to one backup, which was down and has to catch up."""
    node = t.random.choice(t.cluster.others(t.cluster.primary()))
    node.kill()
    t.pause(1.5, 2)
    t.network.both(node.number, 0, rate=1000)
    node.start()
    while t.time():
        t.pause(0.3, 0.5)


@scenario(10, "install", options=["--rate", "400"])
def left_behind(t):
    """A backup is down until the log has gone on without it; the image that it needs then is interrupted."""
    node = t.random.choice(t.cluster.others(t.cluster.primary()))
    behind = t.cluster.status_of(node)["last_index"] + 1000  # more than it may still get before it is killed
    node.kill()
    imports = 0
    while t.cluster.status_of(t.cluster.primary())["log_first_index"] <= behind and imports < 40:
        fill_by_import(t, "bulk%d" % (imports % 4))
        imports += 1
    t.check("the log has gone on", imports < 40, "%d times 32 MB" % imports)
    for _ in range(2):
        node.start()
        t.pause(0.3, 1.5)
        t.network.cut([node.number], [other.number for other in t.cluster.others(node)])
        t.pause(0.2, 0.5)
        t.network.heal()
        t.pause(0.3, 1)
        node.kill()
    node.start()
    t.check("it catches up by an image", t.caught_up(node, 60) < 60)
    while t.time():
        t.pause(0.3, 0.5)


# ---- disks ----

def cut_all_power(t):
    """All at one moment: nobody acknowledges anything behind it. Gives how many controls were kept."""
    nodes = list(t.cluster.nodes.values())
    for node in nodes:
        node.pause()
    for node in t.random.sample(nodes, len(nodes)):
        node.disk.cut_power()
    for node in nodes:
        node.kill()
    return sum(not node.disk.mount_after_cut() for node in nodes)


@scenario(10, "disk", nodes=(3, 1), disk_mib=1024)
def power_cut(t):
    """The power of all nodes at once; what was not flushed is lost."""
    cuts = kept = 0
    while t.time() or cuts == 0:
        kept += cut_all_power(t)
        cuts += 1
        for node in t.cluster.nodes.values():
            node.start()
        write_again(t, 10)
        t.pause(0.2, 1)
    t.check("control: files that were not flushed are lost", kept * 10 <= cuts * t.cluster.count,
            "%d cuts of %d nodes, %d files kept" % (cuts, t.cluster.count, kept))


def fill_by_import(t, name):
    """32 entries of 1 MB; gives the exit status, 5 when there was no space."""
    path = os.path.join(t.cluster.work, "block.jsonl")
    if not os.path.exists(path):
        with open(path, "w", encoding="ascii") as block:
            for i in range(32):
                block.write('{"key":"%03d","value":"%01000000d"}\n' % (i, i))
    return t.cluster.client("map", "import", name, path, timeout="10s", seconds=60).returncode


def refused_for_space(t, who, name):
    """Exit status 5, "no space", once what was under way when the room ran out is over."""
    statuses = []
    while 5 not in statuses and len(statuses) < 8:
        statuses.append(fill_by_import(t, "%s%d" % (name, len(statuses))))
    t.check("%s refuse with \"no space\"" % who, 5 in statuses, "statuses %s" % statuses)


@scenario(10, "disk", nodes=(3, 1), disk_mib=1500, options=["--rate", "400"])
def disk_full(t):
    """Full disks: of one backup, of both, then of all; then there is room again."""
    nodes = list(t.cluster.nodes.values())
    if len(nodes) > 1:
        first, second = t.random.sample(t.cluster.others(t.cluster.primary()), 2)
        first.disk.fill()
        t.pause(1, 1)
        statuses = [fill_by_import(t, "before%d" % i) for i in range(3)]  # more than what its log has reserved
        t.check("a full backup stands in nobody's way", statuses == [0, 0, 0], "statuses %s" % statuses)
        second.disk.fill()
        refused_for_space(t, "a majority of full disks", "both")
        second.disk.free()
        t.check("one of them with room is enough", True, "after %.2f s" % write_again(t, 20))  # first comes what it missed
    for node in nodes:
        node.disk.fill(leave=16 << 20)
    refused_for_space(t, "full disks", "bulk")
    read = t.cluster.client("counter", "get", "probe")
    t.check("and are read all the same", read.returncode == 0, read.stderr)
    while t.time():
        t.pause(0.3, 0.5)


def slow_mark(node):
    """While this file is there the node's flushes take longer (tests/bench/slow_flush.c)."""
    return os.path.join(node.cluster.work, "slow%d" % node.number)


def with_slow_flush(cluster):
    for node in cluster.nodes.values():
        node.environment = {"LD_PRELOAD": os.path.join(cluster.programs, "test-programs", "slow_flush.so"),
                            "SLOW_FLUSH_MS": "500", "SLOW_FLUSH_WHILE": slow_mark(node)}


@scenario(10, "disk", prepare=with_slow_flush)
def slow_flush(t):
    """One backup's flushes take 500 ms more: the others do not wait for it."""
    compare_halves(t, lambda node: open(slow_mark(node), "w", encoding="ascii").close(),
                   lambda node: os.unlink(slow_mark(node)))


def compare_halves(t, begin, end):
    """Healthy and with one slow backup, twice in turn: what do clients notice of it?"""
    node = t.random.choice(t.cluster.others(t.cluster.primary()))
    t.pause(1, 1)
    healthy, slow = [], []
    for _ in range(2):
        for spans, act in ((healthy, lambda _: None), (slow, begin)):
            act(node)
            began = t.now()
            t.pause(t.seconds / 4, t.seconds / 4)
            spans.append((began, t.now()))
        end(node)

    def compare():
        (rate, p99), (rate_slow, p99_slow) = t.history.pace(healthy), t.history.pace(slow)
        t.check("at least 0.8 of the healthy half's writes", rate_slow >= 0.8 * rate,
                "%.0f/s, and %.0f/s" % (rate, rate_slow))
        t.check("at most twice its p99", p99_slow <= 2 * p99, "%.1f ms, and %.1f ms" % (p99, p99_slow))
    t.afterwards = compare


# ---- locks ----

class Holder:
    """vxc lock run, and below it a process that writes to the resource with its token."""

    def __init__(self, t, name, resource):
        self.name, self.t = name, t
        self.error_path = os.path.join(t.cluster.work, name + ".err")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "holder.py")
        with open(self.error_path, "wb") as errors:
            # pylint: disable=consider-using-with # it lives until end()
            self.process = subprocess.Popen(
                t.network.inside(t.network.clients) +
                [t.cluster.program("vxc"), "-e", t.network.endpoints, "lock", "run", "resource", "--lease", "1s",
                 "--", "python3", script, resource.path, name],
                stderr=errors, stdin=subprocess.DEVNULL)

    def command(self):
        """Process id of what vxc runs."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as children:
            return int(children.read().split()[0])

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(timeout=20)


@scenario(10, "locks", nodes=(3, 1))
def stopped_holder(t):
    """A lock's holder is stopped beyond its lease, wakes up and goes on writing to what the lock protects."""
    rounds = stale = 0
    with Resource(os.path.join(t.cluster.work, "resource")) as resource:
        while t.time() or rounds == 0:
            first = Holder(t, "first%d" % rounds, resource)
            token, _ = until(lambda: resource.token_of(first.name), 10, "the first gets the lock and writes")
            child = first.command()
            first.process.send_signal(signal.SIGSTOP)
            os.kill(child, signal.SIGSTOP)
            second = Holder(t, "second%d" % rounds, resource)
            next_token, _ = until(lambda: resource.token_of(second.name), 10, "the second gets it after the lease")
            if next_token <= token:
                t.check("the fence rises", False, "%d, then %d" % (token, next_token))
            mark = resource.written(first.name)
            os.kill(child, signal.SIGCONT)  # it does not know yet
            until(lambda: resource.written(first.name) > mark, 10, "the woken holder writes")
            first.process.send_signal(signal.SIGCONT)
            until(lambda: first.process.poll() is not None, 10, "vxc ends what lost its lock")
            second.end()
            rounds += 1
        stale = resource.stale
        t.check("a resource that checks fences refuses every stale write", resource.accepted_stale == 0 and stale > 0,
                "%d stale writes in %d rounds" % (stale, rounds))
        t.check("control: one that does not check is spoilt", resource.naive_spoilt > 0,
                "%d times" % resource.naive_spoilt)


# ---- everything ----

@scenario(20, "mixed", options=["--impatient", "3"])
def mixed(t):
    """One fault after the other, at random, and now and then two."""
    def kill(node):
        node.kill()
        t.pause(0.1, 1)
        node.start()

    def pause(node):
        node.pause()
        t.pause(0.2, 2)
        node.resume()

    def cut(node):
        t.network.cut([node.number], [other.number for other in t.cluster.others(node)])

    def deaf(node):
        t.network.rule(0, node.number, drop=1)

    def mute(node):
        t.network.rule(node.number, 0, drop=1)

    def bad(_):
        t.network.rule(0, 0, loss=30, delay=1000, jitter=10000, reorder=30, duplicate=20)
    faults = [kill, pause, cut, deaf, mute, bad]
    counts = {}
    while t.time():
        for _ in range(t.random.choice((1, 1, 2))):
            fault = t.random.choice(faults)
            counts[fault.__name__] = counts.get(fault.__name__, 0) + 1
            fault(t.random.choice(list(t.cluster.nodes.values())))
        t.pause(0.2, 1.5)
        t.network.heal()
        write_again(t, 10)
        t.pause(0, 0.5)
    print("# " + json.dumps(counts), flush=True)
