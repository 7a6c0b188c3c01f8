"""Every error that csvkafka raises on purpose; a message says what, where, and what to do.

    CsvKafkaError
    ├── ConfigError                a setting is missing, malformed, or would break the promise
    │   ├── ConfigChangedError     the job was begun with other settings
    │   ├── SourceChangedError     the object is not the job's
    │   └── TopicChangedError      topic or cluster is not the job's
    ├── SourceError                the CSV object
    │   ├── SourceNotFoundError    no such bucket, object or version
    │   ├── SourceReadError        S3 refused, or failed for longer than we retry
    │   ├── SourceCorruptError     the bytes are damaged (checksum, gzip, encoding)
    │   └── MalformedRowError      a row does not fit its header, or a quote is never closed
    ├── RecordTooLargeError        one row is larger than the topic takes
    ├── CheckpointError            the checkpoint table fails, or the item is unusable
    │   ├── CheckpointUnavailableError   the table throttles, or does not answer
    │   └── FencedError            another worker owns the job now
    ├── SinkError                  Kafka
    │   ├── SinkUnavailableError   no broker answered at the start
    │   ├── SinkRefusedError       authentication, authorization or TLS
    │   ├── DeliveryError          nothing was acknowledged for longer than the watchdog allows
    │   └── SequenceError          the broker and we disagree on what was sent
    ├── RecoveryError              the topic tail contradicts the checkpoint
    │   ├── TopicTruncatedError    the log ends before, or holds other records at, the checkpoint
    │   ├── TailGapError           rows of ours are missing inside the tail
    │   └── TailDeletedError       retention removed all that could tell where the rows end
    ├── EncodeWorkerError          a process that encodes rows ended
    ├── StackError                 the local stack or the harness cannot be started or used
    └── StoppedError               a signal asked to stop; what was acknowledged is stored

`retriable` says whether the same command may succeed when it is just run again.
`exit_code` is the process's exit code; it is 1 for each (documented), signals end with 143 or 130.
"""

from __future__ import annotations

from typing import ClassVar

ANOTHER_JOB = "and load under another JOB_ID into a clean topic"
"""The end of a remedy that changes the file or what a row becomes: a job keeps both for life."""


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class CsvKafkaError(Exception):
    """Base of all errors that csvkafka raises on purpose."""

    retriable: ClassVar[bool] = False
    exit_code: int = 1


class ConfigError(CsvKafkaError):
    """A setting is missing or malformed, or would break the promise."""


class ConfigChangedError(ConfigError):
    """The job was begun with other settings than these."""


class SourceChangedError(ConfigError):
    """The object is not the one, or not the version, that the job was begun with."""


class TopicChangedError(ConfigError):
    """The topic or the cluster is not the one that the job was begun with."""


class SourceError(CsvKafkaError):
    """The CSV object cannot be read as promised."""


class SourceNotFoundError(SourceError):
    """There is no such bucket, object or version."""


class SourceReadError(SourceError):
    """S3 refused the read, or failed for longer than csvkafka retries."""

    retriable = True


class SourceCorruptError(SourceError):
    """The source's bytes are not what they should be (checksum, gzip, encoding)."""


class MalformedRowError(SourceError):
    """A row does not fit its header, or a quote is never closed."""


class RecordTooLargeError(CsvKafkaError):
    """One row makes a record that is larger than the topic takes."""


class CheckpointError(CsvKafkaError):
    """The checkpoint table cannot be read or written, or the item is unusable."""

    retriable = True


class CheckpointUnavailableError(CheckpointError):
    """The checkpoint table throttles, or does not answer; it may do so soon.

    `has_answered`: it is there, since it has answered at least once."""

    def __init__(self, message: str, *, has_answered: bool) -> None:
        super().__init__(message)
        self.has_answered = has_answered


class FencedError(CheckpointError):
    """Another worker has taken the job's lease: this one must not write any more."""

    retriable = False


class SinkError(CsvKafkaError):
    """Kafka cannot be used as promised."""


class SinkUnavailableError(SinkError):
    """No broker answered at the start."""

    retriable = True


class SinkRefusedError(SinkError):
    """Kafka refused us: authentication, authorization or TLS."""


class DeliveryError(SinkError):
    """Nothing was acknowledged for longer than the watchdog allows."""

    retriable = True


class SequenceError(SinkError):
    """The broker and csvkafka disagree on which rows were sent, and a new look did not help."""


class RecoveryError(CsvKafkaError):
    """The topic tail contradicts the checkpoint."""


class TopicTruncatedError(RecoveryError):
    """The log ends before the checkpoint, or other records stand where ours were."""


class TailGapError(RecoveryError):
    """Rows of ours are missing inside the topic tail."""


class TailDeletedError(RecoveryError):
    """Retention removed every batch that could tell where our rows end."""


class EncodeWorkerError(CsvKafkaError):
    """A process that encodes rows ended, most likely killed."""

    retriable = True


class StackError(CsvKafkaError):
    """The local stack or the harness cannot be started or used."""


class StoppedError(CsvKafkaError):
    """SIGTERM or SIGINT asked to stop; `exit_code` is 128 + the signal's number (143, 130)."""

    retriable = True

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}; the same command goes on from here")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
