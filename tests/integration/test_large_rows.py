"""Rows that make too large a record, on a real broker: set aside, replayed, and what is said."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Mapping
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from csvkafka.config.load_config import LoadConfig, kafka_settings
from csvkafka.errors import ConfigChangedError, RecordTooLargeError, StoppedError
from csvkafka.interfaces import ItemChange
from csvkafka.job.parts import JobResult
from csvkafka.ledger.file_marks import child_id
from csvkafka.model import Step
from csvkafka.stores import open_store
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.wiring import run_load
from tests.integration.command_line import run_csvkafka
from tests.integration.kafka_rows import admin
from tests.integration.loads import LoadPlace, refused
from tests.refusals import refusal

TAKES_1_MB, TAKES_4_MB = "1048588", "4000000"
USUAL_LIMIT = "1037089"
LARGE = 3_000_000
NOISE = random.Random(7).randbytes(LARGE // 2).hex().encode()
"""No codec makes half of it."""


def csv_of(large: Mapping[int, bytes], count: int = 2_000) -> bytes:
    rows = (b"%d,%s\n" % (n, large.get(n, b"name %d" % n)) for n in range(1, count + 1))
    return b"id,name\n" + b"".join(rows)


class Load:
    """A load that sets rows aside, into a topic that takes 4 MB."""

    def __init__(self, place: LoadPlace, letter_bytes: str = TAKES_4_MB) -> None:
        self.place = place
        self.dead = place.topic + "-dead"
        place.stack.create_topic(self.dead, 1, {"max.message.bytes": letter_bytes})

    def settings(self, **more: str) -> dict[str, str]:
        return self.place.settings(
            **{"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": self.dead, **more}
        )

    def run(self, observer: Any = None, stop_signal: Any = lambda: None, **more: str) -> JobResult:
        config = LoadConfig.from_settings(self.settings(**more))
        return run_load(config, observer=observer, stop_signal=stop_signal)

    def replay(self, **more: str) -> JobResult:
        return run_load(LoadConfig.from_settings(self.settings(**more)).as_replay())

    def set_limit(self, topic: str, max_message_bytes: str) -> None:
        configs = {"max.message.bytes": max_message_bytes}
        with admin(self.place.stack.bootstrap_servers) as client:
            client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])

    def letters(self) -> list[TopicRecord]:
        environment = self.place.stack.environment()
        with TopicReader(kafka_settings(environment), self.dead) as reader:
            return list(reader.records()[0])

    def letter_lines(self) -> list[int]:
        return [int(dict(letter.headers)["_source_line"] or b"") for letter in self.letters()]

    def pinned(self, job_id: str | None = None) -> Any:
        config = LoadConfig.from_settings(self.settings())
        item = open_store(config.checkpoint).item(job_id or self.place.job_id).get()
        assert item is not None
        configuration: Any = item["configuration"]
        return configuration.get("DEAD_LETTER_ABOVE_BYTES")


@pytest.fixture
def load(place: LoadPlace) -> Load:
    return Load(place)


def test_a_row_of_3_mb_is_set_aside_and_replayed_once_the_topic_takes_it(load: Load) -> None:
    place = load.place
    source = csv_of({1_000: NOISE})
    place.put(source)
    stopped = run_csvkafka("load", settings=load.settings(MAX_BAD_ROWS="0"))
    assert stopped.returncode == 1
    size = LARGE + len(f's3://{place.bucket}/{place.key}{{"":"","":"","":1000,"":""}}')
    size += len("id1000name_source_line_source_file")
    why = f"row 1000 (makes a record of {size} bytes, the limit is {USUAL_LIMIT}"
    assert why in stopped.stdout + stopped.stderr
    assert "Traceback" not in stopped.stdout + stopped.stderr
    loaded = run_csvkafka("load", settings=load.settings(MAX_BAD_ROWS="1"))
    assert loaded.returncode == 0, loaded.stderr
    assert f"1 row set aside in topic {load.dead}" in loaded.stdout + loaded.stderr
    assert place.lines() == [n for n in range(1, 2_001) if n != 1_000]
    status = run_csvkafka("status", "--json", settings=load.settings())
    told = json.loads(status.stdout)
    assert told["set_aside"] == 1
    assert told["item"]["configuration"]["DEAD_LETTER_ABOVE_BYTES"] == USUAL_LIMIT

    (letter,) = load.letters()
    assert letter.value == b"1000," + NOISE
    headers = {name: (value or b"").decode() for name, value in letter.headers}
    assert int(headers["_source_byte"]) == source.index(b"1000," + NOISE)
    reason = f"row makes a record of {size} bytes, the limit is {USUAL_LIMIT}"
    assert headers["reason"] == f"{reason} (DEAD_LETTER_ABOVE_BYTES)"
    assert headers["code"] == "size"
    assert headers["__connect.errors.stage"] == "KAFKA_PRODUCE"
    assert all(len(text) < 200 for text in headers.values()), "nothing of the row"

    load.set_limit(place.topic, TAKES_4_MB)
    result = load.replay()
    assert (result.row_count, result.set_aside) == (1, 0)
    assert load.pinned(f"{place.job_id}-replay-1") == str(4_000_000 - 1_024 - 39_989)
    (*_, record) = place.records()
    assert (record["_source_line"], record["name"]) == (1_000, NOISE.decode())


def test_a_replay_into_a_topic_that_still_takes_less_sets_the_row_aside_again(load: Load) -> None:
    load.place.put(csv_of({5: NOISE}, count=10))
    load.run()
    result = load.replay()
    assert (result.row_count, result.set_aside) == (1, 1)
    assert load.letter_lines() == [5, 5]
    assert load.letters()[0].value == load.letters()[1].value


def test_a_limit_of_ones_own(load: Load) -> None:
    rows = {n: b"x" * (200 + n) for n in (3, 5, 7)}
    load.place.put(csv_of(rows, count=10))
    load.run(DEAD_LETTER_ABOVE_BYTES="1000")
    assert load.letters() == []
    with refusal(ConfigChangedError, "DEAD_LETTER_ABOVE_BYTES '1000' then, '2000' now"):
        load.run(DEAD_LETTER_ABOVE_BYTES="2000")
    load.place.job_id += "-2"
    load.place.put(csv_of({3: b"x" * 1_000, 7: b"y" * 960}, count=10))
    load.run(DEAD_LETTER_ABOVE_BYTES="1000")
    assert load.letter_lines() == [3, 7]
    load.place.job_id += "-3"
    load.set_limit(load.place.topic, TAKES_4_MB)
    load.run(DEAD_LETTER_ABOVE_BYTES="2000")
    assert load.letter_lines() == [3, 7]


def test_a_row_that_fits_when_it_is_compressed_is_sent_if_the_limit_is_larger(load: Load) -> None:
    """And else it is set aside, though it was sent before there was a limit."""
    load.place.put(csv_of({5: b"x" * LARGE}, count=10))
    load.run()
    assert load.letter_lines() == [5]
    assert load.place.lines() == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    load.place.job_id += "-2"
    load.run(DEAD_LETTER_ABOVE_BYTES="4000000")
    assert load.letter_lines() == [5]
    assert load.place.lines()[9:] == list(range(1, 11))


def test_the_documented_class_takes_the_setting(load: Load) -> None:
    load.place.put(csv_of({4: b"x" * 2_000}, count=10))
    settings = {
        "ON_BAD_ROW": "dead-letter",
        "DEAD_LETTER_TOPIC": load.dead,
        "DEAD_LETTER_ABOVE_BYTES": "1500",
    }
    result = load.place.processor(settings=settings).process()
    assert (result.row_count, result.set_aside) == (10, 1)
    assert load.letter_lines() == [4]


# -- the limit of the letters ----------------------------------------------------------------------


def test_a_letter_that_does_not_fit_stops_the_load_until_its_topic_takes_it(
    place: LoadPlace,
) -> None:
    load = Load(place, TAKES_1_MB)
    place.put(csv_of({1_000: NOISE}))
    for _ in range(2):
        with refusal(RecordTooLargeError) as caught:
            load.run(KAFKA_COMPRESSION_TYPE="none")
        said = str(caught.value)
        assert "row 1000 at byte " in said
        assert "its dead letter makes a batch of 3000" in said
        assert f"raise max.message.bytes of topic {load.dead} (DEAD_LETTER_TOPIC), and run" in said
        assert place.lines() == list(range(1, 1_000))
    load.set_limit(load.dead, TAKES_4_MB)
    with refusal(RecordTooLargeError, match="raise MAX_RECORD_BYTES, and run again"):
        load.run(KAFKA_COMPRESSION_TYPE="none", MAX_RECORD_BYTES="2000000")
    load.run(KAFKA_COMPRESSION_TYPE="none")
    assert load.letter_lines() == [1_000]
    assert place.lines() == [n for n in range(1, 2_001) if n != 1_000]


def test_a_topic_of_letters_that_takes_less_is_warned_of_and_does_not_limit_rows(
    place: LoadPlace,
) -> None:
    load = Load(place, "30000")
    place.put(csv_of({5: NOISE[:100_000], 7: b"a,surplus"}, count=10))
    settings = load.settings(KAFKA_COMPRESSION_TYPE="none")
    warning = "has max.message.bytes=30000, less than the topics of rows"
    doctor = run_csvkafka("doctor", settings=settings)
    assert warning in doctor.stdout
    assert f"rows whose record has more than {int(USUAL_LIMIT):,} bytes are set aside" in (
        doctor.stdout
    )
    assert "a dead letter may have 28,976 bytes, as compressed" in doctor.stdout
    beyond = "DEAD_LETTER_ABOVE_BYTES is more than the topic's max.message.bytes allows"
    assert beyond not in doctor.stdout
    doctor = run_csvkafka("doctor", settings=settings | {"DEAD_LETTER_ABOVE_BYTES": "2000000"})
    assert beyond in doctor.stdout.replace("--dead-letter-above-bytes", "DEAD_LETTER_ABOVE_BYTES")
    dry_run = run_csvkafka("load", "--dry-run", "--json", settings=settings)
    assert warning in dry_run.stdout
    loaded = run_csvkafka("load", settings=settings)
    assert loaded.returncode == 0, loaded.stderr
    assert (loaded.stdout + loaded.stderr).count(warning) == 1
    assert place.lines() == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    assert load.letter_lines() == [7]


def test_nothing_is_said_of_how_much_a_topic_takes_that_is_not_there(load: Load) -> None:
    load.place.put(csv_of({}, count=4))
    load.set_limit(load.place.topic, TAKES_4_MB)
    settings = load.settings(DEAD_LETTER_TOPIC="no-such-topic")
    dry_run = run_csvkafka("load", "--dry-run", "--json", settings=settings)
    assert "topic no-such-topic does not exist" in dry_run.stdout
    assert "less than the topics of rows" not in dry_run.stdout


def test_a_dry_run_shows_the_row_that_would_be_set_aside(load: Load) -> None:
    load.place.put(csv_of({2: b"x" * 3_000}, count=4))
    settings = load.settings(DEAD_LETTER_ABOVE_BYTES="2000")
    shown = run_csvkafka("load", "--dry-run", "--json", settings=settings)
    assert shown.returncode == 0, shown.stderr
    topics = [record["topic"] for record in json.loads(shown.stdout)["records"]]
    assert topics == [load.place.topic, load.dead, load.place.topic, load.place.topic]


# -- a limit that stays ----------------------------------------------------------------------------


class Raises:
    """Raises the limit of the topic in the middle of the load, and stops it."""

    def __init__(self, load: Load, step: Step, max_message_bytes: str = TAKES_4_MB) -> None:
        self._load, self._step, self._limit = load, step, max_message_bytes
        self.is_done = False

    def report(self, step: Step, **_: int) -> None:
        if step is self._step and not self.is_done:
            self.is_done = True
            self._load.set_limit(self._load.place.topic, self._limit)

    def signal(self) -> int | None:
        return signal.SIGTERM if self.is_done else None


def test_a_job_that_has_sent_nothing_takes_the_limit_as_it_is_now(load: Load) -> None:
    load.place.put(csv_of({9: NOISE}, count=10))
    raises = Raises(load, Step.ITEM_CREATED)
    with pytest.raises(StoppedError):
        load.run(raises, raises.signal)
    assert load.pinned() == USUAL_LIMIT
    load.run()
    assert load.pinned() == str(4_000_000 - 1_024 - 39_989)
    assert load.place.lines() == list(range(1, 11))


def test_a_job_of_an_older_version_goes_on_without_a_limit(load: Load) -> None:
    load.place.put(csv_of({9: NOISE}, count=10))
    raises = Raises(load, Step.IDENTITY_STORED, TAKES_1_MB)
    with pytest.raises(StoppedError):
        load.run(raises, raises.signal)
    item = load.place.item()
    assert item is not None
    configuration: Any = item["configuration"]
    del configuration["DEAD_LETTER_ABOVE_BYTES"]
    load.place.stored_item().update(ItemChange(set={"configuration": configuration}))
    refused(load.run, RecordTooLargeError, "row 9", "raise the topic's max.message.bytes")
    load.set_limit(load.place.topic, TAKES_4_MB)
    load.run()
    assert load.place.lines() == list(range(1, 11))
    assert load.pinned() is None


def test_doctor_shows_the_limit_of_a_job_that_was_begun(load: Load) -> None:
    load.place.put(csv_of({9: NOISE}, count=10))
    raises = Raises(load, Step.IDENTITY_STORED)
    with pytest.raises(StoppedError):
        load.run(raises, raises.signal)
    shown = run_csvkafka("doctor", settings=load.settings())
    assert f"more than {int(USUAL_LIMIT):,} bytes are set aside" in shown.stdout, shown.stdout


@pytest.mark.parametrize("order", ["set", "object"])
def test_all_files_of_a_set_have_one_limit(load: Load, order: str) -> None:
    place = load.place
    for name in ("a", "b", "c"):
        source = csv_of({5: NOISE if name != "c" else b"x"}, count=10)
        place.stack.put_object(place.bucket, f"x/{name}.csv", source)
    of_set = {"S3_KEY": "", "S3_PREFIX": "x/", "ORDER": order}
    first = Step.FILE_ACKNOWLEDGED if order == "set" else Step.FILE_MARKED
    raises = Raises(load, first)
    with pytest.raises(StoppedError):
        load.run(raises, raises.signal, **of_set)
    result = load.run(**of_set)
    assert (result.row_count, result.set_aside) == (30, 2)
    assert load.letter_lines() == [5, 5]
    lines = sorted([n for n in range(1, 11) if n != 5] * 2 + list(range(1, 11)))
    assert sorted(place.lines()) == lines
    assert load.pinned() == USUAL_LIMIT
    if order == "object":
        item = place.item()
        assert item is not None
        source_of_item: Any = item["source"]
        children = [child_id(place.job_id, source_of_item["etag"], n) for n in range(3)]
        assert [load.pinned(child) for child in children] == [USUAL_LIMIT] * 3


def test_workers_that_share_a_set_set_aside_the_same_rows(load: Load) -> None:
    place = load.place
    for number in range(6):
        source = csv_of({5: NOISE[: 2_000_000 + number]}, count=10)
        place.stack.put_object(place.bucket, f"x/{number}.csv", source)
    of_set = {"S3_KEY": "", "S3_PREFIX": "x/", "ORDER": "object"}
    loaded = run_csvkafka("load", "--workers", "2", settings=load.settings(**of_set))
    assert loaded.returncode == 0, loaded.stderr
    sizes = sorted(len(letter.value or b"") for letter in load.letters())
    assert sizes == [2_000_002 + number for number in range(6)]
    assert sorted(place.lines()) == sorted([n for n in range(1, 11) if n != 5] * 6)
