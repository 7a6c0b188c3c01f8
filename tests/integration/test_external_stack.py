"""A stack given by the environment: used as it is, and left without what was created there."""

from __future__ import annotations

from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from csvkafka.errors import StackError
from csvkafka.local.base import Stack
from csvkafka.testing.stacks.external import ExternalStack


def test_what_is_created_there_is_usable_and_deleted_at_the_end(stack: Stack) -> None:
    name = f"external-{uuid4().hex[:8]}"
    kept = f"kept-{uuid4().hex[:8]}"
    stack.create_bucket(kept)
    with ExternalStack({**stack.environment(), "UNRELATED": "1"}) as external:
        assert external.bootstrap_servers == stack.bootstrap_servers
        assert external.aws_endpoint_url == stack.aws_endpoint_url
        assert external.broker_count == 1
        assert "UNRELATED" not in external.environment()
        external.create_topic(name, partitions=2)
        external.create_table(name)
        external.create_bucket(name, versioned=True)
        for body in (b"first", b"second"):
            external.put_object(name, "key", body)
        external.client("s3").delete_object(Bucket=name, Key="key")
        with pytest.raises(StackError, match="cannot be killed or paused"):
            _ = external.brokers
    buckets = {bucket["Name"] for bucket in stack.client("s3").list_buckets()["Buckets"]}
    assert (name in buckets, kept in buckets) == (False, True)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        stack.client("dynamodb").describe_table(TableName=name)
    admin = stack.admin_client()
    assert name not in admin.list_topics()
    admin.close()


def test_a_part_that_does_not_answer_is_named(stack: Stack) -> None:
    nowhere = {**stack.environment(), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    with pytest.raises(StackError, match="S3 does not answer"), ExternalStack(nowhere):
        pass
    nowhere = {**stack.environment(), "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    with (
        pytest.raises(StackError, match=r"Kafka at 127\.0\.0\.1:9 does not answer"),
        ExternalStack(nowhere),
    ):
        pass


def test_what_cannot_be_deleted_is_named(stack: Stack) -> None:
    external = ExternalStack(stack.environment()).start()
    table = f"external-{uuid4().hex[:8]}"
    external.create_table(table)
    stack.client("dynamodb").delete_table(TableName=table)
    with pytest.raises(StackError, match=f"left behind in the external stack: table {table}"):
        external.close()
