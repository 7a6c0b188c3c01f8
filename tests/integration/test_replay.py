"""Dead letters, replayed by repaired settings: each row once, as the row that it was."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from traceback import walk_stack
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from csvkafka.aws.dynamodb_item import DynamoDbStore
from csvkafka.config.load_config import LoadConfig, kafka_settings
from csvkafka.errors import (
    CheckpointError,
    ConfigChangedError,
    ConfigError,
    MalformedRowError,
    SourceChangedError,
    StoppedError,
    TopicChangedError,
)
from csvkafka.job.parts import JobResult
from csvkafka.job.replays import begin_replay
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.checker.verdict import AnomalyKind, Verdict
from csvkafka.testing.checker.verify import verify_job
from csvkafka.wiring import run_load
from tests.integration.command_line import run_csvkafka
from tests.integration.kafka_rows import admin, values_in
from tests.integration.loads import LoadPlace
from tests.refusals import refusal

TABLE = """
[columns]
id = "int"
name = "string"
price = "decimal(9,2)"
"""
REPAIRED = TABLE.replace('id = "int"', 'id = "string"').replace("(9,2)", "(9,4)")

ROWS = {
    3: b"x3,c,3.00",  # no int
    4: b"4,d",  # width, for good
    6: b"6,f,1.005",  # too many digits
    7: b"7,\xff,1.00",  # no text, but in latin-1
    9: b'"9b","i, quoted",9.00',  # no int
}
COUNT = 10


def csv_file(rows: Mapping[int, bytes] = ROWS) -> bytes:
    lines = [rows.get(n, b"%d,n,%d.25" % (n, n)) for n in range(1, COUNT + 1)]
    return b"\n".join([b"id,name,price", *lines, b""])


class Load:
    """A load that sets rows aside, and its replay."""

    def __init__(self, place: LoadPlace, folder: Path) -> None:
        self.place = place
        self.dead = place.topic + "-dead"
        self.columns = folder / "columns.toml"
        self.columns.write_text(TABLE)
        place.stack.create_topic(self.dead)

    def settings(self, **more: str) -> dict[str, str]:
        return self.place.settings(
            CSV_COLUMNS=str(self.columns),
            ON_BAD_ROW="dead-letter",
            DEAD_LETTER_TOPIC=self.dead,
            **more,
        )

    def load(self, **more: str) -> JobResult:
        return run_load(LoadConfig.from_settings({**self.settings(), **more}))

    def replay(
        self, replay_id: str | None = None, *, again: bool = False, **more: str
    ) -> JobResult:
        config = LoadConfig.from_settings({**self.settings(), **more})
        return run_load(config.as_replay(replay_id, again=again))


def verdict(settings: Mapping[str, str], replay_id: str | None = None) -> Verdict:
    """What `csvkafka verify` says of a replay, given its settings."""
    replay_id = replay_id or f"{settings['JOB_ID']}-replay-1"
    config = LoadConfig.from_settings({**settings, "JOB_ID": replay_id})
    found = verify_job(config, needs_item=True).verdict
    print(found)
    return found


def check_clean(settings: Mapping[str, str], count: int, replay_id: str | None = None) -> None:
    found = verdict(settings, replay_id)
    assert (found.is_clean, found.row_count, found.rows_found) == (True, count, count)


@pytest.fixture
def load(place: LoadPlace, tmp_path: Path) -> Load:
    return Load(place, tmp_path)


def test_rows_of_each_fault_are_loaded_by_the_repaired_settings(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    before = load.place.records()
    assert [record["_source_line"] for record in before] == [1, 2, 5, 8, 10]
    load.columns.write_text(REPAIRED)

    result = load.replay(CSV_ENCODING="latin-1")

    assert (result.row_count, result.sent_now) == (5, 5)
    uri = f"s3://{load.place.bucket}/{load.place.key}"
    after = load.place.records()
    assert after[:5] == before, "what the load sent stays as it is"
    assert after[5:] == [
        {"id": "x3", "name": "c", "price": 3.0, "_source_line": 3, "_source_file": uri},
        {"id": "6", "name": "f", "price": 1.005, "_source_line": 6, "_source_file": uri},
        {"id": "7", "name": "ÿ", "price": 1.0, "_source_line": 7, "_source_file": uri},
        {"id": "9b", "name": "i, quoted", "price": 9.0, "_source_line": 9, "_source_file": uri},
    ]
    assert load.replay(CSV_ENCODING="latin-1").already_complete
    assert len(load.place.records()) == 9
    found = verdict(load.settings(CSV_ENCODING="latin-1"))
    assert (found.is_clean, found.row_count, found.foreign_count) == (True, 4, 5)
    assert "1 of 5 letters do not fit again, and are set aside" in found.notes


def test_a_row_that_still_does_not_fit_goes_on_and_can_be_replayed_again(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    load.replay()
    assert load.place.lines()[5:] == [3, 6, 9], "4 and 7 went into the topic that was read"
    again = f"{load.place.job_id}-replay-1"

    result = load.replay(JOB_ID=again, CSV_ENCODING="latin-1")

    assert load.place.lines()[5:] == [3, 6, 9, 7]
    assert result.row_count == 2
    check_clean(load.settings(CSV_ENCODING="latin-1"), 1, f"{again}-replay-1")
    check_clean(load.settings(), 3, again)


def test_verify_of_a_replay_that_set_all_aside_again_gives_no_hint_about_content(
    load: Load,
) -> None:
    load.place.put(csv_file())
    load.load()
    load.replay()
    found = verdict(load.settings())
    assert (found.is_clean, found.row_count, found.foreign_count) == (True, 0, 5)
    assert not any("--by-content" in note for note in found.notes)
    assert "5 of 5 letters do not fit again, and are set aside" in found.notes


def test_letters_of_other_jobs_in_the_topic_are_left_alone(load: Load) -> None:
    load.place.put(csv_file())
    load.load(JOB_ID="other-" + load.place.job_id)
    load.load()
    load.load(JOB_ID="third-" + load.place.job_id)
    load.columns.write_text(REPAIRED)
    assert load.replay().row_count == 5
    check_clean(load.settings(), 3)


def test_a_function_of_the_users_gets_the_line_that_the_row_had(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    place.put(b"id,name\n1,a\n7,b\n3,c\n")
    settings = {"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": dead}
    place.load(TRANSFORM="tests.integration.transforms:refuse_seven", **settings)
    assert place.lines() == [1, 3]
    config = LoadConfig.from_settings(place.settings(**settings)).as_replay()
    run_load(config)
    assert place.lines() == [1, 3, 2]
    check_clean(place.settings(**settings), 1)
    judged_so = place.settings(**settings, TRANSFORM="tests.integration.transforms:refuse_seven")
    assert verdict(judged_so).count(AnomalyKind.PHANTOM_ROW) == 1, "by the load's it is set aside"


def test_letters_of_utf_16_are_utf_16(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    place.put("\ufeffid,näme\n1,a\n2,ö,zu viel\n3,c\n".encode("utf-16-le"))
    settings = {
        "ON_BAD_ROW": "dead-letter",
        "DEAD_LETTER_TOPIC": dead,
        "CSV_ENCODING": "utf-16-le",
    }
    place.load(**settings)
    kept = {"CSV_ENCODING": "utf-16-le", "ON_BAD_ROW": "keep"}
    run_load(LoadConfig.from_settings(place.settings(**kept)).as_replay())
    (late,) = place.records()[2:]
    assert (late["näme"], late["null"], late["_source_line"]) == ("ö", ["zu viel"], 2)
    check_clean(place.settings(**kept), 1)


def test_rows_of_several_files_of_a_set(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    files = {
        "set/a.csv": b"id,name\n1,a\n2\n",
        "set/b.csv": b"name,id\nb,3\n4\n",
        "set/c.csv": b"id,name\n5\n6,f\n",
    }
    for key, data in files.items():
        place.stack.put_object(place.bucket, key, data)
    settings = {
        **place.settings(S3_PREFIX="set/", ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=dead),
        "S3_KEY": "",
    }
    run_load(LoadConfig.from_settings(settings))
    kept = {**settings, "ON_BAD_ROW": "keep", "DEAD_LETTER_TOPIC": ""}
    run_load(LoadConfig.from_settings(kept).as_replay())
    late = [
        (r["_source_file"][-5:], r["_source_line"], r["id"], r["name"]) for r in place.records()[3:]
    ]
    assert late == [("a.csv", 2, "2", None), ("b.csv", 2, None, "4"), ("c.csv", 1, "5", None)]
    check_clean(kept, 3)


def test_a_set_whose_manifest_is_in_another_bucket(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    place.stack.put_object(place.bucket, "set/a.csv", b"id,name\n1,a\n2\n")
    lists = place.bucket + "-lists"
    place.stack.create_bucket(lists)
    place.stack.put_object(lists, "m.txt", b"set/a.csv\n")
    manifest = f"s3://{lists}/m.txt"
    settings = {
        **place.settings(S3_MANIFEST=manifest, ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=dead),
        "S3_KEY": "",
    }
    run_load(LoadConfig.from_settings(settings))
    kept = {**settings, "ON_BAD_ROW": "keep", "DEAD_LETTER_TOPIC": ""}
    run_load(LoadConfig.from_settings(kept).as_replay())
    assert place.lines() == [1, 2]


def test_batches_become_smaller_when_the_topic_takes_no_larger_ones(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    rows = [b"%d,%s,x" % (n, b"n" * 100) for n in range(500)]
    place.put(b"\n".join([b"id,name", *rows, b""]))
    place.load(ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=dead)

    class Lowers:
        """The topic's limit, once the replay has read it."""

        restarts = 0

        def report(self, step: Step, **_: int) -> None:
            if step is Step.LEASE_TAKEN:
                set_limit(place, "20000")
            if step is Step.RESTARTED:
                self.restarts += 1
                assert self.restarts < 10, "it goes on for ever"

    observer = Lowers()
    kept = place.settings(ON_BAD_ROW="keep", KAFKA_COMPRESSION_TYPE="none")
    result = run_load(LoadConfig.from_settings(kept).as_replay(), observer=observer)
    assert observer.restarts
    assert result.row_count == 500
    assert place.lines() == list(range(1, 501))


