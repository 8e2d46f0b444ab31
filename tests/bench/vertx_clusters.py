"""Three clustered Vert.x nodes with each cluster manager: ours, Hazelcast, Infinispan, ZooKeeper.

A node is a JVM of its own with src/vertx/vxc-bench and one cluster manager on its class path; it is driven by
lines of JSON. What differs from the manager's defaults is said at its class, and is nothing but where to find
each other: multicast does not exist on loopback.
"""
import json
import os
import queue
import shutil
import subprocess
import threading
import time
import xml.etree.ElementTree as ElementTree
import zipfile

from clusters import NODES, VxcdCluster, ZookeeperCluster
from programs import BenchError, Vxcd, free_ports, output_of, spawn

HOST = "127.0.0.1"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JAVA_SOURCES = os.path.join(ROOT, "src/vertx")
BENCH = "vxc-bench"
MAIN = "io.bop.vxc.bench.BenchNode"
# The same for all. What else a manager wants is at its class.
JVM_OPTIONS = ["-Xmx512m", "-Djava.net.preferIPv4Stack=true"]
ANSWER_SECONDS = 120
LOG_SIZE = 2_000  # of the end of a log that a mistake tells


def build():
    """The node and the class path of each manager; their jars come from the local Maven repository once they are there."""
    if shutil.which("mvn") is None:
        raise BenchError("mvn is not there: install the packages of the group bench in tools/lib/packages.sh")
    modules = ["%s/managers/%s" % (BENCH, each.MODULE) for each in ALL.values()]
    output_of(["mvn", "-B", "-q", "-f", JAVA_SOURCES, "-P", "bench", "-am", "-pl", ",".join(sorted(set(modules))),
               "-DskipTests", "package"])


def _jars(module):
    with open(os.path.join(JAVA_SOURCES, module, "target/classpath"), encoding="utf-8") as file:
        return file.read().strip().split(":")


def weight(manager):
    """name → bytes of each jar that the manager adds to a program that has vertx-core."""
    base = set(_jars(BENCH))
    added = [jar for jar in _jars("%s/managers/%s" % (BENCH, manager.MODULE))
             if jar not in base and not os.path.basename(jar).startswith(BENCH)]
    return {os.path.basename(jar): os.path.getsize(jar) for jar in added}


