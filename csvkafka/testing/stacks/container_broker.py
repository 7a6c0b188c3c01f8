"""Apache Kafka brokers (KRaft) in containers, by the public image's own variables.

Each node is broker and controller. Clients on the host reach it at its own port, brokers and
containers in the network by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docker.errors import DockerException
from testcontainers.core.network import Network

from csvkafka.errors import StackError
from csvkafka.local.broker import START_TIMEOUT_SECONDS, STOP_TIMEOUT_SECONDS
from csvkafka.local.data_folder import kafka_uuid
from csvkafka.local.ports import LOOPBACK
from csvkafka.local.processes import wait_until
from csvkafka.testing.stacks.container_disk import SmallDisk
from csvkafka.testing.stacks.container_server import ContainerPlan, ContainerServer
from csvkafka.testing.stacks.engine import LOOK_SECONDS, has_ended, labels, remove_container

DATA_FOLDER = "/tmp/kraft-combined-logs"
USER_ID = 1000
"""Of the public image's user."""

_INTERNAL_PORT = 19092
_CONTROLLER_PORT = 9093
_STARTED_MARK = "Kafka Server started"
_RUN_CLASS = "/opt/kafka/bin/kafka-run-class.sh"


class ContainerBroker(ContainerServer):
    """One node of the cluster."""

    def __init__(
        self, node_id: int, plan: ContainerPlan, network: Network, disk: SmallDisk | None
    ) -> None:
        super().__init__(plan, network)
        self.node_id = node_id
        self._disk = disk
        self._starts = 0

    @property
    def internal_address(self) -> str:
        """`host:port` for brokers and containers in the network."""
        return f"{self.plan.alias}:{_INTERNAL_PORT}"

    @property
    def disk(self) -> SmallDisk:
        """Where its data are. Raises: StackError, if the stack was made without `broker_disk`."""
        if self._disk is None:
            raise StackError("this broker has no disk of its own; give the stack a broker_disk")
        return self._disk

    @property
    def proxied_address(self) -> str:
        """`host:port` of a second listener, for a proxy; it sends clients to `proxy_address`."""
        return self.address_at(1)

    @property
    def proxy_address(self) -> str:
        """`host:port` where nobody listens until a test puts a proxy before `proxied_address`."""
        return self.address_at(2)

    def launch(self) -> None:
        """Starts the container and does not wait. Raises: StackError, if it runs already."""
        self._starts = self.log().count(_STARTED_MARK) if self._container is not None else 0
        super().launch()

    def wait_until_ready(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Returns when the broker serves. Raises: StackError with the end of its log."""
        ready = wait_until(
            lambda: self._serves() or not self.is_running, timeout_seconds, LOOK_SECONDS
        )
        if not ready or not self._serves():
            why = f"is not ready after {timeout_seconds:.0f} s" if not ready else "ended"
            raise StackError(f"broker {self.node_id} {why}; its log ends:\n{self.log_tail()}")

    def start(self) -> None:
        """Starts it (again) on the same port and data; returns when it serves."""
        self.launch()
        self.wait_until_ready()

    def terminate(self) -> None:
        """SIGTERM, a controlled shutdown; returns when it is gone."""
        self.send_signal("SIGTERM")
        self.wait_until_ended(STOP_TIMEOUT_SECONDS)

    def says(self, text: bytes) -> bool:
        """Whether the text is in what it wrote since it was first started."""
        return text.decode() in self.log()

    def read_data(self, folder: str) -> dict[str, bytes]:
        """As an embedded broker's `read_data`."""
        return self.read_files(f"{DATA_FOLDER}/{folder}".rstrip("/"))

    def write_data(self, folder: str, files: Mapping[str, bytes]) -> None:
        """As an embedded broker's `write_data`."""
        self.write_files(f"{DATA_FOLDER}/{folder}".rstrip("/"), files, USER_ID)

    def _serves(self) -> bool:
        return self.log().count(_STARTED_MARK) > self._starts


def new_cluster(
    network: Network,
    image: str,
    broker_count: int,
    properties: Mapping[str, str],
    jvm_options: Sequence[str],
    *,
    disks: Mapping[int, SmallDisk],
    memory_limit: str | None = None,
) -> tuple[ContainerBroker, ...]:
    """Brokers that will form a cluster of their own; not started yet."""
    names = {node_id: f"kafka-{node_id}" for node_id in range(1, broker_count + 1)}
    shared = {
        **_cluster_settings(names),
        **{variable_of(name): value for name, value in properties.items()},
        **_jvm_variables(jvm_options),
        "CLUSTER_ID": kafka_uuid(),
    }

    def broker(node_id: int, name: str) -> ContainerBroker:
        def environment(ports: Sequence[int]) -> dict[str, str]:
            return {**_node_settings(node_id, name, ports), **shared}

        disk = disks.get(node_id)
        plan = ContainerPlan(
            image,
            name,
            environment,
            port_count=3,
            published_count=2,
            volumes={disk.volume_name: DATA_FOLDER} if disk else {},
            memory_limit=memory_limit,
        )
        return ContainerBroker(node_id, plan, network, disk)

    return tuple(broker(node_id, name) for node_id, name in names.items())


def variable_of(server_property: str) -> str:
    """The public image's variable of a server property: `log.dirs` -> `KAFKA_LOG_DIRS`."""
    escaped = server_property.replace("_", "__").replace("-", "___").replace(".", "_")
    return f"KAFKA_{escaped.upper()}"


def _node_settings(node_id: int, name: str, ports: Sequence[int]) -> dict[str, str]:
    port, proxied_port, proxy_port = ports
    return {
        "KAFKA_NODE_ID": str(node_id),
        "KAFKA_LISTENERS": (
            f"HOST://0.0.0.0:{port},INTERNAL://0.0.0.0:{_INTERNAL_PORT},"
            f"CONTROLLER://0.0.0.0:{_CONTROLLER_PORT},PROXIED://0.0.0.0:{proxied_port}"
        ),
        "KAFKA_ADVERTISED_LISTENERS": (
            f"HOST://{LOOPBACK}:{port},INTERNAL://{name}:{_INTERNAL_PORT},"
            f"PROXIED://{LOOPBACK}:{proxy_port}"
        ),
    }


def _cluster_settings(names: Mapping[int, str]) -> dict[str, str]:
    copies = str(len(names))
    settings = {
        "process.roles": "broker,controller",
        "controller.quorum.voters": ",".join(
            f"{node_id}@{name}:{_CONTROLLER_PORT}" for node_id, name in names.items()
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": (
            "HOST:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT"
        ),
        "log.dirs": DATA_FOLDER,
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "3",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": str(min(2, len(names))),
        "transaction.state.log.num.partitions": "3",
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": str(min(2, len(names))),
        "share.coordinator.state.topic.num.partitions": "3",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker's place is free after this time, not after Kafka's 9 s.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }
    return {variable_of(name): value for name, value in settings.items()}


def _jvm_variables(jvm_options: Sequence[str]) -> dict[str, str]:
    heap = [option for option in jvm_options if option.startswith("-Xm")]
    other = [option for option in jvm_options if not option.startswith("-Xm")]
    return {
        "KAFKA_HEAP_OPTS": " ".join(heap),
        "KAFKA_JVM_PERFORMANCE_OPTS": " ".join(("-XX:+UseSerialGC", *other)),
    }


def run_tool(
    engine: Any, image: str, main_class: str, arguments: Sequence[str], timeout_seconds: float
) -> str:
    """Runs one of Kafka's tools in a container of its own, on the host's network."""
    container = engine.containers.create(
        image,
        entrypoint=[_RUN_CLASS],
        command=[main_class, *arguments],
        environment={"KAFKA_HEAP_OPTS": "-Xmx512m"},
        network_mode="host",
        labels=labels(),
    )
    try:
        container.start()
        if has_ended(container, timeout_seconds):
            container.reload()
            code = container.attrs["State"]["ExitCode"]
            why = f"ended with {code}"
        else:
            code, why = None, f"took longer than {timeout_seconds} s"
        printed = str(container.logs().decode("utf-8", "replace"))
        if code != 0:
            raise StackError(f"{main_class} {why}; it printed:\n{printed[-4000:]}")
        return printed
    except DockerException as error:
        raise StackError(f"{main_class} cannot be run in a container: {error}") from error
    finally:
        remove_container(container)
