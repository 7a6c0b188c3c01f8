"""The AWS server's one rule: one request at a time, so that a condition and its write are one."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from moto import backends
from moto.core import utils
from werkzeug.test import Client, TestResponse

from csvkafka.local.aws_server import application, serialized


def test_no_request_enters_while_another_is_inside() -> None:
    inside: list[int] = []
    most_inside = 0
    others_may_enter = threading.Event()

    def application(environ: int, _start_response: Any) -> Iterable[bytes]:
        nonlocal most_inside
        inside.append(environ)
        most_inside = max(most_inside, len(inside))
        others_may_enter.wait(0.01)
        inside.remove(environ)
        return [b"%d" % environ]

    enter = serialized(application)
    with ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(lambda number: enter(number, None), range(16)))
    assert answers == [[b"%d" % number] for number in range(16)]
    assert most_inside == 1


def ask(client: Client, service: str, method: str, target: str = "") -> TestResponse:
    scope = f"key/20261128/eu-west-1/{service}/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
        "X-Amz-Target": target,
        "Content-Type": "application/x-amz-json-1.0",
    }
    return client.open("/", method=method, data=b"{}" if target else b"", headers=headers)


def test_what_is_the_same_for_each_request_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client(application())

    def asked() -> tuple[str, str]:
        tables = ask(client, "dynamodb", "POST", "DynamoDB_20120810.ListTables")
        buckets = ask(client, "s3", "GET")
        assert (tables.status_code, buckets.status_code) == (200, 200)
        return tables.text, buckets.text

    first = asked()
    assert first[0] == '{"TableNames": []}'
    assert "ListAllMyBucketsResult" in first[1]
    monkeypatch.setattr(backends, "list_of_moto_modules", lambda: pytest.fail("its folder"))
    monkeypatch.setattr(utils.inspect, "getmembers", lambda *_, **__: pytest.fail("its class"))
    assert asked() == first
