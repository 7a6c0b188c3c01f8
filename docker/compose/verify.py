"""Judges the sample job: each row of the CSV in the topic, once, in order. Exit 0 if so, else 1."""

from __future__ import annotations

import os
import sys

from csvkafka.config.load_config import LoadConfig
from csvkafka.testing.checker.verify import verify_job

if __name__ == "__main__":
    job = verify_job(LoadConfig.from_settings(os.environ))
    print(f"{job.source_uri}: {job.status}, {job.last_line} rows\n{job.verdict}")
    sys.exit(0 if job.verdict.is_clean and job.status == "COMPLETED" else 1)
