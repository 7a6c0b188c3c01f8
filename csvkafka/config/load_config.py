"""Settings, from the environment and the command line, as values that have been checked.

`LoadConfig.from_settings` reads a mapping of variable names to text: `os.environ`, or a copy of it
in which options replace variables. One ConfigError names all that is missing or malformed.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from csvkafka.compiled import compiled_module
from csvkafka.config.checkpoint_place import DEFAULT_FILE, CheckpointPlace, place_of
from csvkafka.config.declared_table import declared_table
from csvkafka.config.given import Given
from csvkafka.config.secrets import authorization, customer_key
from csvkafka.config.settings import JOB, SETTINGS, SINK
from csvkafka.config.source_place import place_by_source, with_source_spread
from csvkafka.errors import ConfigError
from csvkafka.job.definition import JobSpec
from csvkafka.job.replays import usual_replay_id
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.limits import ENCODE_THREADS, POINT_SPACING_BYTES, SIZE_LIMIT_SETTING
from csvkafka.model import (
    BadRows,
    Dialect,
    DuplicateColumns,
    FileOrder,
    Routing,
    Transform,
)
from csvkafka.pipeline.bad_row_limit import BadRowLimit
from csvkafka.remote.place import RemotePlace
from csvkafka.rows.dialects import given_names
from csvkafka.sets.selection import Globs, globs_of

if TYPE_CHECKING:
    from csvkafka.registry.settings import RegistrySettings


@dataclass(frozen=True, slots=True)
class LoadConfig:
    """One load, ready to run. `spec` is what the job is; the rest is how this run does it. With a
    `source_path` or a `remote` place, the CSV is there, and bucket and key are empty; `s3_key` is
    empty too for a set, which `s3_prefix` or `s3_manifest` names. With `replays`, the rows are the
    dead letters of the job of that name, which the source's settings are those of."""

    s3_bucket: str
    s3_key: str
    checkpoint: CheckpointPlace
    kafka: KafkaSettings
    spec: JobSpec
    source_path: Path | None = None
    remote: RemotePlace | None = None
    source_authorization: str | None = field(default=None, repr=False)
    s3_prefix: str | None = None
    s3_manifest: str | None = None
    s3_globs: Globs = Globs()  # noqa: RUF009 - frozen
    s3_version_id: str | None = None
    s3_request_payer: str | None = None
    s3_customer_key: bytes | None = field(default=None, repr=False)
    create_table: bool = False
    checkpoint_interval: int = 10_000
    lease_seconds: float = 10.0
    watchdog_seconds: float = 120.0
    encode_threads: int = ENCODE_THREADS
    point_spacing_bytes: int = POINT_SPACING_BYTES
    encode_workers: int = 0
    bad_row_limit: BadRowLimit = BadRowLimit()  # noqa: RUF009 - frozen
    registry: RegistrySettings | None = None
    fail_fast: bool = False
    replays: str | None = None
    replays_again: bool = False

    @property
    def is_set(self) -> bool:
        """Whether the source is a set of objects."""
        return self.is_in_s3 and not self.s3_key

    @property
    def is_in_s3(self) -> bool:
        """Whether the source is an object or a set of objects in S3."""
        return self.source_path is None and self.remote is None

    @property
    def source_uri(self) -> str:
        """As `SourceIdentity.uri`: the object or file, or what names the set."""
        if self.source_path is not None:
            return f"file://{self.source_path}"
        if self.remote is not None:
            return self.remote.uri
        return f"s3://{self.s3_bucket}/{self.s3_key or self.s3_prefix or self._manifest_key}"

    @property
    def _manifest_key(self) -> str:
        """The manifest's key. Its bucket, which may be another one, does not name the set."""
        named = self.s3_manifest or ""
        return named.removeprefix("s3://").partition("/")[2] if named.startswith("s3://") else named

    def as_replay(self, job_id: str | None = None, *, again: bool = False) -> LoadConfig:
        """The replay, under the name `job_id`, of the job that these are the settings of; `again`:
        even if another replay has its letters.

        Raises ConfigError."""
        replayed = self.spec.job_id
        job_id = usual_replay_id(replayed) if job_id is None else job_id
        if job_id == replayed:
            raise ConfigError(
                f"a replay is a job of its own, and job {job_id} is the one to be replayed; give "
                "it another name than that"
            )
        if self.spec.order is not FileOrder.SET:
            raise ConfigError(
                "replay takes a set with ORDER=set only, as with ORDER=object each file is a job "
                "of its own; load the files that have letters again (each letter's header "
                "_source_file names its file), under another JOB_ID and into another topic"
            )
        spec = replace(self.spec, job_id=job_id)
        return replace(self, spec=spec, replays=replayed, replays_again=again)

    @classmethod
    def of_source(cls, values: Mapping[str, str]) -> LoadConfig:
        """As `from_settings`, for a command that only reads the source: no other setting is needed,
        and none is looked at."""
        of_others = {setting.variable for setting in (*SINK, *JOB)}
        needed = {setting.variable: "none:9092" for setting in SINK if setting.required}
        needed |= {"DYNAMODB_TABLE": "none", "ON_BAD_ROW": "stop"}
        given = {name: text for name, text in values.items() if name not in of_others}
        return cls.from_settings({**given, **needed})

    @classmethod
    def from_settings(cls, values: Mapping[str, str]) -> LoadConfig:
        """Reads and checks all settings. Raises ConfigError that names each missing or malformed
        variable, or what does not go together."""
        values = with_source_spread(values)
        place = place_by_source(values)
        given = Given(values, SETTINGS)
        checkpoint = _checkpoint(values, of_this_host=isinstance(place, Path))
        compiled_module()  # refuses an encoder that there is none of
        spec = JobSpec(
            job_id=given.text("JOB_ID"),
            topic=given.text("KAFKA_TOPIC"),
            partition=given.count("KAFKA_PARTITION") if given.has("KAFKA_PARTITION") else None,
            key_column=given.optional("KEY_COLUMN"),
            partitioner=Routing(given.text("PARTITIONER")),
            dialect=Dialect(
                delimiter=given.text("CSV_DELIMITER").replace("\\t", "\t"),
                quotechar=given.text("CSV_QUOTECHAR"),
                encoding=given.text("CSV_ENCODING"),
                skipped_lines=given.count("CSV_SKIP_LINES"),
                escapechar=given.optional("CSV_ESCAPECHAR") or "",
                doublequote=given.flag("CSV_DOUBLEQUOTE"),
                comment=given.optional("CSV_COMMENT") or "",
                trailing_delimiter=given.flag("CSV_TRAILING_DELIMITER"),
                names=given_names(given.optional("CSV_HEADER")),
            ),
            duplicate_columns=DuplicateColumns(given.text("CSV_DUPLICATE_COLUMNS")),
            given=frozenset({"CSV_DELIMITER", "CSV_SKIP_LINES"} & values.keys()),
            compression=given.text("KAFKA_COMPRESSION_TYPE"),
            max_record_bytes=given.count("MAX_RECORD_BYTES"),
            own_size_limit=(
                given.count(SIZE_LIMIT_SETTING) if given.has(SIZE_LIMIT_SETTING) else None
            ),
            bad_rows=BadRows(given.text("ON_BAD_ROW")),
            dead_letter_topic=given.optional("DEAD_LETTER_TOPIC"),
            source_compression=given.text("SOURCE_COMPRESSION"),
            transform=_transform(given.optional("TRANSFORM")),
            accept_deleted_tail=given.flag("ACCEPT_DELETED_TAIL"),
            table=declared_table(
                given.optional("CSV_COLUMNS"), given.optional("CSV_HASH_KEY"), place, values
            ),
            order=FileOrder(given.text("ORDER")),
        )
        return cls(
            s3_bucket=given.optional("S3_BUCKET") or "",
            s3_key=given.optional("S3_KEY") or "",
            source_path=place if isinstance(place, Path) else None,
            remote=place if isinstance(place, RemotePlace) else None,
            source_authorization=authorization(given.optional("SOURCE_AUTHORIZATION")),
            checkpoint=checkpoint,
            kafka=_kafka_settings(given, values),
            spec=spec,
            s3_prefix=given.optional("S3_PREFIX"),
            s3_manifest=given.optional("S3_MANIFEST"),
            s3_globs=_globs(given),
            s3_version_id=given.optional("S3_VERSION_ID"),
            s3_request_payer=given.optional("S3_REQUEST_PAYER"),
            s3_customer_key=customer_key(given.optional("S3_SSE_CUSTOMER_KEY")),
            create_table=given.flag("CREATE_TABLE") or checkpoint.is_default,
            checkpoint_interval=given.count("CHECKPOINT_INTERVAL"),
            lease_seconds=given.seconds("LEASE_SECONDS"),
            watchdog_seconds=given.seconds("WATCHDOG_SECONDS"),
            encode_threads=given.count("ENCODE_THREADS"),
            encode_workers=given.count("ENCODE_WORKERS"),
            bad_row_limit=_bad_row_limit(given, spec),
            registry=_registry(given, spec),
            fail_fast=given.flag("FAIL_FAST"),
        )


