"""The script that many would write: DictReader, json and confluent-kafka (librdkafka), with a
progress file every 50,000 rows.

Settings as csvkafka's, from the environment; `ROWS` ends it early.
"""

import csv
import itertools
import json
import os
import tempfile
from pathlib import Path

import boto3
from botocore.config import Config
from confluent_kafka import Producer
from smart_open import open as smart_open

CHECKPOINT_INTERVAL = 50_000


def main() -> None:
    """Loads the rows."""
    bucket, key, topic = os.environ["S3_BUCKET"], os.environ["S3_KEY"], os.environ["KAFKA_TOPIC"]
    producer = Producer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "gzip",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 200_000,
        }
    )
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    with (
        tempfile.TemporaryDirectory() as folder,
        smart_open(f"s3://{bucket}/{key}", "r", transport_params={"client": client}) as file,
    ):
        rows = itertools.islice(csv.DictReader(file), int(os.environ["ROWS"]))
        source = f"s3://{bucket}/{key}"
        for line, row in enumerate(rows, 1):
            row["_source_line"] = line
            row["_source_file"] = source
            value = json.dumps(row, separators=(",", ":"))
            while True:
                try:
                    producer.produce(topic, value, partition=0)
                    break
                except BufferError:
                    producer.poll(0.1)
            if line % 1000 == 0:
                producer.poll(0)
            if line % CHECKPOINT_INTERVAL == 0:
                producer.flush()
                Path(folder, "progress").write_text(str(line))
    producer.flush()


if __name__ == "__main__":
    main()
