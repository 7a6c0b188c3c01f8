"""Encode workers change nothing but the speed. (Their deaths are in tests/recovery.)"""

from __future__ import annotations

import pytest

from tests.integration.loads import LoadPlace

ROWS = 120_000
"""Some 70 blocks: far more than are read ahead."""

WORKERS = {"ENCODE_WORKERS": "2"}


def table() -> bytes:
    text = "x" * 120
    return b"id,text\n" + b"".join(b'%d,"%d,%s"\n' % (n, n, text.encode()) for n in range(ROWS))


def expected_records(place: LoadPlace) -> list[dict[str, object]]:
    source = f"s3://{place.bucket}/{place.key}"
    return [
        {
            "id": str(n),
            "text": f"{n},{'x' * 120}",
            "_source_line": n + 1,
            "_source_file": source,
        }
        for n in range(ROWS)
    ]


@pytest.fixture
def loaded_place(place: LoadPlace) -> LoadPlace:
    place.put(table())
    return place


def test_rows_are_the_same_and_in_order(loaded_place: LoadPlace) -> None:
    result = loaded_place.load(**WORKERS)
    assert result.row_count == ROWS
    assert loaded_place.records() == expected_records(loaded_place)


def test_a_transform_is_called_in_the_workers(place: LoadPlace) -> None:
    place.put(b"name\nada\ngrace\n")
    place.load(TRANSFORM="tests.integration.transforms:shout", **WORKERS)
    assert [record["name"] for record in place.records()] == ["ADA!", "GRACE!"]
