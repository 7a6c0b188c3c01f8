"""What the first bytes show, and which of it is refused or warned about before a row is sent."""

from __future__ import annotations

import pytest
from hypothesis import given

from csvkafka.errors import SourceCorruptError
from csvkafka.model import Dialect, DuplicateColumns
from csvkafka.rows import doubts
from csvkafka.rows.preview import SAMPLE_BYTES, Preview, preview, shown_names
from csvkafka.testing.inputs.csv_files import PRESETS, preset, write_csv
from csvkafka.testing.inputs.strategies import csv_bytes
from tests.unit.rows import csv_oracle

URI = "s3://bucket/key.csv"


def look(data: bytes, **dialect: object) -> Preview:
    return preview(iter([data] if data else []), Dialect(**dialect), URI)  # type: ignore[arg-type]


def refusals(
    data: bytes,
    *given: str,
    duplicates: DuplicateColumns = DuplicateColumns.REFUSE,
    **dialect: object,
) -> str:
    return "; ".join(doubts.refusals(look(data, **dialect), duplicates, given))


def warnings(data: bytes, duplicates: DuplicateColumns = DuplicateColumns.REFUSE) -> str:
    return "; ".join(doubts.warnings(look(data), duplicates))


# -- what is shown -----------------------------------------------------------------------------


def test_the_log_shows_columns_and_of_the_first_record_the_shape_only() -> None:
    said = look(b"id,name\r\n1,Ada Lovelace\r\n").summary(show_names=True)
    assert said == (
        f"{URI} is utf-8 (all ASCII so far), lines end in CRLF, delimiter ',', quotes '\"'; "
        "2 columns: id, name; the first record has 2 fields, of 1, 12 characters"
    )
    assert "Ada" not in said
    assert "id" not in look(b"7,Ada\n8,Bob\n").summary(show_names=False).partition("quotes")[2]


def test_of_letters_the_log_says_how_they_are_read_not_what_stands_in_none_of_them() -> None:
    said = look(b"id,name\n").summary(show_names=True, of_letters=True)
    assert said == f"{URI} is read as utf-8, delimiter ',', quotes '\"'; 2 columns: id, name"


def test_names_are_shown_shortly_and_without_control_characters() -> None:
    assert shown_names(("a\nb", "", "x" * 100)) == f"a\\nb, (no name), {'x' * 40}"
    assert shown_names(tuple("abcdefghijklmnopqrstuvwxyz")).endswith(", t and 6 more")


@pytest.mark.parametrize(
    ("data", "line_end", "encoding"),
    [
        (b"a\n1\n", "LF", "utf-8 (all ASCII so far)"),
        (b"a\r1\r", "CR", "utf-8 (all ASCII so far)"),
        (b"\xef\xbb\xbfa\r\n1\n", "CRLF and LF", "utf-8 with a byte order mark"),
        ("ä".encode(), "nothing yet", "utf-8"),
    ],
)
def test_line_ends_and_encoding(data: bytes, line_end: str, encoding: str) -> None:
    shown = look(data)
    assert (shown.line_end, shown.encoding) == (line_end, encoding)


@given(data=csv_bytes())
def test_a_preview_never_fails_where_a_load_does_not(data: bytes) -> None:
    if csv_oracle.quote_is_open_at_end(data):
        return
    shown = look(data)
    assert shown.header.names == csv_oracle.header_names(data)
    list(doubts.refusals(shown, DuplicateColumns.REFUSE))
    list(doubts.warnings(shown, DuplicateColumns.NUMBER))


