"""GETs of many small objects: each takes a tenth of the processor time of one by boto3.

For each call of `get_object` the SDK resolves the endpoint, checks and serialises the arguments,
signs the request, and parses the answer by the description of the service. For two objects of one
bucket the result differs only in key, range and ETag. So the first request to a bucket is made by
the SDK, and those after it are made of that one (`signed_gets`). They go on a connection that the
SDK has opened (`kept_connections`), or the SDK sends them. So proxies, TLS and time-outs are the
SDK's, and so are the credentials: it is asked for them each time (but where it answers slowly), and
makes the next request itself when they are others than before.

Only requests without further arguments are made so, of a client that `aws.s3_client` made, and only
if nobody but the SDK listened to the events of the first. If anything is not as expected, the SDK
makes the request. It also makes the one after a failure, and where it would follow a redirect. A
botocore that lacks what is used of it costs time alone.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from time import gmtime, monotonic, strftime
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from csvkafka.aws.clients import is_own_client, vendor_errors
from csvkafka.aws.kept_connections import AT_MOST_BYTES, AskedFor, KeptBody, KeptConnections
from csvkafka.aws.signed_gets import Credentials, SignedGets
from csvkafka.aws.strangers import StrangerError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)

_NO_BUCKET_NAMES = (":", "/", "--x-s3")
"""What names of access points and of directory buckets hold: these are signed in another way."""

_EVENTS = ("request-created", "choose-signer", "before-sign", "before-send")
"""Of each request by the SDK; none of a request that is made here."""

ASKED_BYTES = 48 * 1024
"""The largest object that is asked for without waiting. What is answered waits in the memory of the
connection, which takes so much from the first byte on without a word from here."""

SLOW_SECONDS = 0.05
LONGEST_REUSE_SECONDS = 60.0
"""Credentials that took longer than `SLOW_SECONDS` to get are not asked for again for twenty times
that, at most for so long, and only if they live for twice as long: the SDK tries to renew them at
each request in the last fifteen minutes before their end, and may fail to."""

_REDIRECTS = (301, 302, 307)
"""After these the SDK may ask in another region."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What all requests to a bucket have in common. `context` is of the SDK's call."""

    signed: SignedGets
    context: dict[str, Any]
    model: Any
    kept: KeptConnections | None


@dataclass(slots=True)
class _Seen:
    """What was seen of one call of the SDK's."""

    context: dict[str, Any]
    model: Any
    sent: Any = None


class AskedObject:
    """An object that was asked for, whole, as `etag` and of `size` bytes."""

    def __init__(self, asked: AskedFor, etag: str, size: int) -> None:
        self._asked = asked
        self._expected = (
            (206, etag, f"bytes 0-{size - 1}/{size}", size),
            (200, etag, None, size),  # from a server that does not know ranges
        )

    def take(self) -> bytes | None:
        """All of its bytes; None if they, or anything else of the answer, are not as expected."""
        answer = self._asked.take()
        if answer is None:
            return None
        data, headers = answer.raw.getvalue(), answer.headers
        said = answer.status_code, headers.get("etag"), headers.get("content-range"), len(data)
        return data if said in self._expected else None


