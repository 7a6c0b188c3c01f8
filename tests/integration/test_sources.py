"""What every kind of source keeps, each on a server of its kind: read from any byte, pinned,
never a mix of two contents, and refused where it is not what it was."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import (
    ConfigError,
    SourceChangedError,
    SourceCorruptError,
    SourceNotFoundError,
)
from csvkafka.model import SourceIdentity
from csvkafka.sources import open_source
from csvkafka.testing.faults.faulty_s3 import FakeS3
from csvkafka.testing.inputs.packed import packed
from tests.integration import azurite
from tests.integration.source_places import (
    KINDS,
    AzureContainer,
    Folder,
    GcsBucket,
    S3Bucket,
    SourcePlace,
    WebServer,
    azure_server,
    gcs_server,
)
from tests.refusals import refusal

# More than one request of 8 MiB, and no text that gzip's or another mark begins.
BODY = b"id,name\n" + random.Random(3).randbytes(9_000_011).replace(b"\x1f\x8b", b"ab")


@pytest.fixture(scope="module")
def web() -> Iterator[FakeS3]:
    with FakeS3() as server:
        yield server


@pytest.fixture(scope="module")
def gcs() -> Iterator[str]:
    with gcs_server() as url:
        yield url


@pytest.fixture(scope="module")
def azure() -> Iterator[str]:
    reason = azurite.why_not()
    if reason is not None:
        pytest.skip(reason)
    with azure_server() as connection:
        yield connection


OF_THE_STACK = ("s3",)
"""The others' servers are the same beside each stack."""


@pytest.fixture(
    params=[
        pytest.param(kind, marks=pytest.mark.stack_dependent if kind in OF_THE_STACK else ())
        for kind in KINDS
    ]
)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SourcePlace:
    made: SourcePlace
    match request.param:
        case "file":
            made = Folder(tmp_path)
        case "s3":
            endpoint_url = request.getfixturevalue("aws_endpoint_url")
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
            made = S3Bucket(endpoint_url)
        case "http":
            server = request.getfixturevalue("web")
            server.reset()
            made = WebServer(server)
        case "gs":
            made = GcsBucket(request.getfixturevalue("gcs"))
        case _:
            made = AzureContainer(request.getfixturevalue("azure"))
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


def read(
    place: SourcePlace,
    name: str,
    byte_offset: int = 0,
    *,
    pinned: SourceIdentity | None = None,
    **more: str,
) -> bytes:
    source = open_source(place.config(name, **more), pinned=pinned, give_up_seconds=10)
    chunks = list(source.read(byte_offset))
    assert all(chunks)
    return b"".join(chunks)


def identity_of(place: SourcePlace, name: str) -> SourceIdentity:
    return open_source(place.config(name)).identify()


def test_it_is_read_from_any_byte(place: SourcePlace) -> None:
    place.put("data.csv", BODY)
    for byte_offset in (0, 1, 8_388_608, len(BODY) - 1, len(BODY)):
        assert read(place, "data.csv", byte_offset) == BODY[byte_offset:]


def test_its_identity_stays_while_it_does(place: SourcePlace) -> None:
    place.put("data.csv", b"id\n1\n")
    identity = identity_of(place, "data.csv")
    assert (identity.size, identity.is_compressed, bool(identity.etag)) == (5, False, True)
    assert identity_of(place, "data.csv") == identity
    assert place.config("data.csv").source_uri == identity.uri
    assert read(place, "data.csv", 3, pinned=identity) == b"1\n"


def test_an_empty_one_has_no_bytes(place: SourcePlace) -> None:
    place.put("empty.csv", b"")
    assert (identity_of(place, "empty.csv").size, read(place, "empty.csv")) == (0, b"")


@pytest.mark.parametrize(
    "name", ["a b.csv", "a+b.csv", "100%25.csv", "größe/日本.csv", "a&b=c.csv"]
)
def test_its_name_may_hold_what_a_url_may_not(place: SourcePlace, name: str) -> None:
    place.put("a/b.csv", b"id\n2\n")
    place.put(name, b"id\n1\n")
    assert read(place, name) == b"id\n1\n"


SCHEMA = b'{"type":"record","name":"R","fields":[{"name":"id","type":"int"}]}'


def settings(place: SourcePlace, table: str, **more: str) -> dict[str, str]:
    return {
        "SOURCE": place.uri("data.csv"),
        "CSV_COLUMNS": place.uri(table),
        "KAFKA_BOOTSTRAP_SERVERS": "none:9092",
        "KAFKA_TOPIC": "rows",
        "JOB_ID": "job",
        "CHECKPOINT": "sqlite",
        **more,
    }


