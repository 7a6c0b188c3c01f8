"""Loads whose table has routes are killed: each row is once, and in order, in its own topic."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from uuid import uuid4

import pytest
from kafka.admin import KafkaAdminClient

from csvkafka.config.load_config import kafka_settings
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from tests.routes import ROUTES

NewCase = Callable[..., RecoveryCase]

ROWS = 9_000
KILLS = 12
HEADER = b"id,country,price\n"
TABLE = (
    """
[record]
{record}

[columns]
id = "int"
country = {{ drop = true }}
price = "decimal(9,2)"

[[drop]]
column = "price"
empty = true
"""
    + ROUTES
)
FATES = {
    "middle": ("DE,1.25", '"AT",2', "DE,3"),
    "south": ("IT,1.5",),
    "rows": ("FR,1", ",2.5", "de,3"),
    "dropped": ("DE,", "IT,", "FR,"),
    "bad": ("DE,1.005", "IT", "FR,1,2", "AT,no number"),
}


def fate(number: int, chance: random.Random) -> str:
    """A topic gets long runs of rows, and long rests."""
    only = (None, "middle", None, "south", "dropped", None)[number // 500 % 6]
    return only or chance.choices(tuple(FATES), (30, 20, 30, 18, 2))[0]


def row(number: int, of: str, chance: random.Random) -> bytes:
    return f"{number},{chance.choice(FATES[of])}\n".encode()


class Routed:
    """A job with two routes, dropped rows and dead letters; `partitions` of rows, middle, south."""

    def __init__(
        self,
        new: NewCase,
        folder: Path,
        source: bytes | dict[str, bytes],
        partitions: tuple[int, int, int] = (2, 3, 1),
        **case: object,
    ) -> None:
        name = uuid4().hex[:12]
        self.middle, self.south, self.dead = f"middle-{name}", f"south-{name}", f"dead-{name}"
        self.is_keyed = partitions != (1, 1, 1)
        self.table = folder / "columns.toml"
        self.table.write_text(self.toml())
        settings = {
            "CSV_COLUMNS": str(self.table),
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": self.dead,
            **case.pop("settings", {}),  # type: ignore[dict-item]
        }
        files = source.values() if isinstance(source, dict) else [source]
        self.ends = list(accumulate(len(data.splitlines()) - 1 for data in files))
        rows, middle, south = partitions
        self.case = new(
            source,
            partitions=rows,
            routed={self.middle: middle, self.south: south},
            settings=settings,
            **case,
        )
        self.case.stack.create_topic(self.dead, 1)

    def toml(self) -> str:
        record = 'key = "id"' if self.is_keyed else ""
        return TABLE.format(record=record, middle=self.middle, south=self.south)

    def ids(self, topic: str) -> list[int]:
        """Those of all records in the topic, sorted; of dead letters as they stand, but one file of
        the set after the other: between files of ORDER=object there is no order."""
        with TopicReader(kafka_settings(self.case.stack.environment()), topic) as reader:
            records = [record for each in reader.records().values() for record in each]
        if topic == self.dead:
            numbers = [int((record.value or b"").split(b",")[0]) for record in records]
            return sorted(numbers, key=lambda number: bisect_left(self.ends, number))
        return sorted(int((r.value or b"").split(b'"id":')[1].split(b",")[0]) for r in records)

    def assert_each_row_is_in_its_topic(self, fates: dict[int, str]) -> None:
        """By the checker's reading of the table, and by what the test itself wants."""
        verdict = self.case.verdict()
        assert verdict.is_clean, verdict
        wanted = {name: [number for number, of in fates.items() if of == name] for name in FATES}
        for name, topic in (
            ("rows", self.case.topic),
            ("middle", self.middle),
            ("south", self.south),
            ("bad", self.dead),
        ):
            assert self.ids(topic) == wanted[name], name
        assert verdict.dropped == len(wanted["dropped"])
        item = self.case.item()
        assert item is not None
        assert (item["status"], item["last_line"]) == ("COMPLETED", len(fates))
        assert item["total_sent"] == len(fates) - len(wanted["dropped"])


def made(seed: int, count: int = ROWS) -> tuple[dict[int, str], bytes]:
    chance = random.Random(seed)
    fates = {number: fate(number, chance) for number in range(1, count + 1)}
    return fates, HEADER + b"".join(row(number, of, chance) for number, of in fates.items())


@pytest.mark.parametrize("partitions", [(1, 1, 1), (2, 3, 1)])
def test_f150_each_row_is_in_its_topic_once_through_many_kills(
    recovery_case: NewCase, tmp_path: Path, seed: int, partitions: tuple[int, int, int]
) -> None:
    fates, source = made(seed)
    # Slow enough for its kills, though they come late on a machine that does much else.
    routed = Routed(
        recovery_case, tmp_path, source, partitions, block_bytes=2_048, pace_seconds=0.06
    )
    case, chance = routed.case, random.Random(seed)
    for number in range(KILLS):
        worker = case.start()
        worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=ROWS * number // (KILLS + 8))
        worker.lives_for(chance.uniform(0.0, 0.03))
        assert worker.kill() == KILLED, worker.output()
    case.assert_midway()
    case.run()
    routed.assert_each_row_is_in_its_topic(fates)


