"""The switch does what it is told: a test of the tool that other tests trust. Prints "ok" and "not ok" lines.

switch_test.py PROGRAMS, as root."""
import ctypes
import os
import socket
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from network import Network  # noqa: E402 - the folder is known only now

CLONE_NEWNET = 0x40000000
SOCKET_PORT = 5000
failures = 0


def check(text, good, detail):
    global failures
    failures += not good
    print("%s %s: %s" % ("ok" if good else "not ok", text, detail), flush=True)


def socket_in(network, place):
    """A UDP socket in that namespace; a namespace is a thread's own."""
    made = []

    def make():
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/run/netns/" + network.namespaces[place - 1], encoding="ascii") as space:
            if libc.setns(space.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    made[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made[0].bind((network.address(place), SOCKET_PORT))
    made[0].settimeout(0.5)
    return made[0]


def send(sockets, network, source, target, count, size=100):
    """Sends numbered packets; gives (number, seconds after the first was sent) of those that came."""
    began = time.monotonic()
    came = []
    for number in range(count):
        sockets[source].sendto(number.to_bytes(4, "big") + b"x" * (size - 4), (network.address(target), SOCKET_PORT))
        if number % 50 == 49:
            time.sleep(0.001)  # queues of devices are bounded
    try:
        while True:
            data = sockets[target].recv(2000)
            came.append((int.from_bytes(data[:4], "big"), time.monotonic() - began))
    except TimeoutError:
        return came


def numbers(came):
    return [number for number, _ in came]


def fates(sockets, network):
    """Which of some packets came over a lossy link: what the seed decides."""
    network.rule(1, 2, loss=300)
    came = numbers(send(sockets, network, 1, 2, 200))
    network.heal()
    return came


def run(work, programs):
    network = Network(2, work, programs, 7)
    sockets = {}
    try:
        sockets = {place: socket_in(network, place) for place in (1, 2, 3)}
        first = fates(sockets, network)
        came = numbers(send(sockets, network, 1, 2, 1000))
        check("a perfect link carries all, in order", came == list(range(1000)), "%d of 1000" % len(came))
        network.rule(1, 2, drop=1)
        forth, back = send(sockets, network, 1, 2, 50), send(sockets, network, 2, 1, 50)
        check("a cut is of one direction", (len(forth), len(back)) == (0, 50), "%d and %d" % (len(forth), len(back)))
        network.heal()
        network.rule(0, 2, drop=1)
        counts = [len(send(sockets, network, *ends, 20)) for ends in ((1, 2), (3, 2), (1, 3), (2, 3))]
        check("0 stands for all", counts == [0, 0, 20, 20], str(counts))
        network.heal()
        came = numbers(send(sockets, network, 1, 2, 100))
        check("reset heals", len(came) == 100, "%d of 100" % len(came))
        network.rule(1, 2, loss=200)
        came = send(sockets, network, 1, 2, 2000)
        check("loss=200 loses a fifth", 1500 < len(came) < 1700, "%d of 2000 came" % len(came))
        network.heal()
        network.rule(1, 2, delay=60000, jitter=20000)
        came = send(sockets, network, 1, 2, 100)
        check("a delay is kept, and the order with jitter",
              numbers(came) == list(range(100)) and came[0][1] >= 0.06, "the first after %.3f s" % came[0][1])
        network.heal()
        network.rule(1, 2, reorder=100)
        came = numbers(send(sockets, network, 1, 2, 500))
        check("reorder lets some be overtaken", sorted(came) == list(range(500)) and came != list(range(500)),
              "%d of 500 came" % len(came))
        network.heal()
        network.rule(1, 2, duplicate=500)
        came = numbers(send(sockets, network, 1, 2, 200))
        check("duplicate=500 doubles half", 250 < len(came) < 350 and set(came) == set(range(200)),
              "%d of 200 came" % len(came))
        network.heal()
        network.rule(1, 2, rate=1000)
        came = send(sockets, network, 1, 2, 25, size=972)  # 1000 bytes with their headers: 8 ms each
        check("rate=1000 is 1 Mbit/s", len(came) == 25 and 0.19 <= came[-1][1] < 0.6, "25 kB in %.3f s" % came[-1][1])
        came = send(sockets, network, 1, 2, 200, size=972)
        check("what waits for over 500 ms is lost", 55 <= len(came) <= 75, "%d of 200 came" % len(came))
        network.heal()
        for line in ("set 1", "set 1 9 drop=1", "set 1 2 drop", "set 1 2 drop=-1", "set 1 2 hope=1", "explode"):
            try:
                check("a line that says nothing is refused", False, "%s: %s" % (line, network.ask(line)))
            except RuntimeError:
                pass
        check("and changes nothing", len(send(sockets, network, 1, 2, 20)) == 20, "20 of 20")
    finally:
        for each in sockets.values():
            each.close()
        network.close()
    return first


def main():
    with tempfile.TemporaryDirectory(prefix="vxc-switch.") as work:
        first = run(work, sys.argv[1])
        network = Network(2, work, sys.argv[1], 7)
        try:
            sockets = {place: socket_in(network, place) for place in (1, 2)}
            again = fates(sockets, network)
            check("a seed loses the same packets again", first == again, "%d and %d came" % (len(first), len(again)))
        finally:
            network.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
