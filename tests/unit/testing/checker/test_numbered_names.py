"""The checker's own reading of CSV_DUPLICATE_COLUMNS=number agrees with the loader's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from csvkafka.rows.columns import numbered
from csvkafka.testing.checker.documented import numbered_names

NAMES = st.sampled_from(
    ["", "a", "a_2", "a_3", "column_1", "column_2", "column_2_2", "_source_line", "_source_line_2"]
)


@given(names=st.lists(NAMES, max_size=8))
def test_both_readings_give_the_same_names(names: list[str]) -> None:
    assert tuple(numbered_names(names)) == numbered(names)
