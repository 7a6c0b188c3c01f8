"""Writes the lock files of the images anew: every package by version and hash, for their Python.

Run as `python docker/images lock` (`nox -s lock`), with `uv` on the path, after a range in
`pyproject.toml` has changed, or to take newer releases.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence

from engine import ROOT

PYTHON_VERSION = "3.13"
EXTRAS = ("zstd", "lz4", "snappy", "msk", "registry")
LOCALSTACK = "docker/look_alikes/localstack"
LOCKS = {
    "docker/requirements.lock": "pyproject.toml",
    "docker/build-requirements.lock": "docker/build-requirements.in",
    f"{LOCALSTACK}/requirements.lock": f"{LOCALSTACK}/requirements.in",
}
HEADER = "# Written by `python docker/images lock`. Linux, Python {version}.\n"


def lock(target: str, source: str) -> None:
    """Resolves the source and writes the target."""
    extras = [f"--extra={extra}" for extra in EXTRAS] if source == "pyproject.toml" else []
    command = ["uv", "pip", "compile", "--quiet", "--upgrade", "--generate-hashes"]
    command += ["--python-version", PYTHON_VERSION, "--python-platform", "linux"]
    command += ["--no-header", "--no-annotate", "--strip-extras", *extras, source]
    locked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (ROOT / target).write_text(HEADER.format(version=PYTHON_VERSION) + locked)


def main(arguments: Sequence[str]) -> int:
    """Writes all of them."""
    argparse.ArgumentParser(prog="lock", description=__doc__).parse_args(arguments)
    for target, source in LOCKS.items():
        lock(target, source)
    return 0
