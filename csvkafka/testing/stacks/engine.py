"""The Docker engine as the harness uses it: found, or named as missing with the remedy.

Everything that the harness creates there carries `OWNER_LABEL`, which says which process it belongs
to. What a killed run left behind is removed by the next one, and what a living one uses is not.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from docker.errors import APIError, DockerException, NotFound
from testcontainers.core.config import testcontainers_config

import docker
from csvkafka.errors import StackError
from csvkafka.ledger.owner import is_known_dead, this_incarnation
from csvkafka.testing.stacks.images import Image

OWNER_LABEL = "csvkafka.owner"

_OURS = this_incarnation()
_REMOVAL_TIMEOUT_SECONDS = 120
_IN_USE = (HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN)
"""A container, or a network with a container on it, whose removal is under way."""

LOOK_SECONDS = 0.2
"""Between two looks at a container: each question to the engine costs 5 ms of processor time, half
of it there and half of it here."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Its clean-up container would be one more image to fetch; OWNER_LABEL does that work.
testcontainers_config.ryuk_disabled = True


def labels() -> dict[str, str]:
    """The labels of whatever this process creates on the engine."""
    return {OWNER_LABEL: _OURS}


def connect() -> Any:
    """A client of the engine that $DOCKER_HOST, or the default socket, leads to.

    Raises: StackError, in one line with the remedy, if none answers."""
    try:
        return docker.from_env(timeout=300)
    except DockerException as error:
        raise StackError(_why_no_engine(error)) from error


def _why_no_engine(error: Exception) -> str:
    where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if "PermissionError" in str(error):
        return (
            f"the Docker engine at {where} may not be used by this user; join the group docker, "
            "or take the embedded stack (--stack embedded)"
        )
    return (
        f"no Docker engine answers at {where}; start one (as root: dockerd) or set DOCKER_HOST, "
        "or take the embedded stack (--stack embedded)"
    )


def require_images(client: Any, images: Iterable[Image]) -> None:
    """Raises StackError, naming the remedy, if the engine lacks one of the images."""
    for image in images:
        try:
            client.images.get(image.name)
        except NotFound as error:
            raise StackError(
                f"the image {image.name} is not there; fetch it (docker pull {image.name}) or make "
                f"it (nox -s images), or name another in {image.variable}"
            ) from error


def remove_leftovers(client: Any) -> list[str]:
    """Removes what runs that were killed have left; returns the names of what was removed.

    Containers go with their anonymous volumes, and before the networks that they hang on."""
    removed = []
    every_one = {"label": OWNER_LABEL}
    for container in client.containers.list(all=True, filters=every_one, ignore_removed=True):
        if is_abandoned(container.labels[OWNER_LABEL]):
            remove_container(container)
            removed.append(container.name)
    for part in (*client.networks.list(filters=every_one), *client.volumes.list(filters=every_one)):
        if is_abandoned(part.attrs["Labels"][OWNER_LABEL]):
            _remove(part)
            removed.append(part.name)
    return removed


def is_abandoned(owner: str) -> bool:
    """Whether the process that the label names is gone: it ended, or this host was started anew."""
    if is_known_dead(owner):
        return True
    host, _, rest = owner.partition("/")
    try:
        this_boot = _BOOT_ID.read_text().strip()
    except OSError:
        return False
    return host == socket.gethostname() and rest.partition("/")[0] not in ("-", this_boot)


def has_ended(container: Any, timeout_seconds: float) -> bool:
    """Waits until the container has ended, by one question that the engine answers then; returns
    False if the time is over before. Raises: DockerException, if the container is not there."""
    try:
        container.wait(timeout=timeout_seconds)
    except requests.RequestException:  # of docker-py, if the time is over; or the engine is gone
        container.reload()
        return not container.attrs["State"]["Running"]
    return True


def remove_container(container: Any) -> None:
    """Kills and removes a container and its anonymous volumes; nothing if it is gone."""
    _remove(container, force=True, v=True)


def _remove(part: Any, **options: bool) -> None:
    """Returns once the part is gone, by whomever: runs side by side find the same leftovers.

    The engine refuses what it is about to remove for another, until that is done."""
    deadline = time.monotonic() + _REMOVAL_TIMEOUT_SECONDS
    while True:
        try:
            part.remove(**options)
            return
        except NotFound:
            return
        except APIError as error:
            if error.status_code not in _IN_USE or time.monotonic() > deadline:
                raise
        time.sleep(0.1)
