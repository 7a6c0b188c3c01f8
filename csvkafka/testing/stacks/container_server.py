"""One server in a container, handled like a process: killed, paused, cut off, started again.

It keeps its port on the host and its name in the network over all of that, so that the addresses
that clients were given stay valid. Its port is chosen first and stays reserved while it is down.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from csvkafka.errors import StackError
from csvkafka.local.ports import LOOPBACK, ReservedPort
from csvkafka.testing.stacks.engine import has_ended, labels, remove_container

END_TIMEOUT_SECONDS = 120.0

_LOG_LINES = 20
_PORT_TRIES = 3
_PORT_TAKEN_MARKS = ("port is already allocated", "address already in use")


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """What a container is made of.

    `port_count` ports of the host are reserved, and `environment` gets them. The server is to
    listen at the first `published_count` of them, by the same numbers (the first: or at `port`).
    `volumes` maps volumes to the paths where they are mounted."""

    image: str
    alias: str
    environment: Callable[[Sequence[int]], Mapping[str, str]]
    port: int | None = None
    port_count: int = 1
    published_count: int = 1
    volumes: Mapping[str, str] = field(default_factory=dict)
    memory_limit: str | None = None


class ContainerServer:
    """A server in a network. `launch` makes the container at first, then starts it again."""

    def __init__(self, plan: ContainerPlan, network: Network) -> None:
        self.plan = plan
        self._network = network
        self._reserved = self._reserve()
        self._container: Any = None

    def _reserve(self) -> tuple[ReservedPort, ...]:
        return tuple(ReservedPort() for _ in range(self.plan.port_count))

    def _release(self) -> None:
        for port in self._reserved:
            port.release()

    @property
    def ports(self) -> tuple[int, ...]:
        """Its ports on this host's loopback address."""
        return tuple(port.number for port in self._reserved)

    @property
    def address(self) -> str:
        """`host:port` for clients on this host."""
        return self.address_at(0)

    def address_at(self, place: int) -> str:
        """`host:port` of one of its ports."""
        return f"{LOOPBACK}:{self.ports[place]}"

    @property
    def container(self) -> Any:
        """The Docker SDK's container. Raises: StackError, if it was never started."""
        if self._container is None:
            raise StackError(f"{self.plan.alias} was never started")
        return self._container

    @property
    def pid(self) -> int:
        """Process id, on the engine's host, of the server."""
        return int(self._state()["Pid"])

    @property
    def is_running(self) -> bool:
        """Whether the server is there (a paused one is)."""
        return self._container is not None and bool(self._state()["Running"])

    def launch(self) -> None:
        """Starts it and does not wait. Raises: StackError, if it runs already or cannot start."""
        if self._container is not None:
            if self.is_running:
                raise StackError(f"{self.plan.alias} is running; kill or terminate it first")
            self._engine_does("start", self._container.start)
            return
        for remaining in reversed(range(_PORT_TRIES)):
            try:
                self._container = self._create()
                return
            except APIError as error:
                port_is_taken = any(mark in str(error) for mark in _PORT_TAKEN_MARKS)
                if remaining and port_is_taken:
                    self._release()
                    self._reserved = self._reserve()
                    continue
                raise StackError(f"{self.plan.alias} cannot be started: {error}") from error

    def _create(self) -> Any:
        plan = self.plan
        made = DockerContainer(plan.image, env=dict(plan.environment(self.ports)))
        made.with_network(self._network).with_network_aliases(plan.alias)
        published = self.ports[: plan.published_count]
        inside = (plan.port or published[0], *published[1:])
        made.ports = {
            str(there): (LOOPBACK, here) for there, here in zip(inside, published, strict=True)
        }
        for volume, path in plan.volumes.items():
            made.with_volume_mapping(volume, path, "rw")
        made.with_kwargs(labels=labels(), hostname=plan.alias, mem_limit=plan.memory_limit)
        try:
            made.start()
        except BaseException:
            if made._container is not None:
                remove_container(made._container)
            raise
        return made.get_wrapped_container()

    def log(self) -> str:
        """All that it has written so far, over every start."""
        return str(self.container.logs().decode("utf-8", "replace"))

    def log_tail(self) -> str:
        """The last lines of its log."""
        return str(self.container.logs(tail=_LOG_LINES).decode("utf-8", "replace"))

    def kill(self) -> None:
        """SIGKILL, of a paused one too; returns when it is gone."""
        self.send_signal("SIGKILL")
        self.wait_until_ended(END_TIMEOUT_SECONDS)

    def send_signal(self, name: str) -> None:
        """Sends the signal to the server."""
        self._engine_does("signal", lambda: self.container.kill(signal=name))

    def wait_until_ended(self, timeout_seconds: float) -> None:
        """Returns when it is gone. Raises: StackError with the end of its log."""
        if not self._engine_does(
            "wait for the end of", lambda: has_ended(self.container, timeout_seconds)
        ):
            raise StackError(
                f"{self.plan.alias} did not end within {timeout_seconds:.0f} s; its log ends:\n"
                + self.log_tail()
            )

    def pause(self) -> None:
        """Freezes it: connections stay open and nothing answers."""
        self._engine_does("pause", self.container.pause)

    def resume(self) -> None:
        """Thaws it, after `pause`."""
        self._engine_does("resume", self.container.unpause)

    def disconnect(self) -> None:
        """Cuts it off from everybody; it runs on."""
        self._engine_does("disconnect", lambda: _real(self._network).disconnect(self.container))

    def reconnect(self) -> None:
        """Ends `disconnect`, under the same name."""
        self._engine_does(
            "reconnect",
            lambda: _real(self._network).connect(self.container, aliases=[self.plan.alias]),
        )

    def read_files(self, folder: str) -> dict[str, bytes]:
        """Name -> content of the files in a folder of the container, which may be down."""
        archive = io.BytesIO()

        def read() -> None:
            archive.writelines(self.container.get_archive(folder)[0])

        self._engine_does("read files of", read)
        archive.seek(0)
        files = {}
        with tarfile.open(fileobj=archive) as tar:
            for member in tar:
                # The names begin with that of the folder itself.
                if member.isfile() and member.name.count("/") == 1:
                    content = tar.extractfile(member)
                    assert content is not None
                    files[member.name.partition("/")[2]] = content.read()
        return files

    def write_files(self, folder: str, files: Mapping[str, bytes], user_id: int) -> None:
        """Replaces files, which will be that user's, in a folder of the container."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.uid, member.gid = len(content), user_id, user_id
                tar.addfile(member, io.BytesIO(content))
        self._engine_does(
            "write files of", lambda: self.container.put_archive(folder, archive.getvalue())
        )

    def close(self) -> None:
        """Removes the container with all that it holds, and gives the port back."""
        if self._container is not None:
            remove_container(self._container)
            self._container = None
        self._release()

    def _state(self) -> dict[str, Any]:
        try:
            self.container.reload()
        except NotFound as error:
            raise StackError(f"the container of {self.plan.alias} has been removed") from error
        state: dict[str, Any] = self.container.attrs["State"]
        return state

    def _engine_does(self, what: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except DockerException as error:
            raise StackError(f"cannot {what} {self.plan.alias}: {error}") from error


def _real(network: Network) -> Any:
    return network._unwrap_network
