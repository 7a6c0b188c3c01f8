"""A proxy for https:// that goes no further: it answers CONNECT, and is itself the server that was
asked for, with a certificate of its own. What it is asked then it hands to a plain server of the
test's, so nothing that it names need exist, and what came to it came by no other way.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from tests.certificates import certificate


class HttpsProxy:
    """`url` is for HTTPS_PROXY, `ca_file` holds the certificate to trust. `asked` are the places
    that CONNECT named, in their order."""

    def __init__(self, server: ThreadingHTTPServer, ca_file: Path) -> None:
        self._server = server
        self.ca_file = ca_file
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"


@contextmanager
def https_proxy(folder: Path, servers: Mapping[str, str]) -> Iterator[HttpsProxy]:
    """`servers` maps what CONNECT names, as `localhost:1`, to the URL of a plain server."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    for path, text in zip((chain, key), certificate(), strict=True):
        path.write_text(text)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            proxy.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            parts = urlsplit(servers[self.path])
            assert parts.hostname is not None
            with (
                suppress(OSError),  # either side may leave
                socket.create_connection((parts.hostname, parts.port or 80)) as beyond,
                tls.wrap_socket(self.connection, server_side=True) as client,
            ):
                answers = Thread(target=_carry, args=(beyond, client), daemon=True)
                answers.start()
                _carry(client, beyond)
                answers.join()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is written."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy = HttpsProxy(server, chain)
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
