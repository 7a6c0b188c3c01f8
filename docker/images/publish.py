"""Pushes the job's image that is here, and was tested, under a registry's name.

    python docker/images publish ghcr.io/OWNER/csvkafka     (`nox -s publish -- …`)

Tags: the commit, `main` on the main branch, and for a tag vX.Y.Z of git its version and `latest`.
Refuses an image that was not built from this very commit, and a version that is not that of the git
tag. Log in before (`docker login`). `--output FILE` appends `digest=sha256:…` to the file.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

import engine

from csvkafka import __version__
from csvkafka.testing.stacks import images

_LABEL = "org.opencontainers.image"


def tags(commit: str, ref: str) -> list[str]:
    """The tags for a commit, and for what git calls it: refs/heads/main or refs/tags/vX.Y.Z."""
    if ref == f"refs/tags/v{__version__}":
        return [commit, __version__, "latest"]
    if ref.startswith("refs/tags/"):
        raise engine.EngineError(f"{ref} is not v{__version__}, the version of this checkout")
    return [commit, "main"] if ref == "refs/heads/main" else [commit]


def check_image(commit: str) -> None:
    """Raises EngineError unless the image was built from this commit and has this version."""
    for label, expected in (("revision", commit), ("version", __version__)):
        found = engine.image_label(images.JOB.name, f"{_LABEL}.{label}")
        if found != expected:
            raise engine.EngineError(
                f"{images.JOB.name} has the {label} {found or 'unknown'}, not {expected}; build it "
                "(nox -s images) and test it (nox -s containers) first"
            )


def push(target: str, names: list[str]) -> str:
    """Pushes every tag; returns the digest that the registry gives all of them."""
    digests = set()
    for name in names:
        engine.run(["tag", images.JOB.name, f"{target}:{name}"])
        said = engine.output(["push", f"{target}:{name}"])
        found = re.search(r"digest: (sha256:[0-9a-f]{64})", said)
        if found is None:
            raise engine.EngineError(f"`docker push` named no digest:\n{said[-2000:]}")
        digests.add(found[1])
    if len(digests) != 1:
        raise engine.EngineError(f"the tags got different digests: {', '.join(sorted(digests))}")
    return digests.pop()


def main(arguments: Sequence[str]) -> int:
    """Checks, pushes, and prints the digest."""
    parser = argparse.ArgumentParser(
        prog="publish", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", help="the image's name at its registry, without a tag")
    parser.add_argument("--output", type=Path, help="file that gets the line digest=sha256:…")
    options = parser.parse_args(arguments)
    engine.check()
    commit = engine.git("rev-parse", "HEAD")
    branch = engine.git("rev-parse", "--symbolic-full-name", "HEAD")
    names = tags(commit, os.environ.get("GITHUB_REF") or branch)
    check_image(commit)
    digest = push(options.target, names)
    print(f"{options.target}@{digest}: {', '.join(names)}")
    if options.output is not None:
        with options.output.open("a") as file:
            file.write(f"digest={digest}\n")
    return 0
