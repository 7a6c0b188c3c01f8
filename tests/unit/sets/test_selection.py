"""Which objects of a listing are files of a set, and what is said of the others."""

from __future__ import annotations

import pytest

from csvkafka.errors import ConfigError, SourceReadError
from csvkafka.sets.selection import Globs, LeftOut, ListedObject, globs_of, select
from tests.refusals import refusal


def listed(*keys: str, size: int = 9) -> list[ListedObject]:
    return [ListedObject(key, '"e"', size) for key in keys]


def keys(objects: list[ListedObject], globs: Globs | None = None) -> list[str]:
    return [piece.key for piece in select(objects, globs or Globs(), LeftOut(), "b")]


def test_folders_empty_objects_and_markers_are_left_out_and_said() -> None:
    left_out = LeftOut()
    objects = [
        ListedObject("d/", '"e"', 0),
        ListedObject("d/_SUCCESS", '"e"', 12),
        ListedObject("d/a.csv", '"e"', 5),
        ListedObject("d/empty.csv", '"e"', 0),
    ]
    assert [piece.key for piece in select(objects, Globs(), left_out, "b")] == ["d/a.csv"]
    assert left_out.count == 3
    assert left_out.lines() == [
        "a folder: d/",
        "a _SUCCESS marker: d/_SUCCESS",
        "empty: d/empty.csv",
    ]


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ("*.csv", "", ["x/a.csv", "x/old/a.csv"]),
        ("*.csv, *.gz", "", ["x/a.csv", "x/b.csv.gz", "x/old/a.csv"]),
        ("", "*.gz", ["x/a.csv", "x/old/a.csv"]),
        ("", "x/old/*", ["x/a.csv", "x/b.csv.gz"]),
        ("x/*.csv", "", ["x/a.csv", "x/old/a.csv"]),
        ("?.csv", "x/a*", ["x/old/a.csv"]),
    ],
)
def test_globs_are_held_against_the_name_or_against_the_whole_key(
    include: str, exclude: str, taken: list[str]
) -> None:
    globs = Globs(globs_of(include), globs_of(exclude))
    assert keys(listed("x/a.csv", "x/b.csv.gz", "x/old/a.csv"), globs) == taken


def test_many_keys_of_one_reason_are_counted_and_the_first_are_named() -> None:
    left_out = LeftOut()
    list(select(listed(*(f"{n:02}" for n in range(9)), size=0), Globs(), left_out, "b"))
    assert left_out.lines() == ["empty: 00, 01, 02, 03, 04 and 4 more"]


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_refused_by_key_unless_it_was_restored(storage_class: str) -> None:
    archived = ListedObject("a.csv", '"e"', 9, storage_class)
    with refusal(SourceReadError, rf"s3://b/a.csv is archived \({storage_class}\): restore it"):
        keys([archived])
    assert keys([ListedObject("a.csv", '"e"', 9, storage_class, is_restored=True)]) == ["a.csv"]
    assert keys([archived], Globs(exclude=("a.*",))) == []


def test_an_archived_object_that_a_set_goes_on_without_is_left_out_and_said() -> None:
    archived = ListedObject("b.csv", '"e"', 9, "GLACIER")
    left_out = LeftOut()
    objects = [*listed("a.csv"), archived, *listed("c.csv")]
    taken = select(objects, Globs(), left_out, "b", lambda key: key == "b.csv")
    assert [piece.key for piece in taken] == ["a.csv", "c.csv"]
    assert left_out.lines() == ["archived, and not needed by the job: b.csv"]


def test_a_listing_that_does_not_rise_is_refused() -> None:
    with refusal(ConfigError, "bucket b lists a after c"):
        keys(listed("c", "a"))
