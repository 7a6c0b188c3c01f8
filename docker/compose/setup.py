"""What the sample job needs: bucket and CSV, checkpoint table, topic. Run again, it changes nothing
but the object, which is stored anew only if it is not there."""

from __future__ import annotations

import os
from pathlib import Path

import boto3
from botocore.exceptions import ClientError
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError

SAMPLE = Path(__file__).with_name("sample.csv")


def store_sample(bucket: str, key: str) -> None:
    client = boto3.client("s3")
    if bucket not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError:
        client.put_object(Bucket=bucket, Key=key, Body=SAMPLE.read_bytes())


def make_table(name: str) -> None:
    client = boto3.client("dynamodb")
    if name not in client.list_tables()["TableNames"]:
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        )
        client.get_waiter("table_exists").wait(TableName=name)


def make_topic(name: str) -> None:
    client = KafkaAdminClient(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    try:
        client.create_topics([NewTopic(name, 1, 1)])
    except TopicAlreadyExistsError:
        pass
    finally:
        client.close()


if __name__ == "__main__":
    store_sample(os.environ["S3_BUCKET"], os.environ["S3_KEY"])
    make_table(os.environ["DYNAMODB_TABLE"])
    make_topic(os.environ["KAFKA_TOPIC"])
    print(f"ready: s3://{os.environ['S3_BUCKET']}/{os.environ['S3_KEY']}")
