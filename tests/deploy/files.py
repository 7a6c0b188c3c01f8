"""Files in the bucket of a deployment, and whether its jobs have loaded them."""

from __future__ import annotations

import io

from csvkafka.config import LoadConfig
from csvkafka.local.base import Stack
from csvkafka.testing.csv_files import CsvSpec, write_csv
from csvkafka.testing.verify import Scope, judge_load
from tests.deploy.deployment import BUCKET, TABLE, Deployment


class Files:
    """Files that are loaded into one topic by jobs of the deployment."""

    def __init__(self, deployment: Deployment, stack: Stack, topic: str) -> None:
        self._deployment, self._stack, self._topic = deployment, stack, topic
        self._s3 = deployment.create_bucket()
        self._bodies: dict[str, bytes] = {}

    def put(self, key: str, spec: CsvSpec) -> None:
        self._bodies[key] = b"".join(write_csv(spec))
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=self._bodies[key])

    def assert_once(self, key: str, job_id: str) -> None:
        """Every row of the file is in the topic once, in order; its item says so."""
        settings = {
            "S3_BUCKET": BUCKET,
            "S3_KEY": key,
            "JOB_ID": job_id,
            "KAFKA_BOOTSTRAP_SERVERS": self._stack.bootstrap_servers,
            "KAFKA_TOPIC": self._topic,
            "DYNAMODB_TABLE": TABLE,
        }
        source = io.BytesIO(self._bodies[key])
        config = LoadConfig.from_settings(settings)
        verdict = judge_load(config, Scope(exclusive=False), source=source)
        assert verdict.is_clean, str(verdict)
        assert verdict.rows_found == verdict.row_count > 0
        answer = self._deployment.client("dynamodb").get_item(
            TableName=TABLE, Key={"job_id": {"S": job_id}}
        )
        assert answer["Item"]["status"] == {"S": "COMPLETED"}
        assert answer["Item"]["last_line"] == {"N": str(verdict.row_count)}
