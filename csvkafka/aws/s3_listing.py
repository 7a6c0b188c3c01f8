"""The objects of a bucket as S3 lists them, page by page: ETag and size without a HEAD for each.

A page has up to 1,000 objects in the order of their keys. One that S3 fails to give is asked for
again with the patience that a read has, so a listing goes on where it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from csvkafka.aws import clients as aws
from csvkafka.aws.clients import FailureKind
from csvkafka.aws.s3_refusals import ObjectRequest, refusal
from csvkafka.clock import Clock
from csvkafka.errors import CsvKafkaError, SourceReadError
from csvkafka.retry import ANSWERING_SECONDS, UNREACHED_SECONDS, Patience
from csvkafka.sets.selection import ListedObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)


class S3Listing:
    """Lists objects of one bucket. `request_payer` as for `S3Source`."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        clock: Clock,
        *,
        request_payer: str | None = None,
        give_up_seconds: float = ANSWERING_SECONDS,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._clock = clock
        self._more: dict[str, Any] = {"OptionalObjectAttributes": ["RestoreStatus"]}
        if request_payer is not None:
            self._more["RequestPayer"] = request_payer
        self._give_up_seconds = give_up_seconds
        self._has_answered = False

    def under(self, prefix: str) -> Iterator[ListedObject]:
        """All objects whose keys begin with `prefix`. Raises SourceNotFoundError (no bucket),
        SourceReadError, ConfigError."""
        page: Any = None
        while page is None or page["IsTruncated"]:
            after = {} if page is None else {"ContinuationToken": page["NextContinuationToken"]}
            page = self._page(prefix, **after)
            yield from map(_listed, page.get("Contents", ()))

    def named(self, keys: Sequence[str]) -> Iterator[ListedObject]:
        """The objects of `keys` (in rising order) that are there. A page is asked for only if it
        may hold one of them: that is one request for each thousand, and at most one for each
        key."""
        if not keys:
            return
        prefix = _common_beginning(keys[0], keys[-1])
        wanted = iter(keys)
        key = next(wanted, None)
        after = ""
        while key is not None:
            # What sorts between a key without its last character and the key is little or nothing.
            after = max(after, key[:-1])
            page = self._page(prefix, **({"StartAfter": after} if after else {}))
            for found in map(_listed, page.get("Contents", ())):
                while key is not None and key < found.key:
                    key = next(wanted, None)
                if key == found.key:
                    yield found
                    key = next(wanted, None)
                after = found.key
            if not page["IsTruncated"] or not page.get("Contents"):
                return

    def _page(self, prefix: str, **after: str) -> Any:
        patience = Patience(self._clock, self._give_up_seconds)
        while True:
            try:
                ask: Any = self._client.list_objects_v2
                page = ask(Bucket=self._bucket, Prefix=prefix, **after, **self._more)
            except aws.vendor_errors() as error:
                self._has_answered = self._has_answered or aws.http_status_of(error) > 0
                limit = None if self._has_answered else UNREACHED_SECONDS
                transient = aws.failure_kind(error) is FailureKind.TRANSIENT
                if not transient or not patience.wait(limit):
                    raise self._refusal(prefix, error) from error
                log.warning(
                    "Listing s3://%s/%s again: %s", self._bucket, prefix, aws.describe(error)
                )
            else:
                self._has_answered = True
                return page

    def _refusal(self, prefix: str, error: Exception) -> CsvKafkaError:
        if aws.failure_kind(error) is FailureKind.DENIED:
            return SourceReadError(
                f"not allowed to list s3://{self._bucket}/{prefix} at "
                f"{aws.endpoint_of(self._client)} ({aws.describe(error)}): the role needs "
                "s3:ListBucket on the bucket, for that prefix"
            )
        asked = ObjectRequest(self._bucket, prefix, {})
        return refusal(self._client, asked, error, "ListObjectsV2", has_answered=self._has_answered)


def _common_beginning(first: str, second: str) -> str:
    same = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        same += 1
    return first[:same]


def _listed(found: Any) -> ListedObject:
    restored = found.get("RestoreStatus", {})
    return ListedObject(
        key=found["Key"],
        etag=found["ETag"],
        size=found["Size"],
        storage_class=found.get("StorageClass", "STANDARD"),
        is_restored="RestoreExpiryDate" in restored,
    )
