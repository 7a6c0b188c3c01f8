"""The documented `KafkaProducer`, for programs that send rows themselves.

`CSVToKafkaProcessor.process()` does not send through it unless `_send_to_kafka` is the user's own.
"""

from __future__ import annotations

import json
from typing import Any

from kafka import KafkaProducer
from kafka.net.compat import KafkaNetClient
from kafka.serializer import SerializeWrapper

from csvkafka.kafka.settings import KafkaSettings

_SECURITY = (
    "security_protocol",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "sasl_oauth_token_provider",
    "ssl_context",
)


def _as_json(value: object) -> bytes:
    try:
        return json.dumps(value).encode("utf-8")
    except TypeError as error:
        # A TypeError would make kafka-python call a serializer of its older form, and fail there.
        raise ValueError(f"the record cannot be written as JSON: {error}") from error


def documented_producer(settings: KafkaSettings, compression: str, **more: Any) -> KafkaProducer:
    """A producer with the documented settings, this cluster's security, and `more` of its options.

    Raises kafka-python's errors if no broker answers, and leaves no connection behind then."""
    connection = settings.connection_config()
    security = {name: connection[name] for name in _SECURITY if connection[name] is not None}
    clients: list[Any] = []

    def open_client(**config: Any) -> Any:
        clients.append(KafkaNetClient(**config))
        return clients[-1]

    try:
        return KafkaProducer(
            bootstrap_servers=list(settings.bootstrap_servers),
            value_serializer=SerializeWrapper(_as_json),
            max_in_flight_requests_per_connection=1,
            acks="all",
            retries=2147483647,
            max_block_ms=60000,
            enable_idempotence=True,
            compression_type=None if compression == "none" else compression,
            kafka_client=open_client,
            **security,
            **more,
        )
    except BaseException:
        for client in clients:
            client.close()
        raise
