"""GETs of many small objects: each takes about 1 ms less of processor time than one by boto3.

For each call of `get_object` the SDK resolves the endpoint, checks and serialises the arguments,
and parses the answer by the description of the service. For two objects of one bucket the result
differs only in key, range and ETag. So the first request to a bucket is made by the SDK and kept,
and those after it are copies of it with another key, range and ETag. The SDK signs each of them,
and sends it, or it goes on a connection of the SDK's (`kept_connections`). So credentials are
renewed, proxies, TLS and time-outs are the SDK's, and handlers of `request-created`, `before-sign`
and `before-send` are called.

Only requests without further arguments are made so, of a client that `aws.s3_client` made. If
anything is not as expected, the SDK makes the request. It also makes the one after a failure, and
where it would follow a redirect. A botocore that lacks what is used of it costs time alone.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from csvkafka.aws.clients import is_own_client, vendor_errors
from csvkafka.aws.kept_connections import AT_MOST_BYTES, KeptConnections
from csvkafka.aws.strangers import StrangerError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)

_KNOWN_HEADERS = {"Range", "If-Match", "User-Agent"}
_NO_BUCKET_NAMES = (":", "/", "--x-s3")
"""What names of access points and of directory buckets hold: these are signed in another way."""

_REDIRECTS = (301, 302, 307)
"""After these the SDK may ask in another region."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What all requests to a bucket have in common. `url` and `auth_path` end before the key."""

    url: str
    auth_path: str
    user_agent: str
    context: dict[str, Any]
    model: Any
    kept: KeptConnections | None


