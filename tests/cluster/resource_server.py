"""What a lock protects: takes writes that carry a fencing token. It judges each of them twice: as a resource that
remembers the highest token and refuses lower ones, and as a naive one that takes everything."""
import os
import socket
import threading


class Resource:
    """Serves on a socket of the filesystem, in threads; figures may be read at any time."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.tokens, self.writes = {}, {}
        self.highest = 0         # what the careful one remembers
        self.accepted = []       # tokens that it took, in order
        self.stale = 0           # writes that it refused
        self.naive_last = 0      # token of the naive one's last write
        self.naive_spoilt = 0    # writes that it took although a later holder had written
        self.socket = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        self.socket.bind(self.path)
        self.socket.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.unlink(self.path)

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("r", encoding="ascii") as lines:
            try:
                for line in lines:
                    name, token = line.split()
                    connection.sendall(b"yes\n" if self._write(name, int(token)) else b"stale\n")
            except OSError:
                return  # the holder was killed

    def _write(self, name, token):
        with self.lock:
            self.writes[name] = self.writes.get(name, 0) + 1
            self.tokens[name] = token
            self.naive_spoilt += token < self.naive_last
            self.naive_last = token
            if token < self.highest:
                self.stale += 1
                return False
            self.highest = token
            self.accepted.append(token)
            return True

    @property
    def accepted_stale(self):
        """Writes that were taken after one of a later holder: none, if the tokens are worth anything."""
        with self.lock:
            return sum(late < early for early, late in zip(self.accepted, self.accepted[1:]))

    def token_of(self, name):
        with self.lock:
            return self.tokens.get(name)

    def written(self, name):
        with self.lock:
            return self.writes.get(name, 0)
