"""The limits of the loop and of its writes to the item."""

from __future__ import annotations

from dataclasses import dataclass

from csvkafka.retry import ANSWERING_SECONDS

STOP_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """The loop's limits.

    `window_bytes`: unacknowledged (compressed) bytes, the memory that a stalled broker costs.
    `checkpoint_rows`, `checkpoint_seconds`: a checkpoint is due after so many rows, but no sooner
    than so many seconds after the one before.
    `watchdog_seconds`: without any acknowledgement for so long the run stops with DeliveryError.
    `store_give_up_seconds`: so long the table may fail before the run stops with CheckpointError.
    `stop_grace_seconds`: so long a stop waits for acknowledgements before its last checkpoint."""

    window_bytes: int = 4 * 1024 * 1024
    checkpoint_rows: int = 10_000
    checkpoint_seconds: float = 0.2
    watchdog_seconds: float = 120.0
    store_give_up_seconds: float = ANSWERING_SECONDS
    stop_grace_seconds: float = STOP_GRACE_SECONDS
