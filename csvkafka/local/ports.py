"""Free ports on loopback that stay ours while their server is down.

While a broker is dead and about to be started again, anybody could take its port if it were
released, even as the near end of a connection. So the port stays bound, by a
socket that does not listen: on Linux a server that sets SO_REUSEADDR (as the JVM and Python's do)
can listen beside it, and nobody is handed the port by chance. Elsewhere it is released at once.
"""

from __future__ import annotations

import socket
import sys

LOOPBACK = "127.0.0.1"


class ReservedPort:
    """A free port; `release` gives it back."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((LOOPBACK, 0))
        self.number: int = self._socket.getsockname()[1]
        if sys.platform.startswith("linux"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            self._socket.close()

    def release(self) -> None:
        """The port may be taken by others from now on."""
        self._socket.close()
