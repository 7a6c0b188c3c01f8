"""What first bytes are: told from themselves, and text is never taken for anything else."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from csvkafka.rows.source_kind import FIRST_BYTES, Kind, kind_of, remedy
from csvkafka.testing.inputs.csv_files import PRESETS, preset, write_csv
from csvkafka.testing.inputs.strategies import csv_files

TEXT = b"id,name\n1,Ada\n2,Bob\n"


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"", Kind.EMPTY),
        (TEXT, Kind.TEXT),
        (b"\x1f\x8b\x08\0", Kind.GZIP),
        (b"\x28\xb5\x2f\xfd\x24", Kind.ZSTD),
        (b"\x50\x2a\x4d\x18\x04\0\0\0", Kind.ZSTD),
        (b"BZh91AY&SY", Kind.BZIP2),
        (b"BZh,name\n1,2\n", Kind.TEXT),
        (b"\xfd7zXZ\0\0", Kind.XZ),
        (b"\x04\x22\x4d\x18", Kind.LZ4),
        (b"\xff\x06\0\0sNaPpY", Kind.SNAPPY),
        (b"\x1f\x9d\x90", Kind.COMPRESS),
        (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
        (b"PK\x03\x04", Kind.ZIP),
        (b"PK,name\n", Kind.TEXT),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.EXCEL),
        (b"PAR1\x15\0\x15", Kind.PARQUET),
        (b"PAR1,PAR2\n1,2\n", Kind.TEXT),
        (b"ORC,name\n", Kind.TEXT),
        (b"%PDF-1.7", Kind.PDF),
        (b"Obj\x01\x04", Kind.AVRO),
        (b"data.csv" + bytes(249) + b"ustar", Kind.TAR),
        ("id,näme\n1,a\n".encode("utf-16"), Kind.UTF_16),
        ("id,näme\n1,a\n".encode("utf-32"), Kind.UTF_32),
        (b"id,name\n1\x012\x013\n" * 40, Kind.TEXT),
        (b"a\x01b\n1\x012\n" * 40, Kind.TEXT),
        (b"id,name\n1,a\0\n2,\0b\n", Kind.TEXT),
        (b"id,name\n" + b"1,abc\0\0\0\0\0\n" * 40, Kind.TEXT),
        ("id,naïve\n".encode("latin-1"), Kind.TEXT),
        ("имя,город\n".encode("cp1251"), Kind.TEXT),
        ("名前,住所\n".encode("euc_jp"), Kind.TEXT),
    ],
)
def test_kinds(first: bytes, kind: Kind) -> None:
    assert kind_of(first) is kind


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.TEXT, Kind.EMPTY)])
def test_every_kind_has_a_remedy(kind: Kind) -> None:
    assert "JOB_ID" in remedy(kind)


@pytest.mark.parametrize("name", PRESETS)
def test_made_files_are_text(name: str) -> None:
    assert kind_of(b"".join(write_csv(preset(name, 200)))[:FIRST_BYTES]) is Kind.TEXT


ROWS = st.lists(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), min_size=2
    ),
    min_size=3,
    max_size=30,
)


@given(rows=ROWS, codec=st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]))
def test_wide_text_is_told_without_a_mark(rows: list[list[str]], codec: str) -> None:
    text = "".join(",".join(row) + "\r\n" for row in [["id", "name"], *rows])
    ascii_share = sum(map(str.isascii, text)) / len(text)
    # Characters like U+0100 have a zero where those of ASCII have none; a few do no harm.
    zeros = sum(character.encode("utf-16-be")[-1] == 0 for character in text)
    assume(ascii_share > 0.2 and zeros * 25 < len(text))
    kind = Kind.UTF_16 if "16" in codec else Kind.UTF_32
    assert kind_of(text.encode(codec)[:FIRST_BYTES]) is kind


@given(file=csv_files())
def test_csv_text_is_text(file: object) -> None:
    data = file.data  # type: ignore[attr-defined]
    assume(data.count(b"\0") < 3)  # more of them, at every other byte, are taken for UTF-16
    assert kind_of(data[:FIRST_BYTES]) in (Kind.TEXT, Kind.EMPTY)
