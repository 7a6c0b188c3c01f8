"""Mends a fault of kafka-python before anything of it is used: it leaves a socket open that cannot
be connected, of which Python itself complains.
"""

import socket
from typing import Any

from csvkafka.kafka.package import import_kafka

import_kafka()

from kafka.net.inet import KafkaNetSocket  # noqa: E402 - of the package that was imported

_connect = KafkaNetSocket.sock_connect


async def _connect_or_close(
    self: Any, net: Any, sock: socket.socket, *arguments: Any, **options: Any
) -> Any:
    try:
        return await _connect(self, net, sock, *arguments, **options)
    except BaseException:
        sock.close()
        raise


KafkaNetSocket.sock_connect = _connect_or_close
