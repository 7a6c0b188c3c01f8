"""A broker's data folder, formatted: what Kafka's StorageTool writes, without a JVM for each.

All that the tool writes depends on Kafka's release alone, except `meta.properties`: that names the
cluster, the node and the folder. So it formats one folder for each release, kept beside the jars.
Each broker gets a copy, with a `meta.properties` of its own. That saves a quarter of the processor
time of a broker's start.

The voters stand in the brokers' settings (`controller.quorum.voters`). In the other form of a
quorum they would stand in the formatted folder too, with their ports.
"""

from __future__ import annotations

import base64
import shutil
import uuid
from pathlib import Path

from csvkafka.errors import StackError
from csvkafka.local.java import java_command
from csvkafka.local.made_once import made_once
from csvkafka.local.processes import Guardian, log_tail

_META_PROPERTIES = "meta.properties"
_FORMAT_JVM_OPTIONS = ("-Xmx128m", "-XX:TieredStopAtLevel=1")
_FORMAT_SECONDS = 180.0


def kafka_uuid() -> str:
    """A new random UUID in Kafka's spelling (URL-safe base64, 22 characters)."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def format_data_folder(
    folder: Path, guardian: Guardian, class_path: str, cluster_id: str, node_id: int
) -> None:
    """Makes the folder, formatted for a node of these jars' release.

    Raises: StackError with what Kafka's tool said, where the release's first folder fails."""
    pattern = Path(class_path).with_name("formatted")
    try:
        made_once(pattern, lambda target: _format(target, guardian, class_path))
    except OSError:  # a cache that cannot be written
        pattern = guardian.folder / "formatted"
        made_once(pattern, lambda target: _format(target, guardian, class_path))
    shutil.copytree(pattern, folder)
    properties = {
        "version": "1",
        "cluster.id": cluster_id,
        "node.id": str(node_id),
        "directory.id": kafka_uuid(),
    }
    _write_properties(folder / _META_PROPERTIES, properties)


def _format(target: Path, guardian: Guardian, class_path: str) -> None:
    """Has Kafka's tool format the folder, for a cluster that there is not."""
    work = guardian.folder / "format"
    (work / "tmp").mkdir(parents=True, exist_ok=True)
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": "1@127.0.0.1:9093",
        "log.dirs": str(target),
    }
    _write_properties(work / "server.properties", settings)
    command = java_command(
        class_path,
        "kafka.tools.StorageTool",
        ["format", "--cluster-id", kafka_uuid(), "--config", str(work / "server.properties")],
        jvm_options=_FORMAT_JVM_OPTIONS,
        temporary_folder=work / "tmp",
        log_level="error",
    )
    process = guardian.spawn(command, work / "output")
    if not process.wait(_FORMAT_SECONDS) or process.return_code() != 0:
        raise StackError(
            f"Kafka's StorageTool could not format a data folder; it said:\n{log_tail(process.log)}"
        )
    (target / _META_PROPERTIES).unlink()


def _write_properties(path: Path, properties: dict[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
