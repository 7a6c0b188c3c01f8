"""S3 and DynamoDB in one process: moto behind a server that answers one request at a time.

Run as `python -m csvkafka.local.aws_server PORT`. One at a time, because moto checks a condition
and writes in two steps that another thread may come between: two conditional writes could both
win. The state lives in memory and is gone with the process.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from csvkafka.local.ports import LOOPBACK


def serialized(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The WSGI application, entered by one thread at a time."""
    one_at_a_time = threading.Lock()

    def enter(environ: Any, start_response: Any) -> Iterable[bytes]:
        with one_at_a_time:
            return application(environ, start_response)

    return enter


def main() -> None:
    """Serves until it is killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application = DomainDispatcherApplication(create_backend_app)
    make_server(LOOPBACK, int(sys.argv[1]), serialized(application), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
