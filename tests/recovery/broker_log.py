"""Cuts a partition's log on disk, as an unclean leader election or a restored backup would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Protocol

from csvkafka.records.record_batch import read_headers, whole_batches


class BrokerOnDisk(Protocol):
    """A broker of any stack that can be killed, and whose data can be changed then."""

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def read_data(self, folder: str) -> dict[str, bytes]: ...

    def write_data(self, folder: str, files: Mapping[str, bytes]) -> None: ...


NO_OFFSETS = b"0\n0\n"
"""A checkpoint file of Kafka's (version, count of entries) that knows no partition."""

REBUILT = {".index", ".timeindex", ".txnindex", ".snapshot"}
"""What a broker that was killed makes anew from a log that no checkpoint file knows."""


def cut_log(broker: BrokerOnDisk, topic: str, kafka_offset: int) -> int:
    """Ends the log of partition 0 before the batch that holds `kafka_offset`; the broker must have
    been killed. Returns the log's new end offset."""
    folder = f"{topic}-0"
    files = broker.read_data(folder)
    (segment,) = (name for name in files if name.endswith(".log"))
    kept = new_end = 0
    for batch in whole_batches(files[segment]):
        (header,) = read_headers(batch)
        if header.last_kafka_offset >= kafka_offset:
            break
        kept += len(batch)
        new_end = header.last_kafka_offset + 1
    emptied = {name: b"" for name in files if PurePath(name).suffix in REBUILT}
    broker.write_data(folder, {segment: files[segment][:kept], **emptied})
    checkpoints = ("recovery-point-offset-checkpoint", "replication-offset-checkpoint")
    broker.write_data("", dict.fromkeys(checkpoints, NO_OFFSETS))
    return new_end
