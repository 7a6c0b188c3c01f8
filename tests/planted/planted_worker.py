"""csvkafka's worker with the bugs of $PLANTED in it; its arguments are those of the worker."""

from __future__ import annotations

import os

from bugs import plant

from csvkafka.testing.processes import worker

if __name__ == "__main__":
    plant(os.environ["PLANTED"])
    worker.main()
