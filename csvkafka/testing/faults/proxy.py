"""A TCP proxy before Kafka, S3 or DynamoDB. A test injects faults into it while it runs.

    with Proxy(target) as proxy:
        held = proxy.inject(Hold(Direction.TO_SERVER))
        ...
        held.lift()

Two threads for each connection carry its bytes. Every chunk passes the faults that are in force, in
the order of their injection. Only what a fault holds back is kept in memory.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from csvkafka.errors import StackError
from csvkafka.local.ports import LOOPBACK
from csvkafka.local.processes import wait_until
from csvkafka.testing.faults.proxy_faults import Direction, Fault, ResetConnection
from csvkafka.testing.history import History

CHUNK_BYTES = 1 << 16
CONNECT_TIMEOUT_SECONDS = 30.0


class InjectedFault:
    """A fault in force. `times` counts the chunks that it changed, held, or dropped."""

    def __init__(self, fault: Fault, note: Callable[[str, Fault], None]) -> None:
        self.fault = fault
        self.times = 0
        self._note = note
        self._lifted = threading.Event()

    @property
    def is_lifted(self) -> bool:
        """Whether the fault is over."""
        return self._lifted.is_set()

    def lift(self) -> None:
        """Ends the fault; what it held goes on its way."""
        if not self.is_lifted:
            self._note("fault-ends", self.fault)
        self._lifted.set()

    def wait_until_lifted(self, timeout_seconds: float | None = None) -> None:
        """Blocks while the fault is in force, at most for that time."""
        self._lifted.wait(timeout_seconds)

    def wait_for_effect(self, times: int = 1, timeout_seconds: float = 120.0) -> None:
        """Returns when the fault has met so many chunks. Raises StackError after that time."""
        if not wait_until(lambda: self.times >= times, timeout_seconds):
            raise StackError(
                f"{self.fault} met {self.times} chunks in {timeout_seconds:g} s, not {times}: "
                "nothing that it is meant for passed the proxy"
            )


@dataclass(slots=True)
class Connection:
    """One client's connection through the proxy; `carried` counts its bytes in each direction."""

    client: socket.socket
    server: socket.socket
    carried: dict[Direction, int]
    is_reset: bool = False

    def reset(self) -> None:
        """RST to both sides."""
        self.is_reset = True
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Without the shutdown, the thread that reads would not wake, and the descriptor would
            # stay in use.
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RD)
            side.close()


class Proxy:
    """Listens on `address` (a free port of loopback if none is given), and carries bytes to and
    from `target`; both are `host:port`."""

    def __init__(self, target: str, address: str = f"{LOOPBACK}:0") -> None:
        self._target = _host_and_port(target)
        self._listener = socket.create_server(_host_and_port(address))
        self._lock = threading.Lock()
        self._faults: list[InjectedFault] = []
        self._connections: list[Connection] = []
        self._closed = False
        self.history: History | None = None
        """Where faults are noted; None: nowhere."""
        threading.Thread(target=self._accept, name="proxy-accept", daemon=True).start()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    @property
    def url(self) -> str:
        """`http://host:port` for clients."""
        return f"http://{self.address}"

    def inject(self, fault: Fault) -> InjectedFault:
        """Puts the fault in force, for new connections and for those that are open."""
        injected = InjectedFault(fault, self._note)
        self._note("fault-begins", fault)
        with self._lock:
            self._faults.append(injected)
        return injected

    def lift_all(self) -> None:
        """Ends all faults."""
        for injected in self._in_force():
            injected.lift()

    def wait_until_idle(self, timeout_seconds: float = 120.0) -> None:
        """Returns when no connection is open any more: what was held for dead clients has arrived.

        Raises StackError if one still is when the time is over."""

        def idle() -> bool:
            with self._lock:
                return not self._connections

        if not wait_until(idle, timeout_seconds):
            raise StackError(f"connections are still open after {timeout_seconds:g} s")

    def reset_connections(self) -> None:
        """Sends RST to both sides of every open connection."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.reset()

    def close(self) -> None:
        """Ends faults, connections and listener."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RD)
        self._listener.close()
        self.lift_all()
        self.reset_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in_force(self) -> list[InjectedFault]:
        with self._lock:
            self._faults = [injected for injected in self._faults if not injected.is_lifted]
            return list(self._faults)

    def _note(self, kind: str, fault: Fault) -> None:
        if self.history is not None:
            self.history.record(kind, fault=str(fault))

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            for injected in self._in_force():
                injected.times += injected.fault.connected()
            server = socket.create_connection(self._target, CONNECT_TIMEOUT_SECONDS)
        except (OSError, ResetConnection):
            Connection(client, client, {}).reset()
            return
        server.settimeout(None)
        connection = Connection(client, server, dict.fromkeys(Direction, 0))
        with self._lock:
            self._connections.append(connection)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(
            target=self._carry, args=(connection, Direction.TO_CLIENT), daemon=True
        )
        back.start()
        self._carry(connection, Direction.TO_SERVER)
        back.join()
        for side in (client, server):
            side.close()
        with self._lock, contextlib.suppress(ValueError):
            self._connections.remove(connection)

    def _carry(self, connection: Connection, direction: Direction) -> None:
        source, sink = connection.client, connection.server
        if direction is Direction.TO_CLIENT:
            source, sink = sink, source
        try:
            while chunk := source.recv(CHUNK_BYTES):
                for injected in self._in_force():
                    chunk = injected.fault.carry(chunk, direction, connection.carried, injected)
                connection.carried[direction] += len(chunk)
                sink.sendall(chunk)
            if not connection.is_reset:
                sink.shutdown(socket.SHUT_WR)
        except ResetConnection:
            connection.reset()
        except OSError:
            # One side is gone: what the other direction still holds goes on its way.
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
