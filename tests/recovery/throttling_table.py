"""A gateway before DynamoDB that refuses requests as a table with too little throughput does.

It reads the requests, as it has to know which item each is for; the proxies of `testing/faults`
carry bytes alone. Signatures are not looked at by the servers here, so requests go on as they came.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

REFUSED = json.dumps(
    {
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for the table was exceeded.",
    }
).encode()


def kind_of(job_id: str) -> str:
    """Which of a set's items has that key: list, marks, failure, file, or the set's own."""
    _, _, of_file = job_id.partition("#file/")
    if of_file:
        name = of_file.rpartition("/")[2]
        return "marks" if "marks-" in name else "failure" if "-failure" in name else "file"
    return "list" if "#files/" in job_id else "set"


class ThrottlingTable:
    """Listens on loopback from `with` on, and hands all on to the server at `upstream_url` but what
    `refuses` says: it gets operation ("UpdateItem") and kind of item, and is asked by one thread at
    a time. `refused` counts both."""

    def __init__(self, upstream_url: str, refuses: Callable[[str, str], bool]) -> None:
        self.refuses = refuses
        self.refused: Counter[tuple[str, str]] = Counter()
        self._upstream = urlsplit(upstream_url).netloc
        self._lock = threading.Lock()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer, kind = gateway._answer(dict(self.headers.items()), body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a test reads `refused`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """For AWS_ENDPOINT_URL_DYNAMODB."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ThrottlingTable:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes, str]:
        operation = headers["X-Amz-Target"].rpartition(".")[2]
        asked: dict[str, Any] = json.loads(body)
        key = (asked.get("Key") or asked.get("Item") or {}).get("job_id", {}).get("S")
        if key is not None:
            what = operation, kind_of(key)
            with self._lock:
                if self.refuses(*what):
                    self.refused[what] += 1
                    return 400, REFUSED, "application/x-amz-json-1.0"
        upstream = HTTPConnection(self._upstream)
        try:
            upstream.request("POST", "/", body, headers)
            answer = upstream.getresponse()
            return answer.status, answer.read(), answer.headers["Content-Type"]
        finally:
            upstream.close()
