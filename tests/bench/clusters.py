"""Three nodes of each kind on this machine: ours, etcd, ZooKeeper, set up as their guides say.

Each cluster has
    NAME                    for tables
    fill(keys, value_size)  writes each key once
    bench(op, connections, pipeline, seconds, keys, value_size)  → JSON of its load; op is "put" or "get"
    processes()             that serve
    stop()
and is driven through its leader, which for each of them is the shortest way of a write.
"""
import json
import os
import re
import shutil
import socket
import subprocess

from programs import Vxcd, bench_arguments, free_ports, output_of, spawn, until

NODES = 3


class VxcdCluster:
    """Ours: three voters, otherwise as they come."""

    NAME = "ours"

    def __init__(self, ctx, environment_of=lambda name: None):
        """environment_of: name of a node, "n1" …, → what its environment has in addition."""
        self.ctx, ports = ctx, free_ports(NODES)
        addresses = ["127.0.0.1:%d" % port for port in ports]
        initial = ",".join("%d=%s" % (i + 1, address) for i, address in enumerate(addresses))
        self.endpoints, self.nodes = ",".join(addresses), {}
        for i, port in enumerate(ports):
            options = ["--node-id", str(i + 1), "--port", str(port), "--initial-cluster", initial]
            name = "n%d" % (i + 1)
            self.nodes[i + 1] = Vxcd(ctx, name, options=options, environment=environment_of(name), wait=False)
        for node in self.nodes.values():
            node.wait_ready()
        until(self.is_settled, 60, "the cluster has a primary and two backups")

    def command(self, *arguments):
        return [self.ctx.program("vxc"), "-e", self.endpoints, *arguments]

    def members(self):
        """id → what the cluster says of each member; empty while it cannot say."""
        done = subprocess.run(self.command("--timeout", "5s", "status", "-o", "json"), stdin=subprocess.DEVNULL,
                              check=False, capture_output=True, text=True, timeout=60)
        return {m["id"]: m for m in json.loads(done.stdout)["members"]} if done.returncode == 0 else {}

    def primary(self):
        """Its id; None while there is none."""
        return next((id for id, m in self.members().items() if m["role"] == "primary"), None)

    def is_settled(self):
        """All members are there, and have applied what the primary had committed."""
        members = self.members()
        roles = sorted(m["role"] for m in members.values())
        if roles != ["backup"] * (NODES - 1) + ["primary"]:
            return False
        committed = max(m["commit_index"] for m in members.values())
        return all(m["applied_index"] >= committed for m in members.values())

    def settle(self):
        until(self.is_settled, 60, "the members are level")

    def backup(self):
        """The node of one of them."""
        self.settle()
        return next(self.nodes[id] for id, m in self.members().items() if m["role"] == "backup")

    def fill(self, keys, value_size):
        self.bench("put", connections=8, pipeline=32, count=1, keys=keys, value_size=value_size)

    def bench(self, op, **options):
        return json.loads(output_of(self.bench_command("map-" + op, **options)))

    def bench_command(self, op, **options):
        """Of `vxc bench`, which goes to the primary."""
        return self.command(*bench_arguments(op, options))

    def stop(self):
        for node in self.nodes.values():
            node.remove()

    def processes(self):
        return [node.process for node in self.nodes.values()]


class _Peer:
    """What etcd and ZooKeeper have in common: LOAD, the program that loads them, and leader()."""

    def _load(self, *arguments):
        leader = until(self.leader, 60, "%s has a leader" % self.NAME)
        path = self.ctx.program("test-programs/" + self.LOAD)
        return json.loads(output_of([path, "--endpoints", leader, *map(str, arguments)]))

    def fill(self, keys, value_size):
        self._load("--fill", "--connections", 4, "--pipeline", 64, "--keys", keys, "--value-size", value_size)

    def bench(self, op, **options):
        return self._load("--op", op, *(word for name, value in options.items()
                                        for word in ("--" + name.replace("_", "-"), value)))

    def processes(self):
        return self._processes

    def stop(self):
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


