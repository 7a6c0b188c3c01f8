"""Lists what is in the job's image, and fails if a known severe weakness in it has a remedy.

Run as `python docker/images scan` (`nox -s scan`), after the image is built. Writes the list as
dist/sbom.cdx.json (CycloneDX). Both tools run as containers, so their images must be there or be
pulled.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence

import engine

from csvkafka.testing.stacks import images

SBOM = engine.ROOT / "dist" / "sbom.cdx.json"
SOCKET = "/var/run/docker.sock"
LEAST_SEVERITY = "high"


def list_contents() -> None:
    """Writes the bill of materials."""
    SBOM.parent.mkdir(exist_ok=True)
    command = ["run", "--rm", "--volume", f"{SOCKET}:{SOCKET}:ro", images.SYFT.name]
    command += ["scan", f"docker:{images.JOB.name}", "--output", "cyclonedx-json", "--quiet"]
    with SBOM.open("wb") as file:
        done = subprocess.run([engine.client(), *command], check=False, stdout=file)
    if done.returncode != 0:
        SBOM.unlink()
        raise engine.EngineError(f"{images.SYFT.name} failed: see above")


def judge_contents() -> int:
    """Grype's exit code: not 0 if a weakness that has a remedy is severe."""
    command = ["run", "--rm", "--interactive", images.GRYPE.name]
    command += ["--only-fixed", "--fail-on", LEAST_SEVERITY]
    with SBOM.open("rb") as file:
        return subprocess.run([engine.client(), *command], check=False, stdin=file).returncode


def main(arguments: Sequence[str]) -> int:
    """Lists and judges; the exit code is Grype's."""
    argparse.ArgumentParser(prog="scan", description=__doc__).parse_args(arguments)
    engine.check()
    list_contents()
    return judge_contents()
