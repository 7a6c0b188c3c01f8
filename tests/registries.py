"""Registries of schemas for tests: Apicurio's, from Maven Central, and a small one that can be told
to misbehave. Both speak Confluent's API; `tests/integration/test_registries.py` holds them to it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from csvkafka.local.jars import cache_directory, certificates_of_this_machine, maven_context
from csvkafka.local.java import java_home
from csvkafka.local.made_once import made_once
from csvkafka.local.ports import ReservedPort
from csvkafka.local.processes import GuardedProcess, Guardian, log_tail, wait_until

APICURIO = "2.6.13.Final"
"""The last release line that is on Maven Central as one archive."""

APICURIO_SHA256 = "3cda1b34aa020fb4ac4dd6a66018d757e81e437f97e20a1f92d366b70091c6ba"


_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def _apicurio_folder() -> Path:
    """Its jars: 142 MB, fetched once for a machine."""
    folder = cache_directory() / f"apicurio-{APICURIO}"
    folder.parent.mkdir(parents=True, exist_ok=True)

    def fetch(target: Path) -> None:
        with TemporaryDirectory(dir=target.parent) as downloads:
            project = maven_context(Path(downloads)).project("io.apicurio", "apicurio-registry-app")
            with certificates_of_this_machine():
                archive = Path(project.at_version(APICURIO).artifact("all", "tar.gz").resolve())
            with archive.open("rb") as file:
                assert hashlib.file_digest(file, "sha256").hexdigest() == APICURIO_SHA256
            with tarfile.open(archive) as content:
                # Pythons before 3.11.4 have no filters; the archive is the one of the digest.
                content.extractall(target, **_FILTER)

    made_once(folder, fetch)
    return folder


class Apicurio:
    """A real registry, its schemas in memory: whoever stops it deletes them. `url` is that of its
    Confluent API. It refuses schemas that are not backward compatible, as Confluent's does unless
    it is told otherwise."""

    def __init__(self, guardian: Guardian, port: int) -> None:
        self._guardian, self._port = guardian, port
        self._folder, self._log = _apicurio_folder(), guardian.folder / "registry.log"
        self._server: GuardedProcess | None = None
        self.url = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    def start(self) -> None:
        """Returns when it answers."""
        self._server = server = self._guardian.spawn(
            [
                str(java_home() / "bin" / "java"),
                *("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
                *("-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self._port}"),
                f"-Djava.io.tmpdir={self._guardian.folder}",
                *("-jar", str(next(self._folder.glob("*-runner.jar")))),
            ],
            self._log,
        )

        def answers() -> bool:
            assert server.return_code() is None, log_tail(self._log)
            try:
                ask(f"{self.url}/subjects")
            except OSError:
                return False
            return True

        assert wait_until(answers, 120, look_seconds=0.2), log_tail(self._log)
        ask(f"{self.url}/config", "PUT", {"compatibility": "BACKWARD"})

    def stop(self) -> None:
        """It is killed, and forgets all schemas."""
        assert self._server is not None
        self._server.kill()

    def register(self, subject: str, text: str, schema_type: str = "AVRO") -> int:
        """As a person would."""
        body = {"schema": text, "schemaType": schema_type}
        return int(ask(f"{self.url}/subjects/{subject}/versions", "POST", body)["id"])

    def restore(self, subject: str, text: str, schema_id: int) -> None:
        """Registers a schema that was lost under the id that it had: ids count up."""
        last = 0
        while last < schema_id - 1:
            filler = {"type": "fixed", "name": f"filler_{last}", "size": 1}
            last = self.register(f"filler-{last}", json.dumps(filler))
        assert self.register(subject, text) == schema_id

    def delete(self, subject: str) -> None:
        """For good."""
        ask(f"{self.url}/subjects/{subject}", "DELETE")
        with suppress(urllib.error.HTTPError):  # some releases have it gone by then
            ask(f"{self.url}/subjects/{subject}?permanent=true", "DELETE")


@contextmanager
def apicurio() -> Iterator[Apicurio]:
    """A real registry that runs."""
    port, guardian = ReservedPort(), Guardian()
    try:
        registry = Apicurio(guardian, port.number)
        registry.start()
        yield registry
    finally:
        guardian.close()
        port.release()


def ask(url: str, method: str = "GET", body: object = None) -> Any:
    """What a registry answers, as JSON. Raises OSError."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, content, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@dataclass
