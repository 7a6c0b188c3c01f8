"""Takes over a job that another implementation of the documented table began.

Its item says how many rows were processed, but holds no byte offset and no producer id. Its topic
may hold rows that were sent after its last checkpoint. So the `_source_line` of the topic's last
records tells where the rows really end. Then the source is read once from its beginning, to find
the byte at which the next row begins.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from csvkafka.errors import ItemUnusableError, TailDeletedError
from csvkafka.interfaces import Cluster
from csvkafka.model import START, EncodePlan, Lane, Position
from csvkafka.rows.blocks import cut_blocks
from csvkafka.rows.csv_rows import row_ends
from csvkafka.rows.utf16 import stored

log = logging.getLogger(__name__)

LOOK_BACK_RECORDS = (1_000, 100_000)
"""How many of the topic's last records are looked at; the second number, only if none of the first
is ours."""


def rows_in_topic(
    cluster: Cluster, lane: Lane, source_uri: str, last_line: int, *, accept_deleted_tail: bool
) -> int:
    """How many rows of the source the topic holds, by the highest `_source_line` among its last
    records of `source_uri`; the item's `last_line` if nothing was processed or the operator says
    so. Raises TailDeletedError if rows were processed and no record of them is found."""
    found = 0
    for record_count in LOOK_BACK_RECORDS:
        values = cluster.last_values(lane, record_count)
        found = max((_source_line(value, source_uri) for value in values), default=0)
        if found or len(values) < record_count:
            break
    if found == 0 and last_line > 0 and not accept_deleted_tail:
        raise TailDeletedError(
            f"the checkpoint says that {last_line} rows were processed, but none of the last "
            f"records in partition {lane.partition} of topic {lane.topic} is one of {source_uri}: "
            "nothing tells where its rows end. If you know that none was sent after the "
            "checkpoint, run again with ACCEPT_DELETED_TAIL=true."
        )
    if found and found != last_line:
        log.warning(
            "The checkpoint says line %d, the topic's last row is line %d: the topic decides",
            last_line,
            found,
        )
    return found or last_line


def position_after(chunks: Iterable[bytes], row_count: int, plan: EncodePlan) -> Position:
    """The position after the first `row_count` rows of the source, given from its beginning.

    Raises ItemUnusableError if the source has fewer rows."""
    if row_count == 0:
        return START
    reached = 0
    for block in cut_blocks(chunks, START, plan):
        reached = block.end.row_count
        if reached < row_count:
            continue
        if reached == row_count:
            return block.end
        rows_left = row_count - block.start.row_count
        for end, is_row in row_ends(block.data, plan.dialect):
            rows_left -= is_row
            if rows_left == 0:
                size = len(stored(block.data[:end], plan.dialect))
                return Position(block.start.byte_offset + size, row_count)
    raise ItemUnusableError(
        f"the checkpoint item says that {row_count} rows were processed, but {plan.source_uri} has "
        f"{reached}: it belongs to another file. Use another JOB_ID for another file."
    )


def _source_line(value: bytes, source_uri: str) -> int:
    """The row's number if the record is one of our source, else 0."""
    try:
        record = json.loads(value)
    except ValueError:
        return 0
    if not isinstance(record, dict) or record.get("_source_file") != source_uri:
        return 0
    line = record.get("_source_line")
    return line if isinstance(line, int) else 0
