"""Listings, by a scripted S3: pages, names, refusals, and how many requests they take."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from csvkafka.aws.s3_listing import S3Listing
from csvkafka.aws.s3_set import Access, S3Set, SetPlace
from csvkafka.errors import ConfigError, SourceNotFoundError, SourceReadError
from csvkafka.model import Piece
from csvkafka.sets.manifest import Entry
from csvkafka.sets.selection import Globs
from tests.refusals import refusal
from tests.unit.stepped_clock import SteppedClock

PAGE = 1_000


class ScriptedS3:
    """A bucket of objects of 5 bytes; `failures` come before the next pages."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = sorted(keys)
        self.requests: list[Mapping[str, Any]] = []
        self.failures: list[Exception] = []
        self.more: dict[str, Any] = {}
        self.meta = SimpleNamespace(endpoint_url="http://s3", region_name="eu-west-1")

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if self.failures:
            raise self.failures.pop(0)
        after = request.get("ContinuationToken", request.get("StartAfter", ""))
        prefix = request["Prefix"]
        begin = max(bisect_right(self.keys, after), bisect_left(self.keys, prefix))
        page = [key for key in self.keys[begin : begin + PAGE] if key.startswith(prefix)]
        more = len(page) == PAGE and begin + PAGE < len(self.keys)
        return {
            "IsTruncated": more,
            "Contents": [
                {"Key": key, "ETag": f'"{key}"', "Size": 5, **self.more.get(key, {})}
                for key in page
            ],
            **({"NextContinuationToken": page[-1]} if more else {}),
        }


KEYS = [f"k/{n:05}.csv" for n in range(2_500)]


class ChangingS3(ScriptedS3):
    """Its objects change after the first page was given: `came` and `gone`."""

    def __init__(self, keys: list[str], came: list[str], gone: list[str]) -> None:
        super().__init__(keys)
        self.came, self.gone = came, gone

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        page = super().list_objects_v2(**request)
        self.keys = sorted({*self.keys, *self.came} - {*self.gone})
        return page


def refused(code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "ListObjectsV2")


def listing(s3: ScriptedS3, **more: Any) -> S3Listing:
    return S3Listing(s3, "b", SteppedClock(), **more)  # type: ignore[arg-type]


def set_of(s3: ScriptedS3, **place: Any) -> S3Set:
    return S3Set(SetPlace("b", **place), client=s3, clock=SteppedClock())  # type: ignore[arg-type]


def test_all_objects_under_a_prefix_page_by_page_without_a_head() -> None:
    s3 = ScriptedS3([*KEYS, "j/a.csv", "l/a.csv"])
    found = list(listing(s3, request_payer="requester").under("k/"))
    assert [each.key for each in found] == KEYS
    assert found[7].piece == Piece(KEYS[7], f'"{KEYS[7]}"', 5)
    assert len(s3.requests) == 3
    assert {request["RequestPayer"] for request in s3.requests} == {"requester"}


def test_a_listing_that_changes_between_two_pages_gives_each_key_once_in_order() -> None:
    """A key that came before the place is not seen, one behind it is; what went from pages that
    were given is found when it is read, what went from the others is no part of the set."""
    came = ["k/00000a.csv", f"{KEYS[999]}a", "k/02200a.csv"]
    s3 = ChangingS3(KEYS, came, gone=[KEYS[5], KEYS[999], KEYS[1_500]])
    found = [piece.key for piece in set_of(s3, prefix="k/").pieces()]
    assert found == sorted({*KEYS, *came[1:]} - {KEYS[1_500]})
    again = [piece.key for piece in set_of(s3, prefix="k/").pieces()]
    assert again == s3.keys


def test_named_keys_of_a_listing_that_changes_between_two_pages_are_those_that_are_there() -> None:
    s3 = ChangingS3(KEYS, ["k/00000a.csv", "k/01000a.csv"], gone=[KEYS[5], KEYS[1_500]])
    found = [each.key for each in listing(s3).named(KEYS)]
    assert found == [key for key in KEYS if key != KEYS[1_500]]


def test_named_keys_take_a_request_a_page_and_none_for_pages_without_them() -> None:
    s3 = ScriptedS3(KEYS)
    assert [each.key for each in listing(s3).named(KEYS)] == KEYS
    assert len(s3.requests) == 3
    s3.requests.clear()
    wanted = [KEYS[3], KEYS[2_400]]
    assert [each.key for each in listing(s3).named(wanted)] == wanted
    assert len(s3.requests) == 2


