"""A cluster of scripted nodes on addresses of 127.0.0.0/8, which speak version 4 of the native protocol.

Small and slow on purpose, and knows nothing of any driver: the tests of this directory run on the published driver too.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import socket
import struct
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

ERROR, STARTUP, READY, OPTIONS, SUPPORTED = 0x00, 0x01, 0x02, 0x05, 0x06
QUERY, RESULT, PREPARE, EXECUTE, REGISTER, EVENT, BATCH = 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D
VARCHAR, INT, UUID, INET, BOOLEAN = 0x0D, 0x09, 0x0C, 0x10, 0x04
TEXT_MAP, TEXT_SET = (0x21, VARCHAR, VARCHAR), (0x22, VARCHAR)

Reply = tuple[int, bytes]
Answer = Callable[["FakeNode", str], "Reply | None"]

_networks = itertools.count(int(hashlib.md5(str(uuid.uuid4()).encode()).hexdigest(), 16) % 200)


def string(text: str) -> bytes:
    """[string]: a short and the bytes."""
    return struct.pack(">H", len(text.encode())) + text.encode()


def value(content: bytes | None) -> bytes:
    """[bytes]: an int and the bytes; -1 for null."""
    return struct.pack(">i", -1) if content is None else struct.pack(">i", len(content)) + content


def of_type(kind: Any, given: Any) -> bytes | None:
    """A value of a column."""
    if given is None:
        return None
    if kind == VARCHAR:
        return str(given).encode()
    if kind == INT:
        return struct.pack(">i", given)
    if kind == UUID:
        return bytes(given.bytes)
    if kind == INET:
        return socket.inet_aton(given)
    if kind == BOOLEAN:
        return b"\1" if given else b"\0"
    if kind == TEXT_MAP:
        pairs = b"".join(value(key.encode()) + value(text.encode()) for key, text in given.items())
        return struct.pack(">i", len(given)) + pairs
    return struct.pack(">i", len(given)) + b"".join(value(text.encode()) for text in given)


def rows(columns: list[tuple[str, Any]], content: Iterable[Iterable[Any]], table: str = "t") -> Reply:
    """RESULT of the kind Rows."""
    listed = [list(row) for row in content]
    body = struct.pack(">iii", 2, 1, len(columns)) + string("ks") + string(table)
    for name, kind in columns:
        numbers = kind if isinstance(kind, tuple) else (kind,)
        body += string(name) + struct.pack(f">{len(numbers)}H", *numbers)
    body += struct.pack(">i", len(listed))
    for row in listed:
        body += b"".join(value(of_type(kind, cell)) for (_, kind), cell in zip(columns, row, strict=True))
    return RESULT, body


def error(code: int, message: str, details: bytes = b"") -> Reply:
    """ERROR with what its code brings."""
    return ERROR, struct.pack(">i", code) + string(message) + details


def overloaded() -> Reply:
    """The coordinator is overloaded."""
    return error(0x1001, "overloaded")


def unavailable(level: int, required: int, alive: int) -> Reply:
    """Too few replicas are alive."""
    return error(0x1000, "unavailable", struct.pack(">Hii", level, required, alive))


def write_timeout(level: int, received: int, required: int, write_type: str) -> Reply:
    """Too few replicas acknowledged in time."""
    return error(0x1100, "write timeout", struct.pack(">Hii", level, received, required) + string(write_type))


def read_timeout(level: int, received: int, required: int, data_present: bool) -> Reply:
    """Too few replicas answered in time."""
    return error(0x1200, "read timeout", struct.pack(">Hii?", level, received, required, data_present))


def invalid(message: str) -> Reply:
    """The statement cannot be run."""
    return error(0x2200, message)


def coordinator(node: FakeNode, text: str) -> Reply:
    """The usual answer: the address of the node."""
    return rows([("address", VARCHAR)], [[node.address]])


class FakeNode:
    """One node: listens, answers, and remembers what it was asked."""

    def __init__(self, cluster: FakeCluster, address: str, datacenter: str, rack: str, tokens: list[str]) -> None:
        self.cluster = cluster
        self.address = address
        self.datacenter = datacenter
        self.rack = rack
        self.tokens = tokens
        self.host_id = uuid.uuid4()
        self.answer: Answer = coordinator
        self.asked: list[str] = []
        self.prepared: list[str] = []
        self.opened = 0
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, bool] = {}
        self._listener: socket.socket | None = None

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def start(self) -> None:
        """Listen."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, self.cluster.port))
        self.cluster.port = listener.getsockname()[1]
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in list(self._connections):
            _close(connection)

    def push(self, event: bytes) -> None:
        """Send an event to who has registered."""
        for connection, registered in list(self._connections.items()):
            if registered:
                self._send(connection, -1, EVENT, event)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if self._listener is not listener:
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.opened += 1
            self._connections[connection] = False
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        try:
            while header := stream.read(9):
                version, _, stream_id, opcode, length = struct.unpack(">BBhBI", header)
                body = stream.read(length)
                if version != 4:
                    self._send(connection, stream_id, *error(0x0A, "unsupported protocol version, use 4"))
                    continue
                if opcode in (QUERY, EXECUTE, BATCH):
                    # A request may be held for as long as its answer takes, while others go on.
                    arguments = (connection, stream_id, opcode, body)
                    threading.Thread(target=self._reply, args=arguments, daemon=True).start()
                else:
                    self._reply(connection, stream_id, opcode, body)
        except (OSError, ValueError, struct.error):
            pass
        finally:
            self._connections.pop(connection, None)
            _close(connection)

    def _reply(self, connection: socket.socket, stream_id: int, opcode: int, body: bytes) -> None:
        reply: Reply | None
        if opcode == OPTIONS:
            options = string("CQL_VERSION") + struct.pack(">H", 1) + string("3.4.5")
            reply = SUPPORTED, struct.pack(">H", 2) + options + string("COMPRESSION") + struct.pack(">H", 0)
        elif opcode == STARTUP:
            reply = READY, b""
        elif opcode == REGISTER:
            self._connections[connection] = True
            reply = READY, b""
        elif opcode == PREPARE:
            self.prepared.append(_long_string(body))
            reply = self._prepare(self.prepared[-1])
        elif opcode == EXECUTE:
            length = struct.unpack(">H", body[:2])[0]
            reply = self._ask(self.cluster.prepared[body[2 : 2 + length]])
        elif opcode == BATCH:
            reply = self._ask("BATCH")
        else:
            reply = self._ask(_long_string(body))
        if reply is not None:
            self._send(connection, stream_id, *reply)

    def _send(self, connection: socket.socket, stream_id: int, opcode: int, body: bytes) -> None:
        with self._lock:
            try:
                connection.sendall(struct.pack(">BBhBI", 0x84, 0, stream_id, opcode, len(body)) + body)
            except OSError:
                _close(connection)

    def _prepare(self, text: str) -> Reply:
        identity = hashlib.md5(text.encode()).digest()
        self.cluster.prepared[identity] = text
        markers = text.count("?")
        # One bind marker is the partition key.
        body = struct.pack(">iH", 4, len(identity)) + identity + struct.pack(">iii", 1, markers, min(markers, 1))
        body += b"\0\0" * min(markers, 1) + string("ks") + string("t")
        for number in range(markers):
            body += string(f"c{number}") + struct.pack(">H", INT)
        return RESULT, body + struct.pack(">iii", 4, 0, 0)[:8]

    def _ask(self, text: str) -> Reply | None:
        if "system.local" in text:
            return self.cluster.local(self)
        if "system.peers_v2" in text:
            return invalid("table peers_v2 does not exist")
        if "system.peers" in text:
            return self.cluster.peers(self)
        if "system_schema.keyspaces" in text:
            return self.cluster.keyspaces()
        if "system_schema." in text:
            return rows([("keyspace_name", VARCHAR)], [])
        if "system_virtual_schema." in text:
            return invalid("keyspace system_virtual_schema does not exist")
        if text.upper().startswith("USE "):
            return RESULT, struct.pack(">i", 3) + string(text.split()[1].strip('"'))
        self.asked.append(text)
        return self.answer(self, text)


