"""Vert.x with our cluster manager, beside Hazelcast's, Infinispan's and ZooKeeper's in the same sitting."""
import os
import time

import figures
import vertx_clusters
from vertx_clusters import Hazelcast, Infinispan, Ours, OursAlone, Zookeeper

NAME, TITLE = "vertx", "Vert.x cluster managers side by side"
PEERS = {"hazelcast": Hazelcast, "infinispan": Infinispan, "zookeeper": Zookeeper}
KEYS, VALUE_SIZE, SECONDS, WARM_UP_SECONDS = 10_000, 256, 2, 4
MAP, ADDRESS = "bench", "bench.watched"
OTHERS = 1_000  # consumers that the killed node has besides the one that is watched
VICTIM = 2

# Load → operation, under way on each node, nodes at once, all on one lock.
LOADS = {
    "register": ("register", 64, 1, False),
    "put 1": ("put", 1, 1, False),
    "get 1": ("get", 1, 1, False),
    "put 64": ("put", 64, 1, False),
    "get 64": ("get", 64, 1, False),
    "lock 1": ("lock", 1, 1, False),
    "lock 16": ("lock", 16, 1, False),
    "lock contended": ("lock", 1, 3, True),
    "counter 1": ("counter", 1, 1, False),
    "counter 16": ("counter", 16, 1, False),
}

RATE = "ops_per_second"
# Rows of a group: what it is, the unit, where in the raw figures it is, how it is written, whether more is better.
GROUPS = [
    ("Clusters and what they weigh", None, [
        ("three JVMs form a cluster, their servers are up", "s", ("formed", "nodes_s"), 2, False),
        ("the same with the start of the servers", "s", ("formed", "all_s"), 2, False),
        ("a JVM's heap after a collection, idle", "MB", ("formed", "idle_heap_mb"), 1, False),
        ("a JVM's resident memory, idle", "MB", ("formed", "idle_resident_mb"), 0, False),
        ("a JVM's heap after a collection, after the loads", "MB", ("loaded", "heap_mb"), 1, False),
        ("jars that the manager adds", "MB", ("jars", "mb"), 2, False),
    ]),
    ("Registrations of the event bus", "registrations", [
        ("registered by 8 verticles of a JVM, 64 under way", "per s", ("register", RATE), 0, True),
        ("after kill -9 of a JVM, until no request goes to it", "s", ("killed", "requests_s"), 2, False),
        ("after kill -9 of a JVM, until nobody names it", "s", ("killed", "registrations_s"), 2, False),
    ]),
    ("Async maps", "map", [
        ("put, one at a time, p50", "µs", ("put 1", "p50_us"), 0, False),
        ("put, one at a time, p99", "µs", ("put 1", "p99_us"), 0, False),
        ("put, 64 under way", "per s", ("put 64", RATE), 0, True),
        ("put, 64 under way, p99", "µs", ("put 64", "p99_us"), 0, False),
        ("get, one at a time, p50", "µs", ("get 1", "p50_us"), 0, False),
        ("get, one at a time, p99", "µs", ("get 1", "p99_us"), 0, False),
        ("get, 64 under way", "per s", ("get 64", RATE), 0, True),
        ("get, 64 under way, p99", "µs", ("get 64", "p99_us"), 0, False),
    ]),
    ("Locks", "lock", [
        ("acquired and released, one lock, one at a time", "per s", ("lock 1", RATE), 0, True),
        ("acquired and released, 16 locks of one JVM", "per s", ("lock 16", RATE), 0, True),
        ("acquired and released, one lock that three JVMs want", "per s", ("lock contended", RATE), 0, True),
    ]),
    ("Counters", "counter", [
        ("incremented, one at a time", "per s", ("counter 1", RATE), 0, True),
        ("incremented, 16 under way on one counter", "per s", ("counter 16", RATE), 0, True),
    ]),
]

