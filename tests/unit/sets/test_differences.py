"""What changed, is missing or new in a set, by key."""

from __future__ import annotations

import pytest

from csvkafka.errors import SourceChangedError
from csvkafka.model import Piece
from csvkafka.sets.differences import differences
from tests.refusals import refusal

FROZEN = [Piece(key, '"e"', 5) for key in "bdf"]


def check(*now: Piece) -> list[str]:
    return differences(FROZEN, now).check("j", "s3://b/p")


def test_the_same_objects_are_no_difference() -> None:
    assert check(*FROZEN) == []


def test_new_objects_are_named_and_do_not_stop_the_job() -> None:
    (warning,) = check(Piece("a", '"e"', 1), *FROZEN, Piece("g", '"e"', 1))
    assert warning.startswith("2 objects of s3://b/p came after job j was begun")
    assert ": a, g;" in warning


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([FROZEN[0], FROZEN[2]], "1 object missing: d;"),
        ([], r"3 objects missing: b, d, f; put the old .* back \(or set S3_INCLUDE and S3_EXCL"),
        ([FROZEN[0], Piece("d", '"x"', 5), FROZEN[2]], r'1 object changed: d \(ETag "e" of 5'),
        ([FROZEN[0], Piece("d", '"e"', 6), FROZEN[2]], "1 object changed: d"),
        ([Piece("d", '"e"', 6), FROZEN[2]], "1 object changed: d .*; 1 object missing: b;"),
    ],
)
def test_what_changed_or_is_missing_is_refused_by_key(now: list[Piece], said: str) -> None:
    with refusal(SourceChangedError, said):
        check(*now)


def test_what_became_of_a_skipped_object_does_not_count() -> None:
    before = [Piece("a", "1", 1), Piece("b", "1", 1), Piece("c", "1", 1)]
    changed = [Piece("a", "2", 9), Piece("c", "1", 1), Piece("d", "1", 1)]
    found = differences(before, changed, {"a", "b"})
    assert (found.changed.count, found.missing.count, found.new.count) == (0, 0, 1)
    assert differences(before, changed, {"b"}).changed.count == 1