class FakeCluster:
    """Nodes that know each other."""

    def __init__(self, *nodes: str, replication: dict[str, str] | None = None) -> None:
        """:param nodes: ``datacenter:rack`` of each; the rack may be left out."""
        self.port = 0
        self.replication = replication or {"class": "SimpleStrategy", "replication_factor": "1"}
        self._network = f"127.{20 + next(_networks) % 200}.{uuid.uuid4().int % 250}"
        self.nodes: list[FakeNode] = []
        self.prepared: dict[bytes, str] = {}
        for place in nodes:
            self.add(place)

    def add(self, place: str, announce: bool = False) -> FakeNode:
        """Start one more node."""
        datacenter, _, rack = place.partition(":")
        number = len(self.nodes) + 1
        # Node 1 has the lowest token: the ring is in the order of the nodes.
        tokens = [str(-(2**63) + number * 2**60)]
        node = FakeNode(self, f"{self._network}.{number}", datacenter, rack or "r1", tokens)
        node.start()
        self.nodes.append(node)
        if announce:
            self.push("TOPOLOGY_CHANGE", "NEW_NODE", node)
            self.push("STATUS_CHANGE", "UP", node)
        return node

    @property
    def contact_points(self) -> list[str]:
        """The address of the first node."""
        return [self.nodes[0].address]

    @property
    def running(self) -> list[FakeNode]:
        """The nodes that listen."""
        return [node for node in self.nodes if node._listener is not None]

    def push(self, event: str, change: str, about: FakeNode) -> None:
        """Send an event from all nodes."""
        address = socket.inet_aton(about.address)
        body = string(event) + string(change) + bytes([len(address)]) + address + struct.pack(">i", self.port)
        for node in self.running:
            node.push(body)

    def asked(self, text: str) -> list[str]:
        """Which nodes were asked *text*: their addresses."""
        return [node.address for node in self.nodes for question in node.asked if question == text]

    def stop(self) -> None:
        """Stop all nodes."""
        for node in self.running:
            node.stop()

    def __enter__(self) -> FakeCluster:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    _SHARED = [
        ("data_center", VARCHAR),
        ("rack", VARCHAR),
        ("host_id", UUID),
        ("tokens", TEXT_SET),
        ("rpc_address", INET),
        ("release_version", VARCHAR),
        ("schema_version", UUID),
    ]
    _SCHEMA = uuid.UUID(int=7)

    def _shared(self, node: FakeNode) -> list[Any]:
        return [node.datacenter, node.rack, node.host_id, node.tokens, node.address, "3.11.17", self._SCHEMA]

    def local(self, node: FakeNode) -> Reply:
        """The row of ``system.local``."""
        columns = [
            ("key", VARCHAR),
            ("cluster_name", VARCHAR),
            ("partitioner", VARCHAR),
            ("broadcast_address", INET),
            ("listen_address", INET),
        ]
        row = ["local", "fake", "org.apache.cassandra.dht.Murmur3Partitioner", node.address, node.address]
        return rows([*columns, *self._SHARED], [row + self._shared(node)], "local")

    def peers(self, node: FakeNode) -> Reply:
        """The rows of ``system.peers``."""
        others = [other for other in self.nodes if other is not node]
        content = [[other.address, *self._shared(other)] for other in others]
        return rows([("peer", INET), *self._SHARED], content, "peers")

    def keyspaces(self) -> Reply:
        """The rows of ``system_schema.keyspaces``."""
        columns = [("keyspace_name", VARCHAR), ("durable_writes", BOOLEAN), ("replication", TEXT_MAP)]
        return rows(columns, [["ks", True, self.replication]], "keyspaces")


def _long_string(body: bytes) -> str:
    length = struct.unpack(">i", body[:4])[0]
    return body[4 : 4 + length].decode()


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
