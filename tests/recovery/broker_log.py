"""Cuts a partition's log on disk, as an unclean leader election or a restored backup would."""

from __future__ import annotations

from csvkafka.local.broker import Broker
from csvkafka.record_batch import read_headers, whole_batches


def cut_log(broker: Broker, topic: str, kafka_offset: int) -> int:
    """Ends the log of partition 0 before the batch that holds `kafka_offset`; the broker must have
    been killed. Returns the log's new end offset."""
    folder = broker.folder / "data" / f"{topic}-0"
    (segment,) = folder.glob("*.log")
    data = segment.read_bytes()
    kept = new_end = 0
    for batch in whole_batches(data):
        (header,) = read_headers(batch)
        if header.last_kafka_offset >= kafka_offset:
            break
        kept += len(batch)
        new_end = header.last_kafka_offset + 1
    with segment.open("r+b") as log:
        log.truncate(kept)
    # Rebuilt from the log when the broker starts.
    for suffix in ("index", "timeindex", "txnindex", "snapshot"):
        for file in folder.glob(f"*.{suffix}"):
            file.unlink()
    for name in ("recovery-point-offset-checkpoint", "replication-offset-checkpoint"):
        (broker.folder / "data" / name).unlink(missing_ok=True)
    return new_end