class EtcdCluster(_Peer):
    """Static bootstrapping, as "Clustering Guide" has it: three members on one host, otherwise defaults."""

    NAME, LOAD = "etcd", "etcd_load"

    def __init__(self, ctx):
        self.ctx, self.folder = ctx, os.path.join(ctx.work, "etcd")
        os.makedirs(self.folder)
        ports = free_ports(2 * NODES)
        self.clients = ["127.0.0.1:%d" % port for port in ports[:NODES]]
        peers = ["http://127.0.0.1:%d" % port for port in ports[NODES:]]
        initial = ",".join("infra%d=%s" % (i, peer) for i, peer in enumerate(peers))
        self._processes = [self._start(i, peers[i], initial) for i in range(NODES)]
        until(self.leader, 60, "etcd has a leader")

    def _start(self, i, peer, initial):
        url = "http://" + self.clients[i]
        with open(os.path.join(self.folder, "infra%d.log" % i), "w", encoding="utf-8") as log:
            return spawn(["etcd", "--name", "infra%d" % i, "--data-dir", os.path.join(self.folder, "infra%d" % i),
                          "--initial-advertise-peer-urls", peer, "--listen-peer-urls", peer,
                          "--listen-client-urls", url, "--advertise-client-urls", url,
                          "--initial-cluster-token", "etcd-cluster-1", "--initial-cluster", initial,
                          "--initial-cluster-state", "new"], stdout=log, stderr=log)

    def leader(self):
        done = subprocess.run(["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", ",".join(self.clients),
                               "endpoint", "status", "-w", "json"], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, timeout=60)
        for member in json.loads(done.stdout) if done.returncode == 0 else []:
            if member["Status"]["leader"] == member["Status"]["header"]["member_id"]:
                return member["Endpoint"]
        return None


class ZookeeperCluster(_Peer):
    """As "Running Replicated ZooKeeper" of its Getting Started Guide has it, with a folder of its own for the log
    of transactions, as its Administrator's Guide wants it, and started as that says: java and a zoo.cfg."""

    NAME, LOAD = "ZooKeeper", "zookeeper_load"
    CLASSPATH = "/etc/zookeeper/conf:/usr/share/java/zookeeper.jar"

    def __init__(self, ctx):
        self.ctx, self.folder = ctx, os.path.join(ctx.work, "zookeeper")
        ports = free_ports(3 * NODES)
        self.clients = ports[:NODES]
        servers = "".join("server.%d=127.0.0.1:%d:%d\n" % (i + 1, ports[NODES + i], ports[2 * NODES + i])
                          for i in range(NODES))
        self._processes = [self._start(i, servers) for i in range(NODES)]
        until(self.leader, 60, "ZooKeeper has a leader")

    def _start(self, i, servers):
        folder = os.path.join(self.folder, "server.%d" % (i + 1))
        data, log_folder = os.path.join(folder, "data"), os.path.join(folder, "log")
        os.makedirs(data)
        os.makedirs(log_folder)
        with open(os.path.join(data, "myid"), "w", encoding="ascii") as file:
            file.write("%d\n" % (i + 1))
        config = os.path.join(folder, "zoo.cfg")
        with open(config, "w", encoding="utf-8") as file:
            file.write("tickTime=2000\ninitLimit=5\nsyncLimit=2\ndataDir=%s\ndataLogDir=%s\n"
                       "clientPortAddress=127.0.0.1\nclientPort=%d\nadmin.enableServer=false\n%s"
                       % (data, log_folder, self.clients[i], servers))
        with open(os.path.join(folder, "out"), "w", encoding="utf-8") as log:
            return spawn(["java", "-Dzookeeper.root.logger=WARN,CONSOLE", "-Dzookeeper.log.dir=" + folder,
                          "-cp", self.CLASSPATH, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config],
                         stdout=log, stderr=log)

    @staticmethod
    def _mode(port):
        """What the command `srvr`, the one that is allowed by default, says."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                s.sendall(b"srvr")
                found = re.search(rb"Mode: (\w+)", b"".join(iter(lambda: s.recv(4096), b"")))
        except OSError:
            return None
        return found.group(1).decode() if found else None

    def leader(self):
        """Once all are there."""
        modes = [self._mode(port) for port in self.clients]
        if "leader" not in modes or None in modes:
            return None
        return "127.0.0.1:%d" % self.clients[modes.index("leader")]
