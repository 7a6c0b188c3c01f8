"""The object that a URI names, by the client of its server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csvkafka.remote.place import RemotePlace
    from csvkafka.remote.remote_source import RemoteObject


def remote_object(
    place: RemotePlace, authorization: str | None, environment: Mapping[str, str]
) -> RemoteObject:
    """Asks nothing yet. `authorization` is the header for a web server, `environment` has Azure's
    settings."""
    # Each client takes long to import, and is there with its extra only.
    match place.scheme:
        case "gs":
            from csvkafka.remote.gcs_object import GcsObject

            return GcsObject(place)
        case "azure":
            from csvkafka.remote.azure_object import AzureObject

            return AzureObject(place, environment)
    from csvkafka.remote.web_object import WebObject

    return WebObject(place, authorization)