def test_a_declared_table_and_the_schema_beside_it_are_read_from_there(place: SourcePlace) -> None:
    table = b'[record]\nformat = "avro"\nschema = "order.avsc"\n[columns]\nid = "int"\n'
    place.put("tables/columns.toml", b"\xef\xbb\xbf" + table)  # as some editors begin a file
    place.put("tables/order.avsc", SCHEMA)
    given = settings(place, "tables/columns.toml", SCHEMA_REGISTRY_URL="http://localhost:1")
    found = LoadConfig.from_settings(given).spec.table
    assert found is not None
    assert [str(column.type) for column in found.columns] == ["int"]
    assert found.given_schema == SCHEMA.decode()


def test_what_is_wrong_with_a_declared_table_is_said_with_its_name(place: SourcePlace) -> None:
    with refusal(ConfigError, match=r"CSV_COLUMNS: cannot read .*columns\.toml.*No such file"):
        LoadConfig.from_settings(settings(place, "columns.toml"))
    place.put("columns.toml", b'[columns]\nid = "itn"\n')
    with refusal(
        ConfigError, match=r"columns\.toml: line 2, column 1: columns.id 'itn' is no type"
    ):
        LoadConfig.from_settings(settings(place, "columns.toml"))
    place.put("columns.toml", b"[record]\nformat = 'avro'\nschema = 'none.avsc'\n")
    with refusal(ConfigError, match="line 3, column 1: record.schema 'none.avsc' is no file of"):
        LoadConfig.from_settings(settings(place, "columns.toml"))
    place.put("columns.toml", b"\xff")
    with refusal(ConfigError, match="CSV_COLUMNS: cannot read"):
        LoadConfig.from_settings(settings(place, "columns.toml"))


def test_one_that_is_not_there_is_named(place: SourcePlace) -> None:
    with refusal(SourceNotFoundError, match="none.csv"):
        identity_of(place, "none.csv")


def test_a_checkpoint_beyond_its_end_is_refused(place: SourcePlace) -> None:
    place.put("data.csv", b"id\n1\n")
    with refusal(SourceChangedError, match="ends at byte 5"):
        read(place, "data.csv", 6)


# -- another content in its place ------------------------------------------------------------------


def test_one_that_was_replaced_between_two_runs_is_refused(place: SourcePlace) -> None:
    place.put("data.csv", b"id\n1\n")
    pinned = identity_of(place, "data.csv")
    place.put("data.csv", b"id\n2\n")
    with refusal(SourceChangedError, match="has changed|is now"):
        identity_of_pinned(place, pinned)
    with refusal(SourceChangedError, match="has changed|is now"):
        read(place, "data.csv", pinned=pinned)
    with refusal(SourceNotFoundError):
        place.delete("data.csv")
        read(place, "data.csv", pinned=pinned)


def identity_of_pinned(place: SourcePlace, pinned: SourceIdentity) -> SourceIdentity:
    return open_source(place.config("data.csv"), pinned=pinned).identify()


def test_one_that_is_replaced_while_it_is_read_is_never_mixed(place: SourcePlace) -> None:
    place.put("data.csv", BODY)
    with closing(open_source(place.config("data.csv")).read(0)) as chunks:
        given = next(chunks)
        place.put("data.csv", BODY[::-1])
        try:
            given += b"".join(chunks)
        except SourceChangedError as error:
            assert "data.csv" in str(error)
            assert len(given) < len(BODY)
        else:
            # One long answer goes on with what it began with.
            assert not place.asks_often
            assert len(given) == len(BODY)
    assert given == BODY[: len(given)]


# -- compressed ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "compression"), [(".gz", "gzip"), (".zst", "zstd"), (".bz2", "bzip2")]
)
def test_what_is_compressed_is_read_unpacked_from_any_byte(
    place: SourcePlace, end: str, compression: str
) -> None:
    name, text = f"data.csv{end}", BODY[:600_000]
    stored = packed(name, text, 250_000)
    place.put(name, stored)
    assert identity_of(place, name).compression == compression
    for byte_offset in (0, 450_000):
        assert read(place, name, byte_offset) == text[byte_offset:]
    place.put("packed", stored)
    assert read(place, "packed", SOURCE_COMPRESSION=compression) == text
    with refusal(SourceCorruptError, match=f"SOURCE_COMPRESSION={compression}"):
        read(place, "packed")


def test_its_content_encoding_says_so_and_it_is_read_as_it_is_stored(place: SourcePlace) -> None:
    if not place.encodes:
        return
    place.put("data", gzip.compress(b"id\n1\n"), content_encoding="gzip")
    identity = identity_of(place, "data")
    assert (identity.is_compressed, identity.size) == (True, len(gzip.compress(b"id\n1\n")))
    assert read(place, "data") == b"id\n1\n"
