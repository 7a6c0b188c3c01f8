"""Puts the date of a CronJob's run into S3_PREFIX and JOB_ID, and becomes csvkafka.

Kubernetes ends the name of each Job of a CronJob with the minute that it was due, counted from
1970. So the date is that of the schedule, whatever the hour at which a pod of it starts, and a
night is loaded again, or late, by a Job whose name ends so (what comes before counts for nothing):

    kubectl create job --from=cronjob/csvkafka-nightly \\
        csvkafka-again-$(($(date -ud 2026-11-27T02:17 +%s) / 60))
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import NoReturn


def fail(message: str) -> NoReturn:
    """Ends with the code of a setting to be repaired, with which the Job fails at once."""
    sys.stderr.write(f"{message}\n")
    sys.exit(78)


def main() -> None:
    """Sets S3_PREFIX and JOB_ID and executes `python -P -m csvkafka`."""
    name, prefix = os.environ["JOB_NAME"], os.environ["S3_PREFIX"]
    found = re.search(r"-(\d{8})$", name)
    if found is None:
        fail(f"the Job's name, {name}, does not end in the minute that it is for: see nightly.py")
    if "{date}" not in prefix:
        fail(f"S3_PREFIX is {prefix} each night, and loaded already: put {{date}} into it")
    due = datetime.fromtimestamp(int(found[1]) * 60, UTC)
    day = (due + timedelta(hours=float(os.environ.get("DATE_HOURS", "0")))).date()
    prefix = prefix.replace("{date}", day.isoformat())
    os.environ.update(S3_PREFIX=prefix, JOB_ID=prefix)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "csvkafka", *sys.argv[1:]])


if __name__ == "__main__":
    main()
