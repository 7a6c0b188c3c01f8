"""Every error that csvkafka raises on purpose; a message says what, where, and what to do.

    CsvKafkaError
    ├── ConfigError                a setting is missing, malformed, or would break the promise
    │   ├── ConfigChangedError     the job was begun with other settings
    │   ├── SourceChangedError     the object is not the job's
    │   └── TopicChangedError      topic or cluster is not the job's
    ├── SourceError                the CSV object
    │   ├── SourceNotFoundError    no such bucket, object or version
    │   ├── SourceReadError        S3 refused, or failed for longer than we retry
    │   ├── SourceCorruptError     the bytes are damaged (checksum, compression, encoding)
    │   ├── MalformedRowError      a row does not fit its header, or a quote is never closed
    │   └── TooManyBadRowsError    more rows were set aside than the settings allow
    ├── FilesFailedError           of a set whose files are jobs of their own, some failed
    ├── FileNotSkippedError        a file of a set cannot be skipped as it stands
    ├── WorkersEndedError          none of the worker processes has completed the set
    ├── RecordTooLargeError        one row, or its dead letter, is larger than its topic takes
    ├── UserFunctionError          a transform, or a `_send_to_kafka` of the user's, raised
    ├── CheckpointError            the checkpoint table fails
    │   ├── CheckpointUnavailableError   the table throttles, or does not answer
    │   ├── ItemUnusableError      the item is damaged, or no item of this job
    │   ├── ItemLostError          the item was deleted, or changed by something else
    │   ├── JobOwnedError          the item is that of a job of `process()`: CheckpointManager
    │   ├── CheckpointFileError    the file of checkpoints cannot be used as it is
    │   │   ├── CheckpointFileMissingError   it, or its folder, is not there
    │   │   ├── CheckpointFileReadOnlyError  it, its folder or its disk may not be written
    │   │   ├── CheckpointFileUnusableError  no database, damaged, another's, or a newer csvkafka's
    │   │   └── CheckpointFileUnlockedError  its file system is not to be trusted with locks
    │   └── FencedError            another worker owns the job now
    ├── RegistryError              the registry of schemas
    │   ├── RegistryUnavailableError     it does not answer
    │   ├── RegistryRefusedError   authentication, authorization or TLS
    │   ├── SchemaRefusedError     the subject does not have the schema, or does not take it
    │   └── SchemaDeletedError     the registry has lost a schema that records of the job name
    ├── SinkError                  Kafka
    │   ├── SinkUnavailableError   no broker answered at the start
    │   ├── SinkRefusedError       authentication, authorization or TLS
    │   ├── DeliveryError          nothing was acknowledged for longer than the watchdog allows
    │   └── SequenceError          the broker and we disagree on what was sent
    ├── RecoveryError              the topic tail contradicts the checkpoint
    │   ├── TopicTruncatedError    the log ends before, or holds other records at, the checkpoint
    │   ├── TailGapError           rows of ours are missing inside the tail
    │   ├── TailDeletedError       retention removed all that could tell where the rows end
    │   ├── RepeatedRowsError      rows of ours are in the topic a second time
    │   └── EpochError             the producer epochs of a partition contradict each other
    │       ├── EpochOrderError        a former epoch's rows stand after a later one's
    │       ├── EpochBaseError         an epoch began after more rows than the topic holds
    │       ├── EpochNotEnforcedError  the server takes a new epoch from any number
    │       └── EpochsUsedUpError      there is no epoch after the last
    ├── EncodeWorkerError          a process that encodes rows ended
    ├── StackError                 the local stack or the harness cannot be started or used
    └── StoppedError               a signal asked to stop; what was acknowledged is stored

A new error is one class here. Its docstring says what was seen, its `cause` why, and its `remedy`
what to do. A class without the two only groups others. docs/errors.md is made from the classes
(`nox -s errors`), and from the tests that provoke each (`tests.refusals.refusal`).

Messages spell settings by their variables (`KEY_COLUMN`, `CREATE_TABLE=true`). Whoever shows a
message to a person spells them as that person gave them: `csvkafka.config.spelling`.
"""

from __future__ import annotations

from typing import ClassVar

from csvkafka.exit_codes import ExitCode

ANOTHER_JOB = "and load under another JOB_ID into a clean topic"
"""The end of a remedy that changes the file or what a row becomes: a job that may have sent a row
keeps both for life."""


OR_LEFT_OUT = "repair it or leave it out (S3_EXCLUDE)"
"""The remedy for a file that does not belong into its set."""

_AND_AGAIN = "and run the same command again"
"""The end of a remedy that changes a function of the user's."""

