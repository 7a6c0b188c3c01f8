"""Rows that make too large a record, killed around, while the topic takes now more and now less:
the same ones are set aside as where nobody kills, and each once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from csvkafka.config.load_config import kafka_settings
from csvkafka.local.base import Stack
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.recovery.setting_aside import STEPS, letters_in, line_of

NewCase = Callable[..., RecoveryCase]

ROWS = 4_000
KILLED_AROUND = (600, 1_600, 2_600)
"""Two large rows side by side are here, and one some rows later."""
LIMITS = ("4000000", "20000", "60000")
"""Of the topic, after each kill: raised, lowered, and not as at first."""
CHANGES = (
    {"KAFKA_COMPRESSION_TYPE": "none", "MAX_RECORD_BYTES": "30000"},
    {"KAFKA_COMPRESSION_TYPE": "zstd", "CSVKAFKA_ENCODER": "python"},
    {"KAFKA_COMPRESSION_TYPE": "lz4", "MAX_RECORD_BYTES": "8000000"},
)
"""Of the worker that goes on: what no row's size depends on."""
BEGUN_WITH = "40000"
LIMIT = 40_000 - 1_024 - 389


@pytest.fixture
def admin(stack: Stack) -> Iterator[KafkaAdminClient]:
    client = stack.admin_client()
    yield client
    client.close()


def set_limit(admin: KafkaAdminClient, topic: str, max_message_bytes: str) -> None:
    configs = {"max.message.bytes": max_message_bytes}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size // 2).hex().encode()


def large_rows() -> dict[int, bytes]:
    """By number: some just beyond the limit, some far beyond."""
    numbers = [around + more for around in KILLED_AROUND for more in (0, 1, 40)]
    return {n: noise(LIMIT + (0 if n % 2 else 100_000), n) for n in numbers}


def csv_of(large: Mapping[int, bytes], rows: int = ROWS) -> bytes:
    lines = (b"%d,%s\n" % (n, large.get(n, b"name %d" % n)) for n in range(1, rows + 1))
    return b"id,name\n" + b"".join(lines)


def setting_aside(
    new_case: NewCase, source: bytes | Mapping[str, bytes], **settings: str
) -> tuple[RecoveryCase, str]:
    """The case, whose topic takes `BEGUN_WITH`, and the topic of its letters, which takes more."""
    dead = f"dead-{uuid4().hex[:12]}"
    case = new_case(
        source,
        block_bytes=1_024,
        topic_config={"max.message.bytes": BEGUN_WITH},
        settings={"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": dead, **settings},
    )
    case.stack.create_topic(dead, 1, {"max.message.bytes": "4000000"})
    return case, dead


def lines_in(case: RecoveryCase) -> list[int]:
    """The lines of the records in the topic of rows, in their order."""
    with TopicReader(kafka_settings(case.stack.environment()), case.topic) as reader:
        values = [record.value or b"" for record in reader.records()[0]]
    return [int(value.partition(b'"_source_line":')[2].split(b",")[0]) for value in values]


@pytest.mark.parametrize("step", STEPS)
def test_f155_killed_around_rows_that_are_set_aside_for_their_size(
    recovery_case: NewCase, admin: KafkaAdminClient, seed: int, step: Step
) -> None:
    chance = random.Random(f"{seed}/{step}")
    large = large_rows()
    case, dead = setting_aside(recovery_case, csv_of(large))
    for around, limit, change in zip(KILLED_AROUND, LIMITS, CHANGES, strict=True):
        case.kill_at(step, from_rows=around + chance.choice((-30, 0, 1, 2, 20)))
        case.assert_midway()
        set_limit(admin, case.topic, limit)
        case.settings |= change
    case.run()
    assert lines_in(case) == [n for n in range(1, ROWS + 1) if n not in large]
    letters = letters_in(case, dead)
    assert [line_of(letter) for letter in letters] == sorted(large)
    for letter, number in zip(letters, sorted(large), strict=True):
        assert letter.value == b"%d," % number + large[number]
    item = case.item()
    assert item is not None
    assert item["configuration"]["DEAD_LETTER_ABOVE_BYTES"] == str(LIMIT)
    assert (item["status"], item["total_sent"]) == ("COMPLETED", ROWS)
    case.assert_once(set_aside=len(large))


@pytest.mark.parametrize("order", ["set", "object"])
def test_f155_killed_in_sets_with_rows_that_are_set_aside_for_their_size(
    recovery_case: NewCase, admin: KafkaAdminClient, seed: int, order: str
) -> None:
    """All files have the limit of the first run."""
    chance = random.Random(f"{seed}/{order}")
    large = {150: noise(LIMIT, 1), 151: noise(200_000, 2), 290: noise(LIMIT + 20_000, 3)}
    files = {f"part-{number}.csv": csv_of(large, 300) for number in range(4)}
    case, dead = setting_aside(recovery_case, files, ORDER=order)
    for number, limit in enumerate(LIMITS):
        from_rows = 300 * number + chance.randrange(100, 170) if order == "set" else 0
        nth = 1 if order == "set" else chance.randrange(2, 6)
        case.kill_at(chance.choice(STEPS[:3]), nth, from_rows)
        set_limit(admin, case.topic, limit)
    case.run()
    good = [n for n in range(1, 301) if n not in large]
    if order == "set":
        assert lines_in(case) == good * 4
        assert [line_of(letter) for letter in letters_in(case, dead)] == sorted(large) * 4
    assert Counter(lines_in(case)) == Counter(good * 4)
    of_letters = Counter((line_of(each), each.value) for each in letters_in(case, dead))
    assert of_letters == {(n, b"%d," % n + name): 4 for n, name in large.items()}
    case.assert_once(set_aside=4 * len(large))


def test_f64_a_record_within_the_limit_stops_the_load_while_the_topic_takes_less(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    """It is no row to set aside, as a resume counts on it: once the topic takes it, it is sent."""
    fits, large = noise(LIMIT - 200, 1), noise(LIMIT, 2)
    case, dead = setting_aside(
        recovery_case, csv_of({1_500: fits, 2_000: large}), KAFKA_COMPRESSION_TYPE="none"
    )
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=600)
    set_limit(admin, case.topic, "30000")
    worker = case.run(exit_code=1)
    case.assert_error(worker, "RecordTooLarge")
    assert "row 1500 at byte" in worker.output()
    assert lines_in(case) == list(range(1, 1_500))
    set_limit(admin, case.topic, BEGUN_WITH)
    case.run()
    assert lines_in(case) == [n for n in range(1, ROWS + 1) if n != 2_000]
    assert [line_of(letter) for letter in letters_in(case, dead)] == [2_000]
    case.assert_once(set_aside=1)


def test_f156_a_letter_larger_than_its_topic_takes(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    large = {1_000: noise(45_000, 1), 3_500: noise(100_000, 2)}
    case, dead = setting_aside(recovery_case, csv_of(large), KAFKA_COMPRESSION_TYPE="none")
    set_limit(admin, dead, "50000")
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=1_100)
    worker = case.run(exit_code=1)
    case.assert_error(worker, "RecordTooLarge")
    assert f"raise max.message.bytes of topic {dead}" in worker.output()
    assert "row 3500 at byte" in worker.output()
    set_limit(admin, dead, "4000000")
    case.run()
    assert lines_in(case) == [n for n in range(1, ROWS + 1) if n not in large]
    assert [line_of(letter) for letter in letters_in(case, dead)] == sorted(large)
    case.assert_once(set_aside=len(large))
