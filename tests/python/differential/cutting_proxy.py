"""A proxy that passes on what a node says in two pieces, cut where the test asks.

It stands before a real node, knows just enough of the native protocol to find the ends of envelopes (v4 section 2) and
segments (v5 section 2.2), and sends the second piece only when the client has taken the first one out of its socket, so
that each cut is seen by the client's decoder.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

READY, SUPPORTED = 0x02, 0x06
READ_WITHIN = 10.0
"""Seconds within which a client is to read what it was sent."""


class CuttingProxy:
    """Listens at the node's own address, on a port of its own.

    :param node: address of the node.
    :param port: its port.
    """

    def __init__(self, node: str, port: int) -> None:
        self._node = (node, port)
        self._listener = socket.create_server((node, 0))
        self._lock = threading.Lock()
        self._cut: int | None = None
        self._cut_units: list[int] = []
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self.compressed = False
        self.segments = 0
        self._start(self._accept)

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return int(self._listener.getsockname()[1])

    def arm(self, cut: int) -> None:
        """Cut the next unit of each answer after *cut* bytes; units not longer than that go in one piece."""
        with self._lock:
            self._cut = cut
            self._cut_units = []

    def disarm(self) -> list[int]:
        """Cut no more; give the lengths of the units that were cut since :meth:`arm`."""
        with self._lock:
            self._cut = None
            return self._cut_units

    def close(self) -> None:
        """End all connections and wait for the threads."""
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(READ_WITHIN)
        for each in sockets:
            each.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._node)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets += [client, server]
                self._start(self._requests, client, server)
                self._start(self._answers, client, server)

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := client.recv(65_536):
                if b"COMPRESSION" in content:
                    self.compressed = True
                server.sendall(content)
            server.shutdown(socket.SHUT_WR)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            source = server.makefile("rb")
            segmented = False
            while True:
                if segmented:
                    unit = self._segment(source)
                    self.segments += 1
                else:
                    unit = take(source, 9)
                    unit += take(source, int.from_bytes(unit[5:9], "big"))
                    # v5 changes to segments after the answer to STARTUP.
                    segmented = unit[0] & 0x7F == 5 and unit[4] == READY
                self._pass_on(client, unit)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    def _segment(self, source: object) -> bytes:
        header = take(source, 8 if self.compressed else 6)
        length = int.from_bytes(header[:3], "little") & 0x1FFFF
        return header + take(source, length + 4)

    def _pass_on(self, client: socket.socket, unit: bytes) -> None:
        with self._lock:
            cut = self._cut
            if cut is not None and cut < len(unit):
                self._cut_units.append(len(unit))
            else:
                cut = None
        if cut is None:
            client.sendall(unit)
            return
        client.sendall(unit[:cut])
        wait_until_read(client)
        client.sendall(unit[cut:])


def take(source: object, length: int) -> bytes:
    """Read so many bytes."""
    content: bytes = source.read(length)  # type: ignore[attr-defined]
    if len(content) < length:
        raise EOFError
    return content


def wait_until_read(client: socket.socket) -> None:
    """Wait until the other end of a loopback connection has read all that it was sent."""
    ours, theirs = endpoint(client.getsockname()), endpoint(client.getpeername())
    deadline = time.monotonic() + READ_WITHIN
    while time.monotonic() < deadline:
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[1] == theirs and fields[2] == ours:
                if fields[4].endswith(":00000000"):
                    return
                break
        else:
            return
        time.sleep(0.0002)
    raise OSError(f"the client at {theirs} did not read within {READ_WITHIN} s")


def endpoint(address: tuple[str, int]) -> str:
    """Give an IPv4 endpoint as the kernel prints it."""
    return f"{int.from_bytes(socket.inet_aton(address[0]), 'little'):08X}:{address[1]:04X}"
