"""An S3 server for large objects that nobody has to store: a file's rows, so and so many times.

Run as `python -m benchmarks.objects FOLDER`: it prints its port, then serves until it is killed.
`GET /bucket/flights.x6.csv` is FOLDER/flights.csv with its rows six times under one header, and
`/bucket/flights.csv.gz` is a file that stands there. It knows HEAD and (ranged, pinned) GET, and
nothing else: DynamoDB and the other servers are the embedded stack's. Memory: the files whose rows
were asked for, whatever the number of repetitions.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

_KEY = re.compile(r"(?P<stem>[\w-]+)\.x(?P<times>\d+)\.csv")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE_BYTES = 1 << 20


def object_key(stem: str, times: int) -> str:
    """The key under which the rows of `<stem>.csv` are served `times` times."""
    return f"{stem}.x{times}.csv"


@dataclass(frozen=True)
class RepeatedRows:
    """A header and a body that is repeated; behaves as one long object."""

    header: bytes
    body: bytes
    times: int

    @property
    def size(self) -> int:
        return len(self.header) + len(self.body) * self.times

    @cached_property
    def etag(self) -> str:
        digest = hashlib.md5(self.header + self.body, usedforsecurity=False).hexdigest()
        return f'"{digest}-{self.times}"'

    def pieces(self, first: int, end: int) -> Iterator[memoryview]:
        """The bytes from `first` up to `end`."""
        header, body = memoryview(self.header), memoryview(self.body)
        while first < end:
            if first < len(header):
                piece = header[first : min(end, len(header))]
            else:
                at = (first - len(header)) % len(body)
                piece = body[at : at + min(_PIECE_BYTES, end - first)]
            yield piece
            first += len(piece)


@dataclass(frozen=True)
class StoredFile:
    """A file as it is."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def etag(self) -> str:
        return f'"{self.size}-{self.path.stat().st_mtime_ns}"'

    def pieces(self, first: int, end: int) -> Iterator[bytes]:
        """The bytes from `first` up to `end`."""
        with self.path.open("rb") as file:
            file.seek(first)
            while first < end:
                piece = file.read(min(_PIECE_BYTES, end - first))
                yield piece
                first += len(piece)


@lru_cache(maxsize=8)
def _load(folder: Path, key: str) -> RepeatedRows | StoredFile | None:
    if key.endswith((".gz", ".zst", ".bz2")):
        return StoredFile(folder / key) if (folder / key).is_file() else None
    match = _KEY.fullmatch(key)
    file = folder / f"{match['stem']}.csv" if match else None
    if match is None or file is None or not file.is_file():
        return None
    header, _, body = file.read_bytes().partition(b"\n")
    if not body.endswith(b"\n"):
        body += b"\n"
    return RepeatedRows(header + b"\n", body, int(match["times"]))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path

    def do_HEAD(self) -> None:
        rows = self._found()
        if rows is not None:
            self._answer(200, rows, 0, rows.size)

    def do_GET(self) -> None:
        rows = self._found()
        if rows is None:
            return
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        first, end = 0, rows.size
        if asked:
            first = int(asked[1])
            end = min(end, int(asked[2]) + 1) if asked[2] else end
        self._answer(206 if asked else 200, rows, first, end)
        try:
            for piece in rows.pieces(first, end):
                self.wfile.write(piece)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _found(self) -> RepeatedRows | StoredFile | None:
        rows = _load(self.folder, unquote(self.path.partition("?")[0]).rpartition("/")[2])
        if rows is None:
            self._refuse(404)
        elif self.headers.get("If-Match", rows.etag) != rows.etag:
            self._refuse(412)
        else:
            return rows
        return None

    def _answer(self, status: int, rows: RepeatedRows | StoredFile, first: int, end: int) -> None:
        self.send_response(status)
        self.send_header("ETag", rows.etag)
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(end - first))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{rows.size}")
        self.end_headers()

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: the terminal is the benchmark's."""


def main() -> None:
    """Serves the folder's files on a free port of loopback."""
    _Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