def _checkpoint(values: Mapping[str, str], *, of_this_host: bool) -> CheckpointPlace:
    """A file of this host is the default for a source that is on this host, too: whatever others
    can read, they would load a second time by a checkpoint of their own."""
    place = place_of(values)
    if place is not None:
        return place
    if not of_this_host:
        raise ConfigError(
            "Missing environment variable DYNAMODB_TABLE (or CHECKPOINT); see csvkafka load --help"
        )
    return CheckpointPlace.parse(DEFAULT_FILE)


def kafka_settings(values: Mapping[str, str]) -> KafkaSettings:
    """How to reach the Kafka cluster, for commands that need no topic. Raises ConfigError."""
    needed = tuple(setting for setting in SINK if setting.variable != "KAFKA_TOPIC")
    return _kafka_settings(Given(values, needed), values)


def _globs(given: Given) -> Globs:
    """What a set takes. Raises ConfigError for settings of the source that exclude each other."""
    one = "SOURCE" if given.has("SOURCE") else "S3_KEY"
    named = [name for name in (one, "S3_PREFIX", "S3_MANIFEST") if given.has(name)]
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} exclude each other; set one of them")
    of_sets = [name for name in ("S3_INCLUDE", "S3_EXCLUDE") if given.has(name)]
    if of_sets and named == [one]:
        raise ConfigError(
            f"{' and '.join(of_sets)}: globs are for a set, and {one} names one object; set "
            f"S3_PREFIX or S3_MANIFEST instead of {one}"
        )
    if given.text("ORDER") != FileOrder.SET and named == [one]:
        raise ConfigError(
            f"ORDER={given.text('ORDER')} is for a set, and {one} names one object; set S3_PREFIX "
            f"or S3_MANIFEST instead of {one}, or leave ORDER out"
        )
    if given.flag("FAIL_FAST") and given.text("ORDER") == FileOrder.SET:
        raise ConfigError(
            "FAIL_FAST is for ORDER=object, as with ORDER=set a file that fails stops the load "
            "anyhow; leave it out, or set ORDER=object too"
        )
    if given.has("S3_VERSION_ID") and named != [one]:
        raise ConfigError(
            f"S3_VERSION_ID names a version of one object, and {named[0]} a set; leave it out, or "
            "name versions in a manifest"
        )
    return Globs(globs_of(given.optional("S3_INCLUDE")), globs_of(given.optional("S3_EXCLUDE")))


