"""A setting is named in the form in which the caller gives it."""

from __future__ import annotations

import pytest

from csvkafka.config.settings import SETTINGS
from csvkafka.config.spelling import Form, spelled


@pytest.mark.parametrize(
    ("text", "option", "argument"),
    [
        (
            "run again with ACCEPT_DELETED_TAIL=true.",
            "run again with --accept-deleted-tail.",
            'run again with settings={"ACCEPT_DELETED_TAIL": "true"}.',
        ),
        (
            "set S3_VERSION_ID=v1.2-x, or load under another JOB_ID",
            "set --s3-version-id v1.2-x, or load under another --job-id",
            'set settings={"S3_VERSION_ID": "v1.2-x"}, or load under another job_id',
        ),
        (
            "check KAFKA_TOPIC and KEY_COLUMN; KAFKA_AWS_MSK_IAM=false",
            "check --kafka-topic and --key-column; --no-kafka-aws-msk-iam",
            'check kafka_topic and settings["KEY_COLUMN"]; settings={"KAFKA_AWS_MSK_IAM": "false"}',
        ),
        (
            "set CSV_DELIMITER=';', or CSV_SKIP_LINES=1",
            "set --csv-delimiter ';', or --csv-skip-lines 1",
            'set settings={"CSV_DELIMITER": ";"}, or settings={"CSV_SKIP_LINES": "1"}',
        ),
        (
            "Missing environment variable S3_KEY, KAFKA_TOPIC",
            "Missing option --s3-key, --kafka-topic",
            "Missing argument or setting s3_key, kafka_topic",
        ),
    ],
)
def test_a_setting_is_spelled_as_the_caller_gives_it(text: str, option: str, argument: str) -> None:
    assert spelled(text, Form.VARIABLE) == text
    assert spelled(text, Form.OPTION) == option
    assert spelled(text, Form.ARGUMENT) == argument


@pytest.mark.parametrize(
    "text",
    [
        "the header has 'JOB_ID', 'KAFKA_TOPIC'",
        's3://data/S3_KEY has "KEY_COLUMN"',
        "MY_KEY_COLUMN, KEY_COLUMNS, S3_BUCKET_2",
    ],
)
def test_what_is_the_users_own_is_left_as_it_is(text: str) -> None:
    assert {spelled(text, form) for form in Form} == {text}


def test_every_setting_has_three_forms() -> None:
    for setting in SETTINGS:
        assert spelled(f"set {setting.variable}", Form.OPTION) == f"set {setting.option}"
        assert setting.variable not in spelled(setting.variable, Form.OPTION)
