"""Rights in Kafka (F48): missing at the start, revoked in the middle of a load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.probe import PARTITION_COUNT, probe
from csvkafka.kafka.probe_cases import Verdict
from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.model import Step
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.integration.command_line import run_csvkafka
from tests.recovery.conftest import NewStack

NewCase = Callable[..., RecoveryCase]

EVERYBODY = "User:ANONYMOUS"
"""Who is not asked for a name; in this stack everybody, the brokers too."""

SOMEBODY_ELSE = "User:somebody-else"


@pytest.fixture(scope="module")
def guarded_stack(new_stack: NewStack) -> Iterator[Stack]:
    """Its broker looks at rights; everybody has each right to what no rule is about."""
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with new_stack(properties=properties) as running:
        yield running


@pytest.fixture
def admin(guarded_stack: Stack) -> Iterator[KafkaAdminClient]:
    client = guarded_stack.admin_client()
    yield client
    client.close()


def grant(admin: KafkaAdminClient, topic: str, principal: str, *operations: ACLOperation) -> None:
    """Gives these rights to the topic; what nobody was given, nobody has from now on."""
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    rules = [
        ACL(principal, "*", operation, ACLPermissionType.ALLOW, pattern) for operation in operations
    ]
    admin.create_acls(rules)
    assert wait_until(lambda: rule_count(admin, topic) == len(rules), 120)


def grant_all(admin: KafkaAdminClient, topic: str) -> None:
    """Takes all rules away: everybody has every right again."""
    admin.delete_acls([any_rule(topic)])
    assert wait_until(lambda: rule_count(admin, topic) == 0, 120)


def rule_count(admin: KafkaAdminClient, topic: str) -> int:
    rules, _ = admin.describe_acls(any_rule(topic))
    return len(rules)


def any_rule(topic: str) -> ACLFilter:
    pattern = ResourcePatternFilter(ResourceType.TOPIC, topic, ACLResourcePatternType.LITERAL)
    return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)


def test_f48_without_a_right_at_the_start(
    recovery_case: NewCase, guarded_stack: Stack, admin: KafkaAdminClient
) -> None:
    case = recovery_case(stack=guarded_stack)
    grant(admin, case.topic, SOMEBODY_ELSE, ACLOperation.ALL)
    worker = case.run(exit_code=1)
    case.assert_error(worker, "SinkRefused")
    assert "DESCRIBE" in worker.output()
    assert not worker.steps(Step.BATCH_SENT)
    grant_all(admin, case.topic)
    case.run()
    case.assert_once()


def test_f152_a_right_to_the_topic_of_a_route_is_needed_before_the_first_row(
    recovery_case: NewCase, guarded_stack: Stack, admin: KafkaAdminClient, tmp_path: Path
) -> None:
    routed = f"routed-{uuid4().hex[:12]}"
    table = tmp_path / "columns.toml"
    table.write_text(
        f'record.undeclared = "string"\n[[route]]\ntopic = "{routed}"\ncolumn = "country"\n'
        'equals = "DE"\n'
    )
    case = recovery_case(
        b"id,country\n1,DE\n2,FR\n",
        stack=guarded_stack,
        routed={routed: 1},
        settings={"CSV_COLUMNS": str(table)},
    )
    needed = {ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE_CONFIGS}
    for missing in (ACLOperation.READ, ACLOperation.WRITE):
        grant(admin, routed, EVERYBODY, *(needed - {missing}))
        worker = case.run(exit_code=1)
        case.assert_error(worker, "SinkRefused")
        assert f"{EVERYBODY} has no right to {missing.name} on topic {routed}" in worker.output()
        assert not worker.steps(Step.ITEM_CREATED)
        grant_all(admin, routed)
    grant(admin, routed, SOMEBODY_ELSE, ACLOperation.ALL)
    worker = case.run(exit_code=1)
    case.assert_error(worker, "SinkRefused")
    assert f"topic {routed}" in worker.output()
    grant_all(admin, routed)
    case.run()
    case.assert_once()


@pytest.mark.parametrize("missing", [ACLOperation.READ, ACLOperation.WRITE])
def test_f48_a_right_that_only_a_later_step_needs_is_named_before_the_first(
    recovery_case: NewCase, guarded_stack: Stack, admin: KafkaAdminClient, missing: ACLOperation
) -> None:
    """Without READ a first run would pass, and no resume of it."""
    case = recovery_case(stack=guarded_stack)
    needed = {ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE_CONFIGS}
    grant(admin, case.topic, EVERYBODY, *(needed - {missing}))
    worker = case.run(exit_code=1)
    case.assert_error(worker, "SinkRefused")
    assert f"{EVERYBODY} has no right to {missing.name} on topic {case.topic}" in worker.output()
    assert not worker.steps(Step.ITEM_CREATED)
    doctor = run_csvkafka("doctor", settings={**guarded_stack.environment(), **case.settings})
    assert doctor.returncode == 1
    said = f"{EVERYBODY} has no right to {missing.name} on topic {case.topic}"
    assert any(line.startswith("error ") and said in line for line in doctor.stdout.splitlines())
    grant_all(admin, case.topic)
    case.run()
    case.assert_once()


def test_f48_without_the_right_to_read_the_topics_settings_it_loads(
    recovery_case: NewCase, guarded_stack: Stack, admin: KafkaAdminClient
) -> None:
    case = recovery_case(stack=guarded_stack)
    grant(admin, case.topic, EVERYBODY, ACLOperation.READ, ACLOperation.WRITE)
    worker = case.run()
    assert "Grant DESCRIBE_CONFIGS" in worker.output()
    case.assert_once()


def test_f64_a_limit_that_may_not_be_read_is_learned_from_the_refusal(
    recovery_case: NewCase, guarded_stack: Stack, admin: KafkaAdminClient
) -> None:
    """A job that was killed learns it again, and its rows keep their numbers."""
    spec = CsvSpec(row_count=4_000, column_count=16)
    case = recovery_case(
        spec,
        stack=guarded_stack,
        block_bytes=64_000,
        settings={"KAFKA_COMPRESSION_TYPE": "none"},
    )
    admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, case.topic, {"max.message.bytes": "20000"})]
    )
    grant(admin, case.topic, EVERYBODY, ACLOperation.READ, ACLOperation.WRITE)
    worker = case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    assert "from now on a batch has at most" in worker.output()
    case.assert_midway()
    case.run()
    case.assert_once()


def test_f48_a_right_is_revoked_in_the_middle(
    recovery_case: NewCase, guarded_stack: Stack, admin: KafkaAdminClient
) -> None:
    case = recovery_case(stack=guarded_stack)
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)
    reading = (ACLOperation.READ, ACLOperation.DESCRIBE, ACLOperation.DESCRIBE_CONFIGS)
    grant(admin, case.topic, EVERYBODY, *reading)
    worker.resume()
    case.ends(worker, 1)
    case.assert_stopped(worker, "SinkRefused")
    assert "WRITE" in worker.output()
    case.assert_midway()
    grant_all(admin, case.topic)
    case.run()
    case.assert_once()


def test_the_probe_does_with_the_rights_of_a_load(
    guarded_stack: Stack, admin: KafkaAdminClient
) -> None:
    guarded_stack.create_topic("scratch", PARTITION_COUNT)
    loading = (ACLOperation.DESCRIBE, ACLOperation.READ, ACLOperation.WRITE)
    grant(admin, "scratch", EVERYBODY, *loading)
    settings = KafkaSettings(tuple(guarded_stack.bootstrap_servers.split(",")))
    with closing(KafkaClient(settings)) as client:
        client.connect()
        found = {result.case: result for result in probe(client, "scratch")}
    skipped = found.pop("emptied-partition")
    assert skipped.verdict is Verdict.SKIPPED
    assert "TOPIC_AUTHORIZATION_FAILED" in skipped.meaning
    assert {result.verdict for result in found.values()} == {Verdict.OK}
