"""gcp-storage-emulator as a process, with what Google documents and it does not do: a download
under `ifGenerationMatch` answers 412 when another generation stands there.

    python -m tests.integration.gcs_server PORT
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any

from gcp_storage_emulator.handlers import objects


def _under_conditions() -> None:
    emulated = objects.download

    def download(request: Any, response: Any, storage: Any, *args: Any, **kwargs: Any) -> None:
        wanted = request.query.get("ifGenerationMatch")
        if wanted and wanted[0] != _generation(request, storage):
            response.status = HTTPStatus.PRECONDITION_FAILED
            response.write("conditionNotMet")
        else:
            emulated(request, response, storage, *args, **kwargs)

    objects.download = download


def _generation(request: Any, storage: Any) -> str:
    from gcp_storage_emulator.exceptions import NotFound

    try:
        names = request.params["bucket_name"], request.params["object_id"]
        generation: str = storage.get_file_obj(*names)["generation"]
    except NotFound:
        return "0"  # Google's number for "there is none"
    return generation


if __name__ == "__main__":
    _under_conditions()
    # It binds the handlers when it is imported.
    from gcp_storage_emulator.server import create_server

    create_server("127.0.0.1", int(sys.argv[1]), in_memory=True).run()
