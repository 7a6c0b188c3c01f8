"""What is measured: each section runs its contenders in turns, round after round."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import contenders, measure
from benchmarks.contenders import RECORD_BYTES, Result
from benchmarks.ground import Ground
from benchmarks.inputs import Input
from benchmarks.small import small_contenders
from csvkafka.testing.inputs.packed import packed

Line = dict[str, float | str]
Contender = Callable[[], Result]

CODECS = ("gzip", "zstd", "lz4", "snappy", "none")
FLIGHTS_TIMES = 6
"""Two million rows."""

MORE_THAN_IS_ON_ITS_WAY = 150_000
"""Rows of flights.csv: what was sent before a SIGKILL leaves some of them for the next process."""


@dataclass(frozen=True)
class Options:
    """`rounds` of each contender; `scale` divides the sizes, for a quick look; `millions` of rows
    are the sizes of the section growth, `objects` that of the set of the section small."""

    ground: Ground
    inputs: dict[str, Input]
    folder: Path
    rounds: int = 3
    scale: int = 1
    millions: Sequence[int] = (1, 10, 50)
    objects: int = 10_000

    @property
    def flights(self) -> Input:
        return self.inputs["flights"]

    @property
    def times(self) -> int:
        return max(1, FLIGHTS_TIMES // self.scale)


def in_turns(contenders_: Sequence[Contender], rounds: int) -> list[Line]:
    """Every contender once in each round, in alternating order; a line for each contender."""
    results: dict[str, list[Result]] = {}
    for number in range(rounds):
        for contender in contenders_[:: 1 if number % 2 == 0 else -1]:
            result = contender()
            results.setdefault(result.name, []).append(result)
            print(f"  {result.name}: {result.records_per_second:,.0f} records/s", flush=True)
    # In the order in which they were given, which was that of the first round.
    return [_line(name, runs) for name, runs in results.items()]


def _line(name: str, runs: Sequence[Result]) -> Line:
    rates = [run.records_per_second for run in runs]
    one = runs[0]
    line: Line = {
        "name": name,
        "records": one.records,
        "records/s": statistics.median(rates),
        "lowest": min(rates),
        "highest": max(rates),
        "MB/s": statistics.median(run.source_bytes / run.seconds for run in runs) / 1e6,
        "cpu us/record": min(run.cpu_seconds for run in runs) / one.records * 1e6,
        "broker cpu us/record": min(run.broker_cpu_seconds for run in runs) / one.records * 1e6,
        "peak MB": max(run.peak_bytes for run in runs) / 1e6,
    }
    if one.first_seconds:
        first = [run.first_seconds["batch-acknowledged"] for run in runs]
        line["first row s"] = statistics.median(first)
        line["item writes"] = max(_item_writes(run) for run in runs)
    return line


def _item_writes(run: Result) -> int:
    """Writes to DynamoDB: creation, lease, producer id, checkpoints, renewals."""
    steps = ("item-created", "lease-taken", "identity-stored", "checkpoint-stored", "lease-renewed")
    return sum(run.step_count.get(step, 0) for step in steps)


def compare(options: Options) -> list[Line]:
    """csvkafka beside what else there is, on two million rows of flights.csv, all with gzip."""
    ground, flights, times = options.ground, options.flights, options.times
    records = flights.rows * times

    def peer(name: str, module: str, rows: int) -> Contender:
        module = f"benchmarks.peers.{module}"
        return lambda: contenders.peer(ground, name, module, flights, times, rows)

    return in_turns(
        [
            _load(options, "csvkafka"),
            _load(options, "csvkafka, Python encoder", CSVKAFKA_ENCODER="python"),
            *_java_tool(options, "gzip", has_random_text=True),
            *_kcats(options, "gzip"),
            peer("DictReader + json + confluent-kafka", "confluent_json", records // 4),
            peer("the specification read literally", "literal", records // 20),
        ],
        options.rounds,
    )


def lz4(options: Options) -> list[Line]:
    """The same with lz4, which leaves more of the time to what is not compression."""
    return in_turns(
        [
            _load(options, "csvkafka", KAFKA_COMPRESSION_TYPE="lz4"),
            *_java_tool(options, "lz4"),
            *_kcats(options, "lz4"),
        ],
        options.rounds,
    )


def _java_tool(options: Options, codec: str, *, has_random_text: bool = False) -> list[Contender]:
    ground, records = options.ground, options.flights.rows * options.times
    payload = options.folder / "records.txt"
    if not payload.exists():
        contenders.sample_records(ground, options.flights, payload)
    name = "kafka-producer-perf-test"
    from_file = ("--payload-file", str(payload))
    small = {"compression.type": codec}
    large = small | {"batch.size": "1000000", "linger.ms": "20", "buffer.memory": "67108864"}

    def tool(name: str, what: Sequence[str], properties: dict[str, str]) -> Contender:
        return lambda: contenders.producer_performance(ground, name, records, what, properties)

    tools = [
        tool(f"{name}, our records", from_file, small),
        tool(f"{name}, our records, 1 MB batches", from_file, large),
    ]
    if has_random_text:
        random_text = ("--record-size", str(RECORD_BYTES))
        tools.insert(0, tool(f"{name}, random text", random_text, small))
    return tools


def _kcats(options: Options, codec: str) -> list[Contender]:
    if not shutil.which("kcat"):
        print("  kcat is not on the path: left out", flush=True)
        return []
    of = (options.flights, options.times, options.folder, codec)
    ground = options.ground
    plain: list[Contender] = [lambda: contenders.kcat(ground, "kcat -P -l", *of)]
    if not find_spec("duckdb"):
        print("  DuckDB is not installed: left out", flush=True)
        return plain
    return [*plain, lambda: contenders.duckdb(ground, "DuckDB, JSON piped to kcat", *of)]


def limit(options: Options) -> list[Line]:
    """gzip alone on the same records, and encoding where the sink costs nothing."""
    lines: list[Line] = []
    file = str(options.folder / f"{options.flights.stem}.csv")
    for encoder, runners in (
        ("compiled", ("gzip alone", "1 thread", "2 threads", "1 worker", "2 workers")),
        ("python", ("1 thread", "2 threads", "1 worker", "2 workers")),
    ):
        command = [*contenders.python("benchmarks.encoders"), file, "--json"]
        command += ["--times", str(max(1, options.times // 2)), "--rounds", str(options.rounds)]
        run = measure.run([*command, "--runners", *runners], {"CSVKAFKA_ENCODER": encoder})
        for line in json.loads(run.output.splitlines()[-1]):
            name = line["name"]
            is_codec = name == "gzip alone"
            lines.append({**line, "name": name if is_codec else f"{encoder}, {name}"})
    return lines


def verify(options: Options) -> list[Line]:
    """Reading a topic back: `csvkafka verify` with the compiled reading, and with the slow one."""
    ground, flights, times = options.ground, options.flights, options.times
    with ground.topic() as topic:
        loaded = contenders.environment_of(ground, flights, times, topic)
        measure.run(contenders.python("csvkafka"), loaded)

        def of(encoder: str) -> Contender:
            return lambda: contenders.verify(ground, encoder, flights, times, loaded, encoder)

        return in_turns([of("compiled"), of("python")], options.rounds)


def profile(options: Options) -> list[Line]:
    """Where a load's processor time goes, by its threads: that of the round that took least."""
    ground, flights = options.ground, options.flights
    runs = []
    for _ in range(options.rounds):
        with ground.topic() as topic:
            environment = contenders.environment_of(ground, flights, options.times, topic)
            runs.append(measure.run(contenders.python("benchmarks.timed_load"), environment))
    run = min(runs, key=lambda run: run.cpu_seconds)
    facts = contenders.told(run)
    threads, start = facts["threads"], facts["cpu"]["source-opened"]
    parts = {
        "start of the process": start,
        "the loop": threads["loop"] - start,
        "reading and cutting": threads["csvkafka-reader"],
        "encoding and compression": sum(
            seconds for name, seconds in threads.items() if name.startswith("csvkafka-encoder")
        ),
        "checkpoints": threads["csvkafka-store-0"],
    }
    parts["the rest, its end among it"] = run.cpu_seconds - sum(parts.values())
    parts["all"] = run.cpu_seconds
    rows = flights.rows * options.times
    return [{"name": name, "s": taken, "cpu us/record": taken / rows * 1e6}
            for name, taken in parts.items()]  # fmt: skip


