"""A client of the wire protocol for tests, made from src/wire/message.def alone.

It shares no code with the product: what it sends and understands is what docs/protocol.md says.
"""
import os
import re
import socket
import struct
import zlib

REQUEST, RESPONSE, PING, PONG, EVENT, SEQUENCED, STALE, MORE = 1, 2, 4, 8, 16, 32, 64, 128

_definition = os.path.join(os.path.dirname(__file__), "..", "..", "src", "wire", "message.def")


def _load():
    text = open(_definition, encoding="utf-8").read().replace("\\\n", " ")
    kinds, fields = {}, {}
    for number, name in re.findall(r"\bM\((\d+), \w+, (\w+), \w+,\s+\w+\)", text):
        kinds[name] = int(number)
    for name, rest in re.findall(r"#define VXC_FIELDS_(\w+)\(F, m\)(.*)", text):
        fields[name] = re.findall(r"F\(m, (\w+), (\w+)\)", rest)
    return kinds, fields


KINDS, FIELDS = _load()
NAMES = {number: name for name, number in KINDS.items()}


def as_bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def _blob(value):
    value = as_bytes(value)
    return struct.pack("<I", len(value)) + value


def _encode(kind, value):
    simple = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q", "I64": "<q", "BOOL": "<?", "CODE": "<B"}
    if kind in simple:
        return struct.pack(simple[kind], value or 0)
    if kind == "BYTES":
        return _blob(value or b"")
    if kind == "OPT_BYTES":
        return b"\0" if value is None else b"\1" + _blob(value)
    if kind == "OPT_U64":
        return b"\0" if value is None else b"\1" + struct.pack("<Q", value)
    value = value or []
    head = struct.pack("<I", len(value))
    if kind == "ITEMS":
        return head + b"".join(_blob(v) for v in value)
    if kind == "PAIRS":
        return head + b"".join(_blob(a) + _blob(b) for a, b in value)
    if kind == "MESSAGES":
        return head + b"".join(struct.pack("<H", KINDS[n]) + _blob(payload(n, **f)) for n, f in value)
    if kind == "OPERATIONS":
        return head + b"".join(value)
    raise ValueError(kind)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise ValueError("short payload")
        self.at += size
        return self.data[self.at - size:self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def blob(self):
        return self.take(self.unpack("<I"))

    def field(self, kind):
        simple = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q", "I64": "<q", "BOOL": "<?", "CODE": "<B"}
        if kind in simple:
            return self.unpack(simple[kind])
        if kind == "BYTES":
            return self.blob()
        if kind == "OPT_BYTES":
            return self.blob() if self.unpack("<B") else None
        if kind == "OPT_U64":
            return self.unpack("<Q") if self.unpack("<B") else None
        count = self.unpack("<I")
        if kind == "ITEMS":
            return [self.blob() for _ in range(count)]
        if kind == "PAIRS":
            return [(self.blob(), self.blob()) for _ in range(count)]
        if kind == "MULTI":
            return {self.blob(): self.field("ITEMS") for _ in range(count)}
        if kind == "MESSAGES":
            return [parse(self.unpack("<H"), self.blob()) for _ in range(count)]
        raise ValueError(kind)


class Message(dict):
    """Fields as items and attributes; kind, flags and request_id beside them."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


def payload(name, /, **given):
    unknown = set(given) - {field for _, field in FIELDS[name]}
    assert not unknown, unknown
    return b"".join(_encode(kind, given.get(field)) for kind, field in FIELDS[name])


def parse(kind, data):
    reader, message = Reader(data), Message(kind_name=NAMES[kind])
    for field_kind, field in FIELDS[NAMES[kind]]:
        message[field] = reader.field(field_kind)
    return message


def frame(kind, body=b"", flags=REQUEST, request_id=1, version=1):
    rest = struct.pack("<IBBHI", 16 + len(body), version, flags, kind, request_id) + body
    return struct.pack("<I", zlib.crc32(rest)) + rest


class Connection:
    def __init__(self, endpoint, timeout=10, namespace=None):
        host, port = endpoint.rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.request_id = 0
        self.sequence = 0
        self.events = []
        self.session = None
        if namespace is not None:
            self.ask("hello", version_min=1, version_max=1, client_name="test", namespace_name=namespace)

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def post(self, name, /, sequenced=False, sequence=None, stale=False, **fields):
        """Sends a request and returns its id."""
        self.request_id += 1
        body, flags = payload(name, **fields), REQUEST | (STALE if stale else 0)
        if sequenced or sequence is not None:
            if sequence is None:
                self.sequence += 1
                sequence = self.sequence
            body, flags = struct.pack("<QQ", sequence, 0) + body, flags | SEQUENCED
        self.send(frame(KINDS[name], body, flags, self.request_id))
        return self.request_id

    def receive(self):
        """The next frame; None when the other side has closed."""
        while True:
            if len(self.buffer) >= 16:
                checksum, size, version, flags, kind, request_id = struct.unpack("<IIBBHI", self.buffer[:16])
                if len(self.buffer) >= size:
                    whole, self.buffer = self.buffer[:size], self.buffer[size:]
                    assert zlib.crc32(whole[4:]) == checksum, "checksum"
                    assert version == 1
                    message = parse(kind, whole[16:])
                    message.update(flags=flags, request_id=request_id, kind=kind)
                    return message
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.buffer += data

    def answer(self, request_id):
        """The reply to a request; events on the way are kept."""
        while True:
            message = self.receive()
            if message is None:
                raise ConnectionError("closed")
            if message.flags & EVENT:
                self.events.append(message)
            elif message.request_id == request_id:
                return message

    def ask(self, name, /, **fields):
        return self.answer(self.post(name, **fields))

    def event(self):
        if self.events:
            return self.events.pop(0)
        while True:
            message = self.receive()
            if message is None:
                raise ConnectionError("closed")
            if message.flags & EVENT:
                return message

    def open_session(self, timeout_ms=10000, name="test"):
        reply = self.ask("session_open", timeout_ms=timeout_ms, name=name)
        assert reply.kind_name == "session_reply", reply
        self.session = (reply.session, reply.secret)
        return reply
