"""Asks moto twice, and fails if it looks for the same things again. A program of its own, because
whoever imports moto has its handlers in each session of the AWS SDK from then on."""

from __future__ import annotations

from typing import Any

from moto import backends
from moto.core import utils
from werkzeug.test import Client, TestResponse

from csvkafka.local.aws_server import application


def ask(client: Client, service: str, method: str, target: str = "") -> TestResponse:
    scope = f"key/20261128/eu-west-1/{service}/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
        "X-Amz-Target": target,
        "Content-Type": "application/x-amz-json-1.0",
    }
    return client.open("/", method=method, data=b"{}" if target else b"", headers=headers)


def asked(client: Client) -> tuple[str, str]:
    tables = ask(client, "dynamodb", "POST", "DynamoDB_20120810.ListTables")
    buckets = ask(client, "s3", "GET")
    assert (tables.status_code, buckets.status_code) == (200, 200)
    return tables.text, buckets.text


def looked_up_again(*_: Any, **__: Any) -> Any:
    raise AssertionError("moto looks through its folder, or its class, again")


def main() -> None:
    client = Client(application())
    first = asked(client)
    assert first[0] == '{"TableNames": []}'
    assert "ListAllMyBucketsResult" in first[1]
    backends.list_of_moto_modules = looked_up_again
    utils.inspect.getmembers = looked_up_again
    assert asked(client) == first


if __name__ == "__main__":
    main()
