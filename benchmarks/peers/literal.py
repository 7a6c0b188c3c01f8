"""The specification read literally: DictReader, json, one `send` for each row, flush and checkpoint
every 10,000 rows.

Settings as csvkafka's, from the environment; `ROWS` ends it early.
"""

import csv
import itertools
import json
import os
import time

import boto3
from botocore.config import Config
from kafka import KafkaProducer
from smart_open import open as smart_open

CHECKPOINT_INTERVAL = 10_000


def main() -> None:
    """Loads the rows."""
    bucket, key, topic = os.environ["S3_BUCKET"], os.environ["S3_KEY"], os.environ["KAFKA_TOPIC"]
    table = boto3.resource("dynamodb").Table(os.environ["DYNAMODB_TABLE"])
    producer = KafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(","),
        value_serializer=lambda value: json.dumps(value).encode("utf-8"),
        max_in_flight_requests_per_connection=1,
        acks="all",
        retries=2147483647,
        max_block_ms=60000,
        enable_idempotence=True,
        compression_type="gzip",
    )
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    with smart_open(f"s3://{bucket}/{key}", "r", transport_params={"client": client}) as file:
        rows = itertools.islice(csv.DictReader(file), int(os.environ["ROWS"]))
        line = 0
        for line, row in enumerate(rows, 1):
            record = {**row, "_source_line": line, "_source_file": f"s3://{bucket}/{key}"}
            producer.send(topic, value=record)
            if line % CHECKPOINT_INTERVAL == 0:
                producer.flush()
                table.put_item(Item=_item(line))
    producer.flush()
    table.put_item(Item=_item(line))
    producer.close()


def _item(line: int) -> dict[str, object]:
    return {
        "job_id": os.environ["JOB_ID"],
        "last_line": line,
        "total_sent": line,
        "timestamp": int(time.time()),
    }


if __name__ == "__main__":
    main()
