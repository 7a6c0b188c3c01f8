"""`verify` knows which rows of a job that really ran were to be set aside for their size: by the
limit in the job's item, and by a reading of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from csvkafka.config.load_config import LoadConfig
from csvkafka.interfaces import ItemChange
from csvkafka.testing.checker.expectation import IdentifyBy
from csvkafka.testing.checker.verdict import AnomalyKind, Verdict
from csvkafka.testing.checker.verify import Scope, verify_job
from csvkafka.wiring import run_load
from tests.integration.command_line import run_csvkafka
from tests.integration.kafka_rows import admin
from tests.integration.loads import LoadPlace

LIMIT = 1_000
ROWS, AT, ABOVE = 600, 200, 400
"""Row 200 makes a record of the limit's size, row 400 one of a byte more."""


class Load:
    """A load that sets rows aside above `LIMIT` bytes."""

    def __init__(self, place: LoadPlace) -> None:
        self.place = place
        self.dead = place.topic + "-dead"
        place.stack.create_topic(self.dead)

    def settings(self, **more: str) -> dict[str, str]:
        return self.place.settings(
            **{"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": self.dead, **more}
        )

    def run(self, **more: str) -> None:
        run_load(LoadConfig.from_settings(self.settings(**more)))

    def verdict(self, scope: Scope | None = None, /, **more: str) -> Verdict:
        """Without the limit, unless it is given."""
        found = verify_job(LoadConfig.from_settings(self.settings(**more)), scope, needs_item=True)
        print(found.verdict)
        return found.verdict

    def send(self, line: int, name: bytes) -> int:
        """What another producer writes for a row; gives the record's size."""
        value = (b'{"id":"%d","name":"%b","_source_line":%d,"_source_file":"%b"}') % (
            *(line, name, line),
            f"s3://{self.place.bucket}/{self.place.key}".encode(),
        )
        producer = KafkaProducer(bootstrap_servers=self.place.stack.bootstrap_servers)
        producer.send(self.place.topic, value=value, partition=0).get(timeout=120)
        producer.close()
        return len(value)

    def forget_limit(self) -> None:
        """As the item of a job that an older csvkafka began."""
        item: Any = self.place.item()
        configuration = {**item["configuration"]}
        del configuration["DEAD_LETTER_ABOVE_BYTES"]
        self.place.stored_item().update(ItemChange({"configuration": configuration}))


@pytest.fixture
def load(place: LoadPlace) -> Load:
    return Load(place)


def names(place: LoadPlace, beside: int = 0) -> dict[int, bytes]:
    """The names of the two rows, for records with so many more bytes."""
    file = f"s3://{place.bucket}/{place.key}"
    empty = f'{{"id":"200","name":"","_source_line":200,"_source_file":"{file}"}}'
    room = LIMIT - len(empty) - beside
    return {AT: b"x" * room, ABOVE: b"y" * (room + 1)}


def csv_of(large: Mapping[int, bytes]) -> bytes:
    rows = (b"%d,%s\n" % (n, large.get(n, b"name %d" % n)) for n in range(1, ROWS + 1))
    return b"id,name\n" + b"".join(rows)


def test_the_limit_in_the_item_is_what_a_job_is_judged_by(load: Load) -> None:
    large = names(load.place)
    load.place.put(csv_of(large))
    load.run(DEAD_LETTER_ABOVE_BYTES=str(LIMIT))
    found = load.verdict()
    assert found.is_clean
    assert (found.row_count, found.rows_found, found.too_large) == (ROWS - 1, ROWS - 1, 1)
    by_content = load.verdict(Scope(identify_by=IdentifyBy.CONTENT))
    assert (by_content.is_clean, by_content.too_large) == (True, 1)
    other = load.verdict(DEAD_LETTER_ABOVE_BYTES="2000")
    assert other.is_clean
    assert "judged by DEAD_LETTER_ABOVE_BYTES=1000, as the job's item says, not by 2000" in str(
        other
    )

    size = load.send(ABOVE, large[ABOVE])
    assert load.verdict().foreign_count == 1, "another producer's, as a replay's is"
    scopes = (Scope(), Scope(identify_by=IdentifyBy.CONTENT))
    for scope in scopes:
        sent = load.verdict(scope).anomaly(AnomalyKind.PHANTOM_ROW)
        assert sent is not None
        assert sent.first.source_line == ABOVE
        assert f"its row makes {size} bytes, more than the {LIMIT} of" in str(sent)

    load.forget_limit()
    without = load.verdict()
    assert (without.rows_found, without.too_large) == (ROWS, 0), (
        "what was sent for it is its record"
    )


