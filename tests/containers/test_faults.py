"""Rows of the fault matrix that take containers: memory limits, a full disk, equal host names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from csvkafka.local.processes import wait_until
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.judging.job_view import JobView
from csvkafka.testing.stacks.containers import ContainerStack
from csvkafka.testing.stacks.engine import LOOK_SECONDS
from tests.containers.job_container import KILLED, JobContainers
from tests.containers.midway import OFTEN, ROWS, assert_loaded, wait_until_midway
from tests.integration.loads import LoadPlace

MEBIBYTE = 1 << 20
LARGE = CsvSpec(row_count=700_000, column_count=19, field_characters=24)
LIMIT = {"mem_limit": "256m", "memswap_limit": "256m"}
# Takes all that is left of the container's memory, and has the kernel kill process 1 for it.
GLUTTON = """
open("/proc/1/oom_score_adj", "w").write("1000")
hoard = []
while True:
    hoard.append(b"1" * (1 << 20))
"""


@pytest.fixture
def stack_of_my_own(
    new_stack: Callable[..., AbstractContextManager[ContainerStack]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., tuple[LoadPlace, JobContainers]]]:
    """Starts a stack that the test may harm, with a place to load and a way to run jobs there."""
    opened: list[AbstractContextManager[object]] = []

    def start(broker_count: int = 1, **options: object) -> tuple[LoadPlace, JobContainers]:
        opening = new_stack(broker_count, **options)
        stack = opening.__enter__()
        opened.append(opening)
        for name, value in stack.environment().items():
            monkeypatch.setenv(name, value)
        jobs = JobContainers(stack)
        opened.append(jobs)
        return LoadPlace(stack), jobs

    yield start
    for manager in reversed(opened):
        manager.__exit__(None, None, None)


def test_f17_killed_for_its_memory_in_the_middle(
    place: LoadPlace, jobs: JobContainers, many_rows: bytes
) -> None:
    place.put(many_rows)
    job = jobs.start(place.settings(**OFTEN), **LIMIT)
    wait_until_midway(place, job)
    job.container.exec_run(["python", "-c", GLUTTON], detach=True)
    assert job.wait() == KILLED, job.output()
    assert job.state()["OOMKilled"]
    assert 0 < len(place.lines()) < ROWS, "the kill was not in the middle"
    again = jobs.run(place.settings(**OFTEN), **LIMIT)
    assert again.wait() == 0, again.output()
    assert_loaded(place, ROWS)


def test_f17_a_large_file_and_a_stalled_broker_do_not_fill_the_memory(
    stack_of_my_own: Callable[..., tuple[LoadPlace, JobContainers]], tmp_path: Path
) -> None:
    place, jobs = stack_of_my_own()
    (broker,) = place.stack.brokers
    glutton = jobs.run({}, "-c", "bytearray(b'1') * (300 << 20)", entrypoint=["python"], **LIMIT)
    assert glutton.wait() == KILLED, "the limit holds nobody back"

    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.writelines(write_csv(LARGE))
    assert large.stat().st_size > 256 * MEBIBYTE
    place.stack.put_object(place.bucket, place.key, large)
    job = jobs.start(place.settings(**OFTEN), **LIMIT)
    wait_until_midway(place, job, LARGE.row_count)
    broker.pause()
    # Reading and encoding go on until the window is full; then nothing moves any more.
    seen: list[int] = []

    def stands_still() -> bool:
        seen.append(job.container.stats(stream=False)["memory_stats"]["usage"])
        return len(seen) > 3 and max(seen[-3:]) - min(seen[-3:]) < MEBIBYTE

    assert wait_until(stands_still, 60), seen
    broker.resume()
    assert job.wait() == 0, job.output()
    assert not job.state()["OOMKilled"]
    assert_loaded(place, LARGE.row_count)


def test_f26_a_live_owner_with_the_same_host_name_is_waited_for(
    place: LoadPlace, jobs: JobContainers, many_rows: bytes
) -> None:
    place.put(many_rows)
    first = jobs.start(place.settings(**OFTEN), hostname="worker")
    wait_until_midway(place, first)
    second = jobs.start(place.settings(**OFTEN), hostname="worker")
    assert first.wait() == 0, first.output()
    assert second.wait() == 0, second.output()
    assert "owned by process 1 on host worker" in second.output()
    assert_loaded(place, ROWS)


def test_f26_an_owner_with_the_same_host_name_that_wakes_too_late_is_fenced(
    place: LoadPlace, jobs: JobContainers, many_rows: bytes
) -> None:
    place.put(many_rows)
    zombie = jobs.start(place.settings(**OFTEN), hostname="worker")
    wait_until_midway(place, zombie)
    zombie.container.pause()
    view = JobView(place.stack, place.stored_item(), place.topic, 1)
    reached = view.last_line()
    heir = jobs.start(place.settings(**OFTEN), hostname="worker")
    view.wait_for(
        lambda seen: seen.last_line() > reached or not heir.is_running,
        "an heir",
        look_seconds=LOOK_SECONDS,
    )
    view.close()
    zombie.container.unpause()
    assert zombie.wait() == 1, zombie.output()
    assert "FencedError" in zombie.output()
    assert heir.wait() == 0, heir.output()
    assert_loaded(place, ROWS)


def test_f49_the_leaders_disk_is_full_and_another_broker_takes_over(
    stack_of_my_own: Callable[..., tuple[LoadPlace, JobContainers]], many_rows: bytes
) -> None:
    place, jobs = stack_of_my_own(3, broker_disk="400m")
    place.put(many_rows)
    admin = place.stack.admin_client()
    leader_id = admin.describe_topics([place.topic])[0]["partitions"][0]["leader_id"]
    admin.close()
    (leader,) = (broker for broker in place.stack.brokers if broker.node_id == leader_id)
    leader.disk.fill(leave_bytes=2 * MEBIBYTE)
    job = jobs.run(place.settings(**OFTEN, KAFKA_COMPRESSION_TYPE="none"))
    assert job.wait() == 0, job.output()
    assert not leader.is_running, "its disk was not full after all"
    assert_loaded(place, ROWS)


def test_f49_the_only_brokers_disk_is_full_until_it_is_freed(
    stack_of_my_own: Callable[..., tuple[LoadPlace, JobContainers]], many_rows: bytes
) -> None:
    place, jobs = stack_of_my_own(1, broker_disk="400m")
    (broker,) = place.stack.brokers
    place.put(many_rows)
    settings = place.settings(**OFTEN, KAFKA_COMPRESSION_TYPE="none", WATCHDOG_SECONDS="10")
    broker.disk.fill(leave_bytes=4 * MEBIBYTE)
    stopped = jobs.run(settings)
    assert stopped.wait() == 1, stopped.output()
    assert "DeliveryError" in stopped.output()
    item = place.item()
    assert item is not None
    assert item["status"] == "IN_PROGRESS"
    assert "lease_owner" not in item
    broker.wait_until_ended(60)
    broker.disk.empty()
    broker.start()
    loaded = item["last_line"]
    assert isinstance(loaded, int)
    assert 0 < loaded <= len(place.lines()) < ROWS, "the disk was not full in the middle"
    again = jobs.run(settings)
    assert again.wait() == 0, again.output()
    assert_loaded(place, ROWS)
