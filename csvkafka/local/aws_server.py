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
from functools import cache, lru_cache
from typing import Any

from csvkafka.local.ports import LOOPBACK


def serialized(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The WSGI application, entered by one thread at a time."""
    one_at_a_time = threading.Lock()

    def enter(environ: Any, start_response: Any) -> Iterable[bytes]:
        with one_at_a_time:
            return application(environ, start_response)

    return enter


KNOWN_HOSTS = 100
"""A request is for one of a few hosts: what AWS calls the service in the region."""


def application() -> Callable[..., Iterable[bytes]]:
    """Moto's S3 and DynamoDB. What moto works out for each request anew, by looking through a
    folder and a class, and what is always the same, is kept: a third of a request's time."""
    from moto.core import responses
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    moto: Any = DomainDispatcherApplication(create_backend_app)
    moto.get_backend_for_host = lru_cache(KNOWN_HOSTS)(moto.get_backend_for_host)
    responses.method_names_from_class = cache(responses.method_names_from_class)
    served: Callable[..., Iterable[bytes]] = moto
    return served


def main() -> None:
    """Serves until it is killed."""
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    port = int(sys.argv[1])
    make_server(LOOPBACK, port, serialized(application()), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
