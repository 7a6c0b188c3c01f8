"""A table proposed from rows: it fits all that were seen, and says what spoke against more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.schema.declaration import read_table
from csvkafka.schema.fitting import check_columns
from csvkafka.schema.inference import as_toml, masked, propose
from csvkafka.schema.table import RecordTable
from csvkafka.schema.types import converter


def proposed(*texts: str) -> str:
    """The type of one column with these texts."""
    (proposal,) = propose(["c"], ([text] for text in texts))
    return str(proposal.column.type)


@pytest.mark.parametrize(
    ("texts", "type_"),
    [
        (["1", "-2"], "int"),
        (["1", "3000000000"], "long"),
        (["1", "1.25", "30.5"], "decimal(4,2)"),
        (["1e5", "1.5"], "double"),
        (["true", "false"], "boolean"),
        (["t", "f", "t"], "boolean"),
        (["2026-11-28"], "date(iso)"),
        (["28.11.2026", "01.02.2026"], "date(%d.%m.%Y)"),
        (["2026-11-28T10:00:00Z"], "timestamp(iso)"),
        (["2026-11-28 10:00:00"], "timestamp(iso, local)"),
        (['{"a": 1}', "[]"], "json"),
        (["007", "12"], "string"),
        (["a", "b"], "string"),
        ([""], "string"),
        (["NA", "5", ""], "int"),
        (["1_000"], "string"),
        (["1", "20000000000000000000"], "decimal(20,0)"),
    ],
)
def test_the_strictest_type_that_all_texts_fit(texts: list[str], type_: str) -> None:
    assert proposed(*texts) == type_


def test_texts_for_null_are_proposed_only_beside_a_stricter_type() -> None:
    typed, text = propose(["n", "s"], [["1", "NA"], ["NA", "x"], ["", ""]])
    assert (typed.column.nulls, typed.null_count) == (("", "NA"), 2)
    assert (text.column.nulls, text.null_count) == (None, 0)


def test_what_spoke_against_a_stricter_type_is_counted_with_an_example_that_is_masked() -> None:
    proposals = propose(["zip"], [["12345"]] * 8 + [["01234"], ["Ümlaut-9"]])
    text = as_toml(proposals, ["of a test"], show_values=False)
    assert "# 10 rows, 3 different texts" in text
    assert '# not int: 2 rows, such as "99999" (begins with 0; set leading_zeros' in text
    assert "01234" not in text
    assert "01234" in as_toml(proposals, [], show_values=True)
    assert masked("Ada Ü 12_3") == "aaa a 99_9"
    assert len(masked("x" * 1000)) == 40


def test_of_two_orders_of_day_and_month_none_is_chosen() -> None:
    texts = ["01/02/2026", "03/03/2026", "12/11/2025"]
    text = as_toml(propose(["c"], [[each] for each in texts]), [], show_values=False)
    assert "# all fit date(%m/%d/%Y) and date(%d/%m/%Y): declare the one that is meant" in text
    assert 'type = "string"' in text
    assert proposed(*texts, "02/13/2026") == "date(%m/%d/%Y)"
    assert proposed(*texts, "13/02/2026") == "date(%d/%m/%Y)"


def test_far_off_types_are_not_mentioned() -> None:
    assert "not int" not in as_toml(propose(["c"], [["a"], ["b"]]), [], show_values=False)


NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4, unique=True).filter(
    lambda names: not {"_source_line", "_source_file"} & set(names)
)
TEXTS = st.one_of(
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(["", "NA", "true", "false", "1.0", "1e5", "2026-11-28", "{}", "\x7f", "\n"]),
    st.dates().map(str),
    st.text(max_size=5),
)


@given(st.data())
def test_the_table_is_read_again_and_fits_every_row(data: st.DataObject) -> None:
    names = data.draw(NAMES)
    fields = st.lists(TEXTS, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(fields, max_size=6))
    text = as_toml(propose(names, rows), ["of a test"], show_values=data.draw(st.booleans()))
    table: RecordTable = read_table(text, "columns.toml")
    check_columns(table, names, "s3://bucket/key")
    for name, column in zip(names, table.columns, strict=True):
        assert column.name == name
        convert = converter(column, column.nulls or (), b"")
        for row in rows:
            convert(row[names.index(name)])
