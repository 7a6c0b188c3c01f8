"""Whole loads of flights.csv with its natural types, beside the default record.

    python -m benchmarks.declared [--rounds 4]

Two million rows as JSON, gzip, one partition; the two in turns, in alternating order.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks import contenders
from benchmarks.ground import Ground
from benchmarks.inputs import make_inputs
from benchmarks.sections import FLIGHTS_TIMES
from tests.integration.flights import NATURAL_TYPES, flights_table


def main() -> None:
    """Prints rows/s and processor time per row of each load, and the ratio of the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=4)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="csvkafka-bench-") as name:
        folder = Path(name)
        flights = make_inputs(folder)["flights"]
        table = folder / "columns.toml"
        table.write_text(flights_table(NATURAL_TYPES))
        settings = {"default record": {}, "natural types": {"CSV_COLUMNS": str(table)}}
        rates: dict[str, list[float]] = {kind: [] for kind in settings}
        with Ground(folder) as ground:
            contenders.load(ground, "warm", flights, 1)
            for number in range(rounds):
                for kind in sorted(settings, reverse=bool(number % 2)):
                    result = contenders.load(
                        ground, kind, flights, FLIGHTS_TIMES, settings=settings[kind]
                    )
                    rates[kind].append(result.records_per_second)
                    cost = result.cpu_seconds / result.records * 1e6
                    print(f"{kind}: {rates[kind][-1]:,.0f} rows/s, {cost:.2f} µs", flush=True)
    typed, default = (
        statistics.median(rates[kind]) for kind in ("natural types", "default record")
    )
    print(f"{typed:,.0f} of {default:,.0f} rows/s: {typed / default:.2f}")


if __name__ == "__main__":
    main()
