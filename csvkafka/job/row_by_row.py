"""The slow road: each row is handed to a function, in order, and the next one waits for it.

For subclasses of `CSVToKafkaProcessor` that override `_send_to_kafka`. The lease and the checkpoint
are the same as on the fast road, but the records are the subclass's: after a kill, rows since the
last checkpoint are sent again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import closing, contextmanager

from csvkafka.errors import (
    ANOTHER_JOB,
    CsvKafkaError,
    DeliveryError,
    MalformedRowError,
    StoppedError,
    UserFunctionError,
    counted,
)
from csvkafka.job.parts import JobParts, RowSender
from csvkafka.ledger.item import StoredJob
from csvkafka.ledger.ledger import JobLedger, Stored
from csvkafka.model import BadRows, Block, Checkpoint, EncodePlan, Position, Step
from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.pipeline.settings import STOP_GRACE_SECONDS
from csvkafka.rows.blocks import cut_blocks
from csvkafka.rows.columns import rest_key
from csvkafka.rows.csv_rows import decode_row, parse_rows, row_ends
from csvkafka.rows.utf16 import stored

log = logging.getLogger(__name__)


def load_row_by_row(
    send_row: RowSender, ledger: JobLedger, parts: JobParts, plan: EncodePlan, stored: StoredJob
) -> int:
    """Sends all rows after the checkpoint; returns the number of rows of the source.

    Raises DeliveryError or UserFunctionError if `send_row` fails, StoppedError after a signal,
    MalformedRowError; what was sent is in the checkpoint then."""
    loop = _Loop(send_row, ledger, parts, stored.position, plan.source_uri)
    parts.observer.report(
        Step.SOURCE_OPENED,
        size=stored.source.size,
        in_topic=0,
        **stored.position.facts,
    )
    try:
        with closing(parts.source.read(stored.position.byte_offset)) as chunks:
            for block in cut_blocks(chunks, stored.position, plan):
                for row, end in _rows(block, plan):
                    loop.send(row, end)
    except BaseException:
        loop.commit(release=True)
        raise
    loop.commit(completed=True)
    parts.observer.report(Step.COMPLETED, rows=loop.reached.row_count, sent=loop.reached.row_count)
    return loop.reached.row_count


def never_stop() -> int | None:
    """No signal ever asks to stop."""
    return None


@contextmanager
def stoppable(
    send_row: RowSender | None,
    stop_signal: Callable[[], int | None],
    grace_seconds: float = STOP_GRACE_SECONDS,
) -> Iterator[RowSender | None]:
    """`send_row`, but a stop does not wait for a row that takes longer than `grace_seconds` more:
    StoppedError is raised then, and the row may be in the topic. To allow this, it is called in a
    thread of its own, always the same one; in the caller's thread if nothing ever asks to stop."""
    if send_row is None or stop_signal is never_stop:
        yield send_row
        return
    with DaemonThreads(1, "csvkafka-sender") as threads:

        def send(row: dict[str | None, object], source_line: int) -> bool:
            sent = threads.submit(send_row, row, source_line)
            until: float | None = None
            while not wait((sent,), timeout=0.1).done:
                signal_number = stop_signal()
                if signal_number is not None:
                    until = until or time.monotonic() + grace_seconds
                    if time.monotonic() >= until:
                        raise StoppedError(signal_number)
            return sent.result()

        yield send


class _Loop:
    """Sends a row at a time and tends the item between rows."""

    def __init__(
        self,
        send_row: RowSender,
        ledger: JobLedger,
        parts: JobParts,
        start: Position,
        source_uri: str,
    ) -> None:
        self._send_row = send_row
        self._source_uri = source_uri
        self._ledger = ledger
        self._parts = parts
        self._stored_rows = start.row_count
        self.reached = start

    def send(self, row: dict[str | None, object], end: Position) -> None:
        self._parts.raise_if_stopped()
        self._tend_lease()
        if not self._call(row, end.row_count):
            raise DeliveryError(
                f"row {end.row_count} could not be sent; the rows before it are in the checkpoint: "
                "check the brokers and run the same command again"
            )
        self.reached = end
        log.debug("_send_to_kafka confirmed record %d", end.row_count)
        self._parts.observer.report(Step.BATCH_ACKNOWLEDGED, lane=0, records=1)
        if end.row_count - self._stored_rows >= self._parts.settings.checkpoint_rows:
            self.commit()

    def _call(self, row: dict[str | None, object], source_line: int) -> bool:
        """The user's function, whose errors may quote the row and are not shown."""
        try:
            return self._send_row(row, source_line)
        except CsvKafkaError:
            raise
        except Exception as error:
            if getattr(error, "retriable", False):  # a Kafka error that may pass
                raise DeliveryError(
                    f"row {source_line} could not be sent ({type(error).__name__}); the rows "
                    "before it are in the checkpoint: check the brokers and run the same command "
                    "again"
                ) from error
            place = f"row {source_line} of {self._source_uri}"
            raise UserFunctionError.of("_send_to_kafka", place, error) from None

    def commit(self, *, completed: bool = False, release: bool = False) -> None:
        checkpoint = Checkpoint(self.reached, self.reached.row_count, ())

        def write() -> Stored:
            return self._ledger.commit(checkpoint, (), completed=completed, release=release)

        if release:
            write()  # the run ends now: what the table holds stays true
        else:
            self._parts.ask_table(write)
        self._stored_rows = self.reached.row_count
        self._parts.observer.report(
            Step.CHECKPOINT_STORED,
            sent=self.reached.row_count,
            **self.reached.facts,
        )

    def _tend_lease(self) -> None:
        renew_at = self._ledger.lease_valid_until - self._ledger.lease_seconds * 2 / 3
        if self._parts.clock.boottime() >= renew_at:
            self._parts.ask_table(self._ledger.renew)


def _rows(block: Block, plan: EncodePlan) -> Iterator[tuple[dict[str | None, object], Position]]:
    """The rows of a block as csv.DictReader gives them, each with the position after it."""
    begin = 0
    byte_offset, number = block.start.byte_offset, block.start.row_count
    for end, is_row in row_ends(block.data, plan.dialect):
        row = block.data[begin:end]
        end_offset = byte_offset + len(stored(row, plan.dialect))
        if is_row:
            number += 1
            yield (
                _row(row, number, byte_offset, block.data, plan),
                Position(end_offset, number),
            )
        begin, byte_offset = end, end_offset


def _row(
    data: bytes, number: int, byte_offset: int, around: bytes, plan: EncodePlan
) -> dict[str | None, object]:
    names, width = plan.header, len(plan.header)
    text = decode_row(
        data,
        f"row {number}",
        byte_offset,
        plan.dialect,
        plan.source_uri,
        names=names,
        sample=around,
    )
    fields = next(parse_rows(text, plan.dialect))
    if len(fields) != width and plan.bad_rows is not BadRows.KEEP:
        raise MalformedRowError(
            f"row {number} at byte {byte_offset} of {plan.source_uri} has "
            f"{counted(len(fields), 'field')}, "
            f"the header has {width}; repair the file, or set ON_BAD_ROW, {ANOTHER_JOB}"
        )
    row: dict[str | None, object] = dict(zip(names, fields, strict=False))
    row |= dict.fromkeys(names[len(fields) :])
    if len(fields) > width:
        row[rest_key(names)] = fields[width:]
    return row
