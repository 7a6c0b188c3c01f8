"""Every setting of a load: its environment variable, default, and what it means.

The one table from which the environment, the command line's options and the docs are made. An
option's name follows from its variable: `KAFKA_TOPIC` is `--kafka-topic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from csvkafka.limits import ENCODE_THREADS, MAX_RECORD_BYTES, SIZE_LIMIT_SETTING
from csvkafka.model import BadRows, DuplicateColumns, FileOrder


class Kind(StrEnum):
    """What a setting's text must be."""

    TEXT = "text"
    COUNT = "count"  # a whole number from `minimum` to `maximum`
    SECONDS = "seconds"  # a positive number, at least `minimum`
    SHARE = "share"  # a number from 0 to 1
    FLAG = "flag"  # true or false
    BUCKET = "bucket"  # a bucket's name, or the ARN of an access point


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `default` is text as in the environment; None: there is none. `secret` values
    are never shown. `choices` bound the text, if there are any.

    For a setting without default, empty text means "none". For one that `may_be_empty` it is a
    value of its own. For all others it is refused. A setting that is `required` may be missing or
    empty if one of `unless` is given."""

    variable: str
    help: str
    kind: Kind = Kind.TEXT
    default: str | None = None
    required: bool = False
    unless: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int | None = None
    secret: bool = False
    may_be_empty: bool = False

    @property
    def option(self) -> str:
        """The command line's option: `KAFKA_TOPIC` -> `--kafka-topic`."""
        return "--" + self.variable.lower().replace("_", "-")


MOST_ENCODERS = 256
"""The most threads or processes: a number that no machine has use for is a slip."""

SOURCE = (
    Setting(
        "SOURCE",
        "The CSV by a path or URI, in S3_BUCKET's and S3_KEY's place: data.csv, file:///PATH, "
        "s3://BUCKET/KEY, https://HOST/PATH, gs://BUCKET/OBJECT or azure://CONTAINER/BLOB.",
    ),
    Setting(
        "SOURCE_AUTHORIZATION",
        "Authorization header for a SOURCE by https://, such as `Bearer TOKEN`, or @FILE that "
        "holds it.",
        secret=True,
    ),
    Setting(
        "S3_BUCKET",
        "S3 bucket of the CSV object.",
        kind=Kind.BUCKET,
        required=True,
        unless=("SOURCE",),
    ),
    Setting(
        "S3_KEY",
        "Key of the CSV object in the bucket.",
        required=True,
        unless=("SOURCE", "S3_PREFIX", "S3_MANIFEST"),
    ),
    Setting(
        "S3_PREFIX",
        "Load all objects whose keys begin with this text, as one set, in S3_KEY's place.",
    ),
    Setting(
        "S3_MANIFEST",
        "Load the objects that this object names, as one set, in S3_KEY's place: a key or URI a "
        "line, a CSV of S3 Inventory, or JSON. A key in the bucket, or s3://BUCKET/KEY.",
    ),
    Setting(
        "S3_INCLUDE",
        "Globs, divided by commas: load only a set's objects that match one (by file name; by the "
        "whole key if the glob has a slash).",
    ),
    Setting("S3_EXCLUDE", "Globs, divided by commas: leave out a set's objects that match one."),
    Setting(
        "ORDER",
        "How far the order of a set's rows reaches. set: over all files, which one worker loads "
        "one after the other. object: over each file alone, which is a job of its own; any number "
        "of workers share them.",
        default=FileOrder.SET.value,
        choices=tuple(choice.value for choice in FileOrder),
    ),
    Setting("S3_VERSION_ID", "Version of the object to load (needs s3:GetObjectVersion)."),
    Setting(
        "S3_REQUEST_PAYER",
        "You agree to pay for the requests: for a bucket whose requesters pay.",
        choices=("requester",),
    ),
    Setting(
        "S3_SSE_CUSTOMER_KEY",
        "Key of your own that the object is encrypted with (SSE-C): 32 bytes in base64, or @FILE "
        "that holds the bytes or their base64.",
        secret=True,
    ),
    Setting(
        "SOURCE_COMPRESSION",
        "How the object is compressed; auto: as the key's end (.gz, .zst, .bz2) or "
        "Content-Encoding says.",
        default="auto",
        choices=("auto", "none", "gzip", "zstd", "bzip2"),
    ),
    Setting("CSV_DELIMITER", "Character between fields; \\t is a tab.", default=","),
    Setting(
        "CSV_QUOTECHAR",
        "Character around quoted fields; empty: no field is quoted.",
        default='"',
        may_be_empty=True,
    ),
    Setting(
        "CSV_ESCAPECHAR",
        "Character after which the next one stands for itself, as csv's escapechar.",
    ),
    Setting(
        "CSV_DOUBLEQUOTE",
        "Whether two quotes in a quoted field stand for one, as csv's doublequote.",
        kind=Kind.FLAG,
        default="true",
    ),
    Setting(
        "CSV_COMMENT",
        "A line that begins with this text, such as #, where a row could begin is no row.",
    ),
    Setting(
        "CSV_TRAILING_DELIMITER",
        "Whether rows end with a delimiter: an empty last field is left out then, of each row and "
        "of the header.",
        kind=Kind.FLAG,
        default="false",
    ),
    Setting(
        "CSV_HEADER",
        "Names of the columns, divided by commas, of a file without a header row; none: they are "
        "called c1, c2, c3, and so on. Without this setting, the first row is the header.",
    ),
    Setting(
        "CSV_ENCODING",
        "Encoding of the CSV; it may be utf-16-le or utf-16-be. A byte order mark is dropped.",
        default="utf-8",
    ),
    Setting(
        "CSV_SKIP_LINES",
        "How many lines before the header row are left out; blank ones count too.",
        kind=Kind.COUNT,
        default="0",
    ),
    Setting(
        "CSV_DUPLICATE_COLUMNS",
        "What to do with columns of the same name, or of the name of a field of csvkafka's: refuse "
        "to begin, send the last one's value (as csv.DictReader does), or number the names.",
        default=DuplicateColumns.REFUSE.value,
        choices=tuple(choice.value for choice in DuplicateColumns),
    ),
    Setting(
        "ON_BAD_ROW",
        "What to do with a row wider or narrower than the header: stop the load, keep it as "
        "csv.DictReader would, or send it to DEAD_LETTER_TOPIC. dead-letter also sends there each "
        "row that is no text, does not fit its declared types, makes TRANSFORM raise, or makes too "
        "large a record; otherwise these stop the load.",
        default=BadRows.STOP.value,
        choices=tuple(choice.value for choice in BadRows),
    ),
)

