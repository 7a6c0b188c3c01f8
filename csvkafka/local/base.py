"""What every stack can do, wherever its servers come from: clients, topics, buckets, tables.

The kinds of stack (embedded, containers, external) differ in how servers are started and harmed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, UnknownBrokerIdError

from csvkafka.errors import StackError
from csvkafka.local.aws import CREDENTIALS, REGION
from csvkafka.local.processes import wait_until

_TOPIC_TIMEOUT_SECONDS = 120.0


class Stack(ABC):
    """A running Kafka, S3 and DynamoDB. New topics are replicated to `broker_count` brokers."""

    broker_count: int

    @abstractmethod
    def start(self) -> Self:
        """Starts what is ours of it; returns when all of it can be used.

        Raises: StackError, and then nothing is left running."""

    @abstractmethod
    def close(self) -> None:
        """Ends and removes what is ours of it."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    @abstractmethod
    def bootstrap_servers(self) -> str:
        """`host:port,…` of all brokers."""

    @property
    @abstractmethod
    def brokers(self) -> tuple[Any, ...]:
        """The brokers, each to be killed, terminated, paused, resumed and started again."""

    @property
    @abstractmethod
    def aws_endpoint_url(self) -> str:
        """Where S3 and DynamoDB answer."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Variables that point boto3 and csvkafka at this stack."""

    def client(self, service: str) -> Any:
        """A boto3 client of this stack, "s3" or "dynamodb"; the environment is not looked at.

        A second call returns the same client; several threads may use it."""
        return _client(service, self.aws_endpoint_url)

    def admin_client(self) -> KafkaAdminClient:
        """A kafka-python admin client of this stack; close it."""
        return KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)

    def create_topic(
        self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> None:
        """Creates a topic, replicated to every broker; returns when each partition has a leader.

        Raises: StackError, if Kafka refuses."""
        topic = NewTopic(name, partitions, self.broker_count, topic_configs=dict(config or {}))
        with refusals(f"topic {name} cannot be created"):
            if not wait_until(lambda: self._is_created(topic), _TOPIC_TIMEOUT_SECONDS):
                raise StackError(
                    f"topic {name} cannot be created: the controller is none of the brokers that a "
                    "client is told of"
                )
        client = self.admin_client()
        try:
            if not wait_until(
                lambda: _led_partitions(client, name) == partitions, _TOPIC_TIMEOUT_SECONDS
            ):
                raise StackError(f"topic {name} has no leader for some of its partitions")
        finally:
            client.close()

    def _is_created(self, topic: NewTopic) -> bool:
        """Creates it. False: the client was told of a controller, and not yet of its address, as
        brokers of 3.9 do when they have just started."""
        client = self.admin_client()
        try:
            client.create_topics([topic])
        except UnknownBrokerIdError:
            return False
        finally:
            client.close()
        return True

    def create_bucket(self, name: str, *, versioned: bool = False) -> None:
        """Creates an S3 bucket. Raises: StackError, if S3 refuses."""
        client = self.client("s3")
        with refusals(f"bucket {name} cannot be created"):
            client.create_bucket(Bucket=name, **self._bucket_place())
            if versioned:
                client.put_bucket_versioning(
                    Bucket=name, VersioningConfiguration={"Status": "Enabled"}
                )

    def _bucket_place(self) -> dict[str, Any]:
        return {}

    def put_object(self, bucket: str, key: str, body: bytes | Path) -> None:
        """Stores bytes, or a file of any size (uploaded in parts), under the key.

        Raises: StackError, if S3 refuses."""
        client = self.client("s3")
        with refusals(f"s3://{bucket}/{key} cannot be stored"):
            if isinstance(body, bytes):
                client.put_object(Bucket=bucket, Key=key, Body=body)
            else:
                client.upload_file(str(body), bucket, key)

    def create_table(self, name: str = "csv-kafka-checkpoint") -> None:
        """Creates a checkpoint table as documented: on-demand, key `job_id` (String).

        Returns when it can be used. Raises: StackError, if DynamoDB refuses."""
        client = self.client("dynamodb")
        with refusals(f"table {name} cannot be created"):
            client.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
            )
            client.get_waiter("table_exists").wait(TableName=name)


# A client costs a tenth of a second: what the SDK knows of the service is read anew for each.
@lru_cache(maxsize=16)
def _client(service: str, endpoint_url: str) -> Any:
    # Without this, an AWS_PROFILE that does not exist would be looked for.
    no_profile = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    make_client: Any = boto3.session.Session(botocore_session=no_profile).client
    return make_client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS,
        aws_secret_access_key=CREDENTIALS,
    )


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Errors of Kafka and AWS inside become StackError, which names what could not be done."""
    try:
        yield
    except (KafkaError, Boto3Error, BotoCoreError, ClientError) as error:
        raise StackError(f"{what}: {error}") from error


def _led_partitions(client: KafkaAdminClient, topic: str) -> int:
    described = client.describe_topics([topic])[0]
    return sum(partition["leader_id"] >= 0 for partition in described.get("partitions", []))
