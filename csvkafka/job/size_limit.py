"""How large a record may be, where rows that do not fit are set aside: chosen when a job begins.

The limit stands in the job's item. So a resume sets aside the same rows, whatever the topics take
by then, and a replay of them has a limit of its own.
"""

from __future__ import annotations

from dataclasses import replace

from csvkafka.job.definition import JobSpec
from csvkafka.model import BadRows

LEAST_LEFT_BYTES = 256
"""Left between a record and the largest batch: the batch's header and the record's frame take up to
about 150 bytes."""


def with_size_limit(spec: JobSpec, topic_bytes: int) -> JobSpec:
    """The spec of a job that begins. `topic_bytes` is how large a batch each topic of rows takes.

    The job of a file of a set has the limit of the set."""
    if spec.bad_rows is not BadRows.DEAD_LETTER or spec.membership is not None:
        return spec
    return replace(spec, usual_size_limit=_usual(min(spec.max_record_bytes, topic_bytes)))


def _usual(batch_bytes: int) -> int:
    """99 % of the largest batch. The rest is for what a codec adds to bytes that it cannot
    compress."""
    return batch_bytes - max(batch_bytes // 100, LEAST_LEFT_BYTES)
