"""A network of its own for a test: a namespace for each node and one for the clients, and between them
the switch (switch.c), which can lose, delay and reorder what it carries. Needs root."""
import datetime
import os
import socket
import subprocess

PORT = 7400  # of every node: each has an address of its own


def command(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("%s: status %d: %s" % (" ".join(words), done.returncode, done.stdout.strip()))
    return done.stdout


class Network:
    """Places are numbered: nodes from 1, and the clients behind the last node."""

    def __init__(self, nodes, work, programs, seed):
        self.nodes, self.clients = nodes, nodes + 1
        self.namespaces, self.switch, self.control = [], None, None
        self.events = os.path.join(work, "events.log")
        try:
            self._make(work, programs, seed)
        except BaseException:
            self.close()
            raise

    def _make(self, work, programs, seed):
        for place in range(1, self.nodes + 2):
            name = "vxc-%d-%s" % (os.getpid(), place if place <= self.nodes else "c")
            command("ip", "netns", "add", name)
            self.namespaces.append(name)
        path = os.path.join(work, "switch")
        if os.path.exists(path):
            os.unlink(path)
        # pylint: disable=consider-using-with # it lives until close()
        self.switch = subprocess.Popen([os.path.join(programs, "switch"), path, str(seed), *self.namespaces],
                                       stdout=subprocess.PIPE, text=True)
        if self.switch.stdout.readline() != "ready\n":
            raise RuntimeError("the switch did not start")
        for place, name in enumerate(self.namespaces, 1):
            command("ip", "-n", name, "link", "set", "dev", "lo", "up")
            command("ip", "-n", name, "address", "add", self.address(place) + "/24", "dev", "link")
            command("ip", "-n", name, "link", "set", "dev", "link", "mtu", "9000", "txqueuelen", "5000", "up")
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(path)

    @staticmethod
    def address(place):
        return "10.77.0.%d" % place

    def endpoint(self, place):
        return "%s:%d" % (self.address(place), PORT)

    @property
    def endpoints(self):
        return ",".join(self.endpoint(place) for place in range(1, self.nodes + 1))

    def inside(self, place):
        """The words before a command that is to run there."""
        return ["nsenter", "--net=/run/netns/" + self.namespaces[place - 1], "--"]

    def note(self, text):
        """What was done when, beside the logs of the nodes."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        with open(self.events, "a", encoding="utf-8") as events:
            events.write("%s %s\n" % (now.replace("+00:00", "Z"), text))

    def ask(self, line):
        self.note("switch: " + line)
        self.control.sendall(line.encode() + b"\n")
        answer = self.control.recv(200).decode().strip()
        if answer.startswith("error") or not answer:
            raise RuntimeError("switch: %s: %s" % (line, answer))
        return answer

    # ---- rules; place 0 stands for all ----

    def rule(self, source, target, **rules):
        """Of one direction."""
        self.ask("set %d %d %s" % (source, target, " ".join("%s=%d" % rule for rule in rules.items())))

    def both(self, one, other, **rules):
        self.rule(one, other, **rules)
        self.rule(other, one, **rules)

    def cut(self, ones, others):
        """Nothing passes between the two groups, either way."""
        for one in ones:
            for other in others:
                self.both(one, other, drop=1)

    def heal(self):
        self.ask("reset")

    def close(self):
        if self.control is not None:
            self.control.close()
        if self.switch is not None:
            self.switch.terminate()
            self.switch.wait()
            self.switch.stdout.close()
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "delete", name], check=False)
        self.namespaces = []
