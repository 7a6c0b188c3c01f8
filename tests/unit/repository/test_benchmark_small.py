"""The small objects of the benchmark hold, together, the rows of the one beside them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.small_server import ALL, PREFIX, Objects
from csvkafka.aws import clients as aws
from csvkafka.aws.s3_set import S3Set, SetPlace
from csvkafka.aws.s3_source import S3Source
from csvkafka.errors import SourceChangedError
from csvkafka.model import Piece
from tests.unit.aws.aws_environment import set_aws_environment

TABLE = b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(7))


def test_the_objects_have_the_rows_of_the_one_in_its_order() -> None:
    found = Objects(TABLE, 4, 3).found
    rows = b"".join(
        found[f"{PREFIX}{number:06}.csv"][0].removeprefix(b"a,b\n") for number in range(4)
    )
    assert rows.splitlines() == [b"%d,x" % (number % 7) for number in range(12)]
    assert found[ALL][0] == b"a,b\n" + rows


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    set_aws_environment(monkeypatch)
    (tmp_path / "table.csv").write_bytes(TABLE)
    command = [sys.executable, "-m", "benchmarks.small_server", str(tmp_path / "table.csv")]
    command += ["1003", "3", "0.001"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield aws.s3_client(endpoint_url=f"http://127.0.0.1:{int(server.stdout.readline())}")
    finally:
        server.kill()
        server.communicate()


def test_a_set_is_listed_and_read_from_any_byte(client: Any) -> None:
    objects = S3Set(SetPlace("bucket", prefix=PREFIX), client=client)
    pieces = list(objects.pieces())
    assert [piece.key for piece in pieces] == [f"{PREFIX}{n:06}.csv" for n in range(1003)]
    assert b"".join(objects.open_piece(pieces[2], 0)) == b"a,b\n6,x\n0,x\n1,x\n"
    assert b"".join(objects.open_piece(pieces[2], 8)) == b"0,x\n1,x\n"
    assert b"".join(S3Source("bucket", ALL, client=client).read(0)).count(b"\n") == 1 + 3 * 1003
    other = Piece(pieces[2].key, pieces[3].etag, pieces[2].size)
    with pytest.raises(SourceChangedError):
        list(objects.open_piece(other, 0))
