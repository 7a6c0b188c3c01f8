"""Whether a run would do what the job's item says: a job's definition is frozen when it begins.

Pure. A run that would write other bytes, or write them elsewhere, is refused, and the error names
what differs; but a job that has promised nothing may still be changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from csvkafka.errors import (
    ConfigChangedError,
    ItemUnusableError,
    SourceChangedError,
    TopicChangedError,
    counted,
)
from csvkafka.job.definition import SENT_IN_BATCHES
from csvkafka.ledger.item import JobDefinition, StoredJob
from csvkafka.model import (
    LETTERS_SCHEME,
    DuplicateColumns,
    FileOrder,
    JobStatus,
    SourceIdentity,
    TopicFacts,
)


def has_promised_nothing(stored: StoredJob) -> bool:
    """Whether the job's item stands, but no row was sent: rows need a producer id, and the item
    does not have one yet. (Where a subclass sends each row itself, or each file of a set is a job
    of its own, there is none, and nothing tells.)"""
    return (
        stored.identity is None
        and "ORDER" not in stored.configuration
        and stored.status is JobStatus.IN_PROGRESS
        and (stored.position.byte_offset, stored.position.row_count, stored.total_sent) == (0, 0, 0)
        and stored.configuration.get("sent by") == SENT_IN_BATCHES
    )


def changes(stored: StoredJob, now: JobDefinition) -> list[str]:
    """What a job that has promised nothing would do differently now from when it was begun."""
    changed = []
    if stored.source != now.source:
        files = "" if now.source.files is None else f", {counted(now.source.files, 'file')}"
        changed.append(f"{now.source.uri} with ETag {now.source.etag}{files}")
    if stored.cluster_id != now.cluster_id or stored.topic_ids != now.topic_ids:
        changed.append(f"topic {now.lanes[0].topic}")
    if stored.partition_count != now.partition_count:
        changed.append(counted(now.partition_count, "partition"))
    changed += [
        f"{counted(count, 'partition')} of topic {topic}"
        for topic, count in now.routed_partitions.items()
        if stored.routed_partitions.get(topic) != count
    ]
    names = sorted({*stored.configuration, *now.configuration})
    changed += [
        f"{name} {now.configuration.get(name, '')!r}"
        for name in names
        if stored.configuration.get(name, "") != now.configuration.get(name, "")
    ]
    return changed


def check_same_job(
    stored: StoredJob,
    now: JobDefinition,
    facts: Mapping[str, TopicFacts],
    names: Sequence[str] = (),
) -> list[str]:
    """Compares what the item says with what this run would do; returns warnings. `names` are those
    of the source's columns, for messages.

    Raises SourceChangedError, ConfigChangedError, TopicChangedError, and ItemUnusableError if the
    checkpoint lies beyond the source's end (not known for a compressed object)."""
    job_id = now.configuration["JOB_ID"]
    _check_source(job_id, stored.source, now.source)
    remedy = "or load under another JOB_ID into a clean topic."
    if now.source.scheme == LETTERS_SCHEME:
        remedy = (
            "so that it ends; what it sets aside is then replayed by other settings: csvkafka "
            f"replay with JOB_ID={job_id}."
        )
    _check_configuration(stored.configuration, now.configuration, names, remedy)
    _check_topics(job_id, stored, now)
    is_plain = not now.source.is_compressed and now.source.files is None
    if is_plain and stored.position.byte_offset > now.source.size:
        raise ItemUnusableError(
            f"the checkpoint of job {job_id} is at byte {stored.position.byte_offset}, but "
            f"{now.source.uri} has {now.source.size} bytes: the item is damaged. Restore it from a "
            "backup, or load under another JOB_ID into a clean topic."
        )
    begun_with = {now.lanes[0].topic: stored.partition_count, **now.routed_partitions}
    warnings = []
    for topic, begun_count in begun_with.items():
        count = facts[topic].partition_count
        if count < begun_count:
            raise TopicChangedError(
                f"topic {topic} has {counted(count, 'partition')}, job {job_id} was begun with "
                f"{begun_count}: it is not the same topic. Load under another JOB_ID."
            )
        if count > begun_count and sum(lane.topic == topic for lane in now.lanes) > 1:
            warnings.append(
                f"topic {topic} has {count} partitions now; job {job_id} goes on with the "
                f"{begun_count} that it was begun with, and the others stay empty"
            )
    return warnings


