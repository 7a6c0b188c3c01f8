"""How soon the job's image reads its source: from the container's start to the first log line.

    nox -s images && python -m benchmarks.image_start [--rounds 5]

Needs a Docker engine. Servers and job share the machine; the start of a container itself counts.
"""

from __future__ import annotations

import argparse
import statistics
from datetime import datetime
from typing import Any

from csvkafka.testing.stacks.containers import ContainerStack
from csvkafka.testing.stacks.engine import labels, remove_container, require_images
from csvkafka.testing.stacks.images import JOB

FIRST_READ = "Starting from line"


def seconds_until_first_read(stack: ContainerStack, number: int) -> float:
    """One load of one row, in a container of its own."""
    settings = {
        "S3_BUCKET": "bench",
        "S3_KEY": "one.csv",
        "KAFKA_TOPIC": "bench",
        "DYNAMODB_TABLE": "bench",
        "JOB_ID": f"start-{number}",
    }
    job: Any = stack.engine.containers.create(
        JOB.name,
        environment={**settings, **stack.container_environment()},
        network=stack.network_name,
        labels=labels(),
    )
    try:
        job.start()
        job.wait()
        job.reload()
        lines = job.logs(timestamps=True).decode().splitlines()
        first = next(line for line in lines if FIRST_READ in line)
        return _seconds(first.split()[0]) - _seconds(job.attrs["State"]["StartedAt"])
    finally:
        remove_container(job)


def _seconds(timestamp: str) -> float:
    """Docker's timestamps have nanoseconds, of which `datetime` knows nothing."""
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).timestamp() + float(f"0.{fraction}")


def main() -> None:
    """Prints each round, and their median."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with ContainerStack() as stack:
        require_images(stack.engine, [JOB])
        stack.create_bucket("bench")
        stack.put_object("bench", "one.csv", b"id,name\n1,a\n")
        stack.create_topic("bench")
        stack.create_table("bench")
        found = [seconds_until_first_read(stack, number) for number in range(rounds)]
    print("  ".join(f"{seconds:.2f} s" for seconds in found))
    print(f"median {statistics.median(found):.2f} s until the first read")


if __name__ == "__main__":
    main()
