"""Loads CSV from S3 and elsewhere into a Kafka topic: every row exactly once and in order.

What programs import stands here and in `csvkafka.testing`. The module of a name is imported when
the name is first asked for, so that importing `csvkafka` costs nothing. All else belongs to a room.
Each room's `__init__` says what it holds, whom it imports, and in which order to read it. Imports
point down; `lint-imports` checks that. Rooms import each other's modules by their full names, and
never a name with an underscore.

Read: job (one run, and all before its first row), pipeline (the loop), ledger (the job's item and
its conditional writes), sets (which files), rows, encode, records (from bytes to Kafka's record
batch), kafka, aws, files, remote, registry (the outsides), wiring (all sides meet here), sources,
stores
(what is opened), processor, checkpoint (the documented API), config, process, cli, __main__, schema
(declared columns), exit_codes, errors, limits, model, interfaces, clock, retry, compiled (the
ground, which all stand on), local (the embedded stack), testing (the harness).
"""

__version__ = "0.1.0"

# Type checkers take this for True. `typing` itself would be the larger part of this import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from csvkafka.checkpoint import CheckpointManager
    from csvkafka.errors import (
        CheckpointError,
        CheckpointFileError,
        CheckpointUnavailableError,
        ConfigChangedError,
        ConfigError,
        CsvKafkaError,
        DeliveryError,
        EncodeWorkerError,
        FencedError,
        ItemLostError,
        ItemUnusableError,
        JobOwnedError,
        MalformedRowError,
        RecordTooLargeError,
        RecoveryError,
        SequenceError,
        SinkError,
        SinkRefusedError,
        SinkUnavailableError,
        SourceChangedError,
        SourceCorruptError,
        SourceError,
        SourceNotFoundError,
        SourceReadError,
        StackError,
        StoppedError,
        TailDeletedError,
        TailGapError,
        TopicChangedError,
        TopicTruncatedError,
        UserFunctionError,
    )
    from csvkafka.interfaces import Observer
    from csvkafka.job.parts import JobResult
    from csvkafka.model import Step
    from csvkafka.processor import CSVToKafkaProcessor

__all__ = [
    "CSVToKafkaProcessor",
    "CheckpointError",
    "CheckpointFileError",
    "CheckpointManager",
    "CheckpointUnavailableError",
    "ConfigChangedError",
    "ConfigError",
    "CsvKafkaError",
    "DeliveryError",
    "EncodeWorkerError",
    "FencedError",
    "ItemLostError",
    "ItemUnusableError",
    "JobOwnedError",
    "JobResult",
    "MalformedRowError",
    "Observer",
    "RecordTooLargeError",
    "RecoveryError",
    "SequenceError",
    "SinkError",
    "SinkRefusedError",
    "SinkUnavailableError",
    "SourceChangedError",
    "SourceCorruptError",
    "SourceError",
    "SourceNotFoundError",
    "SourceReadError",
    "StackError",
    "Step",
    "StoppedError",
    "TailDeletedError",
    "TailGapError",
    "TopicChangedError",
    "TopicTruncatedError",
    "UserFunctionError",
]

_HOMES = {
    "CSVToKafkaProcessor": "csvkafka.processor",
    "CheckpointManager": "csvkafka.checkpoint",
    "JobResult": "csvkafka.job.parts",
    "Observer": "csvkafka.interfaces",
    "Step": "csvkafka.model",
}
"""The module of each public name that is no error."""

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_HOMES.get(name, "csvkafka.errors")), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
