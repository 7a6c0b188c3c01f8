"""S3 and DynamoDB on loopback, for tests that need no Kafka beside them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


@contextmanager
def aws_server() -> Iterator[str]:
    """The endpoint URL of a running moto server.

    One request at a time: moto checks a condition and writes in two steps that other threads may
    come between, so that two conditional writes may both win."""
    application = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = threading.Lock()

    def serialized(environ: Any, start_response: Any) -> Any:
        with one_at_a_time:
            return application(environ, start_response)

    server = make_server("127.0.0.1", 0, serialized, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
