"""Mends two faults of kafka-python of which Python itself complains, before anything of it is used.

First: when kafka-python is imported, it reads its protocol from schemas, with functions of
`importlib.resources` that Python 3.11 and 3.12 call deprecated. A user of csvkafka cannot change
that, and with `-W error` it ends the program. Second: it leaves a socket open that cannot be
connected.
"""

import socket
import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
    from kafka.net.inet import KafkaNetSocket

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
