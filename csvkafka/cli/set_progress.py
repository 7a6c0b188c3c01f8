"""How far a set with ORDER=object is, for the one display of several workers: what the checkpoint
store says of the files that are loaded, and what the workers here have of theirs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import Future
from ctypes import Array, c_longlong

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import CsvKafkaError
from csvkafka.interfaces import Observer
from csvkafka.ledger.file_marks import FileMarks, Totals
from csvkafka.ledger.item import decode, is_documented_only
from csvkafka.model import SourceIdentity, Step
from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.stores import open_store

LOOK_SECONDS = 2.0
"""Between two looks into the store."""


class SetProgress:
    """Tells `view` how far the set is. `shown` holds, for each worker here, rows and bytes of the
    file that it is at."""

    def __init__(
        self, config: LoadConfig, view: Observer, shown: Sequence[Array[c_longlong]]
    ) -> None:
        self._job_id = config.spec.job_id
        self._store = open_store(config.checkpoint)
        self._view = view
        self._shown = shown
        self._thread = DaemonThreads(1, "csvkafka-progress")
        self._look: Future[tuple[SourceIdentity, Totals] | None] | None = None
        self._next_look_at = 0.0
        self._known: tuple[SourceIdentity, Totals] | None = None
        self._rows = self._bytes = 0

    def show(self) -> None:
        """Looks now and then, in a thread of its own, and tells what is known."""
        self._look_if_due()
        if self._known is None:
            return
        source, totals = self._known
        # A file leaves its worker before the store is looked at again: what was shown stays.
        self._rows = max(self._rows, totals.loaded.rows + sum(each[0] for each in self._shown))
        in_files = sum(each[1] for each in self._shown)
        self._bytes = max(self._bytes, min(totals.loaded.stored_bytes + in_files, source.size))
        self._view.report(Step.BLOCK_ACKNOWLEDGED, rows=self._rows, bytes=self._bytes)
        self._view.report(Step.FILE_ACKNOWLEDGED, file=totals.file_count)

    def _look_if_due(self) -> None:
        if self._look is None:
            if time.monotonic() >= self._next_look_at:
                self._look = self._thread.submit(self._read)
            return
        if not self._look.done():
            return
        known = None
        with contextlib.suppress(CsvKafkaError):
            known = self._look.result()
        if known is not None and self._known is None:
            source, totals = known
            self._view.report(
                Step.SOURCE_OPENED,
                rows=totals.loaded.rows,
                bytes=totals.loaded.stored_bytes,
                size=source.size,
                in_topic=0,
                file=totals.file_count,
                files=source.files or 0,
            )
        self._known = known or self._known
        self._look, self._next_look_at = None, time.monotonic() + LOOK_SECONDS

    def _read(self) -> tuple[SourceIdentity, Totals] | None:
        item = self._store.item(self._job_id).get()
        if item is None or is_documented_only(item):
            return None
        source = decode(item).source
        marks = FileMarks(self._job_id, source.etag, source.files or 0, self._store.item)
        return source, marks.totals()
