"""Servers with other properties, and proxies; the session's own stack must stay as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from csvkafka.local.base import Stack
from csvkafka.testing.faults.proxy import Proxy

NewStack = Callable[..., AbstractContextManager[Stack]]


FORGETFUL = {
    "producer.id.expiration.ms": "2000",
    "producer.id.expiration.check.interval.ms": "200",
}
"""A broker forgets a producer id two seconds after its last record."""


@pytest.fixture(scope="module")
def forgetful_stack(new_stack: NewStack) -> Iterator[Stack]:
    """A stack of this module alone, whose one broker soon forgets producer ids."""
    with new_stack(properties=FORGETFUL) as running:
        yield running


ALL_FROM_KILLS = 100
"""From so many `--kills` on, as in the nightly workflow, nothing is tried in part only."""


def kills_of_a_set(kills: int) -> int:
    """How often one of the tests kills that run with several orders, keys, kinds of checkpoint."""
    return kills if kills >= ALL_FROM_KILLS else (kills + 1) // 2


@pytest.fixture
def dynamodb_proxy(stack: Stack) -> Iterator[Proxy]:
    """A proxy before the session's DynamoDB: AWS_ENDPOINT_URL_DYNAMODB is its `url`."""
    with Proxy(stack.aws_endpoint_url.removeprefix("http://")) as proxy:
        yield proxy


@pytest.fixture
def s3_proxy(stack: Stack) -> Iterator[Proxy]:
    """A proxy before the session's S3: AWS_ENDPOINT_URL_S3 is its `url`."""
    with Proxy(stack.aws_endpoint_url.removeprefix("http://")) as proxy:
        yield proxy


@pytest.fixture
def kafka_proxy(stack: Stack) -> Iterator[Proxy]:
    """A proxy before the session's broker: KAFKA_BOOTSTRAP_SERVERS is its `address`."""
    broker = stack.brokers[0]
    with Proxy(broker.proxied_address, broker.proxy_address) as proxy:
        yield proxy
