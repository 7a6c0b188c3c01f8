"""A slow way to S3, for a job's container that must be met in the middle of its file.

A share of a processor (`docker run --cpus`) would do as well, but not every engine grants it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Throttle
from csvkafka.testing.inputs.csv_files import CsvSpec

LASTING = CsvSpec(row_count=120_000)
"""7 MB: a minute on the slow way."""
_BYTES_PER_SECOND = 128 * 1024


@contextmanager
def slow_source(endpoint_url: str) -> Iterator[dict[str, str]]:
    """Variables with which a loader reads from the S3 there, so many bytes a second."""
    with Proxy(endpoint_url.removeprefix("http://")) as proxy:
        proxy.inject(Throttle(Direction.TO_CLIENT, _BYTES_PER_SECOND))
        yield {"AWS_ENDPOINT_URL_S3": proxy.url}