STEPS = (
    Step.IDENTITY_STORED,
    Step.BLOCK_TAKEN,
    Step.BATCH_SENT,
    Step.BATCH_ACKNOWLEDGED,
    Step.CHECKPOINT_STORED,
    Step.ALL_ACKNOWLEDGED,
)


@pytest.mark.parametrize("step", STEPS)
def test_f150_killed_at_a_step_among_routed_rows(
    recovery_case: NewCase, tmp_path: Path, seed: int, step: Step
) -> None:
    fates, source = made(seed, 2_000)
    routed = Routed(recovery_case, tmp_path, source, block_bytes=1_024, pace_seconds=0.06)
    early = step in (Step.IDENTITY_STORED, Step.ALL_ACKNOWLEDGED)
    for from_rows in (0,) if early else (1, 600, 1_200):
        routed.case.kill_at(step, from_rows=from_rows)
    routed.case.run()
    routed.assert_each_row_is_in_its_topic(fates)


def test_a_resume_with_another_route_is_refused_by_name_and_sends_nothing(
    recovery_case: NewCase, tmp_path: Path, seed: int
) -> None:
    fates, source = made(seed, 2_000)
    routed = Routed(recovery_case, tmp_path, source, block_bytes=1_024)
    routed.case.kill_at(Step.CHECKPOINT_STORED, from_rows=400)
    for other in (
        routed.toml().replace('"AT"', '"FR"'),
        routed.toml().replace(routed.south, "other"),
        routed.toml().rpartition("[[route]]")[0],
    ):
        routed.table.write_text(other)
        if "other" in other:
            routed.case.stack.create_topic("other", 1)
        worker = routed.case.refused("ConfigChanged")
        assert "CSV_COLUMNS declares [[route]] otherwise" in worker.output()
    routed.table.write_text(routed.toml())
    routed.case.run()
    routed.assert_each_row_is_in_its_topic(fates)


def test_f152_a_routed_topic_that_was_made_anew_is_refused(
    recovery_case: NewCase, tmp_path: Path, seed: int
) -> None:
    _, source = made(seed, 2_000)
    routed = Routed(recovery_case, tmp_path, source, block_bytes=1_024)
    routed.case.kill_at(Step.CHECKPOINT_STORED, from_rows=400)
    admin = KafkaAdminClient(bootstrap_servers=routed.case.stack.bootstrap_servers)
    admin.delete_topics([routed.south])
    admin.close()
    routed.case.stack.create_topic(routed.south, 1)
    worker = routed.case.refused("TopicChanged")
    assert f"topic {routed.south} was deleted and created again" in worker.output()


def test_f153_a_routed_topic_may_get_more_partitions_in_the_middle_of_a_load(
    recovery_case: NewCase, tmp_path: Path, seed: int
) -> None:
    fates, source = made(seed, 2_000)
    routed = Routed(recovery_case, tmp_path, source, block_bytes=1_024)
    routed.case.kill_at(Step.CHECKPOINT_STORED, from_rows=400)
    admin = KafkaAdminClient(bootstrap_servers=routed.case.stack.bootstrap_servers)
    admin.create_partitions({routed.middle: 5})
    admin.close()
    worker = routed.case.run()
    assert f"topic {routed.middle} has 5 partitions now" in worker.output()
    routed.assert_each_row_is_in_its_topic(fates)


FILE_ROWS = (700, 0, 900, 1, 400, 800)
ENDS = (".csv", ".csv.gz", ".csv.zst")


@pytest.mark.parametrize("order", ["set", "object"])
@pytest.mark.parametrize("partitions", [(1, 1, 1), (2, 3, 1)])
def test_f151_sets_of_files_are_routed_once_through_kills(
    recovery_case: NewCase,
    tmp_path: Path,
    seed: int,
    order: str,
    partitions: tuple[int, int, int],
) -> None:
    fates, source = made(seed, sum(FILE_ROWS))
    rows = source.splitlines(keepends=True)[1:]
    files = {}
    for number, count in enumerate(FILE_ROWS):
        head, rows = rows[:count], rows[count:]
        files[f"part-{number}{ENDS[number % 3]}"] = HEADER + b"".join(head)
    settings = {"ORDER": order, "LEASE_SECONDS": "2"}
    routed = Routed(recovery_case, tmp_path, files, partitions, block_bytes=512, settings=settings)
    case, chance = routed.case, random.Random(seed)
    for _ in range(5 if order == "set" else 3):
        count, pace = (1, 0.05) if order == "set" else (2, 0.1)
        workers = [case.start(pace_seconds=pace) for _ in range(count)]
        workers[0].wait_for_step(chance.choice((Step.BLOCK_TAKEN, Step.BATCH_ACKNOWLEDGED)))
        workers[0].lives_for(chance.uniform(0.0, 0.15))
        for worker in workers:
            assert worker.kill() == KILLED, worker.output()
    case.run()
    routed.assert_each_row_is_in_its_topic(fates)