def test_the_command_says_how_many_rows_are_set_aside_for_their_size(load: Load) -> None:
    large = names(load.place)
    load.place.put(csv_of(large))
    load.run(DEAD_LETTER_ABOVE_BYTES=str(LIMIT))
    shown = run_csvkafka("verify", settings=load.settings())
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f"clean: {ROWS - 1} records, {ROWS - 1} of {ROWS - 1} rows, 1 row too large" in (
        shown.stdout
    )
    as_json = run_csvkafka("verify", "--json", settings=load.settings())
    assert json.loads(as_json.stdout)["read_uncommitted"]["too_large"] == 1
    load.send(ABOVE, large[ABOVE])
    told = run_csvkafka("verify", "--exclusive", settings=load.settings())
    assert told.returncode == 1
    assert f"source line {ABOVE}: its row makes 1001 bytes, more than the 1000 of" in told.stdout


def test_a_job_whose_item_has_no_limit_has_lost_a_row_that_is_not_there(load: Load) -> None:
    load.place.put(csv_of(names(load.place)))
    load.run(DEAD_LETTER_ABOVE_BYTES=str(LIMIT))
    load.forget_limit()
    found = load.verdict(DEAD_LETTER_ABOVE_BYTES=str(LIMIT))
    lost = found.anomaly(AnomalyKind.LOST_ROW)
    assert lost is not None
    assert lost.first.source_line == ABOVE
    assert "judged by DEAD_LETTER_ABOVE_BYTES=none" in str(found)


def test_a_replay_is_judged_by_its_own_limit(load: Load) -> None:
    load.place.put(csv_of(names(load.place)))
    load.run(DEAD_LETTER_ABOVE_BYTES=str(LIMIT))
    replay = {"JOB_ID": f"{load.place.job_id}-replay-1"}
    run_load(LoadConfig.from_settings(load.settings()).as_replay())
    found = load.verdict(**replay)
    assert (found.is_clean, found.row_count, found.too_large) == (True, 1, 0), found
    assert load.verdict().is_clean, "the row is not the load's"

    again = LoadConfig.from_settings(load.settings(DEAD_LETTER_ABOVE_BYTES=str(LIMIT)))
    run_load(again.as_replay(f"{load.place.job_id}-again", again=True))
    found = load.verdict(JOB_ID=f"{load.place.job_id}-again")
    assert (found.is_clean, found.row_count, found.too_large) == (True, 0, 1), found
    assert "1 of 1 letter do not fit again, and are set aside" in str(found)


def test_the_usual_limit_stays_when_the_topic_takes_more(load: Load) -> None:
    load.place.put(csv_of({AT: b"x" * 1_036_900, ABOVE: b"y" * 1_037_000}))
    load.run()
    assert load.verdict().too_large == 1
    with admin(load.place.stack.bootstrap_servers) as client:
        configs = {"max.message.bytes": "4000000"}
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, load.place.topic, configs)])
    found = load.verdict()
    assert (found.is_clean, found.too_large) == (True, 1)


TABLE = """
[record]
key = ["id"]
key_format = "json"
metadata = "headers"
[columns]
id = "long"
name = { type = "string", rename = "n" }
"""


def test_keys_and_headers_count(load: Load, tmp_path: Path) -> None:
    (tmp_path / "columns.toml").write_text(TABLE)
    file = f"s3://{load.place.bucket}/{load.place.key}"
    beside = '{"id":200,"n":""}' + '{"id":200}' + "_source_line200_source_file" + file
    room = LIMIT - len(beside)
    load.place.put(csv_of({AT: b"x" * room, ABOVE: b"y" * (room + 1)}))
    columns = {"CSV_COLUMNS": str(tmp_path / "columns.toml")}
    load.run(DEAD_LETTER_ABOVE_BYTES=str(LIMIT), **columns)
    found = load.verdict(**columns)
    assert (found.is_clean, found.row_count, found.too_large) == (True, ROWS - 1, 1)


@pytest.mark.parametrize("order", ["set", "object"])
def test_the_files_of_a_set_have_one_limit(load: Load, order: str) -> None:
    place = load.place
    large = names(place, beside=len("2"))
    for number in (1, 2, 3):
        place.key = f"exports/data{number}.csv"
        place.put(csv_of(large))
    config = load.settings(S3_PREFIX="exports/", ORDER=order, DEAD_LETTER_ABOVE_BYTES=str(LIMIT))
    del config["S3_KEY"]
    run_load(LoadConfig.from_settings(config))
    del config["DEAD_LETTER_ABOVE_BYTES"]
    found = verify_job(LoadConfig.from_settings(config), needs_item=True).verdict
    assert (found.is_clean, found.row_count, found.too_large) == (True, 3 * (ROWS - 1), 3), found
