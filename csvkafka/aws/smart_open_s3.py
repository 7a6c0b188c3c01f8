"""smart_open's reader of S3, without what it would import for other stores.

`import smart_open.s3` imports smart_open's ways into all stores, and with them the client of each
that is installed: with Google's and Azure's that took 23 MB and a quarter of a second of each load.
Here they are imported when somebody, a TRANSFORM for example, first asks smart_open for one.
"""

from __future__ import annotations

import sys
from threading import Lock
from types import ModuleType
from typing import cast

_OTHERS = tuple(
    f"smart_open.{name}" for name in ("azure", "ftp", "gcs", "hdfs", "http", "ssh", "webhdfs")
)
_lock = Lock()


def smart_open_s3() -> ModuleType:
    """The module `smart_open.s3`."""
    with _lock:
        if "smart_open" not in sys.modules:
            _import_alone()
    import smart_open.s3

    return cast(ModuleType, smart_open.s3)


def _import_alone() -> None:
    # smart_open passes over a way whose import fails, and None makes it fail.
    sys.modules.update(dict.fromkeys(_OTHERS))  # type: ignore[arg-type]
    try:
        from smart_open import transport
    finally:
        for name in _OTHERS:
            sys.modules.pop(name, None)
    known = transport.get_transport
    left = list(_OTHERS)

    def get_transport(scheme: str) -> ModuleType:
        while left and scheme not in transport._REGISTRY:
            transport.register_transport(left.pop())
        return cast(ModuleType, known(scheme))

    transport.get_transport = get_transport
