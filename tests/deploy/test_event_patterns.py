"""The model of EventBridge's patterns, by what its documentation says of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.event_patterns import fits

EVENT: dict[str, Any] = {
    "source": "aws.ecs",
    "resources": ["arn:a", "arn:b"],
    "detail": {
        "stopCode": "TaskFailedToStart",
        "stoppedReason": "Capacity is unavailable at this time.",
        "containers": [{"name": "sidecar", "exitCode": 0}, {"name": "job", "exitCode": 65}],
        "object": {"key": "exports/a[1].csv"},
    },
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.ecs", "aws.batch"]}, True),
        ({"source": ["aws.batch"]}, False),
        ({"resources": ["arn:b"]}, True),
        ({"resources": ["arn:c"]}, False),
        ({"detail": {"stoppedReason": [{"prefix": "Capacity"}]}}, True),
        ({"detail": {"stoppedReason": [{"prefix": "capacity"}]}}, False),
        # Any of the containers, but one of them whole.
        ({"detail": {"containers": {"exitCode": [{"anything-but": [0, 143]}]}}}, True),
        ({"detail": {"containers": {"exitCode": [{"anything-but": [0, 65]}]}}}, False),
        ({"detail": {"containers": {"name": ["sidecar"], "exitCode": [65]}}}, False),
        ({"detail": {"containers": {"reason": [{"anything-but": ["a"]}]}}}, False),
        ({"detail": {"arrayProperties": {"index": [{"exists": False}]}}}, True),
        ({"detail": {"containers": {"exitCode": [{"exists": False}]}}}, False),
        ({"detail": {"object": {"key": [{"wildcard": "exports/*.csv"}]}}}, True),
        ({"detail": {"object": {"key": [{"wildcard": "exports/a[1]*"}]}}}, True),
        ({"detail": {"object": {"key": [{"wildcard": "*.txt"}]}}}, False),
        ({"$or": [{"source": ["a"]}, {"detail": {"stopCode": ["TaskFailedToStart"]}}]}, True),
        ({"source": ["aws.batch"], "$or": [{"source": ["aws.ecs"]}]}, False),
    ],
)
def test_a_pattern_fits(pattern: dict[str, Any], expected: bool) -> None:
    assert fits(pattern, EVENT) is expected
