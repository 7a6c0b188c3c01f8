"""S3Source against a whole S3 server: versions, overwriting, deletion, archives, gzip."""

from __future__ import annotations

import gzip
import random
import uuid
from typing import Any

import pytest

from csvkafka.aws.s3_source import S3Source
from csvkafka.errors import SourceChangedError, SourceNotFoundError, SourceReadError
from tests.integration.patient_clients import patient_s3
from tests.refusals import refusal

pytestmark = pytest.mark.stack_dependent

BODY = random.Random(2).randbytes(5_000_011)


@pytest.fixture(scope="module")
def client(aws_endpoint_url: str) -> Any:
    return patient_s3(aws_endpoint_url)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"bucket-{uuid.uuid4()}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_object(Bucket=name, Key="data.csv", Body=BODY)
    return name


@pytest.fixture
def versioned_bucket(client: Any, bucket: str) -> str:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="data.csv", Body=BODY)
    return bucket


@pytest.mark.parametrize("byte_offset", [0, 1, 1_048_576, 4_999_999, len(BODY)])
def test_reads_from_any_byte_to_the_end(client: Any, bucket: str, byte_offset: int) -> None:
    source = S3Source(bucket, "data.csv", client=client)
    assert b"".join(source.read(byte_offset)) == BODY[byte_offset:]
    assert source.identify().size == len(BODY)
    assert source.identify().version_id is None


def test_an_overwritten_object_is_refused(client: Any, bucket: str) -> None:
    identity = S3Source(bucket, "data.csv", client=client).identify()
    client.put_object(Bucket=bucket, Key="data.csv", Body=BODY[::-1])
    with pytest.raises(SourceChangedError, match="another JOB_ID"):
        list(S3Source(bucket, "data.csv", client=client, pinned=identity).read(100))


def test_the_server_itself_refuses_another_object_in_mid_read(client: Any, bucket: str) -> None:
    """F84: the object changes between our HEAD and the next GET; only If-Match can tell then."""
    source = S3Source(bucket, "data.csv", client=client)
    source.identify()

    def overwrite(**_: Any) -> None:
        client.meta.events.unregister("before-call.s3.GetObject", unique_id="overwrite")
        client.put_object(Bucket=bucket, Key="data.csv", Body=BODY[::-1])

    client.meta.events.register("before-call.s3.GetObject", overwrite, unique_id="overwrite")
    with pytest.raises(SourceChangedError, match=r"GET from byte 100: .*412"):
        list(source.read(100))


def test_a_named_version_outlives_overwriting_and_deletion(
    client: Any, versioned_bucket: str
) -> None:
    identity = S3Source(versioned_bucket, "data.csv", client=client).identify()
    assert identity.version_id is not None
    named = S3Source(
        versioned_bucket,
        "data.csv",
        client=client,
        version_id=identity.version_id,
        pinned=identity,
    )
    client.put_object(Bucket=versioned_bucket, Key="data.csv", Body=b"new")
    assert b"".join(named.read(7)) == BODY[7:]
    client.delete_object(Bucket=versioned_bucket, Key="data.csv")
    assert b"".join(named.read(7)) == BODY[7:]
    with pytest.raises(SourceNotFoundError):
        S3Source(versioned_bucket, "data.csv", client=client).identify()


def test_a_deleted_version_is_not_found(client: Any, versioned_bucket: str) -> None:
    identity = S3Source(versioned_bucket, "data.csv", client=client).identify()
    client.delete_object(Bucket=versioned_bucket, Key="data.csv", VersionId=identity.version_id)
    named = S3Source(versioned_bucket, "data.csv", client=client, version_id=identity.version_id)
    with pytest.raises(SourceNotFoundError, match=str(identity.version_id)):
        named.identify()


@pytest.mark.parametrize("key", ["missing.csv", "data.csv/"])
def test_a_missing_object_is_not_found(client: Any, bucket: str, key: str) -> None:
    with pytest.raises(SourceNotFoundError, match=f"no s3://{bucket}/{key} at http"):
        S3Source(bucket, key, client=client).identify()


def test_a_missing_bucket_is_not_found(client: Any) -> None:
    with refusal(SourceNotFoundError, match="eu-west-1"):
        S3Source(f"bucket-{uuid.uuid4()}", "data.csv", client=client).identify()


@pytest.mark.parametrize(
    ("put", "given"),
    [
        ({"ServerSideEncryption": "aws:kms"}, {}),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/aws/s3"}, {}),
        (
            {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32},
            {"customer_key": b"k" * 32},
        ),
        ({"RequestPayer": "requester"}, {"request_payer": "requester"}),
    ],
    ids=["KMS", "KMS by key", "SSE-C", "requester pays"],
)
def test_encrypted_objects_and_those_whose_reader_pays_are_read(
    client: Any, bucket: str, put: dict[str, Any], given: dict[str, Any]
) -> None:
    client.put_object(Bucket=bucket, Key="other.csv", Body=BODY, **put)
    source = S3Source(bucket, "other.csv", client=client, **given)
    assert b"".join(source.read(4_000_001)) == BODY[4_000_001:]


def test_an_archived_object_must_be_restored_first(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="old.csv", Body=b"a\n1\n", StorageClass="GLACIER")
    with pytest.raises(SourceReadError, match="archived: restore it"):
        list(S3Source(bucket, "old.csv", client=client).read(0))


def test_gzip_members_are_one_stream(client: Any, bucket: str) -> None:
    members = gzip.compress(BODY[:3_000_000]) + gzip.compress(BODY[3_000_000:])
    client.put_object(Bucket=bucket, Key="by-name.csv.gz", Body=members)
    client.put_object(Bucket=bucket, Key="declared.csv", Body=members, ContentEncoding="gzip")
    for key in ("by-name.csv.gz", "declared.csv"):
        source = S3Source(bucket, key, client=client)
        assert b"".join(source.read(2_999_999)) == BODY[2_999_999:]


def test_a_checksum_of_the_whole_object_does_not_disturb_a_range(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="sum.csv", Body=BODY, ChecksumAlgorithm="SHA256")
    assert b"".join(S3Source(bucket, "sum.csv", client=client).read(9)) == BODY[9:]
