"""`python docker/images TASK`: each task that the noxfile runs is there, and tells its options."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CALLED = re.findall(r'"docker/images", "(\w+)"', (ROOT / "noxfile.py").read_text("utf-8"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "docker" / "images"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("task", ["build", "lock", "scan", "publish"])
def test_each_task_is_called_by_a_session_and_tells_its_options(task: str) -> None:
    assert task in CALLED
    helped = run(task, "--help")
    assert helped.returncode == 0, helped.stderr
    assert helped.stdout.startswith(f"usage: {task}")


def test_a_task_that_is_not_there_is_said_with_those_that_are() -> None:
    refused = run("bild")
    assert refused.returncode == 2
    assert "build      makes every image" in refused.stderr


def unlocked(dockerfile: str) -> list[str]:
    """What pip takes from an index there without the hashes of a lock file."""
    commands = re.split(r"&&|;|\n(?=[A-Z#])", dockerfile.replace("\\\n", " "))
    taken = [" ".join(each.split()) for each in commands if re.search(r"\bpip\b.* install\b", each)]
    return [
        each
        for each in taken
        if "--no-index" not in each
        and not re.search(r"--require-hashes .*-r (build-)?requirements\.lock$", each)
    ]


def test_the_jobs_image_is_built_of_the_lock_files_alone() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text("utf-8")
    assert text.count("--require-hashes") == 2, "nothing would be looked at"
    assert unlocked(text) == []
    assert unlocked(text.replace(" --no-index", "")) != []
    assert unlocked(text.replace("--require-hashes", "--upgrade")) != []
    for name in ("requirements.lock", "build-requirements.lock"):
        lines = (ROOT / "docker" / name).read_text("utf-8").replace("\\\n", " ").splitlines()
        packages = [line for line in lines if line and not line.startswith(("#", " "))]
        assert packages != []
        assert all(re.search(r"==\S+ .*--hash=sha256:", line) for line in packages), name
