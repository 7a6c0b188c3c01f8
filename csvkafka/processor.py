"""The documented API: `CSVToKafkaProcessor` and `main()`."""

from __future__ import annotations

if __name__ == "__main__":
    # `python -m csvkafka.processor`: the other imports take a while.
    from csvkafka.process.signals import end_at_once_on_signals

    end_at_once_on_signals()

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from csvkafka.aws import clients as aws
from csvkafka.checkpoint import CheckpointManager
from csvkafka.clock import SystemClock
from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.config.load_config import LoadConfig
from csvkafka.config.spelling import Form, spelled
from csvkafka.config.unknown import check_settings, misspelt_variables
from csvkafka.errors import ConfigError, CsvKafkaError, UserFunctionError
from csvkafka.interfaces import Observer
from csvkafka.job.parts import JobResult, RowSender
from csvkafka.job.row_by_row import never_stop
from csvkafka.model import Transform
from csvkafka.process.collector import spare_long_lived_objects
from csvkafka.process.ending import log_ending, wants_detailed
from csvkafka.process.logs import configure_logging, is_debugging, let_go_of_output, log_level
from csvkafka.process.signals import StopSignals
from csvkafka.wiring import run_load

if TYPE_CHECKING:
    from kafka import KafkaProducer
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)

CONFIRMATION_SECONDS = 30

DOCUMENTED_ATTRIBUTES = (
    "s3_bucket",
    "s3_key",
    "kafka_topic",
    "checkpoint_manager",
    "checkpoint_interval",
    "producer",
    "s3_client",
)


