"""What makes a job the same job: each difference has an error of its own, in a fixed order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from csvkafka.errors import (
    ConfigChangedError,
    ConfigError,
    CsvKafkaError,
    ItemUnusableError,
    SourceChangedError,
    TopicChangedError,
)
from csvkafka.job.definition import JobSpec, Membership, define
from csvkafka.job.same_job import changes, check_same_job, has_promised_nothing
from csvkafka.job.size_limit import with_size_limit
from csvkafka.ledger.item import JobDefinition, StoredJob, decode, new_item
from csvkafka.model import (
    BadRows,
    Dialect,
    DuplicateColumns,
    FileOrder,
    JobStatus,
    Lane,
    Position,
    ProducerIdentity,
    SourceIdentity,
    TopicFacts,
)
from csvkafka.schema.declaration import read_table
from csvkafka.schema.subjects import WireSchema, WireSchemas
from tests.refusals import refusal, refusal_in

SOURCE = SourceIdentity("bucket", "key.csv", '"etag"', 1000)
HEADER = ("id", "name")
FACTS = {"rows": TopicFacts("cluster", "topic-id", 4, 3, {})}
SPEC = JobSpec("job", "rows")
KEYED = JobSpec("job", "rows", key_column="id")
SETS_ASIDE = replace(SPEC, bad_rows=BadRows.DEAD_LETTER, dead_letter_topic="dead")
LETTER_FACTS = {**FACTS, "dead": TopicFacts("cluster", "dead-id", 1, 3, {})}


def definition(spec: JobSpec = SPEC, source: SourceIdentity = SOURCE) -> JobDefinition:
    return define(spec, source, HEADER, FACTS, 4)


def definition_of(spec: JobSpec) -> JobDefinition:
    """Of a job that sets rows aside."""
    return define(spec, SOURCE, HEADER, LETTER_FACTS, 4)


def stored(of: JobDefinition | None = None) -> StoredJob:
    """The item of the job as it would be read back."""
    return decode(new_item("job", of or definition(), 10.0, 1_700_000_000))


def refused(kind: type[CsvKafkaError], item: StoredJob, now: JobDefinition) -> str:
    with pytest.raises(kind) as caught:
        check_same_job(item, now, FACTS)
    assert type(caught.value) is kind
    return str(caught.value)


def test_the_same_job_passes_without_a_word() -> None:
    assert check_same_job(stored(), definition(), FACTS) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"job_id": "other"},
        {"topic": "rows", "partition": 1},
        {"key_column": "name"},
        {"dialect": Dialect(delimiter=";")},
        {"dialect": Dialect(encoding="latin-1")},
        {"dialect": Dialect(quotechar="")},
        {"dialect": Dialect(skipped_lines=1)},
        {"bad_rows": BadRows.KEEP},
        {"source_compression": "gzip"},
        {"transform": dict},
        {"one_by_one": True},
        {"block_bytes": 1000},
        {"max_batch_bytes": 20_000},
    ],
)
def test_each_setting_that_decides_what_is_written_where_is_part_of_the_job(
    changed: dict[str, object],
) -> None:
    other = define(replace(SPEC, **changed), SOURCE, HEADER, FACTS, 4)  # type: ignore[arg-type]
    assert "then" in refused(ConfigChangedError, stored(), other)


def test_a_setting_that_an_item_does_not_name_is_said_by_its_default() -> None:
    other = define(replace(SPEC, dialect=Dialect(doublequote=False)), SOURCE, HEADER, FACTS, 4)
    assert "CSV_DOUBLEQUOTE 'true' then, 'false' now" in refused(
        ConfigChangedError, stored(), other
    )
    other = define(replace(SPEC, order=FileOrder.OBJECT), SOURCE, HEADER, FACTS, 4)
    assert "ORDER 'set' then, 'object' now" in refused(ConfigChangedError, stored(), other)


def test_columns_are_part_of_the_job() -> None:
    other = define(SPEC, SOURCE, ("id", "title"), FACTS, 4)
    assert "columns" in refused(ConfigChangedError, stored(), other)


def test_an_item_copied_to_another_job_id_is_refused() -> None:
    other = definition(replace(SPEC, job_id="copy"))
    message = refused(ConfigChangedError, stored(), other)
    assert "JOB_ID 'job' then, 'copy' now" in message
    refusal_in(ConfigChangedError, message)


@pytest.mark.parametrize(
    "changed", [{"etag": '"new"'}, {"size": 999}, {"key": "other.csv"}, {"bucket": "b"}]
)
def test_another_object_is_refused(changed: dict[str, object]) -> None:
    other = definition(source=replace(SOURCE, **changed))  # type: ignore[arg-type]
    refusal_in(SourceChangedError, refused(SourceChangedError, stored(), other))


def test_a_changed_object_in_a_versioned_bucket_can_be_gone_on_with_by_its_version() -> None:
    item = stored(definition(source=replace(SOURCE, version_id="v1")))
    other = definition(source=replace(SOURCE, etag='"new"', version_id="v2"))
    assert "S3_VERSION_ID=v1" in refused(SourceChangedError, item, other)


def test_another_version_id_of_the_same_bytes_is_the_same_object() -> None:
    item = stored(definition(source=replace(SOURCE, version_id="v1")))
    now = definition(source=replace(SOURCE, version_id="v2"))
    assert check_same_job(item, now, FACTS) == []


def test_another_cluster_or_topic_id_is_refused() -> None:
    for now in ({"cluster_id": "other"}, {"topic_ids": {"rows": "new-id"}}):
        message = refused(TopicChangedError, stored(), replace(definition(), **now))
        refusal_in(TopicChangedError, message)


def test_the_source_is_compared_before_settings_and_settings_before_the_topic() -> None:
    both = replace(
        definition(replace(SPEC, key_column="id"), replace(SOURCE, etag='"new"')), cluster_id="x"
    )
    refused(SourceChangedError, stored(), both)
    refused(ConfigChangedError, stored(), replace(both, source=SOURCE))


def test_a_position_beyond_the_source_is_refused_unless_it_is_gzip() -> None:
    item = replace(stored(), position=Position(1001, 7))
    assert "byte 1001" in refused(ItemUnusableError, item, definition())
    gzipped = definition(source=replace(SOURCE, compression="gzip"))
    assert check_same_job(item, gzipped, FACTS) == []


def test_fewer_partitions_are_refused_and_more_are_a_warning_where_rows_have_keys() -> None:
    keyed = definition(KEYED)
    more = {"rows": replace(FACTS["rows"], partition_count=6)}
    fewer = {"rows": replace(FACTS["rows"], partition_count=2)}
    (warning,) = check_same_job(stored(keyed), keyed, more)
    assert "6 partitions" in warning
    assert check_same_job(stored(), definition(), more) == []
    with pytest.raises(TopicChangedError, match="2 partitions"):
        check_same_job(stored(keyed), keyed, fewer)


def test_what_one_row_may_take_is_no_part_of_the_job() -> None:
    larger = define(replace(SPEC, max_record_bytes=9_000_000), SOURCE, HEADER, FACTS, 4)
    assert check_same_job(stored(), larger, FACTS) == []


def test_a_job_of_settings_that_were_there_before_is_stored_as_it_was() -> None:
    assert not {"CSV_SKIP_LINES", "CSV_DUPLICATE_COLUMNS"} & definition().configuration.keys()


def job_with(duplicates: DuplicateColumns) -> JobDefinition:
    spec = replace(SPEC, duplicate_columns=duplicates)
    return define(spec, SOURCE, ("id", "name", "name"), FACTS, 4)


@pytest.mark.parametrize("begun_with", [DuplicateColumns.LAST, DuplicateColumns.NUMBER])
def test_a_job_that_was_begun_keeps_how_its_columns_are_named(begun_with: DuplicateColumns) -> None:
    item = stored(job_with(begun_with))
    silent = replace(SPEC, duplicate_columns=DuplicateColumns.REFUSE)
    now = silent.going_on(item.configuration)
    assert now.duplicate_columns is begun_with
    assert check_same_job(item, job_with(now.duplicate_columns), FACTS) == []
    (other,) = {DuplicateColumns.LAST, DuplicateColumns.NUMBER} - {begun_with}
    said = replace(SPEC, duplicate_columns=other).going_on(item.configuration)
    assert "CSV_DUPLICATE_COLUMNS" in refused(
        ConfigChangedError, item, job_with(said.duplicate_columns)
    )


def test_one_row_may_be_as_large_as_topic_and_setting_allow() -> None:
    spec = replace(SPEC, max_record_bytes=3_000_000)
    limits = {
        topic_bytes: spec.plan(HEADER, SOURCE.uri, spec.lanes(4), topic_bytes)
        for topic_bytes in (500_000, 2_000_000, 9_000_000)
    }
    shown = [(p.max_batch_bytes, p.max_record_bytes, p.record_limit) for p in limits.values()]
    assert shown == [
        (500_000, 500_000, "the topic's max.message.bytes"),
        (1_000_000, 2_000_000, "the topic's max.message.bytes"),
        (1_000_000, 3_000_000, "MAX_RECORD_BYTES"),
    ]


def test_dead_letters_are_limited_by_their_own_topic() -> None:
    """And rows by theirs."""
    plans = [
        SETS_ASIDE.plan(HEADER, SOURCE.uri, SETS_ASIDE.lanes(4), 2_000_000, letter_bytes)
        for letter_bytes in (500_000, 9_000_000, None)
    ]
    assert [(p.max_batch_bytes, p.max_record_bytes) for p in plans] == [(1_000_000, 2_000_000)] * 3
    of_topic = "max.message.bytes of topic dead (DEAD_LETTER_TOPIC)"
    assert [(p.max_letter_bytes, p.letter_limit) for p in plans] == [
        (500_000, of_topic),
        (8_000_000, "MAX_RECORD_BYTES"),
        (2_000_000, of_topic),
    ]


def test_what_several_letters_may_take_is_not_too_much_for_one() -> None:
    """As with rows. Else a job with a small MAX_RECORD_BYTES could set no large row aside, and one
    that an older csvkafka began could not go on."""
    spec = replace(SETS_ASIDE, max_record_bytes=2_000)
    plan = spec.plan(HEADER, SOURCE.uri, spec.lanes(4), 1_047_564)
    assert (plan.max_letter_bytes, plan.letter_limit) == (1_000_000, "MAX_RECORD_BYTES")


# -- the size from which on a row is set aside -----------------------------------------------------


def with_limit(own: int | None = None, topic_bytes: int = 1_000_000) -> JobSpec:
    """The spec of a job that begins with that setting."""
    return with_size_limit(replace(SETS_ASIDE, own_size_limit=own), topic_bytes)


@pytest.mark.parametrize(
    ("own", "topic_bytes", "record_bytes", "limit"),
    [
        (None, 1_047_564, 8_000_000, 1_037_089),
        (None, 9_000_000, 8_000_000, 7_920_000),
        (None, 16_384, 8_000_000, 16_128),
        (None, 1_047_564, 1_000, 744),
        (5_000, 1_047_564, 8_000_000, 5_000),
        (50_000_000, 1_047_564, 8_000_000, 50_000_000),
    ],
)
def test_the_limit_is_what_surely_fits_or_what_the_user_says(
    own: int | None, topic_bytes: int, record_bytes: int, limit: int
) -> None:
    spec = replace(SETS_ASIDE, own_size_limit=own, max_record_bytes=record_bytes)
    begun = with_size_limit(spec, topic_bytes)
    assert definition_of(begun).configuration["DEAD_LETTER_ABOVE_BYTES"] == str(limit)
    plan = begun.plan(HEADER, SOURCE.uri, begun.lanes(4), topic_bytes)
    assert plan.set_aside_above_bytes == limit


@pytest.mark.parametrize("topic_bytes", [20_000, 1_000_000, 9_000_000])
def test_a_resume_has_the_limit_that_the_job_began_with(topic_bytes: int) -> None:
    item = stored(definition_of(with_limit()))
    # Another worker may have looked at the topics before it found the item.
    for now in (SETS_ASIDE, with_limit(topic_bytes=topic_bytes)):
        spec = now.going_on(item.configuration)
        assert spec.size_limit == 990_000
        assert check_same_job(item, definition_of(spec), LETTER_FACTS) == []
        assert (
            spec.plan(HEADER, SOURCE.uri, spec.lanes(4), topic_bytes).set_aside_above_bytes
            == 990_000
        )


def test_another_limit_than_the_jobs_is_refused_by_name() -> None:
    item = stored(definition_of(with_limit()))
    spec = with_limit(5_000).going_on(item.configuration)
    with refusal(ConfigChangedError, "DEAD_LETTER_ABOVE_BYTES '990000' then, '5000' now"):
        check_same_job(item, definition_of(spec), LETTER_FACTS)
    given = stored(definition_of(with_limit(5_000)))
    assert with_limit().going_on(given.configuration).size_limit == 5_000


def test_a_job_that_was_begun_before_there_was_a_limit_goes_on_without_one() -> None:
    item = stored(definition_of(SETS_ASIDE))
    assert "DEAD_LETTER_ABOVE_BYTES" not in item.configuration
    spec = with_limit().going_on(item.configuration)
    assert spec.size_limit is None
    assert spec.plan(HEADER, SOURCE.uri, spec.lanes(4), 1_000_000).set_aside_above_bytes is None
    assert check_same_job(item, definition_of(spec), LETTER_FACTS) == []
    spec = with_limit(5_000).going_on(item.configuration)
    with refusal(ConfigChangedError, "DEAD_LETTER_ABOVE_BYTES '' then, '5000' now"):
        check_same_job(item, definition_of(spec), LETTER_FACTS)


@pytest.mark.parametrize("of_set", [SETS_ASIDE, with_limit(), with_limit(7_000)])
def test_the_files_of_a_set_have_its_limit(of_set: JobSpec) -> None:
    """Also those of a set that was begun before there was one."""
    configuration = definition_of(replace(of_set, order=FileOrder.OBJECT)).configuration
    of_files = replace(SETS_ASIDE, own_size_limit=of_set.own_size_limit).going_on(configuration)
    of_file = of_files.of_file("job#file/1", Membership("s3://b/first.csv", HEADER, 4))
    assert with_size_limit(of_file, 30_000).size_limit == of_set.size_limit


def test_only_jobs_with_dead_letters_have_a_limit() -> None:
    for bad_rows in (BadRows.STOP, BadRows.KEEP):
        spec = with_size_limit(replace(SPEC, bad_rows=bad_rows), 1_000_000)
        assert spec.size_limit is None
        assert "DEAD_LETTER_ABOVE_BYTES" not in definition(spec).configuration
    with refusal(ConfigError, "DEAD_LETTER_ABOVE_BYTES is for ON_BAD_ROW=dead-letter"):
        replace(SPEC, own_size_limit=5_000)


def test_the_stored_partition_count_routes_rows() -> None:
    assert len(define(KEYED, SOURCE, HEADER, FACTS, 4).lanes) == 4
    assert len(define(KEYED, SOURCE, HEADER, FACTS, 2).lanes) == 2


def test_dead_letters_are_the_last_lane() -> None:
    spec = replace(SPEC, bad_rows=BadRows.DEAD_LETTER, dead_letter_topic="dead")
    assert spec.lanes(4) == (Lane("rows", 0), Lane("dead", 0))
    plan = spec.plan(HEADER, SOURCE.uri, spec.lanes(4), 1000)
    assert plan.lane_count == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"job_id": ""},
        {"job_id": "a#files/b"},
        {"job_id": "a#restart-point"},
        {"topic": ""},
        {"dead_letter_topic": "dead"},
        {"bad_rows": BadRows.DEAD_LETTER},
    ],
)
def test_a_spec_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(SPEC, **wrong)  # type: ignore[arg-type]


def test_the_item_remembers_that_its_object_is_gzip() -> None:
    gzipped = definition(source=replace(SOURCE, compression="gzip"))
    assert stored(gzipped).source.is_compressed
    assert not stored().source.is_compressed


@pytest.mark.parametrize("compiled", [None, object()])
def test_larger_blocks_are_for_several_partitions_and_the_compiled_encoder(
    monkeypatch: pytest.MonkeyPatch, compiled: object
) -> None:
    monkeypatch.setattr("csvkafka.job.definition.compiled_module", lambda: compiled)
    by_key = JobSpec(
        "job", "rows", key_column="id", dead_letter_topic="bad", bad_rows=BadRows.DEAD_LETTER
    )
    one = by_key.plan(HEADER, SOURCE.uri, by_key.lanes(1), 1_000_000)
    several = by_key.plan(HEADER, SOURCE.uri, by_key.lanes(2), 1_000_000)

    assert (one.lane_count, several.lane_count) == (1, 2)
    assert several.block_bytes == by_key.block_bytes * 2
    assert one.block_bytes == by_key.block_bytes * (1 if compiled is None else 4)
    by_lz4 = replace(by_key, compression="lz4").plan(HEADER, SOURCE.uri, by_key.lanes(1), 10**6)
    assert by_lz4.block_bytes == by_key.block_bytes * (1 if compiled is None else 2)
    # A transform's rows are Python's.
    changed = replace(by_key, transform=dict)  # type: ignore[arg-type]
    plan = changed.plan(HEADER, SOURCE.uri, by_key.lanes(1), 1_000_000)
    assert plan.block_bytes == by_key.block_bytes
    asked_for = replace(by_key, block_bytes=1000)
    assert asked_for.plan(HEADER, SOURCE.uri, by_key.lanes(1), 1_000_000).block_bytes == 1000


# -- a job that has promised nothing ---------------------------------------------------------------


def test_a_job_without_a_producer_id_has_promised_nothing() -> None:
    assert has_promised_nothing(stored())


@pytest.mark.parametrize(
    "promised",
    [
        {"identity": ProducerIdentity(7, 0)},
        {"position": Position(100, 3)},
        {"total_sent": 1},
        {"status": JobStatus.COMPLETED},
        {"configuration": definition(replace(SPEC, one_by_one=True)).configuration},
    ],
    ids=str,
)
def test_whatever_may_have_sent_a_row_is_a_promise(promised: dict[str, object]) -> None:
    assert not has_promised_nothing(replace(stored(), **promised))  # type: ignore[arg-type]


def test_what_is_new_is_said_by_name() -> None:
    now = definition(KEYED, replace(SOURCE, etag='"new"'))
    said = changes(stored(), now)
    assert said[0] == 's3://bucket/key.csv with ETag "new"'
    assert "KEY_COLUMN 'id'" in said
    assert changes(stored(now), now) == []


def test_a_resume_does_not_ask_again_whether_the_given_schema_fits(tmp_path: Path) -> None:
    given = '{"type":"object","properties":{"id":{"type":"string","minLength":1}}}'
    (tmp_path / "row.json").write_text(given)
    record = '[record]\nformat = "json-schema"\nundeclared = "string"\nschema = "row.json"\n'
    table = read_table(record, "columns.toml", beside=lambda name: (tmp_path / name).read_text())
    spec = replace(SPEC, table=table)
    with refusal(ConfigError, match="minLength is 1 there"):
        spec.schemas(HEADER)
    begun = WireSchemas(WireSchema("rows-value", "JSON", given, 7))
    assert spec.going_on(begun.configuration).schemas(HEADER) == begun
