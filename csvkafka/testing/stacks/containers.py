"""Apache Kafka and LocalStack in containers, with the interface of the embedded stack.

    with ContainerStack(broker_count=3) as stack:
        stack.create_topic("rows")
        stack.brokers[0].disconnect()

The images are named in `images.py`. Containers in `stack.network_name` reach the servers by
`stack.container_environment()`. What LocalStack holds is in memory: a restart of it loses the
buckets and the checkpoint table, so a test that restarts it can only look at what happens next.
"""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Self

from docker.errors import DockerException
from testcontainers.core.network import Network

from csvkafka.errors import StackError
from csvkafka.local.aws import CREDENTIALS, REGION
from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.local.releases import choose_release
from csvkafka.local.stack import BROKER_JVM_OPTIONS
from csvkafka.testing.stacks import images
from csvkafka.testing.stacks.container_broker import USER_ID, ContainerBroker, new_cluster, run_tool
from csvkafka.testing.stacks.container_disk import SmallDisk
from csvkafka.testing.stacks.container_server import ContainerPlan, ContainerServer
from csvkafka.testing.stacks.engine import (
    LOOK_SECONDS,
    connect,
    labels,
    remove_leftovers,
    require_images,
)

AWS_ALIAS = "localstack"
AWS_PORT = 4566
AWS_START_TIMEOUT_SECONDS = 180.0

_TOOL_TIMEOUT_SECONDS = 600.0


