"""What answers but is neither S3 nor DynamoDB is told as that, within seconds."""

from __future__ import annotations

import pytest

from csvkafka.aws import clients as aws
from csvkafka.aws.dynamodb_item import DynamoDbItem
from csvkafka.aws.s3_source import S3Source
from csvkafka.errors import CheckpointUnavailableError, SourceReadError
from csvkafka.retry import UNREACHED_SECONDS, until_table_answers
from tests.integration.patient_clients import patient_s3
from tests.refusals import refusal
from tests.unit.aws.web_server import PAGE, web_server
from tests.unit.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.mark.parametrize("status", [200, 404, 500, 503])
def test_a_page_is_told_from_the_services(status: int) -> None:
    with web_server(status, "text/html; charset=utf-8", PAGE) as url:
        clock = SteppedClock()
        begun = clock.now
        s3 = aws.s3_client(endpoint_url=url)
        what = "S3 cannot be reached" if status >= 500 else "what answers is not S3"
        with refusal(SourceReadError, f"{url}.* {what}: check AWS_REGION"):
            S3Source("bucket", "k", client=s3, clock=clock).identify()
        table = aws.dynamodb_client(endpoint_url=url, call_seconds=30.0)
        item = DynamoDbItem("checkpoints", "job", client=table)
        said = f"{url}.* what answers is not DynamoDB: .*HTTP {status} with an HTML page, 'Welcome'"
        with refusal(CheckpointUnavailableError, said) as caught:
            until_table_answers(item.get, clock, lambda: None)
        assert "Sign in" not in str(caught.value)
        with pytest.raises(CheckpointUnavailableError):
            item.put_new({"a": 1})
        assert clock.now - begun <= 2 * UNREACHED_SECONDS


def test_an_error_without_the_services_code_is_no_sign_that_it_is_there() -> None:
    with web_server(500, "text/plain", b"oops") as url:
        clock = SteppedClock()
        begun = clock.now
        with refusal(SourceReadError, "S3 cannot be reached"):
            S3Source("b", "k", client=aws.s3_client(endpoint_url=url), clock=clock).identify()
        table = aws.dynamodb_client(endpoint_url=url, call_seconds=30.0)
        item = DynamoDbItem("checkpoints", "job", client=table)
        with refusal(CheckpointUnavailableError, "DynamoDB cannot be reached"):
            until_table_answers(item.get, clock, lambda: None)
        assert clock.now - begun <= 2 * UNREACHED_SECONDS


def test_an_object_may_be_called_html() -> None:
    pytest.importorskip("moto")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        client = patient_s3(f"http://127.0.0.1:{server.get_host_and_port()[1]}")
        client.create_bucket(
            Bucket="pages", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        client.put_object(Bucket="pages", Key="k", Body=b"id\n1\n", ContentType="text/html")
        assert b"".join(S3Source("pages", "k", client=client).read(0)) == b"id\n1\n"
    finally:
        server.stop()
