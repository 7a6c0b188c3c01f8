"""A topic as a broker describes it, and its id in the form that Kafka's tools print."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from csvkafka.kafka import codes


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """A topic as a broker described it. If `error_code` is not 0, the rest is empty. `topic_id` is
    Kafka's text for the UUID, empty before Kafka 2.8. `leaders` maps a partition to its leader's
    node id, or -1. `rights`: the operations that this principal has on the topic, by the names of
    Kafka's ACLs; None: not asked for, or not told."""

    name: str
    error_code: int
    uuid: UUID | None = None
    topic_id: str = ""
    leaders: dict[int, int] = field(default_factory=dict)
    replication_factor: int = 0
    rights: frozenset[str] | None = None


_OPERATIONS = {
    3: "READ",
    4: "WRITE",
    7: "ALTER",
    8: "DESCRIBE",
    10: "DESCRIBE_CONFIGS",
    11: "ALTER_CONFIGS",
}
"""Kafka's codes of ACL operations (org.apache.kafka.common.acl.AclOperation)."""


def rights_of(operations: Collection[int]) -> frozenset[str] | None:
    """The operations by name; None if they tell nothing: they were not asked for, the broker is
    older than 2.3, or it denies what it has just allowed (some servers that are not Apache Kafka
    fill in nothing)."""
    names = frozenset(_OPERATIONS[code] for code in operations if code in _OPERATIONS)
    return names if "DESCRIBE" in names else None


def topic_metadata(topic: Any) -> TopicMetadata:
    """The metadata of one topic in a MetadataResponse."""
    if topic.error_code != codes.NO_ERROR:
        return TopicMetadata(topic.name, topic.error_code)
    replicas = [len(partition.replica_nodes) for partition in topic.partitions]
    text = ""
    if topic.topic_id is not None:
        # As Kafka's tools print it.
        text = base64.urlsafe_b64encode(topic.topic_id.bytes).rstrip(b"=").decode("ascii")
    return TopicMetadata(
        name=topic.name,
        error_code=codes.NO_ERROR,
        uuid=topic.topic_id,
        topic_id=text,
        leaders={partition.partition_index: partition.leader_id for partition in topic.partitions},
        replication_factor=min(replicas, default=0),
        rights=rights_of(topic.authorized_operations or ()),
    )