class ContainerAws(ContainerServer):
    """LocalStack's S3 and DynamoDB. What it holds is in memory: a kill loses it."""

    def __init__(self, network: Network) -> None:
        environment = {
            "SERVICES": "s3,dynamodb",
            "DISABLE_EVENTS": "1",
            "EAGER_SERVICE_LOADING": "1",
        }
        plan = ContainerPlan(images.LOCALSTACK.name, AWS_ALIAS, lambda _: environment, AWS_PORT)
        super().__init__(plan, network)

    @property
    def endpoint_url(self) -> str:
        """Where S3 and DynamoDB answer on this host."""
        return f"http://{self.address}"

    @property
    def process(self) -> Self:
        """The server, to be killed, paused or watched."""
        return self

    def environment(self) -> dict[str, str]:
        """Variables that point boto3, and all that is built on it, at this server."""
        return aws_environment(self.endpoint_url)

    def localstack_session(self) -> Any:
        """A `localstack_client` session of this server; it takes boto3.Session's place."""
        from localstack_client.session import Session

        return Session(
            aws_access_key_id=CREDENTIALS,
            aws_secret_access_key=CREDENTIALS,
            region_name=REGION,
            localstack_host=self.address,
        )

    def start(self) -> None:
        """Starts it (again) on the same port; returns when it answers."""
        self.launch()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns when S3 and DynamoDB answer. Raises: StackError with the end of its log."""
        wait_until(
            lambda: self._answers() or not self.is_running, AWS_START_TIMEOUT_SECONDS, LOOK_SECONDS
        )
        if not self.is_running or not self._answers():
            raise StackError(f"{AWS_ALIAS} did not start; its log ends:\n{self.log_tail()}")

    def _answers(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.endpoint_url}/_localstack/health", timeout=5.0) as answer:
                services = json.load(answer)["services"]
        except (OSError, ValueError, KeyError):
            return False
        return all(services.get(name) in ("available", "running") for name in ("s3", "dynamodb"))


class ContainerStack(Stack):
    """One or three Kafka brokers and LocalStack, in a network of their own.

    `kafka_release` is the brokers' release (None: as for the embedded stack). `properties` are
    Kafka server properties of every broker; `jvm_options` go to each broker's JVM.
    `broker_disk` gives each broker's data a small disk of that size, e.g. "200m", which can be
    filled (`SmallDisk`); `broker_memory_limit` limits each broker's container, e.g. "1g".
    """

    def __init__(
        self,
        broker_count: int = 1,
        *,
        kafka_release: str | None = None,
        properties: Mapping[str, str] | None = None,
        jvm_options: Sequence[str] = BROKER_JVM_OPTIONS,
        broker_disk: str | None = None,
        broker_memory_limit: str | None = None,
    ) -> None:
        if broker_count not in (1, 3):
            raise StackError(f"broker_count is {broker_count}; the stack runs 1 or 3 brokers")
        self.broker_count = broker_count
        self.kafka_release = choose_release(kafka_release)
        self._kafka_image = images.kafka_image(self.kafka_release).name
        self._properties = dict(properties or {})
        self._jvm_options = tuple(jvm_options)
        self._broker_disk = broker_disk
        self._broker_memory_limit = broker_memory_limit
        self._engine: Any = None
        self._network: Network | None = None
        self._aws: ContainerAws | None = None
        self._brokers: tuple[ContainerBroker, ...] = ()
        self._disks: dict[int, SmallDisk] = {}

    def start(self) -> Self:
        """Removes what killed runs have left, starts everything, and waits until it serves.

        Raises: StackError, and then nothing is left running."""
        if self._engine is not None:
            raise StackError("the stack is running already")
        self._engine = connect()
        try:
            require_images(self._engine, images.stack_images(self.kafka_release))
            remove_leftovers(self._engine)
            self._network = Network(docker_network_kw={"labels": labels()}).create()
            self._aws = ContainerAws(self._network)
            self._aws.launch()
            self._make_disks()
            self._brokers = new_cluster(
                self._network,
                self._kafka_image,
                self.broker_count,
                self._properties,
                self._jvm_options,
                disks=self._disks,
                memory_limit=self._broker_memory_limit,
            )
            for broker in self._brokers:
                broker.launch()
            for broker in self._brokers:
                broker.wait_until_ready()
            self._aws.wait_until_ready()
        except DockerException as error:
            self.close()
            raise StackError(f"the engine cannot start the stack: {error}") from error
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Removes the containers and the network; the second call does nothing."""
        for server in (*self._brokers, *([self._aws] if self._aws is not None else [])):
            server.close()
        for disk in self._disks.values():
            disk.close()
        if self._network is not None:
            with contextlib.suppress(DockerException):
                self._network.remove()
        if self._engine is not None:
            self._engine.close()
        self._engine = self._network = self._aws = None
        self._brokers = ()
        self._disks = {}

    def _make_disks(self) -> None:
        if self._broker_disk is not None:
            for node_id in range(1, self.broker_count + 1):
                self._disks[node_id] = SmallDisk(
                    self._engine, self._kafka_image, self._broker_disk, USER_ID
                )

    @property
    def engine(self) -> Any:
        """The Docker SDK's client."""
        self._require_started()
        return self._engine

    @property
    def brokers(self) -> tuple[ContainerBroker, ...]:
        """The brokers, to be killed, paused, cut off and started again."""
        self._require_started()
        return self._brokers

    @property
    def aws(self) -> ContainerAws:
        """The server of S3 and DynamoDB."""
        if self._aws is None:
            raise StackError("the stack is not running; use it inside `with`, or call start()")
        return self._aws

    @property
    def network_name(self) -> str:
        """The Docker network of the servers."""
        if self._network is None:
            raise StackError("the stack is not running; use it inside `with`, or call start()")
        return str(self._network.name)

    @property
    def bootstrap_servers(self) -> str:
        """`host:port,…` of all brokers, for clients on this host."""
        return ",".join(broker.address for broker in self.brokers)

    @property
    def aws_endpoint_url(self) -> str:
        """Where S3 and DynamoDB answer, for clients on this host."""
        return self.aws.endpoint_url

    def environment(self) -> dict[str, str]:
        """Variables that point boto3 and csvkafka, on this host, at this stack."""
        return {**self.aws.environment(), "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers}

    def container_environment(self) -> dict[str, str]:
        """The same variables for a container in `network_name`."""
        return {
            **aws_environment(f"http://{AWS_ALIAS}:{AWS_PORT}"),
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(broker.internal_address for broker in self.brokers),
        }

    def kafka_tool(
        self,
        main_class: str,
        arguments: Sequence[str],
        timeout_seconds: float = _TOOL_TIMEOUT_SECONDS,
    ) -> str:
        """Runs one of Kafka's tools on this host's network and returns what it printed.

        Raises: StackError with the end of its output, if it fails or takes too long."""
        return run_tool(self.engine, self._kafka_image, main_class, arguments, timeout_seconds)

    def _require_started(self) -> None:
        if self._engine is None:
            raise StackError("the stack is not running; use it inside `with`, or call start()")


def aws_environment(endpoint_url: str) -> dict[str, str]:
    """Variables that point boto3 at the endpoint, with credentials that LocalStack takes."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": CREDENTIALS,
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
