"""moto behind LocalStack's port and health address; honest about what it is."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from csvkafka.local.aws_server import serialized

PORT = 4566
HEALTH = json.dumps(
    {
        "services": {"dynamodb": "running", "s3": "running"},
        "edition": "look-alike: moto behind LocalStack's port",
        "version": "4.14.0",
    }
).encode()


def with_health(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The application, and LocalStack's health address before it."""

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/_localstack/health":
            return application(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [HEALTH]

    return answer


def main() -> None:
    """Serves until SIGTERM, which a process with number 1 does not heed by itself."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    application = with_health(serialized(DomainDispatcherApplication(create_backend_app)))
    server = make_server("0.0.0.0", PORT, application, threaded=True)
    print("Ready.", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