class SimilarGets:
    """`get_object` of one client. Many threads may use it at once."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._known: dict[str, _Known] = {}
        self._seen = threading.local()
        self._is_for_it = _is_for_it(client)
        if self._is_for_it:
            client.meta.events.register("before-call.s3.GetObject", self._see)

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803 - as the SDK has them
        Key: str,  # noqa: N803
        Range: str,  # noqa: N803
        IfMatch: str,  # noqa: N803
        **more: Any,
    ) -> Any:
        """As the SDK's, and raises what that raises. The answer holds only what concerns the body:
        status, ETag, ContentLength, ContentRange, Body."""
        ranged = {"Range": Range, "If-Match": IfMatch}
        answer = None if more else self._similar(Bucket, Key, ranged)
        if answer is not None:
            return answer
        self._seen.request = None
        answer = self._client.get_object(
            Bucket=Bucket, Key=Key, Range=Range, IfMatch=IfMatch, **more
        )
        # A request that was sent again (to another region, say) differs from the one that was seen.
        if not more and not answer["ResponseMetadata"].get("RetryAttempts"):
            self._learn(Bucket, Key, answer["Body"])
        return answer

    def _similar(self, bucket: str, key: str, headers: dict[str, str]) -> Any:
        """The answer to a request like the one that is known; None if the SDK is to make it."""
        known, answer = self._known.get(bucket), None
        if known is None:
            return None
        try:
            answer = self._get(known, key, headers)
        except vendor_errors():
            raise
        except Exception:  # noqa: BLE001 - the SDK does not need what failed
            self._give_up()
        finally:
            if answer is None:
                self._known.pop(bucket, None)
        return answer

    def _learn(self, bucket: str, key: str, body: Any) -> None:
        """Keeps the request that was seen, if it is a pattern for others."""
        if not self._is_for_it:
            return
        try:
            known = _known(bucket, key, self._seen.request, body)
        except Exception:  # noqa: BLE001 - there is an answer
            self._give_up()
        else:
            if known is not None:
                self._known[bucket] = known

    def _give_up(self) -> None:
        self._is_for_it = False
        log.debug("from now on the SDK makes all requests", exc_info=True)

    def _see(self, params: dict[str, Any], context: dict[str, Any], model: Any, **_: Any) -> None:
        self._seen.request = {**params, "headers": dict(params["headers"])}, dict(context), model

    def _get(self, known: _Known, key: str, headers: dict[str, str]) -> Any:
        """The answer; None if it is a redirect."""
        from botocore.awsrequest import AWSRequest
        from botocore.response import StreamingBody

        emit = self._client.meta.events.emit
        endpoint = self._client._endpoint  # type: ignore[attr-defined]
        path = _quoted(key)
        request = AWSRequest(
            method="GET",
            url=known.url + path,
            headers={**headers, "User-Agent": known.user_agent},
            data=b"",
            auth_path=known.auth_path + path,
            stream_output=True,
        )
        context = dict(known.context)
        context["signing"] = dict(context["signing"])
        context["retries"] = {"attempt": 1, "invocation-id": str(uuid4()), "max": 1}
        request.context = context
        emit("request-created.s3.GetObject", request=request, operation_name="GetObject")
        prepared = endpoint.prepare_request(request)
        given = [
            answer
            for _, answer in emit("before-send.s3.GetObject", request=prepared)
            if answer is not None
        ]
        answer = given[0] if given else self._send(known, prepared, headers["Range"])
        if answer.status_code in _REDIRECTS:
            answer.raw.close()
            return None
        if answer.status_code not in (200, 206):
            self._refuse(answer, known.model, context)
        if "ETag" not in answer.headers:
            answer.raw.close()
            raise StrangerError(f"HTTP {answer.status_code} without an ETag")
        length = answer.headers.get("Content-Length")
        return {
            "ResponseMetadata": {"HTTPStatusCode": answer.status_code},
            "ETag": answer.headers["ETag"],
            "ContentRange": answer.headers.get("Content-Range", ""),
            "Body": StreamingBody(answer.raw, length),
            **({} if length is None else {"ContentLength": int(length)}),
        }

    def _send(self, known: _Known, prepared: Any, byte_range: str) -> Any:
        """The answer; a short one by a connection that is open."""
        from botocore.awsrequest import AWSResponse

        if known.kept is not None and _length(byte_range) <= AT_MOST_BYTES:
            answer = known.kept.get(prepared.url, prepared.headers)
            if answer is not None:
                status_code, answer_headers, body = answer
                return AWSResponse(prepared.url, status_code, cast(Any, answer_headers), body)
        endpoint = self._client._endpoint  # type: ignore[attr-defined]
        return endpoint.http_session.send(prepared)

    def _refuse(self, answer: Any, model: Any, context: dict[str, Any]) -> None:
        """Raises the error that the SDK raises for such an answer."""
        from botocore.endpoint import convert_to_response_dict
        from botocore.parsers import create_parser

        parser = create_parser(model.service_model.resolved_protocol)
        parsed = parser.parse(convert_to_response_dict(answer, model), model.output_shape)
        self._client.meta.events.emit(
            "after-call.s3.GetObject",
            http_response=answer,
            parsed=parsed,
            model=model,
            context=context,
        )
        if answer.status_code < 300:
            raise StrangerError(f"HTTP {answer.status_code} in the place of a range")
        code = parsed.get("Error", {}).get("Code")
        error_class: Any = self._client.exceptions.from_code(code)
        raise error_class(parsed, "GetObject")


def _is_for_it(client: S3Client) -> bool:
    """Whether the client has the parts that are used here, and sends each request only once."""
    endpoint = getattr(client, "_endpoint", None)
    has_all = callable(getattr(endpoint, "prepare_request", None)) and callable(
        getattr(getattr(endpoint, "http_session", None), "send", None)
    )
    retries: Any = getattr(client.meta.config, "retries", None) or {}
    return has_all and is_own_client(client) and retries.get("total_max_attempts") == 1


def _length(byte_range: str) -> int:
    """How many bytes `bytes=<first>-<last>` asks for."""
    first, last = byte_range.removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1


def _known(
    bucket: str, key: str, seen: tuple[dict[str, Any], dict[str, Any], Any] | None, body: Any
) -> _Known | None:
    """What later requests have in common with the one that was seen, and answered with `body`; None
    if that is not sure."""
    if seen is None or any(each in bucket for each in _NO_BUCKET_NAMES):
        return None
    request, context, model = seen
    headers, path = request["headers"], _quoted(key)
    url, auth_path = request["url"], request.get("auth_path") or ""
    signing = context.get("signing", {})
    is_as_expected = (
        request["method"] == "GET"
        and not request["body"]
        and not request["query_string"]
        and headers.keys() == _KNOWN_HEADERS
        and url.endswith(f"/{path}")
        and auth_path.endswith(f"/{path}")
        and context.get("auth_type") == "v4"
        and signing.keys() <= {"region", "signing_name", "disableDoubleEncoding"}
        and "checksum" not in context
    )
    if not is_as_expected:
        return None
    common = {
        name: value
        for name, value in context.items()
        if name not in ("s3_redirect", "input_params", "retries")  # of that one request
    }
    return _Known(
        url.removesuffix(path),
        auth_path.removesuffix(path),
        headers["User-Agent"],
        {**common, "signing": signing},
        model,
        KeptConnections.of(body, url),
    )


def _quoted(key: str) -> str:
    """The key as it stands in a URL, as the SDK writes it."""
    from botocore.utils import percent_encode

    return str(percent_encode(key, safe="/~"))
