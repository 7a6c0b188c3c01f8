"""What is made once for a machine and kept in the cache: by one process, while others wait."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable
from pathlib import Path


def made_once(path: Path, make: Callable[[Path], None]) -> None:
    """Has `make` make the file or folder under another name, unless it is there; then it appears,
    whole. Several processes may ask at once.

    Raises: OSError, where nothing can be written."""
    if path.exists():
        return
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        with tempfile.TemporaryDirectory(prefix=f"{path.stem}-", dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            make(unfinished)
            unfinished.replace(path)
