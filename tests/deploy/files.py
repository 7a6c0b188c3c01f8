"""Files in a bucket that jobs load into one topic, and whether they have."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from csvkafka.config.load_config import LoadConfig
from csvkafka.testing.checker.verify import Scope, judge_load
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv


@dataclass
class Files:
    """`client` makes boto3's clients. Bucket, table and topic exist."""

    client: Callable[[str], Any]
    brokers: str
    topic: str
    bucket: str
    table: str
    _bodies: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, spec: CsvSpec) -> None:
        """Puts a file there."""
        self._bodies[key] = b"".join(write_csv(spec))
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=self._bodies[key])

    def assert_once(self, key: str, job_id: str) -> None:
        """Every row of the file is in the topic once, in order, and the job's item says so."""
        settings = {
            "S3_BUCKET": self.bucket,
            "S3_KEY": key,
            "JOB_ID": job_id,
            "KAFKA_BOOTSTRAP_SERVERS": self.brokers,
            "KAFKA_TOPIC": self.topic,
            "DYNAMODB_TABLE": self.table,
        }
        source = io.BytesIO(self._bodies[key])
        config = LoadConfig.from_settings(settings)
        verdict = judge_load(config, Scope(exclusive=False), source=source)
        assert verdict.is_clean, str(verdict)
        assert verdict.rows_found == verdict.row_count > 0
        item = self.item(job_id)
        assert item["status"] == {"S": "COMPLETED"}
        assert item["last_line"] == {"N": str(verdict.row_count)}

    def item(self, job_id: str) -> dict[str, Any]:
        """The job's item in DynamoDB's form; empty if there is none."""
        key = {"job_id": {"S": job_id}}
        answer = self.client("dynamodb").get_item(TableName=self.table, Key=key)
        item: dict[str, Any] = answer.get("Item", {})
        return item

    def last_line(self, job_id: str) -> int:
        """The job's checkpoint; 0 if there is none."""
        return int(self.item(job_id).get("last_line", {"N": "0"})["N"])