def test_only_the_beginning_is_looked_at() -> None:
    taken = []

    def chunks() -> object:
        for _ in range(100):
            taken.append(1)
            yield b"a,b\n" * (SAMPLE_BYTES // 8)

    shown = preview(chunks(), Dialect(), URI)  # type: ignore[arg-type]
    assert len(taken) <= 3
    assert not shown.is_whole


def test_a_source_that_fails_after_its_header_is_shown_as_far_as_it_goes() -> None:
    def chunks() -> object:
        yield b"a,b\n1,2\n"
        raise SourceCorruptError("cut off")

    assert [row.fields for row in preview(chunks(), Dialect(), URI).rows] == [("1", "2")]  # type: ignore[arg-type]


def test_lines_to_be_skipped_are_not_all_there_are() -> None:
    shown = preview(iter([b"id,name\n1,a\n"]), Dialect(skipped_lines=9), URI)
    (said,) = doubts.refusals(shown, DuplicateColumns.REFUSE, {"CSV_SKIP_LINES"})
    assert "CSV_SKIP_LINES=9 leaves out all" in said


def test_the_mark_of_a_folder_is_no_file() -> None:
    shown = preview(iter(()), Dialect(), "s3://data/exports/")
    (said,) = doubts.refusals(shown, DuplicateColumns.REFUSE)
    assert "s3://data/exports/ is an empty object" in said
    assert "set S3_KEY" in said
    rows = preview(iter([b"id,name\n1,a\n"]), Dialect(), "s3://data/exports/")
    assert not list(doubts.refusals(rows, DuplicateColumns.REFUSE)), "odd, but a file"


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"id;name\n1;a\n", ["CSV_DELIMITER=';'", "2 fields each"]),
        (b"id\tname\n1\ta\n2\tb\n", ["CSV_DELIMITER='\\t'"]),
        (b"id|name\n1|a\n", ["CSV_DELIMITER='|'"]),
        (b"id;price\n1;2,5\n2;3,5\n", ["CSV_DELIMITER=';'"]),
        (b'id;name\n1;"a;b"\n', ["CSV_DELIMITER=';'"]),
        (b"sep=;\nid;name\n1;a\n", ["'sep=;'", "CSV_SKIP_LINES=1", "CSV_DELIMITER=';'"]),
        (b'"sep=,"\r\nid,name\r\n1,a\r\n', ["Excel's word", "CSV_SKIP_LINES=1"]),
        (b"\xef\xbb\xbfsep=\t\nid\tname\n", ["CSV_SKIP_LINES=1", "CSV_DELIMITER='\\t'"]),
        (b"# made by x\nid,name\n1,a\n", ["CSV_SKIP_LINES=1", "line 2"]),
        (b"# made by x\n# on y\n\nid,name\n1,a\n2,b\n", ["CSV_SKIP_LINES=3", "line 4"]),
        (b"# made by x\nid;name\n1;a\n", ["CSV_SKIP_LINES=1", "CSV_DELIMITER=';'"]),
        (b"Sales report\r\n\r\nid,name\r\n1,a\r\n", ["CSV_SKIP_LINES=2"]),
        (b"\nid,name\n1,a\n", ["first line of", "is blank", "CSV_SKIP_LINES=1"]),
        (b"\r\n\r\n\r\nid,name\r\n1,a\r\n", ["first 3 lines", "CSV_SKIP_LINES=3"]),
        (b"id,name,name\n1,a,b\n", ["columns 2 and 3 are called 'name'", "=last", "=number"]),
        (b"id,,\n1,a,b\n", ["columns 2 and 3 have no name"]),
        (b"_source_line,b\n1,2\n", ["column 1 is called '_source_line'", "csvkafka's own"]),
    ],
)
def test_a_source_that_would_load_wrongly_is_refused_with_what_to_set(
    data: bytes, words: list[str]
) -> None:
    said = refusals(data)
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"id,name\n1,a\n",
        b"id\n1\n2\n",
        b"id\n1;2\n3;4\n",
        b"text\na; b\nc; d\n",
        b"id;name\n1;a\n2\n",
        b"id;name\n",
        b"id,name,x\n1,a\n2,b\n",
        b"id\n1\n2,b\n",
        b"id,\n1,\n",
        b"a;b,c\n1,2\n",
        *(b"".join(write_csv(preset(name, 300))) for name in PRESETS),
    ],
)
def test_a_source_that_loads_right_is_not_refused(data: bytes) -> None:
    assert refusals(data) == ""


@pytest.mark.parametrize(
    ("data", "given"),
    [
        (b"id;name\n1;a\n", "CSV_DELIMITER"),
        (b"sep=;\nid;name\n1;a\n", "CSV_SKIP_LINES"),
        (b"# made by x\nid,name\n1,a\n", "CSV_SKIP_LINES"),
    ],
)
def test_what_the_user_says_is_meant(data: bytes, given: str) -> None:
    assert given not in refusals(data, given)


def test_one_name_for_several_columns_is_told_by_its_setting() -> None:
    preview = look(b"1,Ada,2\n2,Bob,3\n", names=("id",))
    (said,) = doubts.refusals(preview, DuplicateColumns.REFUSE)
    assert "CSV_HEADER names one column, but the 2 rows" in said
    assert "have 3 each; name them all" in said
    assert "CSV_SKIP_LINES" not in said


def test_what_a_refusal_says_to_set_is_enough() -> None:
    data = b"\xef\xbb\xbfsep=;\nid;name\n1;a\n"
    both = ("CSV_DELIMITER", "CSV_SKIP_LINES")
    assert refusals(data, *both, delimiter=";", skipped_lines=1) == ""
    assert look(data, delimiter=";", skipped_lines=1).header.names == ("id", "name")
    assert refusals(b"\n\nid,name\n1,a\n", "CSV_SKIP_LINES", skipped_lines=2) == ""
    assert "CSV_SKIP_LINES=2" in refusals(b"\n\nid,name\n1,a\n", skipped_lines=1)


@pytest.mark.parametrize("duplicates", [DuplicateColumns.LAST, DuplicateColumns.NUMBER])
def test_clashing_columns_are_kept_by_a_setting(duplicates: DuplicateColumns) -> None:
    assert refusals(b"id,name,name\n1,a,b\n", duplicates=duplicates) == ""


# -- what is warned about ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"1,ada\n2,bob\n", "looks like data"),
        (b"ada,2024-01-31\nbob,2024-02-01\n", "looks like data"),
        (b"ada,31.01.2024\n", "looks like data"),
        (b"x,-1.5e3\n", "looks like data"),
        (b"<html><body>\n", "JSON or markup"),
        (b'{"id": 1, "name": "a"}\n{"id": 2}\n', "JSON or markup"),
        (b",a\n0,x\n", "column 1 of s3://bucket/key.csv has no name"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"", "another JOB_ID"),
    ],
)
def test_what_is_likely_wrong_is_a_warning(data: bytes, word: str) -> None:
    assert word in warnings(data)


def test_a_warning_shows_no_data() -> None:
    assert "ada" not in warnings(b"1,ada\n2,bob\n")


@pytest.mark.parametrize("name", PRESETS)
def test_made_files_are_not_warned_about(name: str) -> None:
    assert warnings(b"".join(write_csv(preset(name, 300)))) == ""


def test_columns_that_are_data_are_not_named() -> None:
    said = refusals(b"17,secret,secret\n18,other,others\n")
    assert "columns 2 and 3 have the same name; it looks like data" in said
    assert "secret" not in said


def test_kept_columns_are_told() -> None:
    data = b"id,name,name\n1,a,b\n"
    assert "the last one's value is sent" in warnings(data, DuplicateColumns.LAST)
    assert "under other names: name_2" in warnings(data, DuplicateColumns.NUMBER)