_OF_A_COPY = (
    (OR_LEFT_OUT, "repair a copy"),
    ("repair the file", "repair a copy"),
    ("store it again", "store a sound copy under another key"),
    ("store it ", "store a copy "),
)
"""Remedies that change the object, and what they are where it must stay as it is."""

IF_ROWS_WERE_SENT = "under another JOB_ID into a clean topic if rows were sent before"


def with_the_same_job(message: str) -> str:
    """The message for a job that can have sent no row: it takes the file and the settings anew."""
    return message.replace(ANOTHER_JOB, "and run again")


def as_a_job_of_its_own(message: str, *, may_have_sent: bool = False) -> str:
    """The message for the job of one file of a set; `may_have_sent` says that rows of the file may
    be in the topic."""
    # The list of the set is frozen: the job is refused once a file of it changes or is left out.
    for remedy, of_a_copy in _OF_A_COPY:
        message = message.replace(remedy, of_a_copy)
    where = ", into another topic if rows of it are in this one" if may_have_sent else ""
    alone = f"and load it alone, by S3_KEY and under another JOB_ID{where}"
    return message.replace(ANOTHER_JOB, alone)


def as_a_reason(message: str) -> str:
    """The message as the reason of a dead letter, whose job goes on."""
    for remedy in (ANOTHER_JOB, _AND_AGAIN):
        message = message.replace(remedy, "and replay the job (csvkafka replay)")
    return message


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class CsvKafkaError(Exception):
    """Base of all errors that csvkafka raises on purpose.

    `retriable` says whether the same command may succeed when it is just run again. `exit_code` is
    the process's exit code: 1 for each (documented), 143 or 130 for a stop by a signal.
    `detailed_exit_code` takes its place with EXIT_CODES=detailed. `file_number` is that of the file
    of a set (0 is the first) that could not be read or made into records."""

    cause: ClassVar[str]
    remedy: ClassVar[str]
    retriable: ClassVar[bool] = False
    exit_code: int = 1
    detailed_exit_code: int = ExitCode.DEFECT
    file_number: int | None = None


class ConfigError(CsvKafkaError):
    """A setting is missing or malformed, or would break the promise."""

    cause = (
        "A setting that is missing or mistyped; settings that do not go together; a topic or codec "
        "that is not there."
    )
    remedy = "Set what the message names."
    detailed_exit_code = ExitCode.SETTINGS


class ConfigChangedError(ConfigError):
    """The job was begun with other settings than these."""

    cause = "A setting that decides what is written where was changed in the middle of a job."
    remedy = "Set them as they were, or load under another JOB_ID into a clean topic."


class SourceChangedError(ConfigError):
    """The object is not the one, or not the version, that the job was begun with."""

    cause = "The key was written again, or one JOB_ID is used for two files."
    remedy = (
        "Load the new object under another JOB_ID, or go on with the old version (S3_VERSION_ID)."
    )
    detailed_exit_code = ExitCode.SOURCE_CHANGED


class TopicChangedError(ConfigError):
    """The topic or the cluster is not the one that the job was begun with."""

    cause = "The topic was deleted and created again, or the servers are another cluster's."
    remedy = "Check KAFKA_BOOTSTRAP_SERVERS; for a new topic, load under another JOB_ID."


class SourceError(CsvKafkaError):
    """The CSV object cannot be read as promised."""


class SourceNotFoundError(SourceError):
    """There is no such bucket, object or version."""

    cause = "A mistyped bucket or key, another region or account, or a file that is not there yet."
    remedy = "Check S3_BUCKET, S3_KEY and S3_VERSION_ID; run again when the object is there."
    detailed_exit_code = ExitCode.NO_SOURCE


class SourceReadError(SourceError):
    """S3 refused the read, or failed for longer than csvkafka retries."""

    cause = "S3 or the way to it fails, or permission is missing."
    remedy = "Give the role what the message names; run again when S3 answers."
    retriable = True
    detailed_exit_code = ExitCode.TRY_AGAIN


class SourceCorruptError(SourceError):
    """The source's bytes are not what they should be (checksum, compression, encoding)."""

    cause = "A damaged or truncated object, or another encoding than CSV_ENCODING."
    remedy = f"Repair the file or set its encoding, and run again; {IF_ROWS_WERE_SENT}."
    detailed_exit_code = ExitCode.DATA


class MalformedRowError(SourceError):
    """A row does not fit its header, or a quote is never closed."""

    cause = "A delimiter or a quote in a field that is not quoted; a torn line."
    remedy = f"Repair the row, or set ON_BAD_ROW, and run again; {IF_ROWS_WERE_SENT}."
    detailed_exit_code = ExitCode.DATA