def codecs(options: Options) -> list[Line]:
    """Every codec."""
    return in_turns([_load(options, codec, KAFKA_COMPRESSION_TYPE=codec) for codec in CODECS],
                    options.rounds)  # fmt: skip


def shapes(options: Options) -> list[Line]:
    """Other tables than flights.csv, about as many bytes of each."""
    wanted = options.flights.row_bytes * options.flights.rows * options.times

    def of(stem: str) -> Contender:
        table = options.inputs[stem]
        times = max(1, round(wanted / (table.rows * table.row_bytes)))
        return lambda: contenders.load(options.ground, stem, table, times)

    stems = ("flights", "quoted", "narrow", "wide", "newlines", "single-lines", "unicode")
    return in_turns([of(stem) for stem in stems], options.rounds)


def sources(options: Options) -> list[Line]:
    """flights.csv as it is, and as one object that is compressed, at the library's usual level."""
    header, _, body = (options.folder / "flights.csv").read_bytes().partition(b"\n")
    content = header + b"\n" + (body.rstrip(b"\n") + b"\n") * options.times

    def of(name: str, end: str) -> Contender:
        if not end:
            return _load(options, name)
        key = f"packed.csv{end}"
        (options.folder / key).write_bytes(packed(key, content))
        return _load(options, name, S3_KEY=key)

    kinds = {"plain": "", "gzip": ".gz", "zstd": ".zst", "bzip2": ".bz2"}
    return in_turns([of(name, end) for name, end in kinds.items()], options.rounds)


