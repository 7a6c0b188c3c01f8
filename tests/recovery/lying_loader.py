"""A loader of the typed CSV by `examples/typed_columns.toml`, small and honest but for some lies.

    python lying_loader.py CONFESSION json|avro LIE...

Each lie is told once, of a row of its own, and its row's number is written to CONFESSION. It keeps
no progress, so it is judged without kills. Topics of routes are DACH and FR of the environment.
With `avro` values name a schema, which it registers.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import boto3
from fastavro import parse_schema, schemaless_writer
from kafka import KafkaProducer

ENV, IN_AVRO, LIES = os.environ, sys.argv[2] == "avro", sys.argv[3:]
TYPES: dict[str, Callable[[str], object]] = {
    "id": int,
    "key": str,
    "quantity": int,
    "total": float,
    "ratio": float,
    "day": str,
    "at": str,
    "paid": lambda text: text == "true",
    "note": str,
}
AVRO_TYPES = {"id": "long", "quantity": "int", "total": "double", "ratio": "double"}
AVRO_TYPES |= {"paid": "boolean", "_source_line": "long"}
SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": name, "type": ["null", AVRO_TYPES.get(name, "string")]}
        for name in (*TYPES, "_source_line", "_source_file")
    ],
}


def register(schema: object) -> int:
    """Under a subject of its own choice."""
    request = urllib.request.Request(
        f"{ENV['SCHEMA_REGISTRY_URL']}/subjects/orders-as-I-see-them/versions",
        json.dumps({"schema": json.dumps(schema)}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return int(json.load(answer)["id"])


def in_avro(fields: dict[str, object], schema_id: int) -> bytes:
    written = io.BytesIO(b"\0" + schema_id.to_bytes(4, "big"))
    written.seek(5)
    schemaless_writer(written, PARSED, fields)
    return written.getvalue()


def can_be_of(row: dict[str, str], lie: str) -> bool:
    if lie == "sends-a-dropped-row":
        return is_dropped(row)
    return not is_dropped(row) and {
        "null-as-empty-text": row["ratio"] == "NULL",
        "truth-as-number": row["paid"] == "true",
        "wrong-topic": row["country"] == "IT",
        "loses-a-routed-row": row["country"] == "CH",
        "in-two-topics": row["country"] == "FR",
    }.get(lie, row["paid"] == "false")


def is_dropped(row: dict[str, str]) -> bool:
    return row["quantity"] in ("", "NULL")


source = f"s3://{ENV['S3_BUCKET']}/{ENV['S3_KEY']}"
content = boto3.client("s3").get_object(Bucket=ENV["S3_BUCKET"], Key=ENV["S3_KEY"])["Body"].read()
TOPICS = dict.fromkeys(("AT", "CH", "DE"), ENV["DACH"]) | {"FR": ENV["FR"]}
SCHEMA_ID, PARSED = (register(SCHEMA), parse_schema(SCHEMA)) if IN_AVRO else (0, None)
producer = KafkaProducer(bootstrap_servers=ENV["KAFKA_BOOTSTRAP_SERVERS"])
confessed: dict[str, int] = {}
for line, row in enumerate(csv.DictReader(io.StringIO(content.decode(), newline="")), 1):
    lie = next((lie for lie in LIES if lie not in confessed and can_be_of(row, lie)), "none")
    confessed[lie] = line
    if is_dropped(row) and lie == "none":
        continue
    texts = {**row, "total": row["amount"]}
    fields: dict[str, object] = {
        name: None if texts[name] in ("", "NULL") else make(texts[name])
        for name, make in TYPES.items()
    }
    fields |= {"_source_line": line, "_source_file": source}
    topics, key, schema_id = [TOPICS.get(row["country"], ENV["KAFKA_TOPIC"])], row["key"], SCHEMA_ID
    match lie:
        case "number-as-text":
            fields["quantity"] = str(fields["quantity"])
        case "truth-as-number":
            fields["paid"] = 1
        case "null-as-empty-text":
            fields["ratio"] = ""
        case "another-value":
            fields["total"] = 0.01
        case "another-key":
            key = "k"
        case "unknown-schema":
            schema_id += 40
        case "wrong-topic":
            topics = [ENV["FR"]]
        case "loses-a-routed-row":
            topics = []
        case "in-two-topics":
            topics.append(ENV["KAFKA_TOPIC"])
    value = in_avro(fields, schema_id) if IN_AVRO else json.dumps(fields).encode()
    for topic in topics:
        producer.send(topic, value, key=None if key in ("", "NULL") else key.encode())
producer.close()
Path(sys.argv[1]).write_text(json.dumps(confessed))