def _check_source(job_id: str, stored: SourceIdentity, now: SourceIdentity) -> None:
    if stored.uri != now.uri:
        raise SourceChangedError(
            f"job {job_id} was begun with {stored.uri}, not {now.uri}; use another JOB_ID for "
            "another file"
        )
    if (stored.files is None) != (now.files is None):
        one, other = ("a set", "one object") if now.files is None else ("one object", "a set")
        raise SourceChangedError(
            f"job {job_id} was begun with {stored.uri} as {one}, not as {other}; check S3_KEY and "
            "S3_PREFIX, or use another JOB_ID"
        )
    if (stored.etag, stored.size) != (now.etag, now.size):
        version = (
            f"set S3_VERSION_ID={stored.version_id} to go on with the version it was begun with, "
            if stored.version_id
            else "put the old object back, "
        )
        raise SourceChangedError(
            f"{now.uri} has changed since job {job_id} was begun: ETag {stored.etag} of "
            f"{stored.size} bytes then, {now.etag} of {now.size} now; {version}or load the new "
            "object under another JOB_ID"
        )


_UNSAID = {
    "ORDER": FileOrder.SET.value,
    "CSV_DOUBLEQUOTE": "true",
    "CSV_TRAILING_DELIMITER": "false",
    "CSV_SKIP_LINES": "0",
    "CSV_DUPLICATE_COLUMNS": DuplicateColumns.REFUSE.value,
}
"""The value of a setting that an item does not name, where that is not empty."""


def differing_settings(
    stored: Mapping[str, str], now: Mapping[str, str], names: Sequence[str]
) -> list[str]:
    """What a job of the configuration `now` would do otherwise than one of `stored`, for people."""
    differing = [
        f"{name} {stored.get(name, _UNSAID.get(name, ''))!r} then, "
        f"{now.get(name, _UNSAID.get(name, ''))!r} now"
        for name in sorted({*stored, *now} - {"CSV_COLUMNS"})
        if stored.get(name, "") != now.get(name, "")
    ]
    if stored.get("CSV_COLUMNS", "") != now.get("CSV_COLUMNS", ""):
        from csvkafka.schema.fitting import differences

        what = differences(stored.get("CSV_COLUMNS", ""), now.get("CSV_COLUMNS", ""), names)
        differing.append(f"CSV_COLUMNS declares {what} otherwise")
    return differing


def _check_configuration(
    stored: Mapping[str, str], now: Mapping[str, str], names: Sequence[str], remedy: str
) -> None:
    differing = differing_settings(stored, now, names)
    if differing:
        raise ConfigChangedError(
            f"job {now['JOB_ID']} was begun with other settings: {'; '.join(differing)}. Set them "
            f"as they were, {remedy}"
        )


def _check_topics(job_id: str, stored: StoredJob, now: JobDefinition) -> None:
    if stored.cluster_id != now.cluster_id:
        raise TopicChangedError(
            f"job {job_id} was begun on Kafka cluster {stored.cluster_id}, this is "
            f"{now.cluster_id}; check KAFKA_BOOTSTRAP_SERVERS, or load under another JOB_ID"
        )
    for topic, topic_id in now.topic_ids.items():
        if stored.topic_ids.get(topic) != topic_id:
            raise TopicChangedError(
                f"topic {topic} was deleted and created again since job {job_id} was begun (id "
                f"{stored.topic_ids.get(topic)} then, {topic_id} now): its rows are gone. Load "
                "under another JOB_ID."
            )
