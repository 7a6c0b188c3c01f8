"""docker/compose.yaml, by the commands in its head: the sample is loaded, and judged for good."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from csvkafka.local.ports import LOOPBACK, ReservedPort
from csvkafka.testing.stacks.containers import ContainerStack
from csvkafka.testing.stacks.engine import labels

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "docker" / "compose.yaml"
SERVICES = ("kafka", "localstack", "setup", "job", "verify")


class Compose:
    """The compose file as a project of its own, at ports of its own."""

    def __init__(self, command: list[str], override: Path) -> None:
        self.kafka_port, self.localstack_port = ReservedPort(), ReservedPort()
        everything = {"labels": labels()}
        override.write_text(
            json.dumps(
                {
                    "services": dict.fromkeys(SERVICES, everything),
                    "networks": {"default": everything},
                }
            )
        )
        files = ["-f", str(COMPOSE_FILE), "-f", str(override)]
        self._command = [*command, "-p", f"csvkafka-{uuid4().hex[:8]}", *files]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment: Mapping[str, str] = {
            **os.environ,
            "KAFKA_PORT": str(self.kafka_port.number),
            "LOCALSTACK_PORT": str(self.localstack_port.number),
        }
        return subprocess.run(
            [*self._command, *arguments],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self.kafka_port.number}"

    def close(self) -> None:
        self.run("down", "--volumes")
        self.kafka_port.release()
        self.localstack_port.release()


def compose_command() -> list[str] | None:
    """`docker compose`, or the older `docker-compose`; None: there is none."""
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            if not subprocess.run(
                [*command, "version"], check=False, capture_output=True
            ).returncode:
                return command
        except FileNotFoundError:
            continue
    return None


@pytest.fixture
def compose(containers: ContainerStack, tmp_path: Path) -> Iterator[Compose]:
    assert containers.engine.ping()
    command = compose_command()
    if command is None:
        pytest.skip("needs Docker Compose: apt-get install docker-compose (or docker-compose-v2)")
    running = Compose(command, tmp_path / "labels.json")
    try:
        yield running
    finally:
        running.close()


def test_the_sample_is_loaded_and_judged(compose: Compose) -> None:
    up = compose.run("up", "--detach")
    assert up.returncode == 0, up.stderr
    good = compose.run("run", "--rm", "verify")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "10 of 10 rows" in good.stdout

    topic = TopicPartition("csv-import", 0)
    consumer = KafkaConsumer(bootstrap_servers=compose.bootstrap_servers)
    consumer.assign([topic])
    consumer.seek(topic, 3)
    (fourth,) = consumer.poll(timeout_ms=30_000, max_records=1)[topic]
    consumer.close()
    assert json.loads(fourth.value)["remark"] == "two\nlines"

    producer = KafkaProducer(bootstrap_servers=compose.bootstrap_servers)
    producer.send("csv-import", fourth.value, partition=0).get(30)
    producer.close()
    bad = compose.run("run", "--rm", "verify")
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "duplicate-row" in bad.stdout
