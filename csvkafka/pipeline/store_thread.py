"""The one thread that writes to the checkpoint item, beside the loop.

If the process ends while a write hangs in the network, the write is either stored or not. The next
start finds out.
"""

from __future__ import annotations

from csvkafka.pipeline.daemon_threads import DaemonThreads


class StoreThread(DaemonThreads):
    """Runs what is submitted, one after the other. `shutdown` never waits."""

    def __init__(self) -> None:
        super().__init__(1, "csvkafka-store")
