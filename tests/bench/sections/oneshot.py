"""One command from the shell: start, connect, ask, print, end."""
import os
import shutil
import time

import figures
from programs import BenchError, Etcd, Redis, Vxcd

NAME, TITLE = "oneshot", "One command"
RUNS = 60


def _wall_ms(command):
    """Of one run, without a shell: posix_spawn to the end of the process."""
    path = shutil.which(command[0])
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    pid = os.posix_spawn(path, command, dict(os.environ, ETCDCTL_API="3"), file_actions=quiet)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - started) * 1000
    if os.waitstatus_to_exitcode(status) != 0:
        raise BenchError("%s failed" % " ".join(command))
    return took


def measure(ctx):
    node = Vxcd(ctx, "ours")
    commands = {"vxc map put": node.command("map", "put", "m", "k", "v"),
                "vxc map get": node.command("map", "get", "m", "k")}
    peers = []
    if "redis" in ctx.peers:
        redis, etcd = Redis(ctx, "redis"), Etcd(ctx, "etcd")
        peers = [redis, etcd]
        ask = ["redis-cli", "-p", str(redis.port)]
        ask_etcd = ["etcdctl", "--endpoints", etcd.endpoint]
        commands |= {"redis-cli set": [*ask, "set", "k", "v"], "redis-cli get": [*ask, "get", "k"],
                     "etcdctl put": [*ask_etcd, "put", "k", "v"], "etcdctl get": [*ask_etcd, "get", "k"]}
    ctx.step("one-shot commands")
    raw = {name: [] for name in commands}
    for _ in range(max(3, RUNS if not ctx.quick else 3)):
        for name, command in commands.items():
            raw[name].append(_wall_ms(command))
    node.remove()
    for peer in peers:
        peer.stop()
    return raw


def targets(raw):
    return [figures.less_than("`%s`, from start to end" % name, figures.median(times), 10, "ms")
            for name, times in raw.items() if name.startswith("vxc")]


def render(raw):
    return figures.table(["command", "median ms", "fastest", "slowest"],
                         [["`%s`" % name, *(figures.digits(f(times)) for f in (figures.median, min, max))]
                          for name, times in raw.items()])