SINK = (
    Setting("KAFKA_BOOTSTRAP_SERVERS", "Brokers as host:port,host:port.", required=True),
    Setting(
        "KAFKA_CONNECT_SECONDS",
        "How long a start waits for a broker that cannot be reached; raise it where the loader "
        "starts beside its brokers.",
        kind=Kind.SECONDS,
        default="6",
    ),
    Setting("KAFKA_TOPIC", "Topic that gets the rows; it must exist.", required=True),
    Setting(
        "KAFKA_PARTITION",
        "Partition that gets all rows (default: 0, or all partitions by KEY_COLUMN).",
        kind=Kind.COUNT,
    ),
    Setting(
        "CSV_COLUMNS",
        "File that declares the record, by a path or a URI as SOURCE has: types, names, nulls and "
        "keys of columns; which rows are dropped or go to other topics (TOML; docs/records.md).",
    ),
    Setting(
        "CSV_HASH_KEY",
        "Secret of the columns that CSV_COLUMNS hashes: 16 to 64 bytes, or @FILE that holds them.",
        secret=True,
    ),
    Setting(
        "SCHEMA_REGISTRY_URL",
        "Registry of the schemas that CSV_COLUMNS names (Confluent's API; needs "
        "csvkafka[registry]).",
    ),
    Setting(
        "SCHEMA_REGISTRY_AUTO_REGISTER",
        "Whether to register a schema that its subject lacks; else it is only looked up.",
        kind=Kind.FLAG,
        default="false",
    ),
    Setting(
        "SCHEMA_REGISTRY_BASIC_AUTH",
        "User and password for the registry, as user:password, or @FILE that holds them.",
        secret=True,
    ),
    Setting(
        "SCHEMA_REGISTRY_BEARER_TOKEN",
        "Token for the registry, or @FILE that holds it.",
        secret=True,
    ),
    Setting("SCHEMA_REGISTRY_SSL_CAFILE", "Certificates of the registry to trust, as a PEM file."),
    Setting("KEY_COLUMN", "Column whose value is the record key and chooses the partition."),
    Setting(
        "PARTITIONER",
        "How a key chooses its partition: as Kafka's Java client, or as librdkafka's `consistent`.",
        default="murmur2",
        choices=("murmur2", "crc32"),
    ),
    Setting("DEAD_LETTER_TOPIC", "Topic for bad rows; they go to its partition 0."),
    Setting(
        SIZE_LIMIT_SETTING,
        "With ON_BAD_ROW=dead-letter, a row whose record (key, value, headers, not compressed) has "
        "more bytes is set aside (default: what surely fits into KAFKA_TOPIC and MAX_RECORD_BYTES "
        "when the job begins).",
        kind=Kind.COUNT,
        minimum=1_000,
    ),
    Setting(
        "MAX_BAD_ROWS",
        "Stop when more rows of the job than this were sent to DEAD_LETTER_TOPIC.",
        kind=Kind.COUNT,
    ),
    Setting(
        "MAX_BAD_SHARE",
        "Stop when more than this share of the rows (0 to 1) was sent to DEAD_LETTER_TOPIC; "
        "checked from row 1,000 on.",
        kind=Kind.SHARE,
    ),
    Setting(
        "KAFKA_COMPRESSION_TYPE",
        "Codec of the record batches.",
        default="gzip",
        choices=("gzip", "zstd", "lz4", "snappy", "none"),
    ),
    Setting(
        "MAX_RECORD_BYTES",
        "The most bytes that the record batch of one row may take when compressed, or less if the "
        "topic's max.message.bytes says so. Batches of several rows take at most 1,000,000 bytes.",
        kind=Kind.COUNT,
        default=str(MAX_RECORD_BYTES),
        minimum=1_000,
    ),
    Setting(
        "KAFKA_SECURITY_PROTOCOL",
        "How to talk to the brokers.",
        default="PLAINTEXT",
        choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    ),
    Setting("KAFKA_SASL_MECHANISM", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."),
    Setting("KAFKA_SASL_PLAIN_USERNAME", "User name for SASL."),
    Setting("KAFKA_SASL_PLAIN_PASSWORD", "Password for SASL.", secret=True),
    Setting("KAFKA_SSL_CAFILE", "Certificates to trust, as a PEM file."),
    Setting("KAFKA_SSL_CERTFILE", "Our certificate, as a PEM file."),
    Setting("KAFKA_SSL_KEYFILE", "Our private key, as a PEM file."),
    Setting("KAFKA_SSL_PASSWORD", "Password of the private key.", secret=True),
    Setting(
        "KAFKA_SSL_CHECK_HOSTNAME",
        "Whether the broker's certificate must carry its host name.",
        kind=Kind.FLAG,
        default="true",
    ),
    Setting(
        "KAFKA_AWS_MSK_IAM",
        "Authenticate to Amazon MSK by IAM (needs csvkafka[msk], SASL_SSL, AWS_REGION).",
        kind=Kind.FLAG,
        default="false",
    ),
)

DEFAULT_JOB_ID = "csv-job-1"

JOB = (
    Setting("DYNAMODB_TABLE", "Checkpoint table.", required=True, unless=("CHECKPOINT", "SOURCE")),
    Setting(
        "CHECKPOINT",
        "Where checkpoints are, in DYNAMODB_TABLE's place: dynamodb://TABLE, sqlite:///PATH for a "
        "file on this host, or sqlite for one in your own folder (the default for a SOURCE that is "
        "a file).",
    ),
    Setting("JOB_ID", "Name of the job: one for each file.", default=DEFAULT_JOB_ID),
    Setting(
        "CREATE_TABLE",
        "Create the checkpoint table, or file, if it is missing.",
        Kind.FLAG,
        default="false",
    ),
    Setting(
        "CHECKPOINT_INTERVAL",
        "Rows between checkpoints, at most five checkpoints a second.",
        kind=Kind.COUNT,
        default="10000",
        minimum=1,
    ),
    Setting(
        "LEASE_SECONDS",
        "Length of the lease. A worker that vanished without a trace is replaced after 1.5 times "
        "this.",
        kind=Kind.SECONDS,
        default="10",
        minimum=1,
    ),
    Setting(
        "WATCHDOG_SECONDS",
        "Stop if Kafka acknowledges nothing for this long.",
        kind=Kind.SECONDS,
        default="120",
    ),
    Setting(
        "ENCODE_THREADS",
        "Threads that encode rows; more than 2 are for the compiled encoder and cores to spare.",
        kind=Kind.COUNT,
        default=str(ENCODE_THREADS),
        minimum=1,
        maximum=MOST_ENCODERS,
    ),
    Setting(
        "ENCODE_WORKERS",
        "Processes that encode rows beside the loader, where a TRANSFORM takes long; 0: threads.",
        kind=Kind.COUNT,
        default="0",
        maximum=MOST_ENCODERS,
    ),
    Setting(
        "FAIL_FAST",
        "With ORDER=object, take no other file once one has failed.",
        kind=Kind.FLAG,
        default="false",
    ),
    Setting(
        "TRANSFORM",
        "Function that changes each row, as module:function. Key and partition are chosen by the "
        "row before it.",
    ),
    Setting(
        "ACCEPT_DELETED_TAIL",
        "You give your word that nothing was sent after the last checkpoint: for a topic from "
        "which retention has removed all that could tell.",
        kind=Kind.FLAG,
        default="false",
    ),
)

SETTINGS = (*SOURCE, *SINK, *JOB)
"""All settings of a load. AWS region, credentials and endpoints are the usual ones of boto3."""
