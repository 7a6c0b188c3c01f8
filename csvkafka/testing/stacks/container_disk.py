"""A small disk for a server in a container, which can be filled and freed again.

It is a volume in memory. A keeper container holds it, so what is on it stays while the server is
down, as on a real disk, and can be filled from outside.
"""

from __future__ import annotations

import contextlib
from typing import Any

from docker.errors import DockerException, NotFound

from csvkafka.errors import StackError
from csvkafka.testing.stacks.engine import labels, remove_container

_FOLDER = "/disk"
_FILLER = f"{_FOLDER}/filler"


class SmallDisk:
    """A volume of `size` (as in "200m") that belongs to user `user_id`; `image` needs sh and dd.

    Costs as much memory as is written to it."""

    def __init__(self, engine: Any, image: str, size: str, user_id: int) -> None:
        options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size},uid={user_id},mode=755"}
        self._volume = engine.volumes.create(driver="local", driver_opts=options, labels=labels())
        try:
            self._keeper = engine.containers.run(
                image,
                entrypoint=["sleep", "infinity"],
                init=True,
                volumes={self.volume_name: {"bind": _FOLDER, "mode": "rw"}},
                labels=labels(),
                network_mode="none",
                detach=True,
            )
        except DockerException:
            self._volume.remove()
            raise

    @property
    def volume_name(self) -> str:
        """To be mounted in the server's container."""
        return str(self._volume.name)

    def free_bytes(self) -> int:
        """What is left on it."""
        return 1024 * int(self._run(f"df -k {_FOLDER} | tail -n 1").split()[3])

    def fill(self, leave_bytes: int) -> None:
        """Writes a file that leaves so much; what is freed meanwhile is not filled again."""
        blocks = max(0, self.free_bytes() - leave_bytes) // 4096
        self._run(f"dd if=/dev/zero of={_FILLER} bs=4096 count={blocks} 2>&1")

    def empty(self) -> None:
        """Removes the file again."""
        self._run(f"rm {_FILLER}")

    def close(self) -> None:
        """Removes the volume; its server must be gone."""
        remove_container(self._keeper)
        with contextlib.suppress(NotFound):
            self._volume.remove()

    def _run(self, command: str) -> str:
        code, printed = self._keeper.exec_run(["sh", "-c", command])
        if code != 0:
            raise StackError(f"`{command}` failed on a small disk: {printed.decode()}")
        return str(printed.decode())