class TooManyBadRowsError(SourceError):
    """More rows were set aside as dead letters than the settings allow."""

    cause = "A file that is wrong as a whole, or a table of columns that is."
    remedy = "Look at the dead letters; raise MAX_BAD_ROWS or MAX_BAD_SHARE, or repair the file."
    detailed_exit_code = ExitCode.DATA


class FilesFailedError(CsvKafkaError):
    """Some files of a set with ORDER=object could not be loaded; all others are, unless FAIL_FAST
    is set."""

    cause = "Each file has a cause of its own; the log has a line for each, and `csvkafka status`."
    remedy = (
        "Leave the objects as they are. Load a repaired copy of a file as a job of its own; the "
        "same command tries again those that could not be read. `csvkafka skip-file` leaves a file "
        "out for good."
    )
    detailed_exit_code = ExitCode.DATA


class FileNotSkippedError(CsvKafkaError):
    """`csvkafka skip-file` was given a file that is loaded, that a worker has, or of which more may
    be in the topic than its item says."""

    cause = "A worker is at the file, was killed in it, or has loaded it meanwhile."
    remedy = (
        "Start `csvkafka load` once more, and skip the file when it has failed there; leave a file "
        "that is loaded as it is."
    )
    detailed_exit_code = ExitCode.TRY_AGAIN


class WorkersEndedError(CsvKafkaError):
    """None of the processes of `csvkafka load --workers` has completed the set: they were killed,
    or failed for the reason that the message has."""

    cause = "The kernel killed them because of the memory they took; or what the message says."
    remedy = "Run the same command again, with fewer --workers or more memory if they were killed."
    retriable = True
    detailed_exit_code: int = ExitCode.TRY_AGAIN


class RecordTooLargeError(CsvKafkaError):
    """One row makes a record, or a dead letter, that is larger than its topic takes."""

    cause = "A very large field; a quote that is closed only many lines later."
    remedy = (
        "Raise that topic's max.message.bytes, or make the row smaller. A job that is begun with "
        "ON_BAD_ROW=dead-letter sets too large rows aside."
    )
    detailed_exit_code = ExitCode.DATA


class UserFunctionError(CsvKafkaError):
    """A function of the user's (a transform or a `_send_to_kafka`) raised an exception for a row,
    or returned something that is no record. The message holds nothing of the row; `frames` says
    where in the function it was."""

    cause = "The function does not expect what this row holds."
    remedy = "Repair the function or the row; LOG_LEVEL=DEBUG shows the lines of the function."
    detailed_exit_code = ExitCode.DATA

    def __init__(self, message: str, frames: str = "") -> None:
        super().__init__(message)
        self.frames = frames

    @classmethod
    def of(cls, function: str, row: str, error: BaseException) -> UserFunctionError:
        """What to raise, `from None`, when `function` raised `error` for `row`, so that the text of
        `error` is not shown: it often quotes a value. It is kept as the `__context__`."""
        import traceback

        called = error.__traceback__.tb_next if error.__traceback__ is not None else None
        return cls(
            f"{function} raised {type(error).__name__} for {row}: repair the function, "
            f"{_AND_AGAIN} (LOG_LEVEL=DEBUG shows its lines)",
            "".join(traceback.format_tb(called)),
        )

    @classmethod
    def no_object(cls, function: str, row: str, why: object) -> UserFunctionError:
        """What to raise when `function` returned for `row` what is no JSON object, as `why`
        says."""
        return cls(
            f"{function} returned no JSON object for {row} ({why}): repair the function, "
            f"{_AND_AGAIN}"
        )


class CheckpointError(CsvKafkaError):
    """The checkpoint table cannot be read or written."""

    cause = "There is no such table, or permission for it is missing."
    remedy = "Check DYNAMODB_TABLE, region and role; CREATE_TABLE=true makes the table."
    retriable = True
    detailed_exit_code = ExitCode.TRY_AGAIN


class ItemUnusableError(CheckpointError):
    """The job's item in the checkpoint table is damaged, or does not belong to this file."""

    cause = "Something else wrote to the item, or it is another file's."
    remedy = "Restore the item from a backup, or load under another JOB_ID into a clean topic."
    retriable = False
    detailed_exit_code = ExitCode.CONTRADICTION


class ItemLostError(CheckpointError):
    """The job's item is gone, or was changed by something that is no csvkafka worker."""

    cause = "The item was deleted or edited while a worker had it."
    remedy = "Restore the item from a backup, or load under another JOB_ID into a clean topic."
    retriable = False
    detailed_exit_code = ExitCode.CONTRADICTION


