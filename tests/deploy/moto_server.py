"""moto with what it lacks for the tests of `deploy/`.

    python -m tests.deploy.moto_server PORT

CloudWatch's present protocol (RPC v2 in CBOR): calls of it are translated to the older one, which
moto speaks; every answer is moto's. The rest is in `moto_additions.py`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

import cbor2
import requests
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from csvkafka.local.aws_server import serialized
from tests.deploy import moto_additions

_CALL = re.compile(r"/service/GraniteServiceVersion20100801/operation/(\w+)")
_MODEL = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch")


class CloudWatchByCbor:
    """A WSGI application before moto's."""

    def __init__(self, application: Callable[..., Iterable[bytes]], port: int) -> None:
        self._application = application
        self._url = f"http://127.0.0.1:{port}/"

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        call = _CALL.fullmatch(environ["PATH_INFO"])
        if call is None:
            return self._application(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        operation = _MODEL.operation_model(call[1])
        request = create_serializer("query").serialize_to_request(
            cbor2.loads(body) if body else {}, operation
        )
        answer = requests.post(
            self._url,
            data=request["body"],
            headers={"Authorization": environ["HTTP_AUTHORIZATION"]},
            timeout=60,
        )
        shape: Any = operation.output_shape
        parsed = create_parser("query").parse(
            {"headers": answer.headers, "body": answer.content, "status_code": answer.status_code},
            shape,
        )
        error = parsed.pop("Error", None)
        parsed.pop("ResponseMetadata", None)
        content = (
            parsed if error is None else {"__type": error["Code"], "message": error["Message"]}
        )
        headers = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        start_response("200 OK" if error is None else "400 Bad Request", headers)
        return [cbor2.dumps(content, datetime_as_timestamp=True, timezone=UTC)]


def main() -> None:
    """Serves until it is killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    moto_additions.apply()
    port = int(sys.argv[1])
    moto = serialized(DomainDispatcherApplication(create_backend_app))
    make_server("127.0.0.1", port, CloudWatchByCbor(moto, port), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
