"""Python's garbage collector, as far as the program's own process is concerned.

Importing boto3 and kafka-python makes some hundred thousand objects that live to the end. Looking
through them again and again, and a last time at the exit, takes longer than all else that a start
and an end do. A load itself leaves next to no cycles. Only entry points call this: a program that
uses csvkafka as a library keeps its own settings.
"""

from __future__ import annotations

import atexit
import gc

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Python's default is 700. Cycles of so many objects may wait: some 10 MB at the worst."""


def spare_long_lived_objects() -> None:
    """Collects rarely, and not at the exit, where the kernel takes all memory back anyway."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)
