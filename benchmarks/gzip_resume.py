"""How soon a load of a large gzip object goes on: killed at several places, resumed after each.

    python -m benchmarks.gzip_resume [--gigabytes 8] [--at 97 98 98.5 99]

The object is one gzip member; `--gigabytes` are those of its content, flights.csv again and again.
It is made in a temporary folder, which takes a third of that, and the topic as much.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from isal import igzip

from benchmarks import contenders, measure
from benchmarks.ground import Ground
from benchmarks.inputs import make_inputs

KEY = "flights.csv.gz"


def make_object(folder: Path, times: int) -> None:
    """Writes the rows so many times under one header, as one gzip member."""
    header, _, body = (folder / "flights.csv").read_bytes().partition(b"\n")
    body = body.rstrip(b"\n") + b"\n"
    with igzip.open(folder / KEY, "wb", compresslevel=1) as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(body)


def main() -> None:
    """Prints, for each place, when the first new row was acknowledged after the process's start."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=8.0, help="of content (8)")
    parser.add_argument(
        "--at",
        type=float,
        nargs="+",
        default=[97.0, 98.0, 98.5, 99.0],
        help="percent of the rows",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="csvkafka-bench-") as name:
        folder = Path(name)
        flights = make_inputs(folder)["flights"]
        times = max(1, round(arguments.gigabytes * 1e9 / (flights.rows * flights.row_bytes)))
        rows = flights.rows * times
        make_object(folder, times)
        print(f"{(folder / KEY).stat().st_size / 1e9:.2f} GB, {rows:,} rows", flush=True)
        command = contenders.python("benchmarks.timed_load")
        with Ground(folder) as ground, ground.topic() as topic:
            environment = contenders.environment_of(ground, flights, times, topic)
            environment["S3_KEY"] = KEY
            for number, percent in enumerate([*sorted(arguments.at), 100.0]):
                dying = {"DIE_AT_ROW": str(int(rows * percent / 100))} if percent < 100 else {}
                run = measure.run(command, environment | dying, expected_exit=-9 if dying else 0)
                first, cpu = contenders.timeline(run)
                if "batch-acknowledged" not in first:
                    sys.exit("so few rows were all on their way: take more --gigabytes")
                seconds, work = first["batch-acknowledged"], cpu["batch-acknowledged"]
                print(
                    f"{'start' if number == 0 else 'resume'}: first new row after {seconds:.2f} s, "
                    f"{work:.2f} s of processor time; to {percent:g} % in {run.seconds:.1f} s",
                    flush=True,
                )
            ground.check_complete(topic, rows)


if __name__ == "__main__":
    main()
