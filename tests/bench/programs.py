"""The programs that are measured and those that measure: vxcd, redis-server, etcd, and their loads.

Servers are started on loopback, on free ports, with data folders below one work folder; whatever
still runs at the end is ended by its process id.
"""
import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

_running = []


class BenchError(Exception):
    """A measurement that could not be made; the text says which and why."""


def end_all():
    """What a section that failed left running."""
    for process in _running:
        if process.poll() is None:
            process.kill()
            process.wait()
    _running.clear()


atexit.register(end_all)


def spawn(command, **options):
    """A child that does not outlive this program."""
    process = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, **options})
    _running[:] = [p for p in _running if p.poll() is None] + [process]
    return process


def pinned(command, cores):
    """The command on these cores ("0", "0-1"); None leaves it to the kernel."""
    return command if cores is None else ["taskset", "-c", cores, *command]


def output_of(command, timeout=900):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise BenchError("%s: status %d: %s" % (" ".join(command), done.returncode, done.stderr.strip()[-500:]))
    return done.stdout


def until(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise BenchError("%s: not within %d s" % (what, seconds))
        time.sleep(0.005)


def free_ports(count):
    """Of loopback, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def free_port():
    return free_ports(1)[0]


def anonymous_bytes(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    raise BenchError("process %d has no RssAnon" % pid)


def cpu_seconds(pid):
    """User and system time of all threads of a process so far."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench_arguments(op, options):
    """Of vxc, for a load whose figures are read by a program."""
    arguments = ["bench", "-q", "-o", "json", "--timeout", "60s", "--op", op]
    for name, value in options.items():
        arguments += ["--" + name.replace("_", "-"), str(value)]
    return arguments


class Vxcd:
    """One node. Ready when it has said so; ready_s is from the start of the process to that line."""

    def __init__(self, ctx, name, cores=None, options=("--port", "0"), environment=None, wait=True):
        self.ctx, self.name, self.data = ctx, name, os.path.join(ctx.work, name)
        self.cores, self.options = cores, list(options)
        self.environment = {**os.environ, **(environment or {})}
        self.start(wait)

    def start(self, wait=True):
        """A node of a cluster may wait for others before it is ready: all are started first then."""
        command = [self.ctx.program("vxcd"), "--data", self.data, *self.options]
        self.started = time.perf_counter()
        with open(self.data + ".log", "a", encoding="utf-8") as log:
            self.process = spawn(pinned(command, self.cores), stdout=subprocess.PIPE, stderr=log, text=True,
                                 env=self.environment)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        for line in self.process.stdout:
            if "ready in" in line:
                break
        else:
            raise BenchError("vxcd on %s ended with status %d, see %s.log"
                             % (self.data, self.process.wait(), self.data))
        self.ready_s = time.perf_counter() - self.started
        with open(os.path.join(self.data, "endpoint"), encoding="utf-8") as endpoint:
            self.endpoint = endpoint.read().strip()

    @property
    def pid(self):
        return self.process.pid

    def command(self, *arguments, cores=None):
        return pinned([self.ctx.program("vxc"), "-e", self.endpoint, *arguments], cores)

    def status(self):
        return json.loads(output_of(self.command("status", "-o", "json")))

    def bench(self, op, cores=None, **options):
        """vxc bench with these options; its JSON. Any failed operation fails the measurement."""
        return json.loads(output_of(self.bench_command(op, cores, **options)))

    def bench_command(self, op, cores=None, **options):
        return self.command(*bench_arguments(op, options), cores=cores)

    def fill(self, keys, value_size=64):
        """Every key of map bench once, and all of it in LMDB."""
        self.bench("map-put", connections=50, pipeline=16, count=1, keys=keys, value_size=value_size)
        self.drain()

    def drain(self):
        """Waits until LMDB has all that was applied; the seconds that took."""
        started = time.perf_counter()

        def drained():
            status = self.status()
            return status["lmdb_applied_index"] >= status["applied_index"]
        until(drained, 120, "LMDB catches up")
        return time.perf_counter() - started

    def kill(self):
        self.process.kill()
        self._reap()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self._reap()

    def _reap(self):
        self.process.wait(timeout=120)
        self.process.stdout.close()

    def remove(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.data, ignore_errors=True)


class Redis:
    """redis-server as Debian ships it, but append-only with a flush before each answer, and no RDB."""

    def __init__(self, ctx, name, cores=None):
        self.ctx, self.data = ctx, os.path.join(ctx.work, name)
        os.makedirs(self.data)
        self.port = free_port()
        self.process = spawn(
            pinned(["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.data,
                    "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no",
                    "--logfile", os.path.join(self.data, "log")], cores), stdout=subprocess.DEVNULL)
        until(self.answers, 20, "redis-server answers")

    @property
    def pid(self):
        return self.process.pid

    def answers(self):
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def ask(self, *words, timeout=120):
        """One command; the first line of its answer, and the rest when it is a bulk string."""
        request = b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(word), word) for word in (str(w).encode() for w in words))
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            s.sendall(request)
            answer = s.makefile("rb")
            line = answer.readline().decode().rstrip("\r\n")
            if line.startswith("$") and line != "$-1":
                return answer.read(int(line[1:])).decode()
            if line.startswith("-"):
                raise BenchError("redis: " + line)
            return line

    def info(self, section, field):
        found = re.search(r"^%s:(.*?)\r?$" % re.escape(field), self.ask("INFO", section), re.M)
        return found.group(1) if found else None

    def calls(self, command):
        """How often the command was carried out so far."""
        stat = self.info("commandstats", "cmdstat_" + command)
        return int(re.search(r"calls=(\d+)", stat).group(1)) if stat else 0

    def fill(self, keys, value_size=64):
        """Every key that redis-benchmark may ask for."""
        script = ("for i=tonumber(ARGV[1]),tonumber(ARGV[2])-1 do "
                  "redis.call('SET', string.format('key:%012d', i), ARGV[3]) end")
        for first in range(0, keys, 50000):
            self.ask("EVAL", script, 0, first, min(keys, first + 50000), "x" * value_size)
        self.settle()

    def settle(self):
        """Waits until no rewrite of the append-only file is under way."""
        until(lambda: self.info("persistence", "aof_rewrite_in_progress") == "0"
              and self.info("persistence", "aof_rewrite_scheduled") == "0", 120, "redis rewrites its file")

    def command(self, test, connections, pipeline, count, keys, value_size=64, cores=None):
        return pinned(["redis-benchmark", "-p", str(self.port), "-t", test, "-c", str(connections), "-P",
                       str(pipeline), "-n", str(count), "-r", str(keys), "-d", str(value_size), "--csv"], cores)

    def bench(self, test, connections, pipeline, count, keys, value_size=64, cores=None):
        """redis-benchmark; operations per second and percentiles in microseconds."""
        text = output_of(self.command(test, connections, pipeline, count, keys, value_size, cores))
        rows = [line.strip('"').split('","') for line in text.splitlines() if line.startswith('"')]
        row = dict(zip(rows[0], rows[-1]))
        return {"ops_per_second": float(row["rps"]), "p50_us": float(row["p50_latency_ms"]) * 1000,
                "p99_us": float(row["p99_latency_ms"]) * 1000}

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
        shutil.rmtree(self.data, ignore_errors=True)


class Etcd:
    """One etcd of Debian, for the one-shot command alone."""

    def __init__(self, ctx, name):
        self.data, port, peer = os.path.join(ctx.work, name), free_port(), free_port()
        url, peer_url = "http://127.0.0.1:%d" % port, "http://127.0.0.1:%d" % peer
        self.endpoint = "127.0.0.1:%d" % port
        self.process = spawn(
            ["etcd", "--data-dir", self.data, "--listen-client-urls", url, "--advertise-client-urls", url,
             "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
             "--initial-cluster", "default=" + peer_url],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.answers, 30, "etcd answers")

    def command(self, *arguments):
        return ["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", self.endpoint, *arguments]

    def answers(self):
        return subprocess.run(self.command("put", "k", "v"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        shutil.rmtree(self.data, ignore_errors=True)
