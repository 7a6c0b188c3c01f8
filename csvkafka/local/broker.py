"""Real Apache Kafka brokers (KRaft) on loopback: one node, or a quorum of three.

Each node is broker and controller. A broker that was killed is started again on the same port and
the same data. A broker counts as ready when it says that it has started, which it does once the
controller lets it serve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM

from csvkafka.errors import StackError
from csvkafka.local.data_folder import format_data_folder, kafka_uuid
from csvkafka.local.java import java_command
from csvkafka.local.ports import LOOPBACK, ReservedPort
from csvkafka.local.processes import GuardedProcess, Guardian, is_stopped, log_tail, wait_until

START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 120.0
PAUSE_TIMEOUT_SECONDS = 60.0

_STARTED_MARK = b"Kafka Server started"
_PORT_TAKEN_MARK = b"Address already in use"
_START_TRIES = 3


class Broker:
    """One node of the cluster. Its folder holds its log file, settings and data."""

    def __init__(
        self,
        node_id: int,
        folder: Path,
        guardian: Guardian,
        class_path: str,
        jvm_options: Sequence[str],
        new_port: Callable[[], ReservedPort],
    ) -> None:
        self.node_id = node_id
        self.folder = folder
        self.log = folder / "broker.log"
        self._guardian = guardian
        self._class_path = class_path
        self._jvm_options = jvm_options
        self._ports = (new_port(), new_port(), new_port(), new_port())
        self._process: GuardedProcess | None = None
        self._log_start = 0
        (folder / "tmp").mkdir(parents=True)

    @property
    def address(self) -> str:
        """`host:port` that clients use."""
        return f"{LOOPBACK}:{self._ports[0].number}"

    @property
    def controller_address(self) -> str:
        """`host:port` that the quorum uses."""
        return f"{LOOPBACK}:{self._ports[1].number}"

    @property
    def proxied_address(self) -> str:
        """`host:port` of a second listener, for a proxy; it sends clients to `proxy_address`."""
        return f"{LOOPBACK}:{self._ports[2].number}"

    @property
    def proxy_address(self) -> str:
        """`host:port` where nobody listens until a test puts a proxy before `proxied_address`."""
        return f"{LOOPBACK}:{self._ports[3].number}"

    @property
    def pid(self) -> int:
        """Process id of the JVM. Raises: StackError, if it was never started."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether the JVM is there (a paused one is)."""
        return self._process is not None and self._process.return_code() is None

    def format(self, settings: Mapping[str, str], cluster_id: str) -> None:
        """Writes the settings and a data folder that no broker has used."""
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        format_data_folder(
            self.data_folder, self._guardian, self._class_path, cluster_id, self.node_id
        )

    def launch(self) -> None:
        """Starts the JVM and does not wait. Raises: StackError, if it runs already."""
        if self.is_running:
            raise StackError(f"broker {self.node_id} is running; kill or terminate it first")
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._process = self._spawn(
            "kafka.Kafka", [str(self.folder / "server.properties")], self._jvm_options, "info"
        )

    def wait_until_ready(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Returns when the broker serves. Raises: StackError with the end of its log."""
        process = self._running()
        ready = wait_until(lambda: self.says(_STARTED_MARK) or not self.is_running, timeout_seconds)
        if not ready or not self.says(_STARTED_MARK):
            why = f"is not ready after {timeout_seconds:.0f} s" if not ready else "ended"
            raise StackError(f"broker {self.node_id} {why}; its log ends:\n{log_tail(process.log)}")

    def start(self) -> None:
        """Starts it (again) on the same port and data; returns when it serves."""
        self.launch()
        self.wait_until_ready()

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._running().kill()

    def terminate(self) -> None:
        """SIGTERM, a controlled shutdown; returns when the process is gone."""
        process = self._running()
        process.send_signal(SIGTERM)
        if not process.wait(STOP_TIMEOUT_SECONDS):
            raise StackError(
                f"broker {self.node_id} did not end within {STOP_TIMEOUT_SECONDS:.0f} s of "
                f"SIGTERM; its log ends:\n{log_tail(self.log)}"
            )

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing answers, once this returns."""
        process = self._running()
        process.send_signal(SIGSTOP)
        wait_until(lambda: is_stopped(process.pid), PAUSE_TIMEOUT_SECONDS)

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self._running().send_signal(SIGCONT)

    def read_data(self, folder: str) -> dict[str, bytes]:
        """Name -> content of the files in a folder of its data ("" is the topmost one), e.g. the
        log of partition 0 in "my-topic-0". It must be down."""
        return {
            path.name: path.read_bytes()
            for path in (self.data_folder / folder).iterdir()
            if path.is_file()
        }

    def write_data(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Replaces files in a folder of its data. It must be down."""
        for name, content in files.items():
            (self.data_folder / folder / name).write_bytes(content)

    @property
    def data_folder(self) -> Path:
        """Where its data are."""
        return self.folder / "data"

    def close(self) -> None:
        """Ends the process if it runs, and gives its ports back."""
        if self.is_running:
            self.kill()
        self.release_ports()

    def release_ports(self) -> None:
        """Gives its ports back; for a broker whose process is gone."""
        for port in self._ports:
            port.release()

    def _running(self) -> GuardedProcess:
        if self._process is None:
            raise StackError(f"broker {self.node_id} was never started")
        return self._process

    def says(self, text: bytes) -> bool:
        """Whether the text is in what the newest process wrote to the log."""
        if not self.log.exists():
            return False  # no process was ever started
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return text in log.read()

    def _spawn(
        self, main_class: str, arguments: list[str], jvm_options: Sequence[str], log_level: str
    ) -> GuardedProcess:
        command = java_command(
            self._class_path,
            main_class,
            arguments,
            jvm_options=jvm_options,
            temporary_folder=self.folder / "tmp",
            log_level=log_level,
        )
        return self._guardian.spawn(command, self.log)


class BrokerCluster:
    """One or three brokers that form a cluster of their own.

    `properties` are Kafka's own server properties; they go before those chosen here.
    `jvm_options` go to each broker's JVM.
    """

    def __init__(
        self,
        guardian: Guardian,
        class_path: str,
        broker_count: int,
        properties: Mapping[str, str],
        jvm_options: Sequence[str],
        new_port: Callable[[], ReservedPort] = ReservedPort,
    ) -> None:
        self._guardian = guardian
        self._class_path = class_path
        self._broker_count = broker_count
        self._properties = properties
        self._jvm_options = jvm_options
        self._new_port = new_port
        self.brokers: tuple[Broker, ...] = ()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port,…` of all brokers, running or not."""
        return ",".join(broker.address for broker in self.brokers)

    def start(self) -> None:
        """Formats and starts all brokers; returns when each serves.

        A port that somebody took between choosing and listening costs another try with new ports.
        Raises: StackError with the end of a broker's log."""
        for attempt in range(_START_TRIES):
            self.brokers = tuple(
                self._new_broker(node_id, attempt) for node_id in range(1, self._broker_count + 1)
            )
            try:
                self._start_brokers()
            except StackError:
                for broker in self.brokers:
                    broker.close()
                port_was_taken = any(broker.says(_PORT_TAKEN_MARK) for broker in self.brokers)
                if not port_was_taken or attempt == _START_TRIES - 1:
                    raise
            else:
                return

    def _new_broker(self, node_id: int, attempt: int) -> Broker:
        folder = self._guardian.folder / f"broker-{node_id}-{attempt}"
        return Broker(
            node_id, folder, self._guardian, self._class_path, self._jvm_options, self._new_port
        )

    def _start_brokers(self) -> None:
        cluster_id = kafka_uuid()
        for broker in self.brokers:
            broker.format(self._settings(broker), cluster_id)
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_until_ready()

    def _settings(self, broker: Broker) -> dict[str, str]:
        copies = str(self._broker_count)
        in_sync = str(min(2, self._broker_count))
        return {
            "node.id": str(broker.node_id),
            "process.roles": "broker,controller",
            "listeners": f"PLAINTEXT://{broker.address},CONTROLLER://{broker.controller_address},"
            f"PROXIED://{broker.proxied_address}",
            "advertised.listeners": f"PLAINTEXT://{broker.address},PROXIED://{broker.proxy_address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "PROXIED:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(
                f"{other.node_id}@{other.controller_address}" for other in self.brokers
            ),
            "log.dirs": str(broker.data_folder),
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "3",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": "3",
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            "share.coordinator.state.topic.num.partitions": "3",
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker's place is free after this time, not after Kafka's 9 s.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # Nobody watches the quorum by records that say nothing; two a second are a third of
            # what a broker does that nobody asks anything.
            "metadata.max.idle.interval.ms": "0",
            **self._properties,
        }
