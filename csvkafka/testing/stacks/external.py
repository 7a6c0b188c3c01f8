"""A stack that is there already, given by the environment: a staging cluster and an AWS account.

    KAFKA_BOOTSTRAP_SERVERS=… AWS_PROFILE=… pytest --stack external

The variables are the loader's and boto3's own. Topics, buckets and tables that tests create here
are deleted at the end, with all that they hold; nothing else is touched. Its brokers are not ours:
a test that kills one fails on it, and says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Self

import boto3
from kafka.admin import KafkaAdminClient

from csvkafka.config.load_config import kafka_settings
from csvkafka.errors import ConfigError, StackError
from csvkafka.local.base import Stack, refusals

_MOST_REPLICAS = 3
_OURS = ("AWS_", "KAFKA_")


class ExternalStack(Stack):
    """The Kafka, S3 and DynamoDB that `environment` (default: the process's) leads to."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._created: list[tuple[str, str]] = []
        try:
            self._kafka = kafka_settings(self._environment)
        except ConfigError as error:
            raise StackError(f"the external stack's Kafka is not given: {error}") from error

    def start(self) -> Self:
        """Returns when Kafka, S3 and DynamoDB have answered. Raises: StackError, naming which
        does not."""
        with refusals(f"Kafka at {self.bootstrap_servers} does not answer"):
            client = self.admin_client()
            try:
                self.broker_count = min(_MOST_REPLICAS, len(client.describe_cluster()["brokers"]))
            finally:
                client.close()
        with refusals("S3 does not answer"):
            self.client("s3").list_buckets()
        with refusals("DynamoDB does not answer"):
            self.client("dynamodb").list_tables(Limit=1)
        return self

    def close(self) -> None:
        """Deletes what was created here, the newest first.

        Raises: StackError, naming all that could not be deleted."""
        remaining = []
        while self._created:
            kind, name = self._created.pop()
            try:
                with refusals(f"{kind} {name}"):
                    getattr(self, f"_delete_{kind}")(name)
            except StackError as error:
                remaining.append(str(error))
        if remaining:
            raise StackError("left behind in the external stack: " + "; ".join(remaining))

    @property
    def bootstrap_servers(self) -> str:
        """`host:port,…` as given."""
        return ",".join(self._kafka.bootstrap_servers)

    @property
    def aws_endpoint_url(self) -> str:
        """Where S3 answers; DynamoDB too, where $AWS_ENDPOINT_URL is given."""
        return str(self.client("s3").meta.endpoint_url)

    @property
    def brokers(self) -> tuple[Any, ...]:
        """Raises StackError: nothing here is ours to be harmed."""
        raise StackError(
            "the brokers of an external stack cannot be killed or paused by a test; take --stack "
            "containers or embedded for it"
        )

    def environment(self) -> dict[str, str]:
        """The variables of AWS and Kafka that were given."""
        return {name: value for name, value in self._environment.items() if name.startswith(_OURS)}

    def client(self, service: str) -> Any:
        """A boto3 client as boto3 itself would make it from the environment."""
        given: dict[str, Any] = {
            "endpoint_url": self._environment.get(f"AWS_ENDPOINT_URL_{service.upper()}")
            or self._environment.get("AWS_ENDPOINT_URL"),
            "region_name": self._environment.get("AWS_REGION")
            or self._environment.get("AWS_DEFAULT_REGION"),
            "aws_access_key_id": self._environment.get("AWS_ACCESS_KEY_ID"),
            "aws_secret_access_key": self._environment.get("AWS_SECRET_ACCESS_KEY"),
            "aws_session_token": self._environment.get("AWS_SESSION_TOKEN"),
        }
        return boto3.client(service, **{name: value for name, value in given.items() if value})

    def admin_client(self) -> KafkaAdminClient:
        """A kafka-python admin client with the security settings given; close it."""
        known = KafkaAdminClient.DEFAULT_CONFIG
        settings = self._kafka.connection_config()
        return KafkaAdminClient(**{name: settings[name] for name in settings if name in known})

    def create_topic(
        self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> None:
        """As on every stack; deleted by `close`."""
        super().create_topic(name, partitions, config)
        self._created.append(("topic", name))

    def create_bucket(self, name: str, *, versioned: bool = False) -> None:
        """As on every stack; deleted by `close`, with every version of every object."""
        super().create_bucket(name, versioned=versioned)
        self._created.append(("bucket", name))

    def create_table(self, name: str = "csv-kafka-checkpoint") -> None:
        """As on every stack; deleted by `close`."""
        super().create_table(name)
        self._created.append(("table", name))

    def _bucket_place(self) -> dict[str, Any]:
        region = self.client("s3").meta.region_name
        # us-east-1 is where a bucket goes by default, and may not be named.
        if region in (None, "us-east-1", "aws-global"):
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}

    def _delete_topic(self, name: str) -> None:
        client = self.admin_client()
        try:
            client.delete_topics([name])
        finally:
            client.close()

    def _delete_bucket(self, name: str) -> None:
        client = self.client("s3")
        for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
            for version in _versions(page):
                client.delete_object(Bucket=name, **version)
        client.delete_bucket(Bucket=name)

    def _delete_table(self, name: str) -> None:
        self.client("dynamodb").delete_table(TableName=name)


def _versions(page: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
        yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}