def _kafka_settings(given: Given, values: Mapping[str, str]) -> KafkaSettings:
    servers = given.text("KAFKA_BOOTSTRAP_SERVERS").split(",")
    return KafkaSettings(
        bootstrap_servers=tuple(server.strip() for server in servers if server.strip()),
        security_protocol=given.text("KAFKA_SECURITY_PROTOCOL"),
        sasl_mechanism=given.optional("KAFKA_SASL_MECHANISM"),
        sasl_plain_username=given.optional("KAFKA_SASL_PLAIN_USERNAME"),
        sasl_plain_password=given.optional("KAFKA_SASL_PLAIN_PASSWORD"),
        ssl_cafile=given.optional("KAFKA_SSL_CAFILE"),
        ssl_certfile=given.optional("KAFKA_SSL_CERTFILE"),
        ssl_keyfile=given.optional("KAFKA_SSL_KEYFILE"),
        ssl_password=given.optional("KAFKA_SSL_PASSWORD"),
        ssl_check_hostname=given.flag("KAFKA_SSL_CHECK_HOSTNAME"),
        aws_msk_iam=given.flag("KAFKA_AWS_MSK_IAM"),
        aws_region=values.get("AWS_REGION") or values.get("AWS_DEFAULT_REGION"),
        connect_timeout_ms=round(given.seconds("KAFKA_CONNECT_SECONDS") * 1000),
    )


def _bad_row_limit(given: Given, spec: JobSpec) -> BadRowLimit:
    """Raises ConfigError for a limit where no row is set aside."""
    rows, share = given.optional("MAX_BAD_ROWS"), given.optional("MAX_BAD_SHARE")
    if spec.dead_letter_topic is None and (rows or share):
        raise ConfigError(
            "MAX_BAD_ROWS and MAX_BAD_SHARE are for ON_BAD_ROW=dead-letter; set that too, or leave "
            "them out"
        )
    return BadRowLimit(None if rows is None else int(rows), None if share is None else float(share))


def _registry(given: Given, spec: JobSpec) -> RegistrySettings | None:
    """How to reach the registry; None where no record names a schema. Raises ConfigError."""
    table = spec.whole_table
    if table is None or not table.needs_registry:
        if given.has("SCHEMA_REGISTRY_URL"):
            raise ConfigError(
                "SCHEMA_REGISTRY_URL is set, and no record names a schema: set CSV_COLUMNS to a "
                "table that does (format or key_format; docs/records.md), or leave it out"
            )
        return None
    from csvkafka.registry.settings import RegistrySettings

    url = given.optional("SCHEMA_REGISTRY_URL")
    if url is None:
        raise ConfigError(
            "CSV_COLUMNS declares records that name a schema: set SCHEMA_REGISTRY_URL to the "
            "registry that has it"
        )
    return RegistrySettings(
        url=url,
        auto_register=given.flag("SCHEMA_REGISTRY_AUTO_REGISTER"),
        basic_auth=given.optional("SCHEMA_REGISTRY_BASIC_AUTH"),
        bearer_token=given.optional("SCHEMA_REGISTRY_BEARER_TOKEN"),
        ca_file=given.optional("SCHEMA_REGISTRY_SSL_CAFILE"),
    )


def _transform(name: str | None) -> Transform | None:
    """The function that `module:function` names. Raises ConfigError."""
    if name is None:
        return None
    module_name, _, function_name = name.partition(":")
    try:
        function: Transform = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:
        # Whatever the module does when it is imported: it is the user's, and the error says so.
        raise ConfigError(
            f"TRANSFORM {name!r} cannot be imported as module:function "
            f"({type(error).__name__}: {error}); check its name and PYTHONPATH"
        ) from error
    if not callable(function):
        raise ConfigError(f"TRANSFORM {name!r} is no function; name one as module:function")
    return function