class SimilarGets:
    """`get_object` of one client. Many threads may use it at once."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._known: dict[str, _Known] = {}
        self._seen = threading.local()
        self._slow: Credentials = ()
        self._slow_until = 0.0
        self._is_for_it = _is_for_it(client)
        if self._is_for_it:
            client.meta.events.register("before-call.s3.GetObject", self._see)
            client.meta.events.register("before-send.s3.GetObject", self._see_sent)

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
        answer = None if more else self._similar(Bucket, Key, Range, IfMatch)
        if answer is not None:
            return answer
        self._seen.call = None
        answer = self._client.get_object(
            Bucket=Bucket, Key=Key, Range=Range, IfMatch=IfMatch, **more
        )
        # A request that was sent again (to another region, say) differs from the one that was seen.
        if not more and not answer["ResponseMetadata"].get("RetryAttempts"):
            self._learn(Bucket, Key, answer["Body"])
        return answer

    def ask(self, bucket: str, key: str, etag: str, size: int) -> AskedObject | None:
        """Asks for an object of at most `ASKED_BYTES` without waiting for the answer; None if that
        cannot be now. What is not as expected is for `get_object`, which says what it is."""
        known = self._known.get(bucket)
        if known is None or known.kept is None or not 0 < size <= ASKED_BYTES:
            return None
        try:
            made = self._made(known, key, f"bytes=0-{size - 1}", etag)
            asked = None if made is None else known.kept.ask(*made)
        except Exception:
            log.debug("the SDK asks for %s", key, exc_info=True)
            return None
        return None if asked is None else AskedObject(asked, etag, size)

    def _similar(self, bucket: str, key: str, byte_range: str, etag: str) -> Any:
        """The answer to a request like the one that is known; None if the SDK is to make it."""
        known, answer = self._known.get(bucket), None
        if known is None:
            return None
        try:
            answer = self._get(known, key, byte_range, etag)
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
            known = self._pattern(bucket, key, body)
        except Exception:  # noqa: BLE001 - there is an answer
            self._give_up()
        else:
            if known is not None:
                self._known[bucket] = known

    def _give_up(self) -> None:
        self._is_for_it = False
        log.debug("from now on the SDK makes all requests", exc_info=True)

    def _see(self, context: dict[str, Any], model: Any, **_: Any) -> None:
        self._seen.call = _Seen(dict(context), model)

    def _see_sent(self, request: Any, **_: Any) -> None:
        if (call := getattr(self._seen, "call", None)) is not None:
            call.sent = request

    def _pattern(self, bucket: str, key: str, body: Any) -> _Known | None:
        """What later requests have in common with the one that was seen, and answered with `body`;
        None if that is not sure."""
        seen: _Seen | None = self._seen.call
        if seen is None or seen.sent is None or any(each in bucket for each in _NO_BUCKET_NAMES):
            return None
        sent = seen.sent
        if sent.method != "GET" or sent.body or not _is_unheard(self._client):
            return None
        signed = SignedGets.like(sent.url, sent.headers, _quoted(key), self._credentials())
        if signed is None:
            return None
        return _Known(signed, seen.context, seen.model, KeptConnections.of(body, sent.url))

    def _credentials(self) -> Credentials:
        """Those to sign by now; the SDK renews them where that is due."""
        began_at = monotonic()
        if began_at < self._slow_until:
            return self._slow
        held = self._client._request_signer._credentials  # type: ignore[attr-defined]
        credentials = cast(Credentials, held.get_frozen_credentials())
        now = monotonic()
        # Credentials that do not end have no such method, however long the machine stood still.
        is_due = getattr(held, "refresh_needed", lambda _: True)
        if now - began_at > SLOW_SECONDS and not is_due(2 * LONGEST_REUSE_SECONDS):
            self._slow = credentials
            self._slow_until = now + min(20 * (now - began_at), LONGEST_REUSE_SECONDS)
        return credentials

    def _get(self, known: _Known, key: str, byte_range: str, etag: str) -> Any:
        """The answer; None if the SDK is to ask."""
        made = self._made(known, key, byte_range, etag)
        if made is None:
            return None
        answer = self._send(known, *made, byte_range)
        status_code, headers = answer.status_code, answer.headers
        if status_code in _REDIRECTS:
            answer.raw.close()
            return None
        if status_code not in (200, 206):
            self._refuse(answer, known)
        if "etag" not in headers:
            answer.raw.close()
            raise StrangerError(f"HTTP {status_code} without an ETag")
        length = headers.get("content-length")
        return {
            "ResponseMetadata": {"HTTPStatusCode": status_code},
            "ETag": headers["etag"],
            "ContentRange": headers.get("content-range", ""),
            "Body": _body(answer.raw, length),
            **({} if length is None else {"ContentLength": int(length)}),
        }

    def _made(
        self, known: _Known, key: str, byte_range: str, etag: str
    ) -> tuple[str, dict[str, str]] | None:
        """URL and headers; None if the SDK is to make them."""
        if self._credentials() != known.signed.credentials:
            return None
        time_text = strftime("%Y%m%dT%H%M%SZ", gmtime())
        return known.signed.made(_quoted(key), byte_range, etag, time_text, str(uuid4()))

    def _send(self, known: _Known, url: str, headers: dict[str, str], byte_range: str) -> Any:
        """The answer; a short one by a connection that is open."""
        if known.kept is not None and _length(byte_range) <= AT_MOST_BYTES:
            answer = known.kept.get(url, headers)
            if answer is not None:
                return answer
        from botocore.awsrequest import AWSPreparedRequest

        endpoint = self._client._endpoint  # type: ignore[attr-defined]
        prepared = AWSPreparedRequest("GET", url, _encoded(headers), None, stream_output=True)
        return endpoint.http_session.send(prepared)

    def _refuse(self, answer: Any, known: _Known) -> None:
        """Raises the error that the SDK raises for such an answer."""
        from botocore.awsrequest import AWSResponse
        from botocore.endpoint import convert_to_response_dict
        from botocore.parsers import create_parser

        model = known.model
        response = AWSResponse(known.signed.url, answer.status_code, answer.headers, answer.raw)
        parser = create_parser(model.service_model.resolved_protocol)
        parsed = parser.parse(convert_to_response_dict(response, model), model.output_shape)
        self._client.meta.events.emit(
            "after-call.s3.GetObject",
            http_response=response,
            parsed=parsed,
            model=model,
            context=dict(known.context),
        )
        if answer.status_code < 300:
            raise StrangerError(f"HTTP {answer.status_code} in the place of a range")
        code = parsed.get("Error", {}).get("Code")
        error_class: Any = self._client.exceptions.from_code(code)
        raise error_class(parsed, "GetObject")


def _is_for_it(client: S3Client) -> bool:
    """Whether the client has the parts that are used here, and sends each request only once."""
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    has_all = callable(getattr(session, "send", None)) and hasattr(client, "_request_signer")
    retries: Any = getattr(client.meta.config, "retries", None) or {}
    return has_all and is_own_client(client) and retries.get("total_max_attempts") == 1


def _length(byte_range: str) -> int:
    """How many bytes `bytes=<first>-<last>` asks for."""
    first, last = byte_range.removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1


def _is_unheard(client: S3Client) -> bool:
    """Whether nobody but the SDK, and this module, listens to the events of a request: what goes
    out is then what the SDK alone makes of it."""
    emitter = client.meta.events._emitter  # type: ignore[attr-defined]
    listeners = (
        listener
        for event in _EVENTS
        for listener in emitter._handlers.prefix_search(f"{event}.s3.GetObject")
    )
    return all(each.__module__.startswith(("botocore.", __name__)) for each in listeners)


def _body(raw: Any, length: str | None) -> Any:
    """As the SDK gives a body; a kept one is known to be whole."""
    if isinstance(raw, KeptBody):
        return raw
    from botocore.response import StreamingBody

    return StreamingBody(raw, cast(int, length))


def _encoded(headers: dict[str, str]) -> Any:
    from botocore.awsrequest import HeadersDict

    return HeadersDict({name: value.encode("latin-1") for name, value in headers.items()})


def _quoted(key: str) -> str:
    """The key as it stands in a URL, as the SDK writes it."""
    from botocore.utils import percent_encode

    return str(percent_encode(key, safe="/~"))
