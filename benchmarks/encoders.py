"""How fast blocks are read and encoded where the sink costs nothing: threads, and workers; and how
fast gzip alone is on the same records, which is the limit.

    python -m benchmarks.encoders FILE.csv [--times 6] [--rounds 3] [--runners "1 thread" ...]

Prints rows/s and processor time per row, of this process and its workers, in turns; with `--json`
as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import cpu_of_children
from csvkafka.encode.compiled_rows import PIECE_BYTES
from csvkafka.encode.encoder import encode_block
from csvkafka.job.definition import JobSpec
from csvkafka.model import START, Dialect, EncodePlan
from csvkafka.pipeline.block_feed import ThreadedBlockFeed
from csvkafka.pipeline.encode_workers import encode_workers
from csvkafka.process.collector import spare_long_lived_objects
from csvkafka.records.codecs import compress
from csvkafka.rows.blocks import cut_blocks, read_header
from csvkafka.rows.pieces import one_object

CHUNK_BYTES = 262_144
GZIP_ALONE = "gzip alone"
RUNNERS = (GZIP_ALONE, "1 thread", "2 threads", "3 threads", "1 worker", "2 workers")


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
        workers_before = cpu_of_children() if pool is not None else 0.0
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
        cpu_seconds = time.process_time() - cpu_before
        if pool is not None:  # else those of the runner before may be about to end
            cpu_seconds += cpu_of_children() - workers_before
        feed.close()
    return rows, seconds, cpu_seconds


def compressed_alone(data: bytes, plan: EncodePlan) -> tuple[int, float, float]:
    """Compresses the records of one pass, which were made before: rows, seconds, processor
    seconds."""
    plain = replace(plan, compression="none", max_batch_bytes=1 << 30)
    blocks = list(cut_blocks([data], START, plan))
    sections = [batch.records for block in blocks for batch in encode_block(block, plain).batches]
    begun, cpu_before = time.monotonic(), time.process_time()
    for section in sections:
        ends = range(0, len(section), PIECE_BYTES)
        compress(plan.compression, (section[at : at + PIECE_BYTES] for at in ends))
    return (
        blocks[-1].end.row_count,
        time.monotonic() - begun,
        time.process_time() - cpu_before,
    )


def main() -> None:
    """Prints a line for each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--times", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runners", nargs="+", choices=RUNNERS, default=RUNNERS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    spare_long_lived_objects()
    data = options.file.read_bytes()
    if not data.endswith(b"\n"):
        data += b"\n"
    job = JobSpec("bench", "rows")
    header = read_header([data], Dialect()).names
    plan = job.plan(header, "s3://bucket/key.csv", job.lanes(1), 1_048_588)
    results: dict[str, list[tuple[float, float]]] = {runner: [] for runner in options.runners}
    for number in range(options.rounds):
        for runner in options.runners[:: 1 if number % 2 == 0 else -1]:
            if runner == GZIP_ALONE:
                rows, seconds, cpu = compressed_alone(data, plan)
            else:
                rows, seconds, cpu = drain(data, options.times, plan, runner)
            results[runner].append((rows / seconds, cpu / rows * 1e6))
    if options.json:
        print(json.dumps([_figures(name, runs) for name, runs in results.items()]))
        return
    for name, runs in results.items():
        best_rate, least_cpu = max(rate for rate, _ in runs), min(cpu for _, cpu in runs)
        print(f"{name:>10}: {best_rate:9,.0f} rows/s, {least_cpu:.2f} µs of processor time per row")


def _figures(name: str, runs: list[tuple[float, float]]) -> dict[str, float | str]:
    rates = [rate for rate, _ in runs]
    return {
        "name": name,
        "records/s": statistics.median(rates),
        "lowest": min(rates),
        "highest": max(rates),
        "cpu us/record": min(cpu for _, cpu in runs),
    }


if __name__ == "__main__":
    main()
