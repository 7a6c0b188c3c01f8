"""Reads and encodes ahead of the loop: encoded blocks, in file order, from background threads.

One thread reads the source and cuts it into blocks; an executor encodes them, several at a time:
compression runs without the GIL, and so does all of the compiled encoder; the loop takes them
without ever waiting. Small blocks of a set are encoded as one (`rows/joining.py`), which is a block
from then on. Memory: at most `depth` blocks: the source bytes (`plan.block_bytes`) of those
that wait, twice to ten times that for each that is just being encoded (25 times if the `csv` module
reads it), the compressed batches of those that are ready. With the defaults that is 5 to 15 MB.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing

from csvkafka.encode.encoder import lane_total
from csvkafka.encode.in_sequence import skip_after
from csvkafka.encode.joined import encode_joined
from csvkafka.limits import ENCODE_THREADS
from csvkafka.model import EncodedBlock, EncodePlan, Position
from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.rows.blocks import MAX_ROW_BYTES
from csvkafka.rows.joining import joined
from csvkafka.rows.pieces import Cut, PlacedBlock

log = logging.getLogger(__name__)

DEPTH = 3
"""Blocks that are read ahead, beside one for each thread."""

CLOSE_SECONDS = 2.0


class ThreadedBlockFeed:
    """`interfaces.BlockFeed` over a source that `cut` cuts into blocks, from `start` on.

    `skip[lane]` says how many of the lane's next rows are in the topic already: they are left out.
    While any are left, blocks are encoded one after the other, because what one block may skip
    depends on what the one before has skipped. `wake` is called, from a background thread, whenever
    `take` or `exhausted` may have something new to say. `executor` runs `encode_joined` (None:
    `threads` threads of the feed's own); the caller closes it."""

    def __init__(
        self,
        cut: Cut,
        start: Position,
        plan: EncodePlan,
        *,
        skip: Sequence[int] = (),
        wake: Callable[[], None] = lambda: None,
        depth: int | None = None,
        threads: int = ENCODE_THREADS,
        executor: Executor | None = None,
        max_row_bytes: int = MAX_ROW_BYTES,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        self._cut = cut
        self._start = start
        self._plan = plan
        self._skip = (*skip, *[0] * (lane_total(plan) - len(skip)))
        self._wake = wake
        self._max_row_bytes = max_row_bytes
        self._close_seconds = close_seconds
        self._room = threading.Semaphore(depth or DEPTH + threads)
        self._ahead: deque[Future[EncodedBlock]] = deque()
        self._ended = False
        self._closed = threading.Event()
        self._executor = executor or DaemonThreads(threads, "csvkafka-encoder")
        self._owns_executor = executor is None
        # A daemon: a read that hangs in the network must not keep the process from ending.
        self._reader = threading.Thread(target=self._read, name="csvkafka-reader", daemon=True)
        self._reader.start()

    def take(self) -> EncodedBlock | None:
        """The next block if it is ready, else None; never waits.

        Raises what reading raised, after all blocks before it were taken, and again each time."""
        if not self._ahead or not self._ahead[0].done():
            return None
        block = self._ahead[0].result()
        self._ahead.popleft()
        self._room.release()
        return block

    @property
    def exhausted(self) -> bool:
        """All blocks were taken and the source has ended."""
        # In this order: the reader adds the last block before it says that it has ended.
        return self._ended and not self._ahead

    def close(self) -> None:
        """Ends the background work; waits for at most `close_seconds` for a read to return, and
        leaves one that hangs behind. Blocks that were not taken are lost."""
        self._closed.set()
        self._room.release()
        if self._owns_executor:
            self._executor.shutdown(wait=False, cancel_futures=True)
        if threading.current_thread() is not self._reader:
            self._reader.join(self._close_seconds)
        if self._reader.is_alive():
            log.debug("the reader of %s still waits for the source", self._plan.source_uri)

    # -- in the reader's thread ----------------------------------------------------------------

    def _read(self) -> None:
        try:
            with closing(self._cut(self._start, self._plan, self._max_row_bytes)) as blocks:
                for together in joined(blocks):
                    self._room.acquire()
                    if self._closed.is_set():
                        return
                    self._encode(together)
        except BaseException as error:  # noqa: BLE001 - it is raised again where blocks are taken
            failed: Future[EncodedBlock] = Future()
            failed.set_exception(error)
            self._ahead.append(failed)
        finally:
            self._ended = True
            if not self._closed.is_set():
                self._wake()

    def _encode(self, together: tuple[PlacedBlock, ...]) -> None:
        future = self._executor.submit(encode_joined, together, self._skip)
        self._ahead.append(future)
        future.add_done_callback(self._encoded)
        if any(self._skip) and future.exception() is None:
            self._skip = skip_after(self._skip, future.result())

    def _encoded(self, future: Future[EncodedBlock]) -> None:
        if not self._closed.is_set() and not future.cancelled():
            self._wake()
