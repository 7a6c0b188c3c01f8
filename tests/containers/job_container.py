"""The job's image, run as `docker run` would, in the network of the stack's containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from csvkafka.errors import StackError
from csvkafka.testing.stacks.containers import ContainerStack
from csvkafka.testing.stacks.engine import has_ended, labels, remove_container
from csvkafka.testing.stacks.images import JOB

END_TIMEOUT_SECONDS = 240.0
KILLED = 137


class JobContainer:
    """One run of the job."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def state(self) -> dict[str, Any]:
        """Docker's view of it: Status, ExitCode, OOMKilled, StartedAt, …"""
        self.container.reload()
        state: dict[str, Any] = self.container.attrs["State"]
        return state

    @property
    def is_running(self) -> bool:
        return bool(self.state()["Running"])

    def kill(self) -> None:
        """`docker kill`: SIGKILL."""
        self.container.kill()
        self.wait()

    def stop(self) -> int:
        """SIGTERM, and SIGKILL thirty seconds later, as ECS does. Returns the exit code."""
        self.container.stop(timeout=30)
        return self.wait()

    def wait(self, timeout_seconds: float = END_TIMEOUT_SECONDS) -> int:
        """Its exit code, once it has ended."""
        if not has_ended(self.container, timeout_seconds):
            raise StackError(f"the job runs on after {timeout_seconds} s:\n{self.output()[-4000:]}")
        return int(self.state()["ExitCode"])

    def output(self, *, stdout: bool = True, stderr: bool = True) -> str:
        """What it printed."""
        return str(self.container.logs(stdout=stdout, stderr=stderr).decode("utf-8", "replace"))


class JobContainers:
    """Starts jobs; on leaving, whatever is left of them is removed."""

    def __init__(self, stack: ContainerStack) -> None:
        self._stack = stack
        self._started: list[JobContainer] = []

    def start(self, settings: Mapping[str, str], *command: str, **options: Any) -> JobContainer:
        """`docker run --detach`, with the stack's variables and these. `options` are the Docker
        SDK's: read_only, user, mem_limit, hostname, …"""
        environment = {**settings, **self._stack.container_environment()}
        container = self._stack.engine.containers.create(
            JOB.name,
            command=list(command),
            environment=environment,
            labels=labels(),
            **{"network": self._stack.network_name, **options},
        )
        job = JobContainer(container)
        self._started.append(job)
        container.start()
        return job

    def run(self, settings: Mapping[str, str], *command: str, **options: Any) -> JobContainer:
        """`docker run`; returns when it has ended."""
        job = self.start(settings, *command, **options)
        job.wait()
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for job in self._started:
            remove_container(job.container)
