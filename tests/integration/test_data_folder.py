"""A release's data folder is formatted once; each broker's copy is a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.local.data_folder import format_data_folder
from csvkafka.local.jars import kafka_class_path
from csvkafka.local.processes import Guardian


@pytest.fixture
def class_path(tmp_path: Path) -> str:
    """The jars, in a cache that nothing was formatted for."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for jar in Path(kafka_class_path()).parent.glob("*.jar"):
        (cache / jar.name).symlink_to(jar)
    return f"{cache}/*"


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def properties(folder: dict[str, bytes]) -> dict[str, str]:
    lines = folder.pop("meta.properties").decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_copies_differ_in_what_names_them_alone(class_path: str, tmp_path: Path) -> None:
    guardian = Guardian()
    try:
        for node_id in (1, 2):
            folder = tmp_path / f"broker-{node_id}"
            format_data_folder(folder, guardian, class_path, "cluster", node_id)
    finally:
        guardian.close()
    first, second = contents(tmp_path / "broker-1"), contents(tmp_path / "broker-2")
    one, other = properties(first), properties(second)
    # The tool writes the time into what it formats, so it was run once.
    assert first == second != {}
    assert one.pop("directory.id") != other.pop("directory.id")
    assert one == {"version": "1", "cluster.id": "cluster", "node.id": "1"}
    assert other == {"version": "1", "cluster.id": "cluster", "node.id": "2"}
    kept = Path(class_path).with_name("formatted")
    assert contents(kept) == first


def test_a_cache_that_cannot_be_written_costs_no_more_than_time(tmp_path: Path) -> None:
    # What would be kept lies beside the last of the jars: here below a file.
    class_path = f"/dev/null/:{kafka_class_path()}"
    guardian = Guardian()
    try:
        format_data_folder(tmp_path / "data", guardian, class_path, "cluster", 1)
        assert (guardian.folder / "formatted").is_dir()
    finally:
        guardian.close()
    assert len(contents(tmp_path / "data")) == 2