class Node:
    """A JVM with one clustered Vert.x."""

    def __init__(self, ctx, manager, number):
        jars = _jars("%s/managers/%s" % (BENCH, manager.MODULE))
        self.name = "%s, node %d" % (manager.NAME, number + 1)
        self.log = os.path.join(ctx.work, "%s.%d.log" % (manager.NAME, number + 1))
        self._answers = queue.Queue()
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = spawn(["java", *JVM_OPTIONS, *manager.jvm_options(number), "-cp", ":".join(jars), MAIN],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put(None)

    def send(self, command, **arguments):
        self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self.process.stdin.flush()

    def answer(self, seconds=ANSWER_SECONDS):
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise self._mistake("no answer within %d s" % seconds) from None
        if answer is None:
            raise self._mistake("ended with status %d" % self.process.wait())
        if "error" in answer:
            raise self._mistake(answer["error"])
        return answer

    def _mistake(self, what):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return BenchError("%s: %s: %s" % (self.name, what, log.read()[-LOG_SIZE:].strip()))

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        return self.answer()

    def start(self):
        self.send("start", host=HOST, nodes=NODES)

    def started(self):
        self.id = self.answer()["node"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def resident_bytes(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


class Manager:
    """A cluster manager, its servers when it has some, and three nodes. Subclasses say NAME (for tables), MODULE (below
    vxc-bench/managers) and DURABLE: what is acknowledged is on disks."""

    def __init__(self, ctx):
        self.ctx, self.nodes = ctx, []
        started = time.perf_counter()
        self.begin_servers()
        self.servers_s = time.perf_counter() - started
        started = time.perf_counter()
        self.nodes = [Node(ctx, self, number) for number in range(NODES)]
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.started()
        self.nodes_s = time.perf_counter() - started

    def begin_servers(self):
        """Before the nodes; a manager that lives in them alone has none."""

    def server_processes(self):
        return []

    def end_servers(self):
        pass

    def jvm_options(self, number):
        raise NotImplementedError

    def ask_some(self, among, command, **arguments):
        """The first nodes, all at the same time; their answers."""
        for node in self.nodes[:among]:
            node.send(command, **arguments)
        return [node.answer() for node in self.nodes[:among]]

    def ask_all(self, command, **arguments):
        return self.ask_some(NODES, command, **arguments)

    def begin_again(self, number):
        """A node in place of one that was killed."""
        self.nodes[number] = Node(self.ctx, self, number)
        self.nodes[number].start()
        self.nodes[number].started()
        self.ask_all("members", count=NODES)

    def stop(self):
        for node in self.nodes:
            node.kill()
        self.end_servers()


class Ours(Manager):
    """Three vxcd as they come."""

    NAME, MODULE, DURABLE = "ours", "ours", True

    def begin_servers(self):
        self.cluster = VxcdCluster(self.ctx)

    def server_processes(self):
        return self.cluster.processes()

    def end_servers(self):
        self.cluster.stop()

    def jvm_options(self, number):
        return ["-Dvxc.endpoints=" + self.cluster.endpoints]


class OursAlone(Manager):
    """One vxcd as it comes."""

    NAME, MODULE, DURABLE = "ours, one vxcd", "ours", True

    def begin_servers(self):
        self.server = Vxcd(self.ctx, "alone")

    def server_processes(self):
        return [self.server.process]

    def end_servers(self):
        self.server.remove()

    def jvm_options(self, number):
        return ["-Dvxc.endpoints=" + self.server.endpoint]


def _parsed(module, jar_prefix, path):
    """An XML file of a jar of the manager."""
    jar = next(jar for jar in _jars("%s/managers/%s" % (BENCH, module))
               if os.path.basename(jar).startswith(jar_prefix))
    with zipfile.ZipFile(jar) as file:
        return ElementTree.fromstring(file.read(path))


def _space(element):
    """"{…}", what its namespace puts before its name."""
    return element.tag[:element.tag.index("}") + 1]


def _write(element, path):
    ElementTree.register_namespace("", _space(element)[1:-1])  # no prefix: Hazelcast wants none
    with open(path, "wb") as file:
        file.write(ElementTree.tostring(element))


class Hazelcast(Manager):
    """Its default-cluster.xml with <tcp-ip> in place of <multicast>, and the --add-opens that Hazelcast asks for on
    this Java."""

    NAME, MODULE, DURABLE = "vertx-hazelcast", "hazelcast", False
    OPENS = ["--add-modules", "java.se", "--add-exports", "java.base/jdk.internal.ref=ALL-UNNAMED",
             "--add-opens", "java.base/java.lang=ALL-UNNAMED", "--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED",
             "--add-opens", "java.management/sun.management=ALL-UNNAMED",
             "--add-opens", "jdk.management/com.sun.management.internal=ALL-UNNAMED"]

    def begin_servers(self):
        self.ports = free_ports(NODES)

    def jvm_options(self, number):
        root = _parsed(self.MODULE, "vertx-hazelcast-", "default-cluster.xml")
        space = _space(root)
        network = root.find(space + "network")
        port = ElementTree.Element(space + "port", {"auto-increment": "false"})
        port.text = str(self.ports[number])
        network.insert(0, port)
        join = network.find(space + "join")
        join.find(space + "multicast").set("enabled", "false")
        addresses = ElementTree.SubElement(join, space + "tcp-ip", {"enabled": "true"})
        for each in self.ports:
            ElementTree.SubElement(addresses, space + "member").text = "%s:%d" % (HOST, each)
        path = os.path.join(self.ctx.work, "hazelcast.%d.xml" % number)
        _write(root, path)
        return ["-Dvertx.hazelcast.config=" + path, "-Dhazelcast.local.localAddress=" + HOST, *self.OPENS]


class Infinispan(Manager):
    """Its default-infinispan.xml, and the stack of JGroups that this names with <TCPPING> in place of <MPING>."""

    NAME, MODULE, DURABLE = "vertx-infinispan", "infinispan", False
    STACK = "default-configs/default-jgroups-tcp.xml"

    def begin_servers(self):
        self.ports = free_ports(NODES)
        root = _parsed(self.MODULE, "infinispan-core-", self.STACK)
        discovery = next(element for element in root if element.tag.endswith("}MPING"))
        space = _space(discovery)
        hosts = ",".join("%s[%d]" % (HOST, port) for port in self.ports)
        root.insert(list(root).index(discovery),
                    ElementTree.Element(space + "TCPPING", {"initial_hosts": hosts, "port_range": "0"}))
        root.remove(discovery)
        self.stack = os.path.join(self.ctx.work, "jgroups.xml")
        _write(root, self.stack)

    def jvm_options(self, number):
        return ["-Dvertx.jgroups.config=" + self.stack, "-Djgroups.bind.address=" + HOST,
                "-Djgroups.bind.port=%d" % self.ports[number]]


class Zookeeper(Manager):
    """Its default-zookeeper.json, told where the three servers are."""

    NAME, MODULE, DURABLE = "vertx-zookeeper", "zookeeper", True

    def begin_servers(self):
        self.cluster = ZookeeperCluster(self.ctx)

    def server_processes(self):
        return self.cluster.processes()

    def end_servers(self):
        self.cluster.stop()

    def jvm_options(self, number):
        return ["-Dvertx.zookeeper.hosts=" + ",".join("%s:%d" % (HOST, port) for port in self.cluster.clients)]


ALL = {each.NAME: each for each in (Ours, OursAlone, Hazelcast, Infinispan, Zookeeper)}
