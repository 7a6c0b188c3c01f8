"""The `docker` command as the image builds use it; errors are one line with the remedy."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOOK_ALIKE_LABEL = "csvkafka.look-alike"


class EngineError(Exception):
    """The engine, or a build, failed."""


def check() -> None:
    """Raises EngineError if no engine answers."""
    try:
        done = subprocess.run(
            [client(), "version", "--format", "{{.Server.Version}}"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
    except OSError as error:
        raise EngineError(f"the docker command cannot be run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise EngineError(
            f"no Docker engine can be used ({said}); start one (as root: dockerd), join the group "
            "docker, or set DOCKER_HOST"
        )


def run(arguments: Sequence[str], *, check: bool = True, stdin: int | None = None) -> int:
    """Runs `docker …` and returns its code; what it says is shown only if it fails and `check`."""
    done = _docker(arguments, stdin)
    if check and done.returncode != 0:
        raise _failure(arguments, done)
    return done.returncode


def output(arguments: Sequence[str]) -> str:
    """What `docker …` says. Raises EngineError, if it fails."""
    done = _docker(arguments)
    if done.returncode != 0:
        raise _failure(arguments, done)
    return done.stdout.decode("utf-8", "replace")


def _docker(
    arguments: Sequence[str], stdin: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [client(), *arguments],
        check=False, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )  # fmt: skip


def _failure(arguments: Sequence[str], done: subprocess.CompletedProcess[bytes]) -> EngineError:
    tail = "\n".join(done.stdout.decode("utf-8", "replace").splitlines()[-40:])
    return EngineError(f"`docker {arguments[0]}` failed ({done.returncode}):\n{tail}")


def git(*arguments: str) -> str:
    """What git says about this checkout; "" where that is none."""
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def build(
    context: Path, dockerfile: Path, tags: Sequence[str], arguments: Mapping[str, str],
    labels: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Builds an image with BuildKit. $PIP_CERT, where set, is given to pip as a build secret."""
    command = ["build", "--file", str(dockerfile)]
    for tag in tags:
        command += ["--tag", tag]
    for name, value in arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    for name, value in (labels or {}).items():
        command += ["--label", f"{name}={value}"]
    certificates = os.environ.get("PIP_CERT")
    if certificates:
        command += ["--secret", f"id=ca,src={certificates}"]
    run([*command, str(context)])


def revision() -> str:
    """The commit of this checkout, with -dirty behind it if a tracked file differs."""
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + ("-dirty" if changed else "")


def prune(label: str) -> None:
    """Removes the images with the label that have lost their name to a newer one."""
    run(["image", "prune", "--force", "--filter", f"label={label}"])


def image_exists(name: str) -> bool:
    """Whether the engine holds the image."""
    return _inspect(name, "{{.Id}}") != ""


def image_label(name: str, label: str) -> str:
    """The label's value, or "" if the image or the label is not there."""
    value = _inspect(name, f'{{{{index .Config.Labels "{label}"}}}}')
    return "" if value == "<no value>" else value


def image_size(name: str) -> int:
    """Bytes on disk, base image included."""
    return int(_inspect(name, "{{.Size}}"))


def _inspect(name: str, template: str) -> str:
    command = [client(), "image", "inspect", "--format", template, name]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


@functools.cache
def client() -> str:
    """A docker command that can build with BuildKit.

    From version 23 on the client needs the plugin buildx for that; without it, an older client
    further down the path is taken."""
    found = [
        str(path)
        for folder in os.get_exec_path()
        if os.access(path := Path(folder) / "docker", os.X_OK) and path.is_file()
    ]
    for client in found:
        if _succeeds([client, "buildx", "version"]) or _major_version(client) < 23:
            return client
    if found:
        raise EngineError("the docker command cannot use BuildKit; install docker-buildx-plugin")
    raise EngineError("there is no docker command; install docker.io (Debian) or Docker Desktop")


def _major_version(client: str) -> int:
    done = subprocess.run([client, "--version"], check=False, capture_output=True, text=True)
    words = done.stdout.replace(",", " ").split()
    return int(words[2].partition(".")[0]) if len(words) > 2 else 99


def _succeeds(command: Sequence[str]) -> bool:
    return shutil.which(command[0]) is not None and (
        subprocess.run(command, check=False, capture_output=True).returncode == 0
    )
