"""EC2's instance metadata on loopback: a token, the instance's id, and on demand the notice."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

NOTICE = '{"action": "terminate", "time": "2026-01-16T10:32:45Z"}'
TOKEN = "token"


class MetadataServer:
    """Answers as IMDSv2 does: nothing without the token, 404 as long as there is no notice."""

    def __init__(self, instance_id: str = "i-0123456789abcdef0") -> None:
        self._answers = {"instance-id": instance_id}
        answers = self._answers

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Says nothing."""

            def _answer(self, status: int, body: str = "") -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def do_PUT(self) -> None:
                self._answer(200, TOKEN)

            def do_GET(self) -> None:
                if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
                    return self._answer(401)
                body = answers.get(self.path.removeprefix("/latest/meta-data/"))
                return self._answer(404) if body is None else self._answer(200, body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def instance_id(self) -> str:
        """Which instance this is."""
        return self._answers["instance-id"]

    @instance_id.setter
    def instance_id(self, value: str) -> None:
        self._answers["instance-id"] = value

    def give_notice(self) -> None:
        """From now on EC2 wants the instance back."""
        self._answers["spot/instance-action"] = NOTICE

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