class CSVToKafkaProcessor:
    """Loads one CSV object from S3 into a Kafka topic: the documented class.

    `process()` sends in bulk, exactly once. If `_send_to_kafka` is your own (of a subclass, or set
    on the class or an instance), it is called for each row instead, in order. That is slower, and
    rows since the last checkpoint come again after a kill. To change rows and keep both speed and
    promise, pass `transform`.

    Attributes may be set before `process()`; while it runs they cannot. A `producer` that you set
    is only used if your own `_send_to_kafka` sends by it; it is closed when `process()` ends."""

    _running = False

    def __init__(
        self,
        s3_bucket: str,
        s3_key: str,
        kafka_bootstrap_servers: str,
        kafka_topic: str,
        checkpoint_manager: CheckpointManager,
        checkpoint_interval: int = 10_000,
        *,
        transform: Transform | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`kafka_bootstrap_servers` is `host:port,host:port`; `checkpoint_interval` counts records.
        `settings` holds further settings by the names of their environment variables, such as
        {"KEY_COLUMN": "id"} (`csvkafka load --help` lists them). Touches no network.

        Raises ConfigError."""
        _check_types(settings, transform)
        self._producer: KafkaProducer | None = None
        self._producer_was_set = False
        self._s3_client: S3Client | None = None
        self._servers = kafka_bootstrap_servers
        self._settings = settings or {}
        self._transform = transform
        # Whoever gives us the environment speaks of variables, anybody else of arguments.
        self._form = Form.VARIABLE if settings is os.environ else Form.ARGUMENT
        self.s3_bucket = s3_bucket
        self.s3_key = s3_key
        self.kafka_topic = kafka_topic
        self.checkpoint_manager = checkpoint_manager
        self.checkpoint_interval = checkpoint_interval
        with self._spelling_settings():
            if settings is not os.environ:
                check_settings(self._settings)
            self._config = self._checked_config()

    def __setattr__(self, name: str, value: object) -> None:
        if self._running and name in DOCUMENTED_ATTRIBUTES:
            raise ConfigError(
                f"'{name}' cannot be set while process() runs: set it before, or use another "
                "CSVToKafkaProcessor"
            )
        super().__setattr__(name, value)

    @property
    def producer(self) -> KafkaProducer:
        """A `KafkaProducer` with the documented settings, made when first used, or the one that was
        set. `process()` sends through it only by way of `_send_to_kafka`."""
        if self._producer is None:
            from csvkafka.kafka.producer import documented_producer

            self._producer = documented_producer(self._config.kafka, self._config.spec.compression)
        return self._producer

    @producer.setter
    def producer(self, producer: KafkaProducer) -> None:
        self._producer = producer
        self._producer_was_set = True

    @property
    def s3_client(self) -> S3Client:
        """The boto3 client for S3, made when first used, or the one that was set. Raises
        ConfigError."""
        if self._s3_client is None:
            self._s3_client = aws.s3_client()
        return self._s3_client

    @s3_client.setter
    def s3_client(self, client: S3Client) -> None:
        self._s3_client = client

    def process(
        self,
        *,
        observer: Observer | None = None,
        stop_signal: Callable[[], int | None] = never_stop,
    ) -> JobResult:
        """Loads what is not loaded yet; see `run_load` for arguments and errors.

        Where DEBUG is asked for, the log has the lines of a function of yours that raised, and so
        has the traceback of the UserFunctionError."""
        _refuse_to_load_in_an_encode_worker()
        with self._spelling_settings():
            config = self._config = self._checked_config()
            send_row = self._own_sender()
            self._warn_of_what_is_not_called(send_row)
            self._running = True
            try:
                return run_load(
                    config,
                    observer=observer,
                    stop_signal=stop_signal,
                    item=self.checkpoint_manager.item,
                    s3_client=self.s3_client,
                    send_row=send_row,
                )
            except UserFunctionError as error:
                _show_lines(error)
                raise
            finally:
                self._running = False
                self._close_producer()

    def _checked_config(self) -> LoadConfig:
        """The settings and the attributes as they are now. Raises ConfigError."""
        _check_manager(self.checkpoint_manager)
        if self._s3_client is not None and not hasattr(self._s3_client, "head_object"):
            raise ConfigError(
                "'s3_client' must be a client for S3, made by boto3.client('s3'), not "
                f"{type(self._s3_client).__name__}"
            )
        config = LoadConfig.from_settings(
            {
                **self._settings,
                "S3_BUCKET": self.s3_bucket,
                "S3_KEY": self.s3_key,
                "KAFKA_BOOTSTRAP_SERVERS": self._servers,
                "KAFKA_TOPIC": self.kafka_topic,
                **_place_settings(self.checkpoint_manager.table_name),
                "JOB_ID": self.checkpoint_manager.job_id,
                "CHECKPOINT_INTERVAL": str(self.checkpoint_interval),
            }
        )
        if self._transform is not None:
            config = replace(config, spec=replace(config.spec, transform=self._transform))
        return config

    @contextmanager
    def _spelling_settings(self) -> Iterator[None]:
        """Errors name settings as the caller gives them."""
        try:
            yield
        except CsvKafkaError as error:
            error.args = (spelled(str(error), self._form),)
            raise

    def _own_sender(self) -> RowSender | None:
        """`_send_to_kafka`, whatever is bound to that name now; None if it is the documented one,
        which is replaced by sending in bulk."""
        bound = self._send_to_kafka
        return None if getattr(bound, "__func__", None) is _DOCUMENTED_SENDER else bound

    def _warn_of_what_is_not_called(self, send_row: RowSender | None) -> None:
        if self._producer_was_set and send_row is None:
            log.warning(
                "The producer that was set is not used: process() sends in bulk on connections of "
                "its own, in batches of up to 1 MB. An own _send_to_kafka may send by it."
            )
        manager = type(self.checkpoint_manager)
        for name in ("get_last_processed_line", "update_checkpoint", "mark_complete"):
            if getattr(manager, name, None) is not getattr(CheckpointManager, name):
                log.warning(
                    "%s of the CheckpointManager is overridden, and process() does not call it: it "
                    "writes the item under conditions of its own",
                    name,
                )

    def _close_producer(self) -> None:
        """As documented, when `process()` ends. One that was set stays there, closed."""
        if self._producer is not None:
            self._producer.close(timeout=CONFIRMATION_SECONDS)
            if not self._producer_was_set:
                self._producer = None

    def _send_to_kafka(self, row: dict[Any, Any], line_number: int, max_retries: int = 5) -> bool:
        """Sends one record by `producer` and waits until Kafka confirms it.

        Tries `max_retries` times, with 1, 2, 4, 8, ... seconds between; False if that failed. While
        a record's fate is unknown it is waited for again, never sent a second time."""
        from kafka.errors import KafkaError, KafkaTimeoutError

        record = {
            **row,
            "_source_line": line_number,
            "_source_file": f"s3://{self.s3_bucket}/{self.s3_key}",
        }
        clock = SystemClock()
        future: Any = None
        for attempt in range(max_retries):
            try:
                if future is None:
                    partition = self._config.spec.partition or 0
                    future = self.producer.send(self.kafka_topic, value=record, partition=partition)
                confirmed = future.get(timeout=CONFIRMATION_SECONDS)
            except KafkaError as error:
                if future is not None and future.is_done:
                    if isinstance(error, KafkaTimeoutError):
                        log.error("Line %d: no answer, it may be in the topic", line_number)
                        return False
                    future = None
                if attempt < max_retries - 1:
                    log.warning(
                        "Line %d, attempt %d of %d: %s",
                        line_number,
                        attempt + 1,
                        max_retries,
                        error,
                    )
                    clock.sleep(2**attempt)
            else:
                log.debug(
                    "Sent record %d: %d bytes, Kafka offset %d of partition %d",
                    line_number,
                    confirmed.serialized_value_size,
                    confirmed.offset,
                    confirmed.partition,
                )
                return True
        log.error("Line %d could not be sent in %d attempts", line_number, max_retries)
        return False


def _show_lines(error: UserFunctionError) -> None:
    """The lines of the user's function, without values, for whoever debugs it."""
    if error.frames and is_debugging():
        log.debug("In the function:\n%s", error.frames)
        error.add_note(f"In the function:\n{error.frames.rstrip()}")


def _check_types(settings: object, transform: object) -> None:
    if settings is not None and not isinstance(settings, Mapping):
        raise ConfigError(
            '\'settings\' must be a mapping of variables to texts, such as {"KEY_COLUMN": "id"}, '
            f"not {type(settings).__name__}"
        )
    if transform is not None and not callable(transform):
        raise ConfigError(
            "'transform' must be a function of a row and its line that returns the record, not "
            f"{type(transform).__name__}; for one by its name set "
            'settings={"TRANSFORM": "module:function"}'
        )


def _refuse_to_load_in_an_encode_worker() -> None:
    """A fresh process of ENCODE_WORKERS first runs the program's main module, to find a transform
    there. If that loads when it is merely run, the worker would load too."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and getattr(process.current_process(), "_inheriting", False):
        raise ConfigError(
            'process() must be called under `if __name__ == "__main__":` in the program\'s main '
            "module: ENCODE_WORKERS are processes that run the rest of that module first"
        )


def _check_manager(manager: object) -> None:
    # Anything that has what process() takes from it will do.
    if not all(hasattr(manager, name) for name in ("table_name", "job_id", "item")):
        raise ConfigError(
            "'checkpoint_manager' must be a CheckpointManager, made by "
            f"CheckpointManager(table_name, job_id), not {type(manager).__name__}"
        )


def _place_settings(table_name: str) -> dict[str, str]:
    """The settings for the place that a CheckpointManager was given; they replace what a `settings`
    taken over from the environment says."""
    is_uri = isinstance(table_name, str) and CheckpointPlace.named(table_name) != CheckpointPlace(
        table_name
    )
    return {
        "DYNAMODB_TABLE": "" if is_uri else table_name,
        "CHECKPOINT": table_name if is_uri else "",
    }


_DOCUMENTED_SENDER = CSVToKafkaProcessor._send_to_kafka


def main() -> None:
    """The documented entry point: settings from the environment, exit code 0, 1, 143 or 130; those
    of `exit_codes.ExitCode` if EXIT_CODES=detailed is among them."""
    configure_logging()
    code = _run_main()
    let_go_of_output()
    sys.exit(code)


def _run_main() -> int:
    detailed = False
    try:
        detailed = wants_detailed(os.environ)
        configure_logging(log_level())
        with StopSignals() as signals:
            for warning in misspelt_variables(os.environ):
                log.warning("%s", warning)
            config = LoadConfig.from_settings(os.environ)
            if not config.is_in_s3:
                # The documented class is for an object in S3.
                run_load(config, stop_signal=signals.requested)
                return 0
            processor = CSVToKafkaProcessor(
                config.s3_bucket,
                config.s3_key,
                ",".join(config.kafka.bootstrap_servers),
                config.spec.topic,
                CheckpointManager(config.checkpoint.name, config.spec.job_id),
                config.checkpoint_interval,
                settings=os.environ,
            )
            processor.process(stop_signal=signals.requested)
    except Exception as error:  # noqa: BLE001 - the process ends here
        return log_ending(log, error, detailed=detailed)
    return 0


if __name__ == "__main__":
    spare_long_lived_objects()
    main()
