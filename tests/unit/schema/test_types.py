"""What each type makes of a text, and what it refuses; the checker's own reading agrees."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csvkafka.schema.declaration import read_table
from csvkafka.schema.table import ColumnType, Kind
from csvkafka.schema.types import converter, parse_type
from csvkafka.testing.checker.declared import DeclaredRows
from csvkafka.testing.checker.declared_values import comparable, parsed_json

KEY = b"a secret of the test"


def convert(declared: str, text: str, nulls: tuple[str, ...] = ()) -> str:
    """What stands in the record for `text` in a column that is declared so, as JSON."""
    (column,) = read_table(f"columns.c = {{{declared}}}", "columns.toml", KEY).columns
    return orjson.dumps(converter(column, nulls, KEY)(text)).decode()


@pytest.mark.parametrize(
    ("declared", "text", "json"),
    [
        ('type = "string"', "", '""'),
        ('type = "string"', " 007 ", '" 007 "'),
        ('type = "int"', "-2147483648", "-2147483648"),
        ('type = "int"', "+5", "5"),
        ('type = "int", leading_zeros = true', "007", "7"),
        ('type = "long"', "9223372036854775807", "9223372036854775807"),
        ('type = "long", as_text = true', "9223372036854775807", '"9223372036854775807"'),
        ('type = "double"', "1e5", "100000.0"),
        ('type = "double"', ".5", "0.5"),
        ('type = "float"', "3.25", "3.25"),
        ('type = "boolean"', "true", "true"),
        ('type = "boolean", true = ["Y"], false = ["N", ""]', "", "false"),
        ('type = "decimal(12,2)"', "1.5", "1.50"),
        ('type = "decimal(12,2)"', "-1.5000", "-1.50"),
        ('type = "decimal(12,2)"', "-0", "0.00"),
        ('type = "decimal(3,3)"', ".125", "0.125"),
        (
            'type = "decimal(30,0)"',
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        ('type = "decimal(12,2)", as_text = true', "7", '"7.00"'),
        ('type = "date"', "2026-11-28", '"2026-11-28"'),
        ('type = "date(%d.%m.%Y)"', "28.11.2026", '"2026-11-28"'),
        ('type = "timestamp(iso, UTC)"', "2026-11-28 10:00", '"2026-11-28T10:00:00Z"'),
        ('type = "timestamp(iso)"', "2026-11-28T10:00:00.5+02:00", '"2026-11-28T08:00:00.500000Z"'),
        ('type = "timestamp(iso, Europe/Berlin)"', "2026-07-01 12:00:00", '"2026-07-01T10:00:00Z"'),
        ('type = "timestamp(iso, local)"', "2026-07-01 12:00:00", '"2026-07-01T12:00:00"'),
        (
            'type = "timestamp(iso, Europe/Berlin)", ambiguous = "second"',
            "2026-10-25 02:30:00",
            '"2026-10-25T01:30:00Z"',
        ),
        ('type = "timestamp(%d/%m/%y %H, UTC)"', "01/02/26 03", '"2026-02-01T03:00:00Z"'),
        ('type = "json"', '{"a": [1, 2.50]}', '{"a": [1, 2.50]}'),
        ('mask = "all"', "4111", '"****"'),
        ('mask = "last 4"', "4111222233334444", '"************4444"'),
        ('mask = "first 2"', "abc", '"ab*"'),
        ('mask = "last 4"', "4444", '"****"'),
        ('constant = "web"', "whatever", '"web"'),
    ],
)
def test_a_text_becomes_a_value(declared: str, text: str, json: str) -> None:
    assert convert(declared, text) == json


@pytest.mark.parametrize(
    ("declared", "text", "why"),
    [
        ('type = "int"', "1e5", "has 'e' as character 2 of 3"),
        ('type = "int"', "007", "begins with 0; set leading_zeros = true"),
        ('type = "int"', "1_000", "has '_' as character 2 of 5"),
        ('type = "int"', " 1", "has ' ' as character 1 of 2"),
        ('type = "int"', "٣", "has '٣' as character 1 of 1"),
        ('type = "int"', "3000000000", "is beyond 32 bits"),
        ('type = "int"', "1-", "in an order that it does not know"),
        ('type = "int"', "", "is empty, and no text for null is declared"),
        ('type = "long"', "9999999999999999999", "is beyond 64 bits"),
        ('type = "long"', "1" * 65, "has 65 digits, too many for 64 bits"),
        ('type = "double"', "NaN", "has 'N' as character 1 of 3"),
        ('type = "double"', "1e999", "is beyond the largest double"),
        ('type = "double"', "007.5", "begins with 0; set leading_zeros"),
        ('type = "float"', "1e39", "is beyond the largest float of 32 bits"),
        ('type = "boolean"', "yes", "is none of true, false"),
        ('type = "decimal(5,2)"', "1.234", "has 3 digits after the point, 2 are declared"),
        ('type = "decimal(5,2)"', "1234.5", "has 4 digits before the point, 3 are declared"),
        ('type = "decimal(5,2)"', "1e2", "has 'e' as character 2 of 3"),
        ('type = "decimal(5,2)"', "00.5", "begins with 0; set leading_zeros"),
        ('type = "date"', "20261128", "does not have the format iso"),
        ('type = "date"', "2026-02-30", "does not have the format iso"),
        ('type = "timestamp(iso, UTC)"', "2026-11-28", "does not have the format iso"),
        ('type = "timestamp(iso, UTC)"', "2026-11-28T10:00:00.1234567", "format iso"),
        ('type = "timestamp(iso)"', "2026-11-28T10:00", "has no offset from UTC"),
        ('type = "timestamp(iso, local)"', "2026-11-28T10:00Z", "has an offset from UTC"),
        ('type = "timestamp(iso, Europe/Berlin)"', "2026-03-29 02:30", "was shown by no clock"),
        ('type = "timestamp(iso, Europe/Berlin)"', "2026-10-25 02:30", "was shown twice"),
        ('type = "timestamp(iso, UTC)"', "2026-11-28T24:00", "does not have the format iso"),
        ('type = "json"', "{", "is no JSON"),
        ('type = "json"', "[" * 501 + "]" * 501, "nests more than 500 arrays and objects"),
        ('type = "json"', '{"a":' * 1000 + "1" + "}" * 1000, "nests more than 500 arrays"),
        ('type = "json"', "", "is empty"),
        ('type = "json"', '[{"a": 1, "b": {"c": 1, "c": 2}}]', "has a key twice"),
    ],
)
def test_what_a_type_does_not_hold_is_refused_without_showing_it(
    declared: str, text: str, why: str
) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        convert(declared, text)
    assert why in str(caught.value)
    assert len(text) < 4 or text not in str(caught.value)


def test_a_hash_is_blake2b_with_the_secret() -> None:
    digest = blake2b(b"ada@example.org", key=KEY, digest_size=16).hexdigest()
    assert convert('hash = "blake2b"', "ada@example.org") == f'"{digest}"'


def test_texts_for_null_are_null_before_all() -> None:
    assert convert('type = "int"', "NULL", ("", "NULL")) == "null"
    assert convert('mask = "all"', "", ("",)) == "null"
    assert convert('type = "int"', "7", ("", "NULL")) == "7"


@pytest.mark.parametrize(
    "text",
    [
        "integer",
        "decimal",
        "decimal(2,3)",
        "decimal(0,0)",
        "decimal(77,0)",
        "int(4)",
        "timestamp",
        "timestamp(%d)",
        "timestamp(iso, Berlin)",
        "date(today)",
        "date(%Q)",
        "date(%)",
        "timestamp(iso, ../etc/passwd)",
        "",
    ],
)
def test_a_type_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_type(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("date(%d.%m.)", "reads no year"),
        ("timestamp(%H:%M, UTC)", "reads no year"),
        ("date(%Y-%Y)", "cannot be read"),
        ("date(%G-%V)", "weekday directive"),
        ("timestamp(%Y-%m-%d %H:%M %Z, Europe/Berlin)", "%z"),
        ("timestamp(iso, localtime)", "means another zone on each machine; give an IANA name"),
        ("timestamp(iso, right/Europe/Berlin)", "IANA name"),
    ],
)
def test_a_type_that_would_guess_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_type(text)


def test_json_may_nest_as_deeply_as_is_said() -> None:
    text = "[" * 500 + '"[[{"' + "]" * 500
    assert convert('type = "json"', text) == text


@given(st.sampled_from([Kind.STRING, Kind.INT, Kind.BOOLEAN, Kind.JSON]))
def test_a_type_is_written_as_it_is_read(kind: Kind) -> None:
    assert parse_type(str(ColumnType(kind))) == ColumnType(kind)


DECLARATIONS = (
    'type = "int"',
    'type = "int", leading_zeros = true',
    'type = "long", as_text = true',
    'type = "float"',
    'type = "double"',
    'type = "double", leading_zeros = true',
    'type = "boolean", true = ["1", "yes"], false = ["0", "no"]',
    'type = "decimal(6,2)"',
    'type = "decimal(6,2)", as_text = true, leading_zeros = true',
    'type = "decimal(9,0)"',
    'type = "decimal(38,2)"',
    'type = "date"',
    'type = "date(%d.%m.%Y)"',
    'type = "timestamp(iso, UTC)"',
    'type = "timestamp(iso)"',
    'type = "timestamp(iso, Europe/Berlin)"',
    'type = "timestamp(iso, America/New_York)", ambiguous = "first"',
    'type = "timestamp(%Y-%m-%d %H:%M, Europe/Berlin)", ambiguous = "second"',
    'type = "timestamp(iso, local)"',
    'type = "json"',
    'mask = "first 3"',
    'mask = "last 2"',
)

NUMBERS = st.from_regex(r"[+-]?[0-9]{0,12}(\.[0-9]{0,4})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ", timespec="minutes")),
    st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds")),
    st.datetimes().map(lambda moment: moment.isoformat() + "+05:30"),
    # Around the hours at which summer time begins and ends.
    st.integers(0, 59).map("2026-03-29 02:{:02}".format),
    st.integers(0, 59).map("2026-10-25 02:{:02}".format),
    st.integers(0, 59).map("2026-11-01 01:{:02}:00".format),
    st.dates().map(str),
    st.dates().map("{:%d.%m.%Y}".format),
)
TEXTS = st.one_of(
    NUMBERS,
    TIMES,
    st.text(max_size=8),
    st.sampled_from(["yes", "0", "1", "null", '{"a":1.50,"a":2}', "[1e400]", "NaN", "-0.0"]),
)


@given(st.sampled_from(DECLARATIONS), TEXTS)
@example('type = "decimal(6,2)"', "-0.001")
@example('type = "decimal(6,2)"', ".")
@example('type = "decimal(38,2)"', "-123456789012345678901234567890123456.25")
@example('type = "float"', "3.4028236e38")
@example('type = "timestamp(iso, UTC)"', "0001-01-01 00:00")
@example('type = "timestamp(iso, Europe/Berlin)"', "0001-01-01 00:00")
@example('type = "timestamp(iso, America/New_York)", ambiguous = "first"', "9999-12-31 23:00")
@example('type = "json"', '{"a": 1, "a": 2}')
@example('type = "json"', "[" * 500 + "]" * 500)
@example('type = "json"', "[" * 501 + "]" * 501)
@example('type = "json"', "[" * 1024 + "]" * 1024)
@example('type = "timestamp(iso, UTC)"', "2026-11-28T24:00")
def test_the_checker_reads_as_the_loader_does(declared: str, text: str) -> None:
    """Two readings that share no code: they agree on each value, and on what is refused."""
    table = read_table(f"columns.c = {{{declared}}}", "columns.toml")
    due = DeclaredRows(table).fields_of({"c": text}, 1)
    try:
        sent = converter(table.columns[0], (), b"")(text)
    except ValueError:
        assert due is None
        return
    found = comparable(parsed_json(b'{"c":%b}' % orjson.dumps(sent)))
    assert found == due


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=2, max_value=9999, min_value=-9999)
)
def test_a_decimal_keeps_each_digit(number: Decimal) -> None:
    assert Decimal(convert('type = "decimal(6,2)"', f"{number:f}")) == number
