"""A script as many are: rows sent in bulk, and how far it got kept in a file beside it.

It writes the file before it flushes the producer, as such scripts tend to. It is here to be judged
(docs/harness.md): a kill between the two loses rows for good, and one after both repeats some.

    python checkpoint_file_loader.py BUCKET KEY SERVERS TOPIC CHECKPOINT_FILE
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import boto3
from kafka import KafkaProducer

ROWS_BETWEEN_CHECKPOINTS = 1000


def main(bucket: str, key: str, servers: str, topic: str, checkpoint_file: str) -> None:
    checkpoint = Path(checkpoint_file)
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    producer = KafkaProducer(bootstrap_servers=servers.split(","), linger_ms=20, acks="all")
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    rows = csv.DictReader(io.TextIOWrapper(io.BufferedReader(body), "utf-8-sig", newline=""))
    for number, row in enumerate(rows, 1):
        if number <= done:
            continue
        record = {**row, "_source_line": number, "_source_file": f"s3://{bucket}/{key}"}
        producer.send(topic, json.dumps(record).encode())
        if number % ROWS_BETWEEN_CHECKPOINTS == 0:
            # What is still in the producer's memory counts as done from here on.
            checkpoint.write_text(str(number))
    producer.flush()
    producer.close()
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
