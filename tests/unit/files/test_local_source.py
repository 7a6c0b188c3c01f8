"""LocalSource: read from anywhere, pinned, and refused where it is not what it was."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from csvkafka.errors import (
    ConfigError,
    SourceChangedError,
    SourceCorruptError,
    SourceNotFoundError,
    SourceReadError,
)
from csvkafka.files.local_source import DIGESTED_BYTES, LocalSource
from csvkafka.model import SourceIdentity
from tests.refusals import refusal
from tests.unit.files.checkpoint_files import foreign_folder, without_rights
from tests.unit.rows.points import Points

BODY = b"id,name\n" + b"".join(b"%d,row %d\n" % (row, row) for row in range(20_000))
CHUNK = 1_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some data?.csv"
    path.write_bytes(BODY)
    return path


def source(path: Path, **options: object) -> LocalSource:
    return LocalSource(path, chunk_bytes=CHUNK, **options)  # type: ignore[arg-type]


def read(path: Path, byte_offset: int = 0, **options: object) -> bytes:
    chunks = list(source(path, **options).read(byte_offset))
    assert all(chunks)
    return b"".join(chunks)


def keeping_time(path: Path, change: Callable[[], object]) -> None:
    """Changes the file, and puts its time back."""
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_has_its_path_for_a_name(path: Path) -> None:
    identity = source(path).identify()
    assert identity.uri == f"file://{path}"
    assert (identity.size, identity.is_compressed, identity.version_id) == (len(BODY), False, None)
    assert source(path).identify() == identity


@pytest.mark.parametrize("byte_offset", [0, 1, 999, 1_000, 1_001, len(BODY) - 1, len(BODY)])
def test_it_is_read_from_any_byte(path: Path, byte_offset: int) -> None:
    assert read(path, byte_offset) == BODY[byte_offset:]


@pytest.mark.parametrize("byte_offset", [0, 5, 150_000])
def test_a_gzip_file_is_read_unpacked(tmp_path: Path, byte_offset: int) -> None:
    path = tmp_path / "data.CSV.GZ"
    path.write_bytes(gzip.compress(BODY[:90_000]) + gzip.compress(BODY[90_000:]))
    assert source(path).identify().is_compressed
    assert read(path, byte_offset) == BODY[byte_offset:]


def test_a_gzip_file_is_read_from_a_restart_point_and_nothing_before_it(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    text = b"".join(b"%d,%d\n" % (row, row * 7919 % 99_991) for row in range(200_000))
    path.write_bytes(gzip.compress(text, mtime=0))
    points = Points(400_000)
    assert b"".join(LocalSource(path, points=points).read(0)) == text
    points.start = start = points.all[-1]
    assert start.stored_bits // 8 > 2 * DIGESTED_BYTES
    keeping_time(path, lambda: replaced_at(path, DIGESTED_BYTES + 1))
    byte_offset = start.content_bytes + 5
    assert b"".join(LocalSource(path, points=points).read(byte_offset)) == text[byte_offset:]
    with refusal(SourceCorruptError, match="its data is damaged|its checksum is"):
        read(path, byte_offset)


def test_an_empty_file_has_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv.gz"
    path.touch()
    assert (source(path).identify().size, read(path)) == (0, b"")


def test_settings_say_how_it_is_stored(path: Path, tmp_path: Path) -> None:
    with refusal(SourceCorruptError, match="no gzip file"):
        read(path, compression="gzip")
    packed = tmp_path / "packed.csv"
    packed.write_bytes(gzip.compress(BODY))
    assert read(packed, compression="gzip") == BODY
    with refusal(SourceCorruptError, match="its name does not end in .gz"):
        read(packed)


# -- what pins it ----------------------------------------------------------------------------------


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1,more\n")


def replaced_at(path: Path, byte_offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(byte_offset)
        file.write(b"#")


CHANGES = {
    "appended to": appended,
    "cut": lambda path: os.truncate(path, len(BODY) - 1),
    "another time": lambda path: os.utime(path, ns=(0, 1_000_000_001)),
    "first block": lambda path: keeping_time(path, lambda: replaced_at(path, DIGESTED_BYTES - 1)),
    "last block": lambda path: keeping_time(path, lambda: replaced_at(path, len(BODY) - 2)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_was_changed_is_refused(path: Path, change: Callable[[Path], None]) -> None:
    pinned = source(path).identify()
    change(path)
    with refusal(SourceChangedError, match="has changed"):
        source(path, pinned=pinned).identify()
    with refusal(SourceChangedError, match="has changed"):
        read(path, pinned=pinned)


def test_a_copy_that_keeps_the_time_is_the_same_file(path: Path) -> None:
    pinned = source(path).identify()
    os.utime(path, ns=(5, path.stat().st_mtime_ns))
    body, time = path.read_bytes(), path.stat().st_mtime_ns
    path.unlink()
    path.write_bytes(body)
    os.utime(path, ns=(time, time))
    assert source(path, pinned=pinned).identify() == pinned


def test_a_file_that_is_written_while_it_is_read_is_not_mixed(path: Path) -> None:
    chunks = source(path).read(0)
    given = next(chunks) + next(chunks)
    replaced_at(path, 10_000)
    with refusal(SourceChangedError, match="written while it was read"):
        given += b"".join(chunks)
    assert given == BODY[: len(given)]


def test_a_file_that_is_replaced_while_it_is_read_goes_on_as_it_was(path: Path) -> None:
    chunks = source(path).read(0)
    given = next(chunks)
    other = path.with_suffix(".new")
    other.write_bytes(b"another")
    other.rename(path)
    assert given + b"".join(chunks) == BODY


# -- what is no source -----------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path / "none" / "data.csv"):
        with refusal(SourceNotFoundError, match="does not exist: check SOURCE"):
            source(path).identify()


def test_a_file_that_may_not_be_read_is_named() -> None:
    with foreign_folder() as folder:
        path = folder / "data.csv"
        path.write_bytes(BODY)
        path.chmod(0)
        with without_rights(), refusal(SourceReadError, match="Permission denied.*the right"):
            source(path).identify()


def test_what_cannot_be_read_again_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with refusal(ConfigError, match="is a pipe or device.*cannot be resumed"):
            source(path).identify()


def test_a_folder_is_told_what_loads_several_files(tmp_path: Path) -> None:
    with refusal(ConfigError, match="is a folder: name one file in it .*S3_PREFIX"):
        source(tmp_path).identify()


def test_a_checkpoint_beyond_the_end_is_refused(path: Path) -> None:
    with refusal(SourceChangedError, match="ends at byte"):
        read(path, len(BODY) + 1)


def test_an_identity_is_stored_and_read_back(path: Path) -> None:
    identity = source(path).identify()
    assert SourceIdentity("", str(path)[1:], identity.etag, len(BODY), scheme="file") == identity
