"""Gives each job of AWS Batch its file, and becomes csvkafka.

    array_child.py KEY JOB_ID MANIFEST
    array_child.py -- COMMAND …           any command of csvkafka, e.g. doctor

MANIFEST `-`: one job, one file. Else a text object in the same bucket with one key per line: the
child of an array job takes the line of its index. The key is the child's job id, so a file keeps
its checkpoint in whatever line and manifest it comes again. Nothing stands between Batch and the
loader: this process turns into it, so signals and exit codes are the loader's own; the detailed
ones, by which Batch tells what to try again.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def fail(message: str) -> NoReturn:
    """Ends with the code of a setting to be repaired, which is not tried again."""
    sys.stderr.write(f"{message}\n")
    sys.exit(78)


def main() -> None:
    """Sets S3_KEY (or S3_PREFIX), JOB_ID and EXIT_CODES and executes `python -P -m csvkafka`."""
    if sys.argv[1:2] == ["--"]:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "csvkafka", *sys.argv[2:]])
    key, job_id, manifest = sys.argv[1:]
    if manifest != "-":
        import boto3

        index = int(os.environ["AWS_BATCH_JOB_ARRAY_INDEX"])
        bucket = os.environ["S3_BUCKET"]
        body = boto3.client("s3").get_object(Bucket=bucket, Key=manifest)["Body"].read()
        keys = body.decode("utf-8").splitlines()
        if index >= len(keys):
            fail(f"s3://{bucket}/{manifest} has {len(keys)} lines, none of index {index}")
        key = job_id = keys[index]
    if key == "-":
        fail("no key: submit the job with --parameters key=...,job_id=...")
    # No object that could be loaded ends in a slash: it is a set of them.
    source = "S3_PREFIX" if key.endswith("/") else "S3_KEY"
    os.environ.update({source: key, "JOB_ID": job_id})
    os.environ.setdefault("EXIT_CODES", "detailed")
    os.execv(sys.executable, [sys.executable, "-P", "-m", "csvkafka"])


if __name__ == "__main__":
    main()
