"""An HTTP gateway before a real DynamoDB server: passes requests on, or loses, refuses, stalls."""

from __future__ import annotations

import http.client
import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOSE_REPLY = "lose the reply"
"""The request is carried out, then the connection ends without an answer."""
STALL = "stall"
"""No answer until the gateway is closed."""


class FaultyGateway:
    """`script` says what the next requests meet: LOSE_REPLY, STALL, or (HTTP status, code)."""

    def __init__(self, upstream_port: int) -> None:
        self.actions: list[str] = []
        """The action of each request, such as `UpdateItem`."""
        self._scripted: deque[Any] = deque()
        self._always: Any = None
        self._closing = threading.Event()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                gateway._answer(self, upstream_port)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, *faults: Any) -> None:
        """One per request, in order; None: passed on."""
        self._scripted.extend(faults)

    def always(self, fault: Any) -> None:
        """For each request beyond the script."""
        self._always = fault

    def reset(self) -> None:
        self.actions.clear()
        self._scripted.clear()
        self._always = None

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler, upstream_port: int) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.actions.append(handler.headers["X-Amz-Target"].rpartition(".")[2])
        fault = self._scripted.popleft() if self._scripted else self._always
        if fault == STALL:
            self._closing.wait()
            handler.close_connection = True
            return
        if isinstance(fault, tuple):
            status, code = fault
            answer = json.dumps({"__type": f"com.amazon.coral#{code}", "message": "scripted"})
            self._send(handler, status, answer.encode())
            return
        upstream = http.client.HTTPConnection("127.0.0.1", upstream_port, timeout=60)
        upstream.request("POST", handler.path, body, dict(handler.headers))
        reply = upstream.getresponse()
        content = reply.read()
        upstream.close()
        if fault == LOSE_REPLY:
            handler.close_connection = True
            return
        self._send(handler, reply.status, content)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/x-amz-json-1.0")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
