"""An S3 server for thousands of small objects, and for one that has the same rows; each answer
comes after a delay, as from far away.

Run as `python -m benchmarks.small_server FILE.csv OBJECTS ROWS SECONDS`: it prints its port, then
serves until it is killed. The objects are `small/000000.csv` and so on, with so many rows of FILE
each, which begins again at its end; `all.csv` has their rows in their order. It knows HEAD,
(ranged, pinned) GET and ListObjectsV2, and costs little: it has the same cores as the loader.
Memory: the file, and once more the rows of all objects.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

PREFIX = "small/"
ALL = "all.csv"
_PAGE = 1_000
_RANGE = re.compile(r"\r\nrange: *bytes=(\d+)-(\d*)", re.IGNORECASE)
_IF_MATCH = re.compile(r"\r\nif-match: *(\S+)", re.IGNORECASE)


class Objects:
    """The objects by key, each with its ETag."""

    def __init__(self, table: bytes, count: int, rows: int) -> None:
        header, _, body = table.partition(b"\n")
        lines = cycle(body.splitlines(keepends=True))
        bodies = [b"".join(islice(lines, rows)) for _ in range(count)]
        contents = {f"{PREFIX}{n:06}.csv": header + b"\n" + body for n, body in enumerate(bodies)}
        contents[ALL] = b"".join([header, b"\n", *bodies])
        self.found = {key: (content, _etag(content)) for key, content in contents.items()}
        self.listed = sorted(key for key in contents if key.startswith(PREFIX))

    def page(self, after: int) -> bytes:
        """One page of the listing, from object number `after` on."""
        end = min(after + _PAGE, len(self.listed))
        more = f"<NextContinuationToken>{end}</NextContinuationToken>"
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(self.found[key][1])}</ETag><Size>{len(self.found[key][0])}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in self.listed[after:end]
        )
        is_last = end == len(self.listed)
        text = (
            '<?xml version="1.0"?><ListBucketResult>'
            f"<IsTruncated>{'false' if is_last else 'true'}</IsTruncated><Prefix>{PREFIX}</Prefix>"
            f"{'' if is_last else more}{entries}</ListBucketResult>"
        )
        return text.encode()


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


class _Connection(asyncio.Protocol):
    def __init__(self, objects: Objects, seconds: float) -> None:
        self._objects = objects
        self._seconds = seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, self._received = self._received.split(b"\r\n\r\n", 1)
            loop = asyncio.get_running_loop()
            loop.call_later(self._seconds, self._answer, head.decode("latin-1"))

    def _answer(self, head: str) -> None:
        method, target, _ = head.partition("\r\n")[0].split(" ")
        url = urlsplit(target)
        query = parse_qs(url.query)
        if "list-type" in query:
            page = self._objects.page(int(query.get("continuation-token", ["0"])[0]))
            self._send("200 OK", {"Content-Type": "application/xml"}, page)
            return
        content, etag = self._objects.found.get(url.path.split("/", 2)[2], (None, ""))
        wanted, match = _RANGE.search(head), _IF_MATCH.search(head)
        if content is None:
            self._send("404 Not Found", {}, b"")
        elif match is not None and match[1] != etag:
            self._send("412 Precondition Failed", {}, b"")
        else:
            status, headers, first, end = "200 OK", {"ETag": etag}, 0, len(content)
            if wanted:
                first = int(wanted[1])
                end = min(end, int(wanted[2]) + 1) if wanted[2] else end
                status = "206 Partial Content"
                headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
            headers |= {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            self._send(status, headers, memoryview(content)[first:end], method == "HEAD")

    def _send(
        self, status: str, headers: dict[str, str], body: bytes | memoryview, is_head: bool = False
    ) -> None:
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in headers.items())]
        lines += ["x-amz-request-id: 1", f"Content-Length: {len(body)}", "", ""]
        self._transport.write("\r\n".join(lines).encode())
        if not is_head:
            self._transport.write(body)


async def _serve(objects: Objects, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(objects, seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serves the objects on a free port of loopback."""
    file, count, rows, seconds = sys.argv[1:]
    objects = Objects(Path(file).read_bytes(), int(count), int(rows))
    asyncio.run(_serve(objects, float(seconds)))


if __name__ == "__main__":
    main()
