"""Files in a bucket that jobs load into one topic, and whether they have."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from csvkafka.config.load_config import LoadConfig
from csvkafka.testing.checker.verdict import Verdict
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
        config = self._config({"S3_KEY": key, "JOB_ID": job_id})
        source = io.BytesIO(self._bodies[key])
        verdict = judge_load(config, Scope(exclusive=False), source=source)
        item = self._assert_clean(verdict, job_id)
        assert item["last_line"] == {"N": str(verdict.row_count)}

    def assert_set_once(self, prefix: str, job_id: str) -> None:
        """The same of the files whose keys begin so, each in its own order."""
        config = self._config({"S3_PREFIX": prefix, "JOB_ID": job_id, "ORDER": "object"})
        files = {
            f"s3://{self.bucket}/{key}": partial(io.BytesIO, body)
            for key, body in sorted(self._bodies.items())
            if key.startswith(prefix)
        }
        verdict = judge_load(config, Scope(exclusive=False), files=files)
        self._assert_clean(verdict, job_id)

    def _config(self, job: Mapping[str, str]) -> LoadConfig:
        settings = {
            "S3_BUCKET": self.bucket,
            "KAFKA_BOOTSTRAP_SERVERS": self.brokers,
            "KAFKA_TOPIC": self.topic,
            "DYNAMODB_TABLE": self.table,
            **job,
        }
        return LoadConfig.from_settings(settings)

    def _assert_clean(self, verdict: Verdict, job_id: str) -> dict[str, Any]:
        assert verdict.is_clean, str(verdict)
        assert verdict.rows_found == verdict.row_count > 0
        item = self.item(job_id)
        assert item["status"] == {"S": "COMPLETED"}
        return item

    def item(self, job_id: str) -> dict[str, Any]:
        """The job's item in DynamoDB's form; empty if there is none."""
        key = {"job_id": {"S": job_id}}
        answer = self.client("dynamodb").get_item(TableName=self.table, Key=key)
        item: dict[str, Any] = answer.get("Item", {})
        return item

    def last_line(self, job_id: str) -> int:
        """The job's checkpoint; 0 if there is none."""
        return int(self.item(job_id).get("last_line", {"N": "0"})["N"])
