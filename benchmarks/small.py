"""Many small objects, and one with the same rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import contenders
from benchmarks.contenders import Result
from benchmarks.ground import Ground
from benchmarks.small_server import ALL, PREFIX

ROWS = 200
"""Of each object."""

SECONDS = 0.03
"""Until S3 answers."""


@contextmanager
def small_contenders(
    ground: Ground, folder: Path, count: int
) -> Iterator[list[Callable[[], Result]]]:
    """The load of one object, and that of the set of `count` with the same rows; both while the
    server of these objects runs."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.small_server", str(folder / "flights.csv"),
         str(count), str(ROWS), str(SECONDS)],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{int(server.stdout.readline())}"}

        def load(name: str, **place: str) -> Callable[[], Result]:
            return lambda: contenders.small_objects(ground, name, url | place, count * ROWS)

        yield [load("one object", S3_KEY=ALL), load(f"objects of {ROWS} rows", S3_PREFIX=PREFIX)]
    finally:
        server.kill()
        server.wait()
