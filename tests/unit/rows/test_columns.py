"""No value of a row is lost to another column's name, and no record has a key twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.rows.columns import OWN_FIELDS, clashes, numbered, rest_key

NAMES = st.lists(
    st.sampled_from(["", "a", "a_2", "a_3", "column_1", "column_2", "null", "null_2", *OWN_FIELDS]),
    max_size=8,
)


@pytest.mark.parametrize(
    ("names", "clashing", "unique"),
    [
        (("id", "name", "name"), ["name"], ("id", "name", "name_2")),
        (("id", "", ""), [""], ("id", "column_2", "column_3")),
        (("id", ""), [], ("id", "column_2")),
        (("_source_line", "b"), ["_source_line"], ("_source_line_2", "b")),
        (("a", "a", "a_2"), ["a"], ("a", "a_3", "a_2")),
        (("column_2", ""), [], ("column_2", "column_2_2")),
        (("id", "name"), [], ("id", "name")),
    ],
)
def test_names_that_clash_and_what_they_become(
    names: tuple[str, ...], clashing: list[str], unique: tuple[str, ...]
) -> None:
    assert clashes(names) == clashing
    assert numbered(names) == unique


@given(names=NAMES)
def test_numbered_names_are_all_different_and_none_is_ours(names: list[str]) -> None:
    unique = numbered(names)
    assert len(set(unique)) == len(names)
    assert not clashes(unique)
    assert all(new == old for new, old in zip(unique, names, strict=True) if names.count(old) == 1
               and old and old not in OWN_FIELDS)  # fmt: skip


@given(names=NAMES)
def test_surplus_fields_have_a_name_that_no_column_has(names: list[str]) -> None:
    assert (rest_key(names) or "null") not in names
    if "null" not in names:
        assert rest_key(names) is None, "as csv.DictReader gives it"