class SmallRegistry:
    """A registry in this process, to be told what it should do wrong. `down`: it answers 503.
    `says`: it answers this, whatever is asked.
    `authorization`: what it wants to see in that header. `answers_late`: it registers a schema,
    and answers when that is False again."""

    url: str = ""
    down: bool = False
    says: tuple[int, Any] | None = None
    authorization: str | None = None
    answers_late: bool = False
    has_registered: Event = field(default_factory=Event)
    asked: list[str] = field(default_factory=list)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    schemas: dict[int, tuple[str, str]] = field(default_factory=dict)

    def register(self, subject: str, text: str, schema_type: str = "AVRO") -> int:
        """As a person would."""
        body = {"schema": text, "schemaType": schema_type}
        return int(self._post(subject, body, register=True)[1]["id"])

    def answer(self, method: str, path: str, body: dict[str, Any], auth: str) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if self.says is not None:
            return self.says
        if self.down:
            return 503, {"error_code": 50003, "message": "the leader is not known"}
        if self.authorization not in (None, auth):
            return 401, {"error_code": 401, "message": "Unauthorized"}
        if found := re.fullmatch(r"/schemas/ids/(\d+)", path):
            return self._schema(int(found[1]))
        if found := re.fullmatch(r"/subjects/([^/]+)/versions/latest", path):
            return self._latest(unquote(found[1]))
        if found := re.fullmatch(r"/subjects/([^/]+)(/versions)?", path):
            return self._post(unquote(found[1]), body, register=found[2] is not None)
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _schema(self, schema_id: int) -> tuple[int, Any]:
        if schema_id not in self.schemas:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        schema_type, text = self.schemas[schema_id]
        return 200, {"schema": text, "schemaType": schema_type}

    def _latest(self, subject: str) -> tuple[int, Any]:
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        ids = self.subjects[subject]
        return 200, {"subject": subject, "version": len(ids), "id": ids[-1]} | (
            self._schema(ids[-1])[1]
        )

    def _post(self, subject: str, body: dict[str, Any], *, register: bool) -> tuple[int, Any]:
        schema = (body.get("schemaType", "AVRO"), body["schema"])
        ids = self.subjects.get(subject, [])
        for schema_id in ids:
            if self.schemas.get(schema_id) == schema:
                return 200, {"subject": subject, "id": schema_id, "version": 1} | (
                    self._schema(schema_id)[1]
                )
        if not register:
            found = f"Subject '{subject}' not found." if not ids else "Schema not found"
            return 404, {"error_code": 40403 if ids else 40401, "message": found}
        if ids:
            return 409, {
                "error_code": 409,
                "message": 'Schema being registered is incompatible with an earlier schema for "'
                f'subject "{subject}"',
            }
        schema_id = len(self.schemas) + 1
        self.schemas[schema_id] = schema
        self.subjects.setdefault(subject, []).append(schema_id)
        self.has_registered.set()
        wait_until(lambda: not self.answers_late, 60)
        return 200, {"id": schema_id}


@contextmanager
def small_registry(certificate: Path | None = None) -> Iterator[SmallRegistry]:
    """It answers on loopback, by TLS if there is a file with a certificate and its key. It takes
    one schema in a subject, and calls each other incompatible."""
    registry = SmallRegistry()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = registry.answer(
                self.command,
                urlsplit(self.path).path,
                json.loads(content or b"{}"),
                self.headers.get("Authorization", ""),
            )
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # who asked may have been killed
                self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - as the base class calls them

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is written."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if certificate is not None:
            scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        registry.url = f"{scheme}://localhost:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


def basic(user_and_password: str) -> str:
    """The header that says who one is."""
    return "Basic " + base64.b64encode(user_and_password.encode()).decode()
