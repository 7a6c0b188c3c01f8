"""The proxy and its faults, before a server that sends back what it gets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from csvkafka.errors import StackError
from csvkafka.local.processes import wait_until
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import (
    Cut,
    Delay,
    Direction,
    Drop,
    FlipByte,
    Hold,
    ResetAfter,
    Throttle,
)

DEADLINE_SECONDS = 60.0


class EchoServer:
    """Sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.received = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RD)  # wakes `accept`
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(client,), daemon=True).start()

    def _echo(self, client: socket.socket) -> None:
        try:
            while data := client.recv(65_536):
                self.received += data
                client.sendall(data)
        except OSError:
            pass
        client.close()


@pytest.fixture
def server() -> Iterator[EchoServer]:
    running = EchoServer()
    yield running
    running.close()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[Proxy]:
    with Proxy(server.address) as running:
        yield running


def connect(proxy: Proxy) -> socket.socket:
    host, port = proxy.address.split(":")
    return socket.create_connection((host, int(port)), DEADLINE_SECONDS)


def echoed(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    answer = b""
    while len(answer) < len(data):
        piece = client.recv(65_536)
        assert piece, "the connection ended"
        answer += piece
    return answer


def test_bytes_go_both_ways_unchanged(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4_000
    with connect(proxy) as client:
        client.settimeout(DEADLINE_SECONDS)
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        answer = b""
        while len(answer) < len(data):
            answer += client.recv(65_536)
        sender.join()
    assert answer == data


def test_the_end_of_one_side_reaches_the_other(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert echoed(client, b"x") == b"x"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    proxy.wait_until_idle(DEADLINE_SECONDS)


def test_cut_refuses_and_resets_until_it_is_lifted(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert echoed(client, b"x") == b"x"
        cut = proxy.inject(Cut())
        proxy.reset_connections()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(OSError, match="reset"), connect(proxy) as client:
        client.sendall(b"x")
        if client.recv(1) == b"":
            raise ConnectionResetError("reset")
    cut.lift()
    with connect(proxy) as client:
        assert echoed(client, b"y") == b"y"


def test_held_bytes_arrive_after_the_lift_even_if_their_sender_is_gone(
    proxy: Proxy, server: EchoServer
) -> None:
    held = proxy.inject(Hold(Direction.TO_SERVER, min_bytes=3))
    with connect(proxy) as client:
        assert echoed(client, b"no") == b"no"
        client.sendall(b"held")
        held.wait_for_effect()
    with connect(proxy) as other:  # takes as long as the held bytes would have taken
        assert echoed(other, b"ok") == b"ok"
    assert server.received == b"nook"
    held.lift()
    assert wait_until(lambda: server.received == b"nookheld", DEADLINE_SECONDS)


def test_dropped_bytes_never_arrive(proxy: Proxy, server: EchoServer) -> None:
    dropped = proxy.inject(Drop(Direction.TO_SERVER))
    with connect(proxy) as client:
        client.sendall(b"lost")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert dropped.times == 1
    with connect(proxy) as client:
        assert echoed(client, b"next") == b"next"
    assert server.received == b"next"


def test_an_answer_is_dropped_after_its_request_arrived(proxy: Proxy, server: EchoServer) -> None:
    proxy.inject(Drop(Direction.TO_CLIENT))
    with connect(proxy) as client:
        client.sendall(b"applied")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert server.received == b"applied"


@pytest.mark.parametrize(
    "fault", [Delay(Direction.TO_CLIENT, 0.2), Throttle(Direction.TO_SERVER, 500)], ids=str
)
def test_a_slow_line_takes_its_time(proxy: Proxy, fault: Delay | Throttle) -> None:
    slow = proxy.inject(fault)
    begun_at = time.monotonic()
    with connect(proxy) as client:
        assert echoed(client, b"x" * 100) == b"x" * 100
    assert time.monotonic() - begun_at >= 0.19
    assert slow.times == 1


def test_one_bit_is_flipped_in_a_large_chunk_only(proxy: Proxy) -> None:
    proxy.inject(FlipByte(Direction.TO_SERVER, min_bytes=10))
    with connect(proxy) as client:
        assert echoed(client, b"small") == b"small"
        assert echoed(client, b"0" * 11) == b"0" * 5 + b"1" + b"0" * 5
        assert echoed(client, b"0" * 11) == b"0" * 11


def test_a_connection_is_reset_after_its_bytes(proxy: Proxy) -> None:
    resets = proxy.inject(ResetAfter(Direction.TO_SERVER, 10, count=1))
    with connect(proxy) as client:
        assert echoed(client, b"12345678") == b"12345678"
        client.sendall(b"12345678")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connect(proxy) as client:
        assert echoed(client, b"x" * 100) == b"x" * 100
    assert resets.times == 1


def test_a_server_that_is_not_there_resets_the_client(server: EchoServer, proxy: Proxy) -> None:
    server.close()
    # The reset may come while the client still connects.
    with pytest.raises(OSError, match=r"reset|ended"), connect(proxy) as client:
        client.sendall(b"x")
        if client.recv(1) == b"":
            raise ConnectionResetError("ended")


def test_waiting_for_connections_that_stay_open_fails(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert echoed(client, b"x") == b"x"
        with pytest.raises(StackError, match="still open"):
            proxy.wait_until_idle(0.1)