class JobOwnedError(CheckpointError):
    """The item belongs to a job of `CSVToKafkaProcessor.process()`, and CheckpointManager may not
    overwrite it. This error is a botocore ClientError too, as documented for such a write."""

    cause = "Your own code writes the progress of a job that csvkafka loads."
    remedy = "Use another JOB_ID for your own code; `csvkafka status` shows how far the job is."
    retriable = False
    detailed_exit_code = ExitCode.SETTINGS


class CheckpointUnavailableError(CheckpointError):
    """The checkpoint table throttles, or does not answer; it may answer again soon.

    `has_answered` says that the table has answered at least once, so it is there."""

    cause = (
        "DynamoDB or the way to it fails, or the table's capacity is too small; the checkpoint "
        "file is locked by another process, or its disk is full."
    )
    remedy = (
        "Run again when the table answers; check AWS_REGION, AWS_ENDPOINT_URL and capacity, or the "
        "file's disk."
    )

    def __init__(self, message: str, *, has_answered: bool) -> None:
        super().__init__(message)
        self.has_answered = has_answered


class CheckpointFileError(CheckpointError):
    """The file of checkpoints cannot be used as it is."""

    retriable = False
    detailed_exit_code = ExitCode.SETTINGS


class CheckpointFileMissingError(CheckpointFileError):
    """The checkpoint file, or its folder, is not there."""

    cause = "A mistyped path, a disk that is not mounted, or a first job without CREATE_TABLE."
    remedy = "Check CHECKPOINT and the disk; CREATE_TABLE=true makes the file for a first job."


class CheckpointFileReadOnlyError(CheckpointFileError):
    """The checkpoint file, its folder or its disk may not be written."""

    cause = "Another user's file or folder, or a disk that is mounted read-only."
    remedy = "Give the user the right to write file and folder, or set CHECKPOINT to another place."


class CheckpointFileUnusableError(CheckpointFileError):
    """The checkpoint file is no database, is damaged, or was made by another program or a newer
    csvkafka."""

    cause = "The path of another file, a file of a newer csvkafka, or a disk that lost data."
    remedy = "Name another file by CHECKPOINT, use the newer csvkafka, or restore the file."


class CheckpointFileUnlockedError(CheckpointFileError):
    """The checkpoint file is on a file system whose locks cannot be relied on."""

    cause = "The file is on NFS, SMB, a FUSE or another file system that machines share."
    remedy = (
        "Put the file on a disk of this host, or use DynamoDB where workers have several hosts."
    )


class FencedError(CheckpointError):
    """Another worker has taken the job's lease: this one must not write any more."""

    cause = "This worker was suspended, or could not reach the table, for longer than its lease."
    remedy = "None: the other worker goes on."
    retriable = False
    detailed_exit_code = ExitCode.FENCED


class RegistryError(CsvKafkaError):
    """The registry of schemas does not give what the records need."""


class RegistryUnavailableError(RegistryError):
    """The registry of schemas does not answer. A job that has begun does not need it."""

    cause = "The registry is down, the address is wrong, or a security group is in the way."
    remedy = "Check SCHEMA_REGISTRY_URL and the network; run again when the registry answers."
    retriable = True
    detailed_exit_code = ExitCode.TRY_AGAIN


class RegistryRefusedError(RegistryError):
    """The registry of schemas refused us: authentication, authorization or TLS."""

    cause = "Wrong credentials, a certificate that is not trusted, or a right that is missing."
    remedy = "Set SCHEMA_REGISTRY_…, or give the user the right to the subject."
    detailed_exit_code = ExitCode.REFUSED


class SchemaRefusedError(RegistryError):
    """The subject does not have the schema that the columns make, or does not take it."""

    cause = (
        "A schema that nobody registered, that is not compatible with the subject's, or a subject "
        "that holds schemas of another type."
    )
    remedy = "Register the schema, change the table, or set SCHEMA_REGISTRY_AUTO_REGISTER=true."
    detailed_exit_code = ExitCode.SETTINGS


class SchemaDeletedError(RegistryError):
    """The registry does not have a schema any more that records of the job name, so nobody can
    read them."""

    cause = "The schema was deleted for good, or the registry is another, or was set up anew."
    remedy = "Restore the schema under its id, or check SCHEMA_REGISTRY_URL; then run again."
    detailed_exit_code = ExitCode.CONTRADICTION


class SinkError(CsvKafkaError):
    """Kafka cannot be used as promised."""


class SinkUnavailableError(SinkError):
    """No broker answered at the start."""

    cause = "The brokers are down, the address is wrong, or a security group is in the way."
    remedy = "Check KAFKA_BOOTSTRAP_SERVERS and the network; run again when a broker answers."
    retriable = True
    detailed_exit_code = ExitCode.TRY_AGAIN


