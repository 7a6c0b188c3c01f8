"""The job whose dead letters are replayed: what its item says about them, and whether it may be.

Only a complete job can be replayed. No letter is added to it any more, and its item says how many
letters there are, and before which Kafka offset they end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from csvkafka.errors import (
    CheckpointError,
    ConfigError,
    SourceChangedError,
    TopicChangedError,
)
from csvkafka.interfaces import Item
from csvkafka.job.definition import DEAD_LETTER_PARTITION
from csvkafka.ledger.item import StoredJob, decode, is_documented_only, lane_name
from csvkafka.model import LETTERS_SCHEME, JobStatus, Lane, SourceIdentity, TopicFacts
from csvkafka.rows.utf16 import utf16_codec

ReadItem = Callable[[str], Item | None]
"""The item of a job by its name; None: there is none."""


@dataclass(frozen=True, slots=True)
class ReplayedJob:
    """The `count` letters of job `job_id` are in `lane` before the Kafka offset `end`, in batches
    of `producer_id`. `source` is the CSV that their rows stand in, and `loaded_by` the job that
    read it: another one than `job_id` if that is a replay itself. That job's item says `columns`
    (of the header) and `header_setting` (CSV_HEADER). `encoding` is the letters' CSV_ENCODING."""

    job_id: str
    loaded_by: str
    source: SourceIdentity
    lane: Lane
    topic_id: str
    cluster_id: str
    producer_id: int
    count: int
    end: int
    columns: str
    header_setting: str = ""
    encoding: str = "utf-8"

    def check_topic(self, facts: TopicFacts | None) -> None:
        """Raises TopicChangedError unless the topic is the one that got the letters."""
        topic = self.lane.topic
        if facts is None or facts.topic_id != self.topic_id:
            what = "does not exist" if facts is None else "was deleted and created again"
            raise TopicChangedError(
                f"topic {topic} {what}, so the letters of job {self.job_id} are gone: load the "
                "file by the repaired settings, under another JOB_ID into a clean topic"
            )
        if facts.cluster_id != self.cluster_id:
            raise TopicChangedError(
                f"job {self.job_id} set its rows aside on Kafka cluster {self.cluster_id}, this is "
                f"{facts.cluster_id}; check KAFKA_BOOTSTRAP_SERVERS"
            )

    def check_source(self, uri: str) -> None:
        """Raises SourceChangedError unless the settings name the source of the job."""
        if self.source.uri != uri:
            raise SourceChangedError(
                f"job {self.job_id} set rows of {self.source.uri} aside, not of {uri}; check the "
                "source's settings and JOB_ID: a replay is given those of the load"
            )

    def check_encoding(self, encoding: str) -> None:
        """Raises ConfigError if either encoding is UTF-16 and the other is not the same: then the
        letters' bytes cannot be read by it."""
        if utf16_codec(encoding) != utf16_codec(self.encoding):
            raise ConfigError(
                f"the letters of job {self.job_id} hold rows in {self.encoding}, which cannot be "
                f"read as CSV_ENCODING={encoding}; set CSV_ENCODING={self.encoding}, as the load "
                "had it"
            )


def replayed_job(job_id: str, read: ReadItem, where: str) -> ReplayedJob:
    """What the items say about a job that is to be replayed; `where` names their place in messages.

    Raises CheckpointError if there is no item, ConfigError if the job cannot be replayed, now or
    ever."""
    stored = _decoded(job_id, read, where)
    topic = stored.configuration.get("DEAD_LETTER_TOPIC", "")
    if not topic:
        raise ConfigError(
            f"job {job_id} was begun without DEAD_LETTER_TOPIC, so it set no row aside and there "
            "is nothing to replay; check JOB_ID, which names the load"
        )
    if "ORDER" in stored.configuration:
        raise ConfigError(
            f"job {job_id} is a set with ORDER=object, whose files are jobs of their own; replay "
            "takes a set with ORDER=set only: load the files that have letters again (each "
            "letter's header _source_file names its file), under another JOB_ID and into another "
            "topic"
        )
    if stored.status is not JobStatus.COMPLETED:
        raise ConfigError(
            f"job {job_id} is not complete (row {stored.position.row_count}), so it may still set "
            "rows aside; run its load to the end, then replay"
        )
    lane = Lane(topic, DEAD_LETTER_PARTITION)
    progress = stored.lanes.get(lane_name(lane))
    loaded_by, root = _root(job_id, stored, read, where)
    return ReplayedJob(
        job_id=job_id,
        loaded_by=loaded_by,
        source=root.source,
        lane=lane,
        topic_id=stored.topic_ids.get(topic, ""),
        cluster_id=stored.cluster_id,
        producer_id=-1 if stored.identity is None else stored.identity.producer_id,
        count=0 if progress is None else progress.next_sequence,
        end=0 if progress is None else progress.next_kafka_offset,
        columns=root.configuration.get("columns", ""),
        header_setting=root.configuration.get("CSV_HEADER", ""),
        encoding=stored.configuration.get("CSV_ENCODING", "utf-8"),
    )


def own_item(item: Item | None) -> StoredJob | None:
    """The item of the replay itself. Raises ConfigError for one that another program wrote."""
    if item is None:
        return None
    if is_documented_only(item):
        raise ConfigError(
            "the name of the replay is that of a job that another program loaded, by its item; "
            "give it another name than that"
        )
    return decode(item)


def _decoded(job_id: str, read: ReadItem, where: str) -> StoredJob:
    item = read(job_id)
    if item is None:
        raise CheckpointError(
            f"{where} has no item of job {job_id}, whose rows are to be replayed: it was never "
            "begun, or under another JOB_ID; check both"
        )
    if is_documented_only(item):
        raise ConfigError(
            f"job {job_id} was loaded by another program, so its item tells of no dead letters; "
            "check JOB_ID"
        )
    return decode(item)


def _root(job_id: str, stored: StoredJob, read: ReadItem, where: str) -> tuple[str, StoredJob]:
    """The job that read the CSV itself: a replay may be replayed, and so on."""
    seen: Mapping[str, None] = {job_id: None}
    while stored.source.scheme == LETTERS_SCHEME:
        job_id = stored.source.key
        if job_id in seen:
            raise ConfigError(
                f"job {job_id} replays itself, by the items in {where}: they were damaged; "
                "restore them from a backup"
            )
        seen = {**seen, job_id: None}
        stored = _decoded(job_id, read, where)
    return job_id, stored