def test_named_keys_that_are_not_there_are_left_out() -> None:
    s3 = ScriptedS3(KEYS)
    wanted = ["k/", KEYS[0], KEYS[0] + "x", KEYS[2_000], "k/99999.csv"]
    assert [each.key for each in listing(s3).named(wanted)] == [KEYS[0], KEYS[2_000]]
    assert list(listing(s3).named([])) == []


def test_a_manifest_may_name_what_is_gone_where_the_set_goes_on_without_it() -> None:
    s3 = ScriptedS3(["k/a", "k/c", "k/e", "m"])
    objects = S3Set(
        SetPlace("b", manifest="m"),
        client=s3,  # type: ignore[arg-type]
        clock=SteppedClock(),
        is_without=["k/b", "k/d"].__contains__,
    )
    entries = [Entry(f"k/{name}", "line") for name in "abcde"]
    assert [each.key for each in objects._named(entries)] == ["k/a", "k/c", "k/e"]
    with refusal(SourceNotFoundError, "there is no s3://b/k/f, which line 9 of the manifest"):
        list(objects._named([*entries, Entry("k/f", "line 9")]))


def test_a_restored_object_is_told_from_an_archived_one() -> None:
    s3 = ScriptedS3(["a", "b"])
    restored = {"RestoreStatus": {"IsRestoreInProgress": False, "RestoreExpiryDate": "soon"}}
    s3.more = {"a": {"StorageClass": "GLACIER"}, "b": {"StorageClass": "GLACIER", **restored}}
    assert [each.is_restored for each in listing(s3).under("")] == [False, True]
    assert s3.requests[0]["OptionalObjectAttributes"] == ["RestoreStatus"]


def test_a_page_that_fails_is_asked_for_again() -> None:
    s3 = ScriptedS3(KEYS)
    s3.failures = [refused("SlowDown", 503)]
    found: Iterator[Any] = listing(s3).under("k/")
    next(found)
    s3.failures = [refused("InternalError", 500), EndpointConnectionError(endpoint_url="x")]
    assert sum(1 for _ in found) == len(KEYS) - 1
    assert len(s3.requests) == 6


@pytest.mark.parametrize(
    ("failure", "kind", "said"),
    [
        (refused("AccessDenied", 403), SourceReadError, "s3:ListBucket on the bucket"),
        (refused("NoSuchBucket", 404), SourceNotFoundError, "there is no bucket b"),
    ],
)
def test_a_refused_listing_names_bucket_and_right(
    failure: Exception, kind: type[SourceReadError], said: str
) -> None:
    s3 = ScriptedS3([])
    s3.failures = [failure]
    with refusal(kind, said):
        list(listing(s3).under("k/"))


def test_s3_that_cannot_be_reached_is_given_up_soon() -> None:
    s3 = ScriptedS3([])
    s3.failures = [EndpointConnectionError(endpoint_url="http://s3")] * 1_000
    with refusal(SourceReadError, "S3 cannot be reached"):
        list(listing(s3).under("k/"))


@pytest.mark.parametrize(
    ("keys", "globs", "said"),
    [
        ([], Globs(), "there is no object under s3://b/k/; check S3_PREFIX"),
        (["k/a.csv"], Globs(("*.gz",)), "no glob of S3_INCLUDE .* matches: k/a.csv; check"),
        (["k/a.csv"], Globs((), ("a*",)), r"a\* of S3_EXCLUDE matches: k/a.csv; check"),
    ],
)
def test_a_set_of_nothing_is_refused(keys: list[str], globs: Globs, said: str) -> None:
    with refusal(ConfigError, said):
        set_of(ScriptedS3(keys), prefix="k/", globs=globs).pieces()


def test_a_set_by_prefix_is_what_the_globs_take() -> None:
    objects = set_of(ScriptedS3([*KEYS, "k/x.txt"]), prefix="k/", globs=Globs(("*.csv",)))
    assert [piece.key for piece in objects.pieces()] == KEYS
    assert (objects.bucket, objects.name, objects.left_out.count) == ("b", "k/", 1)
    assert Access().request_payer is None
