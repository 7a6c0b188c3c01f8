"""How fast blocks are read and encoded where the sink costs nothing: threads, and workers.

    python -m benchmarks.encoders FILE.csv [--times 6] [--rounds 3]

Prints rows/s and processor time per row, of this process and its workers, in turns.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from benchmarks.measure import cpu_of_children
from csvkafka.model import START, Dialect, EncodePlan
from csvkafka.pipeline.block_feed import ThreadedBlockFeed
from csvkafka.pipeline.encode_workers import encode_workers
from csvkafka.process.collector import spare_long_lived_objects
from csvkafka.rows.blocks import read_header
from csvkafka.rows.pieces import one_object

CHUNK_BYTES = 262_144
RUNNERS = ("1 thread", "2 threads", "3 threads", "1 worker", "2 workers")


def drain(data: bytes, times: int, plan: EncodePlan, runner: str) -> tuple[int, float, float]:
    """Encodes everything by so many threads or workers: rows, seconds, processor seconds.

    The start of the workers is not counted."""

    def chunks(_: int) -> Iterator[bytes]:
        body = data.index(b"\n") + 1
        yield data[:body]
        for _ in range(times):
            for at in range(body, len(data), CHUNK_BYTES):
                yield data[at : at + CHUNK_BYTES]

    count, is_threads = int(runner[0]), "thread" in runner
    with nullcontext() if is_threads else encode_workers(count) as pool:
        if pool is not None:
            for future in [pool.submit(time.sleep, 0.5) for _ in range(count)]:
                future.result()
        woken = threading.Event()
        begun, cpu_before = time.monotonic(), time.process_time()
        workers_before = cpu_of_children()
        feed = ThreadedBlockFeed(
            one_object(chunks), START, plan, wake=woken.set, threads=count, executor=pool
        )
        rows = 0
        while not feed.exhausted:
            block = feed.take()
            if block is None:
                woken.wait()
                woken.clear()
            else:
                rows = block.end.row_count
        seconds = time.monotonic() - begun
        cpu_seconds = time.process_time() - cpu_before + cpu_of_children() - workers_before
        feed.close()
    return rows, seconds, cpu_seconds


def main() -> None:
    """Prints a line for each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--times", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    spare_long_lived_objects()
    data = options.file.read_bytes()
    if not data.endswith(b"\n"):
        data += b"\n"
    plan = EncodePlan(read_header([data], Dialect()).names, "s3://bucket/key.csv")
    results: dict[str, list[tuple[float, float]]] = {runner: [] for runner in RUNNERS}
    for number in range(options.rounds):
        for runner in RUNNERS[:: 1 if number % 2 == 0 else -1]:
            rows, seconds, cpu = drain(data, options.times, plan, runner)
            results[runner].append((rows / seconds, cpu / rows * 1e6))
    for name, runs in results.items():
        best_rate, least_cpu = max(rate for rate, _ in runs), min(cpu for _, cpu in runs)
        print(f"{name:>10}: {best_rate:9,.0f} rows/s, {least_cpu:.2f} µs of processor time per row")


if __name__ == "__main__":
    main()
