"""Kafka, S3 and DynamoDB on this machine, from pip packages alone, for tests and first steps.

    with EmbeddedStack(broker_count=1) as stack:
        stack.create_topic("rows")
        stack.create_bucket("data")

It is ready when `start` returns, or when `with` is entered. Several stacks can run at once: each
has its own ports, folder and cluster id. When this process ends, killed or not, nothing of the
stack is left running or on disk, except the cache of jars.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from csvkafka.errors import StackError
from csvkafka.local.aws import AwsServer
from csvkafka.local.base import Stack
from csvkafka.local.broker import Broker, BrokerCluster
from csvkafka.local.jars import kafka_class_path
from csvkafka.local.java import java_command, java_home
from csvkafka.local.processes import Guardian, log_tail
from csvkafka.local.releases import choose_release

if TYPE_CHECKING:
    from pathlib import Path

_Part = TypeVar("_Part")

_TOOL_TIMEOUT_SECONDS = 600.0
_TOOL_JVM_OPTIONS = ("-Xmx512m",)

BROKER_JVM_OPTIONS = ("-Xmx512m", "-XX:TieredStopAtLevel=1")


class EmbeddedStack(Stack):
    """One or three Kafka brokers, and one server for S3 and DynamoDB.

    `kafka_release` is the brokers' release, e.g. "3.9.1" or "4.0" (None: $CSVKAFKA_KAFKA_RELEASE,
    else the default of `releases`).
    `properties` are Kafka server properties of every broker, e.g. {"message.max.bytes": "2097152"}.
    `jvm_options` replace the brokers' (`BROKER_JVM_OPTIONS`, which favour a fast start: pass
    ("-Xmx1g",) where throughput over minutes is measured). Without `has_aws` there is only Kafka.
    Memory: -Xmx and some 150 MB for each broker; 100 MB and three times the largest object for S3.
    """

    def __init__(
        self,
        broker_count: int = 1,
        *,
        kafka_release: str | None = None,
        properties: Mapping[str, str] | None = None,
        jvm_options: Sequence[str] = BROKER_JVM_OPTIONS,
        has_aws: bool = True,
    ) -> None:
        if broker_count not in (1, 3):
            raise StackError(f"broker_count is {broker_count}; the stack runs 1 or 3 brokers")
        self.broker_count = broker_count
        self.kafka_release = choose_release(kafka_release)
        self._properties = dict(properties or {})
        self._jvm_options = tuple(jvm_options)
        self._has_aws = has_aws
        self._guardian: Guardian | None = None
        self._cluster: BrokerCluster | None = None
        self._aws: AwsServer | None = None
        self._class_path = ""
        self._tool_numbers = itertools.count(1)

    def start(self) -> Self:
        """Starts everything; returns when every server serves.

        The first start of a release on a machine fetches 45 MB of jars.
        Raises: StackError, and then nothing is left running."""
        if self._guardian is not None:
            raise StackError("the stack is running already")
        self._class_path = kafka_class_path(self.kafka_release)
        guardian = Guardian()
        self._guardian = guardian
        try:
            if self._has_aws:
                self._aws = AwsServer(guardian)
                self._aws.launch()
            self._cluster = BrokerCluster(
                guardian,
                self._class_path,
                self.broker_count,
                self._properties,
                self._jvm_options,
            )
            self._cluster.start()
            if self._aws is not None:
                self._aws.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Kills the servers and removes their folder; the second call does nothing."""
        if self._guardian is not None:
            self._guardian.close()
        if self._aws is not None:
            self._aws.close()
        for broker in self._cluster.brokers if self._cluster is not None else ():
            broker.release_ports()
        self._guardian = self._cluster = self._aws = None

    @property
    def folder(self) -> Path:
        """All that the stack has on disk; gone after `close`."""
        return _started(self._guardian).folder

    @property
    def brokers(self) -> tuple[Broker, ...]:
        """The brokers, to be killed, paused and started again."""
        return _started(self._cluster).brokers

    @property
    def aws(self) -> AwsServer:
        """The server of S3 and DynamoDB."""
        return _started(self._aws)

    @property
    def guardian_pid(self) -> int:
        """Process id of the guardian, which ends everything when this process is gone."""
        return _started(self._guardian).pid

    @property
    def bootstrap_servers(self) -> str:
        """`host:port,…` of all brokers."""
        return _started(self._cluster).bootstrap_servers

    @property
    def aws_endpoint_url(self) -> str:
        """Where S3 and DynamoDB answer."""
        return self.aws.endpoint_url

    def environment(self) -> dict[str, str]:
        """Variables that point boto3, csvkafka and (by class path) Kafka's tools at this stack."""
        return {
            **(self.aws.environment() if self._has_aws else {}),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "JAVA_HOME": str(java_home()),
            "CLASSPATH": self._class_path,
        }

    def kafka_tool(
        self,
        main_class: str,
        arguments: Sequence[str],
        timeout_seconds: float = _TOOL_TIMEOUT_SECONDS,
    ) -> str:
        """Runs one of Kafka's tools and returns what it printed (both streams).

        For example `kafka_tool("org.apache.kafka.tools.TopicCommand", ["--bootstrap-server",
        stack.bootstrap_servers, "--list"])`.
        Raises: StackError with the end of its output, if it fails or takes too long."""
        guardian = _started(self._guardian)
        folder = guardian.folder / f"tool-{next(self._tool_numbers)}"
        folder.mkdir()
        command = java_command(
            self._class_path,
            main_class,
            arguments,
            jvm_options=_TOOL_JVM_OPTIONS,
            temporary_folder=folder,
            log_level="error",
        )
        process = guardian.spawn(command, folder / "output")
        in_time = process.wait(timeout_seconds)
        if not in_time:
            process.kill()
        code = process.return_code()
        if code != 0:
            why = f"ended with {code}" if in_time else f"took longer than {timeout_seconds} s"
            raise StackError(f"{main_class} {why}; it printed:\n{log_tail(process.log)}")
        return process.log.read_text("utf-8", "replace")


def _started(part: _Part | None) -> _Part:
    if part is None:
        raise StackError("the stack is not running; use it inside `with`, or call start()")
    return part