def partitions(options: Options) -> list[Line]:
    """A key column over eight partitions, beside one partition with and without keys."""
    return in_turns(
        [
            _load(options, "1 partition, no key"),
            _load(options, "1 partition, key", KEY_COLUMN="tailnum"),
            _load(options, "8 partitions, key", partitions=8, KEY_COLUMN="tailnum"),
            _load(
                options, "8 partitions, key, crc32", partitions=8, KEY_COLUMN="tailnum",
                PARTITIONER="crc32",
            ),
        ],
        options.rounds,
    )  # fmt: skip


def checkpoints(options: Options) -> list[Line]:
    """What checkpoints and the lease cost."""
    intervals = {"every 10,000 rows": 10_000, "every 1,000 rows": 1_000, "only the last": 10**9}
    return in_turns(
        [_load(options, name, CHECKPOINT_INTERVAL=str(rows)) for name, rows in intervals.items()],
        options.rounds,
    )


def encoders(options: Options) -> list[Line]:
    """The compiled encoder beside the Python one, by two codecs and one to three threads."""
    by_python: dict[str, Any] = {"CSVKAFKA_ENCODER": "python"}
    lz4: dict[str, Any] = {"KAFKA_COMPRESSION_TYPE": "lz4"}
    return in_turns(
        [
            _load(options, "Python", **by_python),
            _load(options, "compiled, 1 thread", ENCODE_THREADS="1"),
            _load(options, "compiled, 2 threads"),
            _load(options, "compiled, 3 threads", ENCODE_THREADS="3"),
            _load(options, "Python, lz4", **by_python, **lz4),
            _load(options, "compiled, lz4", **lz4),
        ],
        options.rounds,
    )


