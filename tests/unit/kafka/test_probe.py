"""What the answers to the probe's cases mean: Kafka's, and of servers that keep other rules."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from csvkafka.errors import ConfigError, SinkRefusedError
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.probe import ask, probe
from csvkafka.kafka.probe_cases import (
    CASES,
    EMPTIED,
    RECOGNISED,
    STORED,
    UNKNOWN,
    CaseResult,
    Send,
    Verdict,
    known,
)
from csvkafka.model import EncodedBatch, ProducerIdentity
from csvkafka.records.record_batch import seal
from csvkafka.testing.simulator.partition_log import PartitionLog
from tests.unit.kafka.scripted_broker import ScriptedBroker, scripted_broker

UNKNOWN_SERVER_ERROR, TOPIC_AUTHORIZATION_FAILED, OUT_OF_ORDER = -1, 29, 45
INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID = 47, 59

Seen = list[tuple[int, int]]
"""Epoch and sequence number of what a producer has stored in a partition."""

Rule = Callable[[Seen, int, int], int]
"""What a server does with a batch, by epoch and number: True: stores it, False: passes over it, or
an error code."""


def kafka(seen: Seen, epoch: int, sequence: int) -> int:
    if not seen:
        return True
    last_epoch, last_sequence = seen[-1]
    if epoch < last_epoch:
        return INVALID_PRODUCER_EPOCH
    if epoch > last_epoch:
        return True if sequence == 0 else OUT_OF_ORDER
    if (epoch, sequence) in seen[-5:]:
        return False
    return True if sequence == last_sequence + 1 else OUT_OF_ORDER


def keeps_all(_seen: Seen, _epoch: int, _sequence: int) -> int:
    return True


def keeps_repeats(seen: Seen, epoch: int, sequence: int) -> int:
    return True if (answer := kafka(seen, epoch, sequence)) is False else answer


def refuses_repeats(seen: Seen, epoch: int, sequence: int) -> int:
    return OUT_OF_ORDER if (answer := kafka(seen, epoch, sequence)) is False else answer


def keeps_gaps(seen: Seen, epoch: int, sequence: int) -> int:
    return True if (answer := kafka(seen, epoch, sequence)) == OUT_OF_ORDER else answer


def refuses_gaps_by_another_name(seen: Seen, epoch: int, sequence: int) -> int:
    answer = kafka(seen, epoch, sequence)
    return UNKNOWN_SERVER_ERROR if answer == OUT_OF_ORDER else answer


def keeps_no_epochs(seen: Seen, _epoch: int, sequence: int) -> int:
    return kafka([(0, number) for _, number in seen], 0, sequence)


def takes_epochs_from_any_number(seen: Seen, epoch: int, sequence: int) -> int:
    return True if seen and epoch > seen[-1][0] else kafka(seen, epoch, sequence)


def takes_no_new_epoch(seen: Seen, epoch: int, sequence: int) -> int:
    return INVALID_PRODUCER_EPOCH if epoch else kafka(seen, epoch, sequence)


def knows_who_it_takes(seen: Seen, epoch: int, sequence: int) -> int:
    return UNKNOWN_PRODUCER_ID if not seen and sequence else kafka(seen, epoch, sequence)


def takes_no_batch(_seen: Seen, _epoch: int, _sequence: int) -> int:
    return UNKNOWN_SERVER_ERROR


@dataclass
class Partition:
    """Batches of one record, and what each producer has stored."""

    batches: list[bytes] = field(default_factory=list)
    start: int = 0
    seen: dict[int, Seen] = field(default_factory=lambda: defaultdict(list))


class Server:
    """Partitions of a scripted broker, by a rule. `forgets_with_records`: with the last record of
    a partition its producers are forgotten."""

    def __init__(
        self, broker: ScriptedBroker, rule: Rule, *, forgets_with_records: bool = False
    ) -> None:
        self._broker = broker
        self._rule = rule
        self._forgets = forgets_with_records
        self.partitions: dict[int, Partition] = defaultdict(Partition)
        broker.answer = self._answer
        broker.bounds = lambda: (self._asked.start, len(self._asked.batches))
        broker.fetch = lambda kafka_offset: b"".join(self._asked.batches[kafka_offset:])
        broker.delete_records = self._delete_records
        broker.producers = lambda: [
            (producer_id, *seen[-1]) for producer_id, seen in self._asked.seen.items() if seen
        ]

    @property
    def _asked(self) -> Partition:
        return self.partitions[self._broker.asked_partition]

    def _answer(self, _topic: str, number: int, records: bytes) -> int:
        partition = self.partitions[number]
        producer_id, epoch, sequence = struct.unpack_from(">qhi", records, 43)
        seen = partition.seen[producer_id]
        verdict = self._rule(seen, epoch, sequence)
        if verdict is True:
            # The base offset is the one field that a broker writes; no checksum covers it.
            partition.batches.append(struct.pack(">q", len(partition.batches)) + records[8:])
            seen.append((epoch, sequence))
        return 0 if isinstance(verdict, bool) else verdict

    def _delete_records(self) -> int:
        self._asked.start = len(self._asked.batches)
        if self._forgets:
            self._asked.seen.clear()
        return 0


def asked(broker: ScriptedBroker) -> dict[str, CaseResult]:
    client = KafkaClient(KafkaSettings((broker.address,), answer_timeout_ms=30_000))
    try:
        client.connect()
        return {result.case: result for result in probe(client, "rows")}
    finally:
        client.close()


def verdicts(rule: Rule, *, forgets_with_records: bool = False) -> dict[str, Verdict]:
    """The cases that are not OK."""
    with scripted_broker() as broker:
        Server(broker, rule, forgets_with_records=forgets_with_records)
        results = asked(broker)
    assert list(results) == [case.name for case in CASES]
    return {
        name: result.verdict for name, result in results.items() if result.verdict is not Verdict.OK
    }


REFUSED, WARNING = Verdict.REFUSED, Verdict.WARNING


def test_a_server_that_keeps_kafkas_rules_passes() -> None:
    assert verdicts(kafka) == {}


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        (
            keeps_repeats,
            {
                "repeat": REFUSED,
                "new-epoch": REFUSED,
                "unknown-producer-new-epoch": REFUSED,
                "emptied-partition": WARNING,
            },
        ),
        (
            refuses_repeats,
            {"repeat": REFUSED, "new-epoch": REFUSED, "unknown-producer-new-epoch": REFUSED},
        ),
        (
            keeps_gaps,
            {"late-repeat": REFUSED, "gap": REFUSED, "new-epoch-not-from-0": WARNING},
        ),
        (
            keeps_all,
            {
                "repeat": REFUSED,
                "late-repeat": REFUSED,
                "gap": REFUSED,
                "new-epoch": REFUSED,
                "new-epoch-not-from-0": WARNING,
                "old-epoch": WARNING,
                "unknown-producer-new-epoch": REFUSED,
                "emptied-partition": WARNING,
            },
        ),
    ],
)
def test_f67_a_server_that_does_not_enforce_numbers_is_refused(
    rule: Rule, refused: dict[str, Verdict]
) -> None:
    assert verdicts(rule) == refused


@pytest.mark.parametrize(
    ("rule", "warned"),
    [
        (refuses_gaps_by_another_name, {"gap"}),
        (
            keeps_no_epochs,
            {"new-epoch", "new-epoch-not-from-0", "old-epoch", "unknown-producer-new-epoch"},
        ),
        (takes_epochs_from_any_number, {"new-epoch-not-from-0"}),
        (takes_no_new_epoch, {"new-epoch", "old-epoch", "unknown-producer-new-epoch"}),
        (knows_who_it_takes, {"unknown-producer"}),
    ],
)
def test_what_limits_a_load_and_breaks_nothing_is_a_warning(rule: Rule, warned: set[str]) -> None:
    assert verdicts(rule) == dict.fromkeys(warned, WARNING)


def test_a_server_that_forgets_with_the_records_is_warned_of() -> None:
    assert verdicts(kafka, forgets_with_records=True) == {"emptied-partition": WARNING}


def test_a_server_that_takes_no_first_batch_is_refused() -> None:
    found = verdicts(takes_no_batch)
    assert {found[case.name] for case in CASES if case.steps[0] == Send(0)} == {REFUSED}


@pytest.mark.parametrize(
    ("change", "answer", "text"),
    [
        ({"versions": None}, "UNSUPPORTED_VERSION", "cannot be asked"),
        (
            {"producers": lambda: TOPIC_AUTHORIZATION_FAILED},
            "TOPIC_AUTHORIZATION_FAILED",
            "grant READ on the topic",
        ),
        ({"producers": lambda: [(7, 0, 1)]}, UNKNOWN, "not what was sent"),
    ],
)
def test_a_server_that_does_not_describe_producers_is_warned_of(
    change: dict[str, object], answer: str, text: str
) -> None:
    with scripted_broker() as broker:
        Server(broker, kafka)
        if "versions" in change:
            del broker.versions[61]
        else:
            broker.producers = change["producers"]  # type: ignore[assignment]
        result = asked(broker)["describe-producers"]
    assert (result.verdict, result.answer.rpartition(", ")[2]) == (WARNING, answer)
    assert text in result.meaning


def test_a_case_without_the_right_to_delete_records_is_skipped_with_the_remedy() -> None:
    with scripted_broker() as broker:
        Server(broker, kafka)
        broker.delete_records = lambda: TOPIC_AUTHORIZATION_FAILED
        result = asked(broker)["emptied-partition"]
    assert result.verdict is Verdict.SKIPPED
    assert "(TOPIC_AUTHORIZATION_FAILED): grant DELETE on the topic" in result.meaning


def test_nothing_of_others_is_deleted_and_a_missing_place_is_said() -> None:
    with scripted_broker() as broker:
        server = Server(broker, kafka)
        for number in range(4):
            server.partitions[number].batches.append(one_record(99, Send(0)))
        results = asked(broker)
        assert all(partition.start == 0 for partition in server.partitions.values())
        assert [len(server.partitions[number].batches) for number in (1, 2, 3)] == [1, 1, 1]
    skipped = {name for name, result in results.items() if result.verdict is Verdict.SKIPPED}
    assert skipped == {"emptied-partition", "never-written-partition"}
    assert "create a new one with 3 partitions" in results["emptied-partition"].meaning


def test_a_second_probe_takes_the_partition_that_the_first_has_emptied() -> None:
    with scripted_broker() as broker:
        server = Server(broker, kafka)
        asked(broker)
        emptied = [number for number, p in server.partitions.items() if p.start]
        again = asked(broker)
        assert [number for number, p in server.partitions.items() if p.start] == emptied
    assert again["emptied-partition"].verdict is Verdict.OK


def test_a_topic_that_is_not_there_is_named_with_the_command_that_makes_one() -> None:
    with scripted_broker() as broker:
        client = KafkaClient(KafkaSettings((broker.address,)))
        try:
            client.connect()
            with pytest.raises(ConfigError, match=r"does not exist.*--create .*--partitions 3"):
                list(probe(client, "nobody"))
        finally:
            client.close()


def test_a_missing_right_to_write_ends_the_probe() -> None:
    with scripted_broker() as broker:
        broker.answer = lambda _topic, _partition, _records: TOPIC_AUTHORIZATION_FAILED
        with pytest.raises(SinkRefusedError, match="WRITE"):
            asked(broker)


# The fakes' log


def one_record(producer_id: int, step: Send) -> bytes:
    batch = EncodedBatch(0, 1, 0, b"\x0e\x00\x00\x00\x01\x02x\x00")
    return seal(batch, ProducerIdentity(producer_id, step.epoch), step.sequence, 0)


class FakeProducer:
    """A producer in the partition log that the fakes have."""

    def __init__(self, log: PartitionLog, producer_id: int) -> None:
        self._log = log
        self._producer_id = producer_id

    def send(self, step: Send) -> str:
        answer = self._log.append(one_record(self._producer_id, step))
        if answer.error_code:
            return {45: "OUT_OF_ORDER_SEQUENCE_NUMBER", 47: "INVALID_PRODUCER_EPOCH"}[
                answer.error_code
            ]
        return STORED if answer.appended else RECOGNISED

    def describe(self) -> str:
        state = self._log._producers.get(self._producer_id)
        return UNKNOWN if state is None else known(state.epoch, state.last_sequence)

    def delete_records(self) -> str:
        self._log.delete_before(self._log.end_offset)
        return EMPTIED


def test_the_log_of_the_fakes_keeps_kafkas_rules() -> None:
    log = PartitionLog()
    on_fake = [ask(case, FakeProducer(log, number)) for number, case in enumerate(CASES)]
    with scripted_broker() as broker:
        Server(broker, kafka)
        assert on_fake == list(asked(broker).values())
