"""What a URI names, and what is refused of it."""

from __future__ import annotations

import pytest

from csvkafka.errors import ConfigError
from csvkafka.remote.place import RemotePlace
from tests.refusals import refusal


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("gs://data/a b?#%.csv", RemotePlace("gs", "data", "a b?#%.csv")),
        ("azure://box/x/y.csv", RemotePlace("azure", "box", "x/y.csv")),
        ("https://Host.example:8443/a/b.csv", RemotePlace("https", "host.example:8443", "a/b.csv")),
        ("https://h/a b%20ä.csv", RemotePlace("https", "h", "a%20b%20%C3%A4.csv")),
        ("https://h/a.csv?sig=S%2B1", RemotePlace("https", "h", "a.csv", "sig=S%2B1")),
        ("http://localhost:80/a.csv", RemotePlace("http", "localhost:80", "a.csv")),
        ("http://127.0.0.9/a.csv", RemotePlace("http", "127.0.0.9", "a.csv")),
        ("http://[::1]:9/a.csv", RemotePlace("http", "[::1]:9", "a.csv")),
    ],
)
def test_a_uri_names_a_place(source: str, place: RemotePlace) -> None:
    assert RemotePlace.parse(source) == place


def test_a_signature_is_shown_nowhere() -> None:
    place = RemotePlace.parse("https://h/a.csv?sig=SECRET")
    assert place.uri == "https://h/a.csv"
    assert "SECRET" not in repr(place)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("gs://data", "gs://BUCKET/OBJECT"),
        ("azure:///a.csv", "azure://CONTAINER/BLOB"),
        ("https://h/", "names no file"),
        ("https:///a.csv", "names no file"),
        ("https://h:port/a.csv", "is no URL"),
        ("https://h/a.csv#part", "write %23"),
        ("http://files.example/a.csv", "use https://"),
        ("https://user:SECRET@h/a.csv", "SOURCE_AUTHORIZATION"),
        ("https://SECRET@h/a.csv?sig=SECRET", "SOURCE_AUTHORIZATION"),
    ],
)
def test_what_names_none_is_refused_and_no_secret_is_shown(source: str, said: str) -> None:
    with refusal(ConfigError, match=said) as caught:
        RemotePlace.parse(source)
    assert "SECRET" not in str(caught.value)
