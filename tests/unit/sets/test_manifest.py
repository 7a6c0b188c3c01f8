"""Manifests in their three forms; what is wrong is named by its place."""

from __future__ import annotations

import pytest

from csvkafka.errors import ConfigError
from csvkafka.sets.manifest import Entry, read_manifest
from tests.refusals import refusal

URI = "s3://b/list"


def read(text: str) -> list[Entry]:
    return read_manifest(text.encode(), URI, "b")


def test_a_key_or_a_uri_a_line_sorted_by_key() -> None:
    entries = read("z.csv\r\n\ns3://b/a b+c%.csv\nÄ.csv\n")
    assert [(entry.key, entry.place) for entry in entries] == [
        ("a b+c%.csv", "line 3"),
        ("z.csv", "line 1"),
        ("Ä.csv", "line 4"),
    ]


def test_an_inventory_names_bucket_and_key_url_encoded() -> None:
    text = '"b","x/a%2Bb%20c.csv","12","2026-11-27T00:00:00Z"\n"b","x/d+e.csv","1","t"\n'
    assert [entry.key for entry in read(text)] == ["x/a+b c.csv", "x/d e.csv"]


def test_json_names_keys_uris_and_versions() -> None:
    entries = read('["c.csv", "s3://b/b.csv", {"key": "a.csv", "version_id": "v1"}]')
    assert entries == [
        Entry("a.csv", "entry 3", "v1"),
        Entry("b.csv", "entry 2"),
        Entry("c.csv", "entry 1"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.csv\nb.csv\na.csv\n", "line 3 names a.csv, as line 1 does"),
        ("a.csv\ns3://other/b.csv\n", "line 2 names bucket other, S3_BUCKET is b"),
        ('"other","a.csv"\n', "line 1 names bucket other"),
        ('"b"\n', "line 1 has one field"),
        ('["a.csv", 7]', "entry 2 names no key"),
        ('["a.csv", {"key": "b", "version_id": 7}]', "entry 2 has a version_id that is no text"),
        ('{"files": []}', "is no array"),
        ("[", "is no JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, said: str) -> None:
    with refusal(ConfigError, said) as caught:
        read(text)
    assert f"manifest {URI} (S3_MANIFEST)" in str(caught.value)


def test_a_manifest_that_is_no_utf_8_is_refused() -> None:
    with refusal(ConfigError, "byte 1 is no UTF-8"):
        read_manifest(b"a\xff", URI, "b")