def set_limit(place: LoadPlace, max_message_bytes: str) -> None:
    configs = {"max.message.bytes": max_message_bytes}
    with admin(place.stack.bootstrap_servers) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, place.topic, configs)])


def test_a_signal_ends_the_count_of_the_letters(load: Load) -> None:
    """It may take minutes, and comes before all else that a run does."""

    def signal_while_counting() -> int | None:
        functions = {frame.f_code.co_name for frame, _ in walk_stack(None)}
        return signal.SIGTERM if {"identify", "read_batches"} <= functions else None

    load.place.put(csv_file())
    load.load()
    config = LoadConfig.from_settings(load.settings()).as_replay()
    with pytest.raises(StoppedError):
        run_load(config, stop_signal=signal_while_counting)
    assert load.replay().row_count == len(ROWS)


def test_a_job_without_letters(load: Load) -> None:
    load.place.put(b"id,name,price\n1,a,1.00\n")
    load.load()
    done = run_csvkafka("replay", settings=load.settings())
    assert done.returncode == 0
    assert "set no row aside: there is nothing to replay" in done.stdout


def test_the_command_says_when_all_is_done_already(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    reloaded = run_csvkafka("load", settings=load.settings())
    assert f"10 records sent, 5 rows set aside in topic {load.dead}. Nothing" in reloaded.stdout
    load.columns.write_text(REPAIRED)
    first = run_csvkafka("replay", settings=load.settings())
    assert first.returncode == 0, first.stderr
    again = run_csvkafka("replay", settings=load.settings())
    assert (again.returncode, "is complete already: 5 rows" in again.stdout) == (0, True)
    for each in (first, again):
        assert f"csvkafka replay --job-id {load.place.job_id}-replay-1" in each.stdout
    status = run_csvkafka("status", f"{load.place.job_id}-replay-1", settings=load.settings())
    assert f"5 dead letters of job {load.place.job_id} in topic {load.dead}" in status.stdout
    verify = run_csvkafka(
        "verify", settings={**load.settings(), "JOB_ID": f"{load.place.job_id}-replay-1"}
    )
    assert verify.returncode == 0, verify.stderr
    assert "2 of 5 letters do not fit again, and are set aside" in verify.stdout


def test_only_a_complete_job_is_replayed(load: Load) -> None:
    load.place.put(csv_file())
    with pytest.raises(Exception, match="MAX_BAD_ROWS"):
        load.load(MAX_BAD_ROWS="1")
    with refusal(ConfigError, "is not complete"):
        load.replay()


def test_a_job_that_never_was(load: Load) -> None:
    load.place.put(csv_file())
    with refusal(CheckpointError, "has no item of job"):
        load.replay()


def test_a_job_of_another_file(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.place.key = "exports/other.csv"
    with refusal(SourceChangedError, "check the source's settings"):
        load.replay()


def test_a_job_without_a_dead_letter_topic(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    place.load()
    with refusal(ConfigError, "without DEAD_LETTER_TOPIC"):
        run_load(LoadConfig.from_settings(place.settings()).as_replay())


def test_another_header_is_refused_and_a_file_that_is_gone_is_not_needed(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    load.place.put(csv_file().replace(b"id,name,price", b"id,price,name", 1))
    with refusal(SourceChangedError, "the header of"):
        load.replay()
    load.place.stack.client("s3").delete_object(Bucket=load.place.bucket, Key=load.place.key)
    assert load.replay(CSV_HEADER="id,name,price").row_count == 5
    assert load.place.lines()[5:] == [3, 6, 9]
    check_clean(load.settings(CSV_HEADER="id,name,price"), 3)
    load.place.put(csv_file().replace(b"id,name,price", b"id,price,name", 1))
    with refusal(SourceChangedError, "that the replay was begun with"):
        verdict(load.settings())


def test_columns_that_have_no_names(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    place.put(b"1,a\n2\n")
    settings = {
        "CSV_HEADER": "none",
        "ON_BAD_ROW": "dead-letter",
        "DEAD_LETTER_TOPIC": dead,
    }
    place.load(**settings)
    config = LoadConfig.from_settings(place.settings(**settings))
    with refusal(ConfigError, "set CSV_HEADER to those names"):
        run_load(config.as_replay())
    kept = {"CSV_HEADER": "c1,c2", "ON_BAD_ROW": "keep"}
    run_load(LoadConfig.from_settings(place.settings(**kept)).as_replay())
    assert place.lines() == [1, 2]


def delete_letters(load: Load, before: int) -> None:
    delete_records(load, load.dead, before)


def delete_records(load: Load, topic: str, before: int) -> None:
    with admin(load.place.stack.bootstrap_servers) as client:
        client.delete_records({TopicPartition(topic, 0): before})


@pytest.fixture
def replayed(load: Load) -> Load:
    """Rows 3, 6, 7 and 9 were replayed, to Kafka offsets 5 to 8; row 4 does not fit again."""
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    load.replay(CSV_ENCODING="latin-1")
    return load


def test_verify_sees_a_row_of_a_replay_that_is_lost(replayed: Load) -> None:
    delete_records(replayed, replayed.place.topic, 7)
    found = verdict(replayed.settings(CSV_ENCODING="latin-1"))
    assert (found.count(AnomalyKind.LOST_ROW), found.row_count, found.rows_found) == (2, 4, 2)
    assert [place.source_line for place in found.anomalies[0].places] == [1, 3], "the letters"


def test_verify_sees_rows_of_a_replay_twice_torn_and_too_many(replayed: Load) -> None:
    settings = replayed.settings(CSV_ENCODING="latin-1")
    replayed.replay("other", again=True, CSV_ENCODING="latin-1")
    found = verdict(settings)
    assert found.count(AnomalyKind.DUPLICATE_ROW) == 4, "by whomever they are sent"
    assert not any("begun with other settings" in note for note in found.notes)
    replayed.columns.write_text(REPAIRED.replace('id = "string"', 'id = "int"'))
    found = verdict(settings)
    assert any("CSV_COLUMNS declares id otherwise" in note for note in found.notes), found.notes
    assert found.count(AnomalyKind.PHANTOM_ROW) == 2, "rows 3 and 9 would not fit by this table"
    assert found.count(AnomalyKind.TORN_ROW) == 2
    assert found.count(AnomalyKind.CHECKPOINT_MISCOUNTED) == 0


def test_verify_sees_rows_of_a_replay_out_of_order(load: Load) -> None:
    """As if the replay had sent them so: its own records are deleted, and sent again."""
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    late = load.place.topic + "-late"
    load.place.stack.create_topic(late)
    load.replay(CSV_ENCODING="latin-1", KAFKA_TOPIC=late)
    records = values_in(load.place.stack.bootstrap_servers, late, 0)
    with KafkaProducer(bootstrap_servers=load.place.stack.bootstrap_servers) as producer:
        for value in (records[1], records[0], *records[2:]):
            producer.send(late, value.encode(), partition=0).get(10)
    delete_records(load, late, len(records))
    found = verdict(load.settings(CSV_ENCODING="latin-1", KAFKA_TOPIC=late))
    assert found.count(AnomalyKind.REORDERED_ROW) == 1


def test_verify_of_a_replay_that_is_not_complete(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    with pytest.raises(Exception, match="MAX_BAD_ROWS"):
        load.replay(MAX_BAD_ROWS="1")
    replay = {**load.settings(), "JOB_ID": f"{load.place.job_id}-replay-1"}
    not_yet = run_csvkafka("verify", settings=replay)
    assert (not_yet.returncode, "is not complete" in not_yet.stderr) == (2, True)
    so_far = run_csvkafka("verify", "--so-far", settings=replay)
    assert (so_far.returncode, "clean:" in so_far.stdout) == (0, True)
    with refusal(SourceChangedError, "check the source's settings"):
        verdict(load.settings(S3_KEY="exports/other.csv"))


@pytest.mark.fault("F141")
def test_letters_that_retention_took(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    delete_letters(load, 2)
    with refusal(TopicChangedError, r"lacks [1-5] of the 5 letters"):
        load.replay()
    assert len(load.place.lines()) == 5, "nothing was sent"


def test_letters_that_are_loaded_may_go(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    load.replay()
    delete_letters(load, 5)
    assert load.replay().already_complete
    with refusal(TopicChangedError, r"has [0-4] of the 5 letters .* cannot be judged any more"):
        verdict(load.settings())


@pytest.mark.fault("F141")
def test_a_topic_that_was_created_again(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    with admin(load.place.stack.bootstrap_servers) as client:
        client.delete_topics([load.dead])
    with refusal(TopicChangedError, "are gone"):
        load.replay(DEAD_LETTER_TOPIC="", ON_BAD_ROW="stop")


def test_a_replay_keeps_its_settings_and_its_name(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    load.replay()
    load.columns.write_text(REPAIRED.replace("(9,4)", "(9,5)"))
    with refusal(ConfigChangedError, "CSV_COLUMNS declares price otherwise"):
        load.replay()
    with refusal(ConfigError, "another name than that"):
        load.replay(load.place.job_id)
    with refusal(ConfigError, "ORDER=set only.*_source_file names its file"):
        LoadConfig.from_settings(
            {**load.settings(), "S3_KEY": "", "S3_PREFIX": "a/", "ORDER": "object"}
        ).as_replay()


def test_letters_are_not_loaded_twice_unless_that_is_wanted(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.columns.write_text(REPAIRED)
    job = load.place.job_id
    load.replay()
    sent = load.place.lines()
    with refusal(ConfigError, f"given to replay {job}-replay-1 already.*--again"):
        load.replay(f"{job}-late")
    assert load.place.lines() == sent
    status = run_csvkafka("status", job, "--dynamodb-table", load.place.table)
    assert f"by {job}-replay-1" in status.stdout, status.stdout + status.stderr
    again = run_csvkafka(
        "replay", "--replay-id", f"{job}-late", "--again", settings=load.settings()
    )
    assert again.returncode == 0, again.stdout
    assert f"was replayed by {job}-replay-1 too" in again.stdout
    assert load.place.lines() == [*sent, *sent[5:]]
    # It goes on without: it was consented to once.
    assert load.replay(f"{job}-late").already_complete


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"KAFKA_TOPIC": "no-such-topic"}, ConfigError),
        ({"CSV_HEADER": "id,price,name"}, SourceChangedError),
        ({"ON_BAD_ROW": "stop", "DEAD_LETTER_TOPIC": ""}, MalformedRowError),
    ],
    ids=["topic", "header", "first letter"],
)
def test_a_replay_that_was_refused_before_its_first_row_has_no_letters(
    load: Load, settings: Any, error: type[Exception]
) -> None:
    load.place.put(csv_file())
    load.load()
    with pytest.raises(error):
        load.replay("refused", **settings)
    load.columns.write_text(REPAIRED)
    assert load.replay("another").row_count == 5
    assert load.replay("another").already_complete
    with refusal(ConfigError, "given to replay another already"):
        load.replay("refused")


def test_a_replay_that_was_killed_after_its_note_goes_on_by_other_settings(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    store = DynamoDbStore(load.place.table, client=load.place.stack.client("dynamodb"))
    begin_replay(load.place.job_id, "killed", store, lambda ask: ask())
    with refusal(ConfigError, "given to replay killed already.*--replay-id killed"):
        load.replay("another")
    load.columns.write_text(REPAIRED)
    assert load.replay("killed").row_count == 5


def test_a_header_that_a_set_was_not_loaded_with(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    for key, data in {"set/a.csv": b"id,name\n1,a\n2\n", "set/b.csv": b"name,id\nb\n"}.items():
        place.stack.put_object(place.bucket, key, data)
    settings = {
        **place.settings(S3_PREFIX="set/", ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=dead),
        "S3_KEY": "",
    }
    run_load(LoadConfig.from_settings(settings))
    kept = {**settings, "ON_BAD_ROW": "keep", "DEAD_LETTER_TOPIC": "", "CSV_HEADER": "id,name"}
    with refusal(ConfigError, "another order in each: unset CSV_HEADER"):
        run_load(LoadConfig.from_settings(kept).as_replay())
    assert place.lines() == [1]


@pytest.mark.parametrize("then, now", [("latin-1", "utf-16-le"), ("utf-16-le", "utf-8")])
def test_letters_in_utf_16_are_not_read_as_other_text(
    place: LoadPlace, then: str, now: str
) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    place.put("id,name\n1,a\n2,ö,x\n".encode(then))
    place.load(ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=dead, CSV_ENCODING=then)
    given = {"ON_BAD_ROW": "keep", "CSV_HEADER": "id,name", "CSV_ENCODING": now}
    with refusal(ConfigError, f"set CSV_ENCODING={then}, as the load had it"):
        run_load(LoadConfig.from_settings(place.settings(**given)).as_replay())


def test_letters_hold_the_row_alone_and_all_of_it(place: LoadPlace) -> None:
    dead = place.topic + "-dead"
    place.stack.create_topic(dead)
    rows = b"1,a\n\n# a note\n2,\xff\n#\n3,c\\\n,x\n4,\xfe\\\n\n5,e\n6,\xff\\\\\n# the end\n\n"
    place.put(b"id,name\n" + rows)
    dialect = {"CSV_ESCAPECHAR": "\\", "CSV_COMMENT": "#"}
    place.load(ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=dead, **dialect)
    assert place.lines() == [1, 5]
    with TopicReader(kafka_settings(place.stack.environment()), dead) as reader:
        letters = [record.value for record in reader.records()[0]]
    assert letters == [b"2,\xff", b"3,c\\\n,x", b"4,\xfe\\\n", b"6,\xff\\\\"]

    kept = {**dialect, "ON_BAD_ROW": "keep", "CSV_ENCODING": "latin-1"}
    run_load(LoadConfig.from_settings(place.settings(**kept)).as_replay())

    late = [(record["_source_line"], record["name"]) for record in place.records()[2:]]
    assert late == [(2, "ÿ"), (3, "c\n"), (4, "þ\n"), (6, "ÿ\\")]
    check_clean(place.settings(**kept), 4)
    with refusal(ConfigError, "is [02] rows by these settings"):
        verdict(place.settings(**{**kept, "CSV_ESCAPECHAR": ""}))


def test_a_letter_that_the_repaired_table_drops_is_done(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    drop = '\n[[drop]]\ncolumn = "name"\nequals = "f"\n'
    load.columns.write_text(REPAIRED + drop)
    result = load.replay(CSV_ENCODING="latin-1")
    assert (result.row_count, result.sent_now) == (5, 4)
    assert load.place.lines()[5:] == [3, 7, 9], "4 is set aside again, 6 is dropped"
    again = load.replay(CSV_ENCODING="latin-1")
    assert (again.already_complete, again.row_count) == (True, 5)
    found = verdict(load.settings(CSV_ENCODING="latin-1"))
    assert (found.is_clean, found.row_count, found.dropped) == (True, 3, 1)
    assert "1 of 5 letters do not fit again, and are set aside" in found.notes


def test_verify_of_the_load_leaves_what_was_replayed_alone(load: Load) -> None:
    load.place.put(csv_file())
    load.load()
    load.replay(CSV_ENCODING="latin-1")
    verify = run_csvkafka("verify", settings={**load.settings(), "CSV_COLUMNS": str(load.columns)})
    print(verify.stdout, verify.stderr)
    assert verify.returncode == 0
