"""What a broker tells of a topic and of our rights on it."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from csvkafka.kafka.metadata import rights_of


@pytest.mark.parametrize(
    ("operations", "rights"),
    [
        ((), None),
        ({31}, None),  # "not asked for" as kafka-python reads its bits
        ({3}, None),  # a broker that described the topic gave us DESCRIBE
        ({3, 8}, {"READ", "DESCRIBE"}),
        ({3, 4, 8, 10, 99}, {"READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"}),
    ],
)
def test_rights_are_known_by_the_names_of_acls(
    operations: Collection[int], rights: set[str] | None
) -> None:
    assert rights_of(operations) == rights
