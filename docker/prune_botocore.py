"""Removes the service descriptions of botocore that the job does not call (25 MB).

What stays: S3, DynamoDB, and what credentials may come from (STS, SSO, sign-in). Runs while the
image is built, with the Python whose botocore is meant.
"""

import shutil
from pathlib import Path

import botocore

KEPT = {"dynamodb", "s3", "signin", "sso", "sso-oidc", "sts"}

data = Path(botocore.__file__).with_name("data")
services = {path.name for path in data.iterdir() if path.is_dir()}
if missing := KEPT - services:
    raise SystemExit(f"botocore has no {', '.join(sorted(missing))} any more: look at KEPT anew")
for name in services - KEPT:
    shutil.rmtree(data / name)