class SinkRefusedError(SinkError):
    """Kafka refused us: authentication, authorization or TLS."""

    cause = "Wrong credentials, a certificate that is not trusted, or a permission that is missing."
    remedy = "Set KAFKA_SASL_… or KAFKA_SSL_…, or give the principal the right that is named."
    detailed_exit_code = ExitCode.REFUSED


class DeliveryError(SinkError):
    """Nothing was acknowledged for longer than the watchdog allows, or a row could not be sent."""

    cause = "The partition has no leader, or too few replicas in sync; the network is cut."
    remedy = "Look at the brokers, then run the same command again."
    retriable = True
    detailed_exit_code = ExitCode.TRY_AGAIN


class SequenceError(SinkError):
    """The broker and csvkafka disagree on which rows were sent; another tail scan did not help."""

    cause = "Another producer uses this job's producer id, or rows were deleted from the topic."
    remedy = "Load under another JOB_ID into a clean topic."
    detailed_exit_code = ExitCode.CONTRADICTION


class RecoveryError(CsvKafkaError):
    """The topic tail contradicts the checkpoint."""

    detailed_exit_code = ExitCode.CONTRADICTION


class TopicTruncatedError(RecoveryError):
    """The log ends before the checkpoint, or other records stand where ours were."""

    cause = "Kafka lost acknowledged rows: an unclean leader election, or restored data."
    remedy = "Load under another JOB_ID into a clean topic."


class TailGapError(RecoveryError):
    """Rows of ours are missing inside the topic tail."""

    cause = "The server does not enforce sequence numbers, or records were removed."
    remedy = "Load under another JOB_ID into a clean topic; `csvkafka doctor` asks the server."


class TailDeletedError(RecoveryError):
    """Retention removed every batch that could tell where our rows end."""

    cause = "The job rested for longer than the topic keeps records."
    remedy = "Set ACCEPT_DELETED_TAIL=true if nothing was sent after the last checkpoint."


class RepeatedRowsError(RecoveryError):
    """Rows of ours are in the topic a second time, or would be if the job went on."""

    cause = (
        "A batch of an earlier worker came after the broker had forgotten the job's producer id."
    )
    remedy = "Load under another JOB_ID into a clean topic; the message names the rows."


class EpochError(RecoveryError):
    """The producer epochs of a partition contradict each other, or the checkpoint."""


class EpochOrderError(EpochError):
    """Rows that were sent under an earlier epoch stand after rows of a later one."""

    cause = "A batch of an earlier worker came late, or the server keeps no producer epochs."
    remedy = "Load under another JOB_ID into a clean topic; `csvkafka doctor` asks the server."


class EpochBaseError(EpochError):
    """The checkpoint says that an epoch began after more rows than the topic holds."""

    cause = "Kafka lost acknowledged rows, or the item was damaged."
    remedy = "Load under another JOB_ID into a clean topic."


class EpochNotEnforcedError(EpochError):
    """The server lets a new epoch begin at any sequence number, but it must begin at 0."""

    cause = "The server does not enforce producer epochs."
    remedy = "Load under another JOB_ID into Apache Kafka; `csvkafka doctor` asks the server."


class EpochsUsedUpError(EpochError):
    """The partition needs a new producer epoch, but the last possible one is used up."""

    cause = "The brokers have forgotten the job 32,767 times."
    remedy = "Raise producer.id.expiration.ms, and load under another JOB_ID into a clean topic."


class EncodeWorkerError(CsvKafkaError):
    """A process that encodes rows ended; most likely it was killed."""

    cause = "The kernel killed it because of the memory it took."
    remedy = "Run again, with fewer ENCODE_WORKERS or more memory."
    retriable = True
    detailed_exit_code = ExitCode.TRY_AGAIN


class StackError(CsvKafkaError):
    """The local stack or the harness cannot be started or used."""

    cause = "A package of csvkafka[local] is missing, a jar cannot be fetched, or a server ended."
    remedy = "Do what the message says. It ends with the last lines of the server's log."
    detailed_exit_code = ExitCode.NO_STACK


class StoppedError(CsvKafkaError):
    """SIGTERM or SIGINT asked to stop; `exit_code` is 128 + the signal's number (143, 130)."""

    cause = "`docker stop`, a Spot interruption, Ctrl-C."
    remedy = "Run the same command again: it goes on from here."
    retriable = True

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}; the same command goes on from here")
        self.signal_number = signal_number
        self.exit_code = self.detailed_exit_code = 128 + signal_number