# Of each structure: what a manager promises when an operation of it is done. Two that keep it on the disks of a majority
# are equals, and two that keep it in memory are.
GUARANTEES = {
    "registrations": {
        Ours.NAME: "on the disks of a majority, ends with the session",
        OursAlone.NAME: "on the disk of one node, ends with the session",
        Zookeeper.NAME: "on the disks of a majority, ends with the session; other JVMs hear of it later",
        Hazelcast.NAME: "in the memory of two JVMs; survivors tidy up",
        Infinispan.NAME: "in the memory of all JVMs; the coordinator tidies up",
    },
    "map": {
        Ours.NAME: "on the disks of a majority, linearizable",
        OursAlone.NAME: "on the disk of one node, linearizable",
        Zookeeper.NAME: "on the disks of a majority, gets behind a `sync`; a put is a look and a write",
        Hazelcast.NAME: "in the memory of two JVMs, one of which answers gets; a partition may lose puts",
        Infinispan.NAME: "in the memory of two JVMs, gets from the own copy; a partition may lose puts",
    },
    "lock": {
        Ours.NAME: "on the disks of a majority, fair, with a fencing token",
        OursAlone.NAME: "on the disk of one node, fair, with a fencing token",
        Zookeeper.NAME: "on the disks of a majority, fair",
        Hazelcast.NAME: "in memory, CP subsystem in its unsafe mode: a partition may grant it twice",
        Infinispan.NAME: "in the memory of all JVMs; none without a majority of them",
    },
    "counter": {
        Ours.NAME: "on the disks of a majority, linearizable, each counts once",
        OursAlone.NAME: "on the disk of one node, linearizable, each counts once",
        Zookeeper.NAME: "on the disks of a majority; the value that is told is of a later read",
        Hazelcast.NAME: "in memory, CP subsystem in its unsafe mode: a partition may lose increments",
        Infinispan.NAME: "in the memory of two JVMs; a partition may lose increments",
    },
}


def _resident_mb(manager):
    return figures.median([node.resident_bytes() / 1e6 for node in manager.nodes])


def _heap_mb(manager):
    return figures.median([answer["bytes"] / 1e6 for answer in manager.ask_all("heap")])


def _form(ctx, kind):
    """A new cluster, alone on the machine: what it took."""
    os.sync()
    manager = kind(ctx)
    resident = _resident_mb(manager)  # before a collection gives memory back
    formed = {"servers_s": manager.servers_s, "nodes_s": manager.nodes_s,
              "all_s": manager.servers_s + manager.nodes_s,
              "idle_resident_mb": resident, "idle_heap_mb": _heap_mb(manager)}
    manager.stop()
    return formed


def _load(ctx, manager, load, seconds):
    operation, under_way, nodes, contended = LOADS[load]
    os.sync()  # what the load before has left to write is not to hinder this one
    answers = manager.ask_some(nodes, "load", op=operation, inFlight=under_way, contended=contended,
                               name=MAP, seconds=seconds, keys=ctx.keys(KEYS), valueSize=VALUE_SIZE)
    if operation == "register":
        manager.nodes[0].ask("unregister")
    return {RATE: sum(answer[RATE] for answer in answers),
            "operations": sum(answer["operations"] for answer in answers),
            "failed": sum(answer["failed"] for answer in answers),
            "p50_us": max(answer["p50_us"] for answer in answers),
            "p99_us": max(answer["p99_us"] for answer in answers)}


def _kill(manager):
    """Both of what the survivor says for whom it lasts longer."""
    survivors = [node for number, node in enumerate(manager.nodes) if number != VICTIM]
    victim = manager.nodes[VICTIM]
    victim.ask("consume", address=ADDRESS, others=OTHERS)
    for node in survivors:
        node.ask("watch", address=ADDRESS, node=victim.id)
    victim.kill()
    at = time.monotonic_ns()  # the clock of System.nanoTime
    for node in survivors:
        node.send("killed", at=at)
    answers = [node.answer() for node in survivors]
    manager.begin_again(VICTIM)
    return {key: max(answer[key] for answer in answers) for key in ("requests_s", "registrations_s")}


