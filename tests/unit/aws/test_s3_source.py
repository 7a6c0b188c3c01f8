"""S3Source against a server of ours that misbehaves, over real sockets."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import socket
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import smart_open.s3

from csvkafka.aws import clients as aws
from csvkafka.aws.s3_get import SimilarGets
from csvkafka.aws.s3_source import Compression, S3Source
from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    SourceChangedError,
    SourceCorruptError,
    SourceNotFoundError,
    SourceReadError,
)
from csvkafka.model import SourceIdentity
from csvkafka.testing.faults.faulty_s3 import (
    CutBody,
    FakeS3,
    Fault,
    FlipByte,
    IgnoreRange,
    OtherTotal,
    Refuse,
    ShiftRange,
    Stall,
)
from tests.refusals import refusal
from tests.unit.aws.aws_environment import set_aws_environment
from tests.unit.rows.packed_files import zstd
from tests.unit.rows.points import Points
from tests.unit.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("aws_environment")


def packed(data: bytes, compresslevel: int = 9) -> bytes:
    """The same bytes at any time: what a test is called has some of them in it."""
    return gzip.compress(data, compresslevel, mtime=0)


BODY = random.Random(1).randbytes(1_000_003).replace(b"\x1f\x8b", b"\x1f\x8c")
CHUNK_BYTES = 65_536


@pytest.fixture(scope="module")
def server() -> Iterator[FakeS3]:
    with FakeS3() as server:
        yield server


@pytest.fixture(scope="module")
def client(server: FakeS3) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_aws_environment(monkeypatch)
        yield client_of(server)


def client_of(server: FakeS3) -> Any:
    return aws.s3_client(endpoint_url=server.endpoint_url, read_timeout_seconds=1.5, max_attempts=1)


@pytest.fixture
def s3(server: FakeS3) -> FakeS3:
    server.reset()
    server.put("bucket", "data.csv", BODY)
    return server


SourceMaker = Callable[..., S3Source]


@pytest.fixture(params=["by the SDK", "as the one before", "as the one before, at once"])
def source(request: pytest.FixtureRequest, s3: FakeS3, client: Any) -> SourceMaker:
    def gets(client: Any) -> SimilarGets | None:
        if request.param == "by the SDK":
            return None
        similar = SimilarGets(client)
        etag = s3.put("bucket", "before", b"1")
        similar.get_object(Bucket="bucket", Key="before", Range="bytes=0-0", IfMatch=etag)
        s3.requests.clear()
        return similar

    usual = gets(client)

    def make(key: str = "data.csv", **settings: Any) -> S3Source:
        defaults = {
            "client": client,
            "gets": gets(settings["client"]) if "client" in settings else usual,
            "chunk_bytes": len(BODY) if request.param.endswith("at once") else CHUNK_BYTES,
            "give_up_seconds": 20,
            "clock": SteppedClock(),
        }
        return S3Source("bucket", key, **(defaults | settings))

    return make


def gets(s3: FakeS3) -> list[str]:
    return [request.range for request in s3.requests if request.method == "GET"]


def last_byte() -> int:
    return len(BODY) - 1


def test_connections_that_are_all_reset_early_still_bring_the_object(
    s3: FakeS3, source: SourceMaker
) -> None:
    s3.always("GET", CutBody(after_bytes=20_000, reset=True))
    assert b"".join(source().read(0)) == BODY


def test_identity_has_the_quoted_etag_and_the_stored_size(s3: FakeS3, source: SourceMaker) -> None:
    etag = s3.put("bucket", "data.csv", BODY, version_id="v1")
    assert source().identify() == SourceIdentity("bucket", "data.csv", etag, len(BODY), "v1")
    assert etag.startswith('"')


def test_the_version_id_null_is_none(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv", BODY, version_id="null")
    assert source().identify().version_id is None


def test_a_small_object_is_one_chunk_from_any_byte_on(s3: FakeS3, client: Any) -> None:
    """By a kept connection, whose answer may be torn."""
    small = BODY[:100_000]
    etag = s3.put("bucket", "small.csv", small)
    pinned = SourceIdentity("bucket", "small.csv", etag, len(small))
    objects = SimilarGets(client)
    for fault in (None, CutBody(after_bytes=20_000), CutBody(after_bytes=20_000, reset=True), None):
        s3.script("GET", fault, fault)
        for byte_offset in (0, 1, 99_999, 100_000):
            reading = S3Source(
                "bucket", "small.csv", client=client, pinned=pinned, is_known=True, gets=objects,
                clock=SteppedClock(), compression=Compression.NONE,
            )  # fmt: skip
            assert b"".join(reading.read(byte_offset)) == small[byte_offset:]
        s3.script("GET")


@pytest.mark.parametrize("byte_offset", [0, 1, CHUNK_BYTES, 777_777, len(BODY) - 1, len(BODY)])
def test_reads_from_any_byte_to_the_end(s3: FakeS3, source: SourceMaker, byte_offset: int) -> None:
    chunks = list(source(chunk_bytes=CHUNK_BYTES).read(byte_offset))
    assert b"".join(chunks) == BODY[byte_offset:]
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    ranges = [f"bytes={byte_offset}-{last_byte()}"] if byte_offset < len(BODY) else []
    assert gets(s3) == ranges


def test_an_empty_object_is_an_empty_stream(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv", b"")
    s3.put("bucket", "data.csv.gz", b"")
    assert list(source().read(0)) == []
    assert list(source("data.csv.gz").read(0)) == []
    assert list(source(compression=Compression.GZIP).read(0)) == []


def test_keys_that_look_like_parts_of_a_uri_are_read_as_they_are(
    s3: FakeS3, source: SourceMaker
) -> None:
    for key in ("a b/ü?versionId=x#y@z%41.csv", "//x", "s3://other/key"):
        s3.put("bucket", key.lstrip("/"), BODY)
    assert b"".join(source("a b/ü?versionId=x#y@z%41.csv").read(5)) == BODY[5:]
    assert b"".join(source("s3://other/key").read(5)) == BODY[5:]


@pytest.mark.parametrize(
    "fault",
    [
        CutBody(after_bytes=300_000),
        CutBody(after_bytes=300_000, reset=True),
        CutBody(after_bytes=0),
        Stall(after_bytes=300_000),
        Stall(after_bytes=0),
        IgnoreRange(),
        IgnoreRange(cut_after_bytes=400_000),
        IgnoreRange(cut_after_bytes=10),
        ShiftRange(by_bytes=4),
        Refuse(503, "SlowDown"),
        Refuse(500, "InternalError"),
        Refuse(400, "RequestTimeout"),
        Refuse(400, "ExpiredToken"),
    ],
    ids=str,
)
@pytest.mark.parametrize("byte_offset", [0, 123_457])
def test_goes_on_at_the_exact_next_byte(
    s3: FakeS3, source: SourceMaker, fault: Fault, byte_offset: int
) -> None:
    s3.script("GET", fault)
    assert b"".join(source().read(byte_offset)) == BODY[byte_offset:]
    assert all(request.if_match for request in s3.requests if request.method == "GET"), (
        "a GET was not pinned"
    )


def test_asks_only_for_what_is_missing_after_a_short_body(s3: FakeS3, source: SourceMaker) -> None:
    s3.script("GET", CutBody(after_bytes=300_000))
    assert b"".join(source().read(100)) == BODY[100:]
    assert gets(s3) == [f"bytes=100-{last_byte()}", f"bytes=300100-{last_byte()}"]


def test_each_new_try_is_logged_with_its_cause(
    s3: FakeS3, source: SourceMaker, caplog: pytest.LogCaptureFixture
) -> None:
    s3.script("HEAD", Refuse(503, "SlowDown"))
    s3.script("GET", CutBody(after_bytes=300_000))
    list(source().read(100))
    ours = [record for record in caplog.records if record.name == "csvkafka.aws.s3_source"]
    assert [record.levelname for record in ours] == ["WARNING", "WARNING"]
    assert "HTTP 503" in ours[0].getMessage()
    assert "at byte 300100 after: " in ours[1].getMessage()


def test_a_connection_that_breaks_every_few_bytes_still_gets_there(
    s3: FakeS3, source: SourceMaker
) -> None:
    s3.always("GET", CutBody(after_bytes=20_001))
    assert b"".join(source(give_up_seconds=1).read(0)) == BODY


def test_a_body_that_never_has_a_byte_ends_in_an_error(s3: FakeS3, source: SourceMaker) -> None:
    s3.script("GET", CutBody(after_bytes=300_000))
    s3.always("GET", CutBody(after_bytes=0))
    received = bytearray()
    with pytest.raises(SourceReadError, match=r"s3://bucket/data\.csv .* GET from byte 300000: "):
        for chunk in source().read(0):
            received += chunk
    assert BODY.startswith(received)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("fault", [Refuse(503, "SlowDown"), Refuse(500, "InternalError")], ids=str)
def test_a_failure_without_end_is_raised_when_the_time_is_up(
    s3: FakeS3, source: SourceMaker, method: str, fault: Fault
) -> None:
    s3.always(method, fault)
    clock = SteppedClock()
    before = clock.now
    with refusal(SourceReadError, match=f"{method}.*HTTP 50.*run the same command again"):
        list(source(clock=clock, give_up_seconds=60).read(0))
    assert clock.now == before + 60


def test_a_failing_head_is_tried_again(s3: FakeS3, source: SourceMaker) -> None:
    s3.script("HEAD", Refuse(503, "SlowDown"), Refuse(500, "InternalError"))
    assert source().identify().size == len(BODY)


def test_an_unreachable_endpoint_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = aws.s3_client(endpoint_url=url, max_attempts=1)
        unreachable = S3Source(
            "bucket", "k", client=client, give_up_seconds=5, clock=SteppedClock()
        )
        with pytest.raises(SourceReadError, match=url):
            unreachable.identify()


@pytest.mark.parametrize("cut", [True, False], ids=["while reading", "between runs"])
def test_an_overwritten_object_is_refused_and_never_mixed(
    s3: FakeS3, source: SourceMaker, cut: bool
) -> None:
    reading = source()
    begun_with = reading.identify()
    if cut:
        s3.script("GET", CutBody(after_bytes=300_000))
        chunks = reading.read(0)
        received = [next(chunks)]
    else:
        chunks, received = source(pinned=begun_with).read(5), []
    s3.put("bucket", "data.csv", BODY[::-1])
    with pytest.raises(SourceChangedError, match="another JOB_ID"):
        received.extend(chunks)
    assert BODY.startswith(b"".join(received))


def test_a_server_without_if_match_is_told_by_the_etag(s3: FakeS3, source: SourceMaker) -> None:
    client = client_of(s3)

    def drop_if_match(request: Any, **_: object) -> None:
        del request.headers["If-Match"]

    client.meta.events.register("before-send.s3.GetObject", drop_if_match)
    reading = source(client=client)
    identity = reading.identify()
    s3.script("GET", CutBody(after_bytes=300_000))
    chunks = reading.read(0)
    next(chunks)
    s3.put("bucket", "data.csv", BODY[::-1])
    with pytest.raises(SourceChangedError, match=identity.etag):
        list(chunks)


def test_a_named_version_is_read_after_it_was_overwritten(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv", BODY, version_id="v1")
    identity = source(version_id="v1").identify()
    s3.put("bucket", "data.csv", b"new", version_id="v2")
    assert b"".join(source(version_id="v1", pinned=identity).read(9)) == BODY[9:]
    assert all(request.version_id == "v1" for request in s3.requests)


@pytest.mark.parametrize("total", [len(BODY) - 1, len(BODY) + 1])
def test_another_total_size_is_another_object(s3: FakeS3, source: SourceMaker, total: int) -> None:
    s3.script("GET", OtherTotal(total))
    with pytest.raises(SourceChangedError, match=str(total)):
        list(source().read(0))


def test_a_range_refused_before_the_end_is_another_object(s3: FakeS3, source: SourceMaker) -> None:
    s3.script("GET", Refuse(416, "InvalidRange"))
    with pytest.raises(SourceChangedError, match="416"):
        list(source().read(1000))


@pytest.mark.usefixtures("s3")
def test_an_offset_past_the_end_is_refused(source: SourceMaker) -> None:
    with pytest.raises(SourceChangedError, match=f"ends at byte {len(BODY)}, but byte 2000000"):
        list(source().read(2_000_000))


@pytest.mark.usefixtures("s3")
def test_a_stream_that_ends_early_is_noticed(
    source: SourceMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_body = smart_open.s3._SeekableRawReader._open_body

    def open_with_another_end(self: Any, *args: Any, **settings: Any) -> None:
        open_body(self, *args, **settings)
        self._content_length = 500_000

    monkeypatch.setattr(smart_open.s3._SeekableRawReader, "_open_body", open_with_another_end)
    with pytest.raises(SourceReadError, match=f"has {len(BODY)} bytes, but the stream ended at"):
        list(source(chunk_bytes=CHUNK_BYTES).read(0))


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (
            Refuse(404, "NoSuchKey"),
            SourceNotFoundError,
            r"s3://bucket/data\.csv .*eu-west-1.*region",
        ),
        (Refuse(404, "NoSuchBucket"), SourceNotFoundError, "NoSuchBucket"),
        (Refuse(404, "NoSuchVersion"), SourceNotFoundError, "NoSuchVersion"),
        (Refuse(405, "MethodNotAllowed"), SourceNotFoundError, "MethodNotAllowed"),
        (Refuse(403, "AccessDenied"), SourceReadError, "s3:GetObject .*s3:ListBucket"),
        (Refuse(403, "InvalidObjectState"), SourceReadError, "archived: restore it"),
        (Refuse(400, "ExpiredToken"), SourceReadError, "credentials .*ExpiredToken.*renew"),
        (Refuse(403, "InvalidAccessKeyId"), SourceReadError, "credentials .*InvalidAccessKeyId"),
        (Refuse(400, "InvalidRequest"), SourceReadError, "InvalidRequest"),
    ],
    ids=str,
)
@pytest.mark.fault("F85", "F89")
def test_a_refused_get_says_what_to_do(
    s3: FakeS3, source: SourceMaker, fault: Fault, error: type[CsvKafkaError], words: str
) -> None:
    s3.always("GET", fault)
    with pytest.raises(error, match=words):
        list(source().read(0))


def test_a_denied_head_needs_no_patience(s3: FakeS3, source: SourceMaker) -> None:
    s3.always("HEAD", Refuse(403, "Forbidden"))
    clock = SteppedClock()
    with pytest.raises(SourceReadError, match="s3:GetObject"):
        source(clock=clock).identify()
    assert not clock.slept


def test_a_denied_version_names_its_own_permission(s3: FakeS3, source: SourceMaker) -> None:
    s3.always("HEAD", Refuse(403, "AccessDenied"))
    s3.always("GET", Refuse(403, "AccessDenied"))
    with pytest.raises(SourceReadError, match=r"version v1 .*s3:GetObjectVersion"):
        source(version_id="v1").identify()


def test_an_impossible_bucket_name_is_a_setting_error(client: Any) -> None:
    impossible = S3Source("no bucket?", "k", client=client, clock=SteppedClock())
    with pytest.raises(ConfigError, match="no bucket"):
        impossible.identify()


TEXT = b"".join(b"%d,row\n" % number for number in range(200_000))
GZIPPED = packed(TEXT[:700_000]) + packed(TEXT[700_000:])
SHORT = TEXT[:200_000]
"""For what is packed while tests are collected, by each process: xz and bzip2 are slow."""


def zipped(text: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data.csv", text)
    return packed.getvalue()


def tarred(text: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("data.csv")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


@pytest.mark.parametrize("byte_offset", [0, 1, 699_999, 700_000, 1_234_567, len(TEXT)])
def test_gzip_is_read_through_all_members_from_any_byte(
    s3: FakeS3, source: SourceMaker, byte_offset: int
) -> None:
    s3.put("bucket", "data.csv.gz", GZIPPED)
    reading = source("data.csv.gz")
    chunks = list(reading.read(byte_offset))
    assert b"".join(chunks) == TEXT[byte_offset:]
    assert all(chunks)
    assert reading.identify().size == len(GZIPPED)


def test_content_encoding_gzip_is_gzip(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv", GZIPPED, headers={"Content-Encoding": "gzip"})
    assert b"".join(source().read(3)) == TEXT[3:]


def test_compression_can_be_set(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv", GZIPPED)
    s3.put("bucket", "plain.gz", TEXT)
    assert b"".join(source(compression=Compression.GZIP).read(0)) == TEXT
    assert b"".join(source("plain.gz", compression=Compression.NONE).read(0)) == TEXT


def test_gzip_survives_a_lost_connection(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv.gz", GZIPPED)
    s3.script("GET", CutBody(50_000), CutBody(70_000, reset=True), Refuse(503, "SlowDown"))
    assert b"".join(source("data.csv.gz").read(10)) == TEXT[10:]


def test_a_failure_below_gzip_keeps_its_name(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv.gz", GZIPPED)
    s3.script("GET", CutBody(50_000))
    s3.always("GET", Refuse(404, "NoSuchKey"))
    with pytest.raises(SourceNotFoundError):
        list(source("data.csv.gz").read(0))


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (GZIPPED[:-1000], "sound gzip"),
        (GZIPPED[:-3], "sound gzip"),
        (GZIPPED + b"trailing garbage", "sound gzip"),
        (GZIPPED + b"x", "sound gzip"),
        (TEXT, "set SOURCE_COMPRESSION=none"),
        (b"a,b\n", "set SOURCE_COMPRESSION=none"),
    ],
    ids=["cut in a member", "cut in a trailer", "garbage", "one byte", "text", "short text"],
)
def test_a_bad_gzip_object_is_corrupt(
    s3: FakeS3, source: SourceMaker, stored: bytes, words: str
) -> None:
    s3.put("bucket", "data.csv.gz", stored)
    with pytest.raises(SourceCorruptError, match=words):
        list(source("data.csv.gz").read(0))


@pytest.mark.parametrize("size", [500, 2_000, len(GZIPPED) - 3])
def test_all_of_a_gzip_object_before_a_cut_is_read(
    s3: FakeS3, source: SourceMaker, size: int
) -> None:
    s3.put("bucket", "data.csv.gz", GZIPPED[:size])
    read = b""
    with pytest.raises(SourceCorruptError, match=f"after byte {size if size < 9999 else ''}"):
        for chunk in source("data.csv.gz").read(0):
            read += chunk
    assert read
    assert TEXT.startswith(read)
    decompressor = zlib.decompressobj(31)
    due = decompressor.decompress(GZIPPED[:size])
    due += zlib.decompressobj(31).decompress(decompressor.unused_data)
    assert len(due) - len(read) <= 1, "ISA-L looks one symbol ahead"


@pytest.mark.parametrize(
    ("key", "headers", "body", "words"),
    [
        ("data.csv", {"Content-Encoding": "gzip"}, SHORT, "though its Content-Encoding is gzip"),
        ("data.csv.gz", {}, packed(GZIPPED), "gzip in gzip"),
        ("data.csv", {"Content-Encoding": "gzip, gzip"}, packed(GZIPPED), "gzip in gzip"),
        ("data.csv.gz", {}, b"\x28\xb5\x2f\xfd\x04\0", "it is zstd; set SOURCE_COMPRESSION=zstd"),
        ("data.csv", {}, bz2.compress(SHORT), "bzip2 file by its.*set SOURCE_COMPRESSION=bzip2"),
        ("data.csv.zst", {}, SHORT, "no zstd file, though its key ends in .zst.*COMPRESSION=none"),
        ("data.csv.zst", {}, bz2.compress(SHORT), "by its first bytes it is bzip2; set"),
        ("data.csv", {"Content-Encoding": "gzip, zstd"}, zstd(packed(SHORT)), "gzip in zstd"),
        ("data.csv", {}, lzma.compress(SHORT), "is xz by its first bytes"),
        ("data.csv", {}, zipped(SHORT), "is zip by its first bytes.*Excel"),
        ("data.csv.gz", {}, packed(tarred(SHORT)), "is tar inside of gzip"),
        ("data.csv", {"Content-Encoding": "br"}, b"\x1b\x02\x00\xf8" + bytes(40), "is br"),
        ("data.csv", {}, "id,name\n1,a\n".encode("utf-32"), "UTF-32 text.*iconv"),
        ("data.csv", {}, "id,name\n1,a\n".encode("utf-32-le"), "UTF-32 text"),
        ("data.csv.gz", {}, packed("id,name\n1,a\n".encode("utf-32-be")), "UTF-32 text"),
    ],
)
def test_what_the_bytes_are_is_named_before_any_is_given(
    s3: FakeS3, source: SourceMaker, key: str, headers: dict[str, str], body: bytes, words: str
) -> None:
    s3.put("bucket", key, body, headers=headers)
    with pytest.raises(SourceCorruptError, match=words):
        next(source(key).read(0))


@pytest.mark.parametrize(
    ("key", "headers", "body", "compression"),
    [
        ("data.csv.ZST", {}, zstd(SHORT), "zstd"),
        ("data.csv.zstd", {}, zstd(SHORT), "zstd"),
        ("data.csv.bz2", {}, bz2.compress(SHORT), "bzip2"),
        ("data.csv", {"Content-Encoding": "zstd"}, zstd(SHORT), "zstd"),
        ("data.csv.zst", {"Content-Encoding": "identity"}, zstd(SHORT), "zstd"),
    ],
)
def test_zstd_and_bzip2_are_read_as_gzip_is(
    s3: FakeS3,
    source: SourceMaker,
    key: str,
    headers: dict[str, str],
    body: bytes,
    compression: str,
) -> None:
    s3.put("bucket", key, body, headers=headers)
    reader = source(key)
    assert reader.identify().compression == compression
    assert b"".join(reader.read(0)) == SHORT
    assert b"".join(reader.read(1_234)) == SHORT[1_234:]


@pytest.mark.parametrize("encoding", ["br", "aws-chunked", "identity", "deflate"])
def test_text_is_read_whatever_its_content_encoding_says(
    s3: FakeS3, source: SourceMaker, encoding: str
) -> None:
    s3.put("bucket", "data.csv", TEXT, headers={"Content-Encoding": encoding})
    assert b"".join(source().read(0)) == TEXT


def test_gzip_uploaded_in_signed_chunks_is_gzip(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv", GZIPPED, headers={"Content-Encoding": "aws-chunked, gzip"})
    assert b"".join(source().read(0)) == TEXT


@pytest.mark.fault("F88")
def test_a_flipped_bit_in_gzip_is_corrupt(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv.gz", GZIPPED)
    s3.always("GET", FlipByte(len(GZIPPED) // 2))
    with pytest.raises(SourceCorruptError):
        list(source("data.csv.gz").read(0))


def test_undeclared_gzip_is_refused(s3: FakeS3, source: SourceMaker) -> None:
    s3.put("bucket", "data.csv", GZIPPED)
    with pytest.raises(SourceCorruptError, match="set SOURCE_COMPRESSION=gzip"):
        list(source().read(0))


@pytest.mark.parametrize(
    ("fault", "byte_offset"), [(None, 0), (IgnoreRange(), 40_000_000)], ids=["plain", "ignored"]
)
def test_memory_does_not_grow_with_the_object(
    s3: FakeS3, source: SourceMaker, fault: Fault | None, byte_offset: int
) -> None:
    size = 48_000_000
    s3.put("bucket", "big.csv", bytes(size))
    s3.always("GET", fault)
    reading = source("big.csv", chunk_bytes=CHUNK_BYTES)
    reading.identify()
    tracemalloc.start()
    assert sum(len(chunk) for chunk in reading.read(byte_offset)) == size - byte_offset
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_the_documented_places_of_endpoint_and_region_are_used(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint_url)
    assert b"".join(S3Source("bucket", "data.csv").read(0)) == BODY


def test_a_missing_region_is_a_setting_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(ConfigError, match="AWS_REGION"):
        aws.s3_client()


def test_missing_credentials_are_a_setting_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="AWS_PROFILE"):
        aws.s3_client()


def test_an_unknown_profile_is_a_setting_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    with pytest.raises(ConfigError, match="nobody-has-this"):
        aws.s3_client()


def test_amazons_own_endpoints_keep_their_addressing_style() -> None:
    client: Any = aws.s3_client()
    assert client.meta.config.s3 is None
    assert client.meta.config.tcp_keepalive


# -- restart points --------------------------------------------------------------------------------

GZIP_TEXT = b"".join(b"%d,%d\n" % (n, n * 7919 % 1_000_003) for n in range(150_000))
GZIP_BODY = packed(GZIP_TEXT, 6)


def found_points(s3: FakeS3, source: SourceMaker) -> Points:
    """The points that a first reading tells of."""
    s3.put("bucket", "data.csv.gz", GZIP_BODY)
    points = Points(400_000)
    assert b"".join(source("data.csv.gz", points=points).read(0)) == GZIP_TEXT
    assert len(points.all) >= 2
    s3.requests.clear()
    return points


def test_a_gzip_object_is_read_from_a_restart_point_on(s3: FakeS3, source: SourceMaker) -> None:
    points = found_points(s3, source)
    points.start = point = points.all[-1]
    for byte_offset in (point.content_bytes, point.content_bytes + 100_000, len(GZIP_TEXT)):
        s3.requests.clear()
        chunks = list(source("data.csv.gz", points=points).read(byte_offset))
        assert b"".join(chunks) == GZIP_TEXT[byte_offset:]
        assert all(chunks)
        assert gets(s3) == [f"bytes={point.stored_bits // 8}-{len(GZIP_BODY) - 1}"]


def test_a_connection_lost_after_a_restart_point_goes_on(s3: FakeS3, source: SourceMaker) -> None:
    points = found_points(s3, source)
    points.start = points.all[0]
    s3.script("GET", CutBody(after_bytes=70_000, reset=True), CutBody(after_bytes=3))
    assert b"".join(source("data.csv.gz", points=points).read(1_000_000)) == GZIP_TEXT[1_000_000:]


@pytest.mark.parametrize("change", ["bit", "window"])
def test_a_restart_point_that_fails_is_left_for_the_start(
    s3: FakeS3, source: SourceMaker, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    points = found_points(s3, source)
    point = points.all[0]
    wrong = {
        "bit": replace(point, stored_bits=point.stored_bits + 4_001),
        "window": replace(point, window=point.window[:3]),
    }
    points.start = wrong[change]
    byte_offset = point.content_bytes + 500_000
    assert (
        b"".join(source("data.csv.gz", points=points).read(byte_offset))
        == (GZIP_TEXT[byte_offset:])
    )
    assert "from its start, as its restart point fails" in caplog.text
    assert gets(s3)[-1].startswith("bytes=0-")


def test_damage_after_a_restart_point_has_its_place(s3: FakeS3, source: SourceMaker) -> None:
    points = found_points(s3, source)
    points.start = points.all[0]
    s3.put("bucket", "data.csv.gz", GZIP_BODY[:-5_000])
    content = b""
    with pytest.raises(SourceCorruptError, match=f"after byte {len(GZIP_BODY) - 5000} as stored"):
        for chunk in source("data.csv.gz", points=points).read(1_000_000):
            content += chunk
    assert len(content) > 100_000
    assert GZIP_TEXT[1_000_000:].startswith(content)
