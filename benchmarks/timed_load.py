"""One load by csvkafka that says when each of its steps was first met, and after how
much processor time, since the process began; and the processor time of each thread.

Run as `python -m benchmarks.timed_load`, with the settings of a load in the environment; it starts
as `python -m csvkafka` does, and the last line that it prints is JSON. With `DIE_AT_ROW` it says
so, and ends by SIGKILL, once so many rows are acknowledged.
"""

from csvkafka.process.collector import spare_long_lived_objects

spare_long_lived_objects()

import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from typing import ClassVar  # noqa: E402

from benchmarks.measure import BEGUN_AT  # noqa: E402
from csvkafka.config.load_config import LoadConfig  # noqa: E402
from csvkafka.model import Step  # noqa: E402
from csvkafka.process.logs import configure_logging  # noqa: E402
from csvkafka.wiring import run_load  # noqa: E402


class _Timeline:
    def __init__(self, die_at_row: int | None) -> None:
        self.first: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.count: dict[str, int] = {}
        self._begun = float(os.environ[BEGUN_AT])
        self._die_at_row = die_at_row

    def report(self, step: Step, **facts: int) -> None:
        self.count[step.value] = self.count.get(step.value, 0) + 1
        if step.value not in self.first:
            self.first[step.value] = time.monotonic() - self._begun
            self.cpu[step.value] = time.process_time()
        if (
            self._die_at_row is not None
            and step is Step.BLOCK_ACKNOWLEDGED
            and facts["rows"] >= self._die_at_row
        ):
            print(json.dumps(self.told()), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def told(self) -> dict[str, dict[str, float] | dict[str, int]]:
        """What is printed of it."""
        return {"first": self.first, "cpu": self.cpu, "count": self.count}


class _TimedThread(threading.Thread):
    """Notes the processor time of each thread when it ends, in the place of `Thread`."""

    seconds: ClassVar[dict[str, float]] = {}

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.seconds[self.name] = time.thread_time()


def main() -> None:
    """Loads and prints the timeline."""
    threading.Thread = _TimedThread  # type: ignore[misc]
    configure_logging(os.environ.get("LOG_LEVEL", "ERROR"))
    die_at_row = os.environ.get("DIE_AT_ROW")
    timeline = _Timeline(int(die_at_row) if die_at_row else None)
    result = run_load(LoadConfig.from_settings(os.environ), observer=timeline)
    loop_seconds = time.thread_time()
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(1.0)
    threads = {**_TimedThread.seconds, "loop": loop_seconds}
    print(json.dumps({"rows": result.row_count, **timeline.told(), "threads": threads}), flush=True)


if __name__ == "__main__":
    main()
