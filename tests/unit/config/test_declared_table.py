"""A declared table that a URI names: what is refused, and which server is told a secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from csvkafka.config.declared_table import MOST_BYTES, declared_table
from csvkafka.errors import ConfigError
from csvkafka.remote.place import RemotePlace
from tests.refusals import refusal

TABLE = b'[columns]\nid = "int"\n'
SECRET = {"SOURCE_AUTHORIZATION": "Bearer s3cr3t"}


@contextmanager
def web_server(body: bytes) -> Iterator[tuple[str, set[str | None]]]:
    """Its address, and the authorizations that it was given."""
    told: set[str | None] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.add(self.headers.get("Authorization"))
            self.send_response(206)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is written."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/columns.toml", told
        finally:
            server.shutdown()
            thread.join()


def test_the_sources_authorization_is_for_its_own_server_alone() -> None:
    with web_server(TABLE) as (url, told):
        for source in (None, RemotePlace.parse("https://elsewhere/data.csv")):
            assert declared_table(url, None, source, SECRET) is not None
        assert told == {None}
        same = RemotePlace.parse(url.replace("columns.toml", "data.csv"))
        assert declared_table(url, None, same, SECRET) is not None
        assert told == {None, "Bearer s3cr3t"}


def test_a_signature_in_the_address_is_not_shown() -> None:
    with web_server(b"[columns]\nid = 'itn'\n") as (url, _), refusal(ConfigError) as caught:
        declared_table(f"{url}?sig=s3cr3t", None, None, {})
    assert str(caught.value).startswith(f"{url}: line 2")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_table_of_another_host_names_no_file_of_this_one(tmp_path: Path, form: str) -> None:
    secret = tmp_path / "config.json"
    secret.write_text('{"type": "object"}')
    named = form.format(secret)
    table = f'[record]\nformat = "json-schema"\nschema = "{named}"\n'.encode()
    refused = refusal(
        ConfigError, match="the table is of another host, and this a file of this one"
    )
    with web_server(table) as (url, _), refused:
        declared_table(url, None, None, {})


def test_what_is_too_large_is_no_table() -> None:
    too_large = refusal(ConfigError, match="more than 1048576 bytes, which no table has")
    with web_server(b"#" * (MOST_BYTES + 1)) as (url, _), too_large:
        declared_table(url, None, None, {})


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("ftp://host/columns.toml", "CSV_COLUMNS must be .*, not one by ftp://"),
        ("s3://bucket", "CSV_COLUMNS must be .*, not 's3://bucket'"),
        ("gs://bucket", "CSV_COLUMNS must be gs://BUCKET/OBJECT, not 'gs://bucket'"),
        ("http://example.org/c.toml", "CSV_COLUMNS 'http://example.org/c.toml' is read over a"),
        ("file://elsewhere/c.toml", "CSV_COLUMNS 'file://elsewhere/c.toml' names no file"),
        ("/nowhere/c.toml", "CSV_COLUMNS: cannot read '/nowhere/c.toml'"),
    ],
)
def test_what_names_no_table_is_refused(named: str, said: str) -> None:
    with refusal(ConfigError, match=said):
        declared_table(named, None, None, {})
