"""Whether what answers is AWS at all.

A mistyped endpoint or region may lead to a web server, a proxy's page, or an emulator that fails on
a region that does not exist. They answer with HTML, which the SDK would take for an error of S3 or
DynamoDB that may pass, or even for a success.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client

_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)


class StrangerError(OSError):
    """The answer came from something that is not the service that was asked."""


def refuse_strangers(client: S3Client | DynamoDBClient) -> None:
    """Makes each call of `client` raise StrangerError where something other than AWS answers."""
    client.meta.events.register("after-call", _check_answer)


def unreached(service: str, error: Exception) -> str:
    """What to say and to check where `service` never answered, as `error` shows."""
    what = f"what answers is not {service}" if isinstance(error, StrangerError) else ""
    return f"{what or f'{service} cannot be reached'}: check AWS_REGION, AWS_ENDPOINT_URL"


def _check_answer(http_response: Any, model: Any, **_: Any) -> None:
    status, headers = http_response.status_code, http_response.headers
    if model.name == "HeadObject":
        # A refusal of HEAD has no content, and emulators call that text/html.
        if status < 300 and "ETag" not in headers:
            raise StrangerError(f"HTTP {status} without an ETag")
        return
    # An object may be called text/html; refusals, and all that DynamoDB says, never are.
    is_content = status < 300 and model.service_model.service_name == "s3"
    if not is_content and "html" in headers.get("Content-Type", "").lower():
        title = _TITLE.search(http_response.content)
        shown = f", {title[1].decode('utf-8', 'replace').strip()!r}" if title else ""
        raise StrangerError(f"HTTP {status} with an HTML page{shown}")