def measure(ctx):
    kinds = [Ours, OursAlone] + [PEERS[name] for name in ("zookeeper", "hazelcast", "infinispan") if name in ctx.peers]
    ctx.step("building the Vert.x nodes")
    vertx_clusters.build()
    raw = {"keys": ctx.keys(KEYS), "managers": {kind.NAME: {"formed": [], "loaded": [], "killed": [],
                                                            **{load: [] for load in LOADS}} for kind in kinds}}
    for run in range(ctx.runs):
        for kind in kinds:
            ctx.step("a cluster of %s, run %d of %d" % (kind.NAME, run + 1, ctx.runs))
            raw["managers"][kind.NAME]["formed"].append(_form(ctx, kind))
    ctx.step("all clusters once more, to be loaded")
    managers = [kind(ctx) for kind in kinds]
    for manager in managers:
        ctx.step("filling %s keys of %s" % (figures.count(ctx.keys(KEYS)), manager.NAME))
        manager.nodes[0].ask("fill", name=MAP, to=ctx.keys(KEYS), valueSize=VALUE_SIZE, **{"from": 0})
        for node in manager.nodes[:VICTIM]:
            node.ask("consume", address=ADDRESS, others=0)
    for load in LOADS:
        ctx.step("warming up: %s" % load)
        for manager in managers:
            _load(ctx, manager, load, ctx.seconds(WARM_UP_SECONDS))
        for run in range(ctx.runs):
            ctx.step("%s, run %d of %d" % (load, run + 1, ctx.runs))
            for manager in managers:
                raw["managers"][manager.NAME][load].append(_load(ctx, manager, load, ctx.seconds(SECONDS)))
    for manager in managers:
        raw["managers"][manager.NAME]["loaded"].append({"heap_mb": _heap_mb(manager)})
    for run in range(ctx.runs):
        for manager in managers:
            ctx.step("kill -9 of a node of %s, run %d of %d" % (manager.NAME, run + 1, ctx.runs))
            raw["managers"][manager.NAME]["killed"].append(_kill(manager))
    for manager in managers:
        jars = vertx_clusters.weight(manager)
        raw["managers"][manager.NAME]["jars"] = [{"mb": sum(jars.values()) / 1e6}]
        raw["managers"][manager.NAME]["jar_bytes"] = jars
        manager.stop()
    return raw


def _values(raw, name, place):
    kind, key = place
    return [run[key] for run in raw["managers"][name][kind]]


def _durable(name):
    return vertx_clusters.ALL[name].DURABLE


def _rank(raw, place, more, name, among):
    """1 is the best; who has the same has the same rank."""
    def median(other):
        return figures.median(_values(raw, other, place))
    better = [other for other in among if (median(other) > median(name)) == more and median(other) != median(name)]
    return 1 + len(better)


def _ranked(raw):
    """Who takes part; one vxcd is a variant of ours."""
    return [name for name in raw["managers"] if name != OursAlone.NAME]


def _equals(raw, structure):
    """Of ours, in what concerns this structure."""
    return [name for name in _ranked(raw) if structure is None or _durable(name)]


def targets(raw):
    found = []
    for title, structure, rows in GROUPS:
        among = _equals(raw, structure)
        if len(among) == 1:
            continue
        for what, _unit, place, _places, more in rows:
            found.append(figures.at_most("%s: %s: rank of %d with %s guarantee"
                                         % (title, what, len(among), "any" if structure is None else "an equal"),
                                         _rank(raw, place, more, Ours.NAME, among), 1))
    return found


def _cell(raw, name, place, places, more):
    values = _values(raw, name, place)
    text = figures.digits(figures.median(values), places)
    if len(values) > 1:
        text += " (%s … %s)" % (figures.digits(min(values), places), figures.digits(max(values), places))
    if name == OursAlone.NAME:
        return text
    return "%s **#%d**" % (text, _rank(raw, place, more, name, _ranked(raw)))


def _table(raw, structure, rows):
    names = list(raw["managers"])
    among = _equals(raw, structure)
    cells = []
    if structure is not None:
        cells.append(["*guarantee*", *("*%s*" % GUARANTEES[structure][name] for name in names), ""])
    for what, unit, place, places, more in rows:
        cells.append(["%s, %s" % (what, unit), *(_cell(raw, name, place, places, more) for name in names),
                      "%d of %d" % (_rank(raw, place, more, Ours.NAME, among), len(among))])
    return figures.table(["", *names, "ours among equals"], cells)


def _failures(raw):
    return ["* %s, %s: %s of %s failed." % (name, load, figures.count(failed), figures.count(failed + done))
            for name, runs in raw["managers"].items() for load in LOADS
            for failed, done in [(sum(run["failed"] for run in runs[load]), sum(run["operations"] for run in runs[load]))]
            if failed]


def render(raw):
    parts = ["%s:\n\n%s" % (title, _table(raw, structure, rows)) for title, structure, rows in GROUPS]
    failures = _failures(raw)
    if failures:
        parts.append("Only successes count. Not all operations were:\n\n" + "\n".join(failures))
    parts.append("The jars, beyond `vertx-core` and what it needs:\n\n" + "\n".join(
        "* %s: %s" % (name, ", ".join("%s (%s)" % (jar, figures.count(size / 1000))
                                      for jar, size in sorted(runs["jar_bytes"].items(), key=lambda item: -item[1])))
        for name, runs in raw["managers"].items() if name != OursAlone.NAME) + "\n\nSizes are in kB.")
    return "\n\n".join(parts)