def small(options: Options) -> list[Line]:
    """A set of 10,000 objects of 200 rows, beside one object with the same rows; 30 ms a GET."""
    with small_contenders(options.ground, options.folder, options.objects) as both:
        return in_turns(both, options.rounds)


def workers(options: Options) -> list[Line]:
    """Processes that encode beside the loader, against the broker."""
    return in_turns(
        [_load(options, f"{n} encode workers", ENCODE_WORKERS=str(n)) for n in (0, 1, 2)],
        options.rounds,
    )


def growth(options: Options) -> list[Line]:
    """The same rows, more and more of them."""
    return in_turns(
        [
            _load(options, f"{n} million rows", times=max(1, round(n * 1e6 / options.flights.rows)))
            for n in options.millions
        ],
        1,
    )


def resume(options: Options) -> list[Line]:
    """From the start of a process to its first new row: an empty job, and after a SIGKILL near the
    end of a file of two million rows, and of one of twenty."""
    ground, flights = options.ground, options.flights
    lines: list[Line] = []
    sizes = (FLIGHTS_TIMES, 10 * FLIGHTS_TIMES) if options.scale == 1 else (1, 2)
    for times in sizes:
        rows = flights.rows * times
        died_at = rows - max(rows // 100, MORE_THAN_IS_ON_ITS_WAY)
        for _ in range(options.rounds):
            with ground.topic() as topic:
                environment = contenders.environment_of(ground, flights, times, topic)
                command = contenders.python("benchmarks.timed_load")
                dying = environment | {"DIE_AT_ROW": str(died_at)}
                died = measure.run(command, dying, expected_exit=-9)
                resumed = measure.run(command, environment)
                ground.check_complete(topic, rows)
            lines += [
                _resume_line(f"resume at {died_at * 100 // rows} % of {rows:,} rows", died, resumed)
            ]
    for _ in range(4 * options.rounds):
        begun = time.monotonic()
        empty = contenders.load(ground, "empty", flights, 1)
        lines.append(
            {
                "name": "start of an empty job",
                "first row s": empty.first_seconds["batch-acknowledged"],
                "first row cpu s": empty.first_cpu_seconds["batch-acknowledged"],
                "source opened s": empty.first_seconds["source-opened"],
                "took s": time.monotonic() - begun,
            }
        )
    return _medians(lines)


def _resume_line(name: str, died: measure.Run, resumed: measure.Run) -> Line:
    first, cpu = contenders.timeline(resumed)
    return {
        "name": name,
        "first row s": first["batch-acknowledged"],
        "first row cpu s": cpu["batch-acknowledged"],
        "source opened s": first["source-opened"],
        "took s": died.seconds,
    }


def _medians(lines: Sequence[Line]) -> list[Line]:
    """One line for each name: the median of each figure, and the least time to the first row."""
    merged: list[Line] = []
    for name in dict.fromkeys(str(line["name"]) for line in lines):
        group = [line for line in lines if line["name"] == name]
        figures = [key for key in group[0] if key != "name"]
        line: Line = {"name": name}
        for key in figures:
            line[key] = statistics.median(float(one[key]) for one in group)
        line["lowest s"] = min(float(one["first row s"]) for one in group)
        merged.append(line)
    return merged


def _load(
    options: Options,
    name: str,
    *,
    times: int | None = None,
    partitions: int = 1,
    **settings: str,
) -> Contender:
    return lambda: contenders.load(
        options.ground,
        name,
        options.flights,
        times or options.times,
        partitions=partitions,
        settings=settings,
    )


SECTIONS: dict[str, Callable[[Options], list[Line]]] = {
    "compare": compare,
    "lz4": lz4,
    "limit": limit,
    "profile": profile,
    "verify": verify,
    "codecs": codecs,
    "shapes": shapes,
    "sources": sources,
    "partitions": partitions,
    "checkpoints": checkpoints,
    "encoders": encoders,
    "workers": workers,
    "small": small,
    "resume": resume,
    "growth": growth,
}
