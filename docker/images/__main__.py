"""All that is done with images, one module a task: `python docker/images TASK …`.

    build      makes every image that the tests need be there, and builds the job's own
    lock       writes the lock files of the images anew
    scan       lists what is in the job's image, and whether that has known weaknesses
    publish    pushes the job's image that was tested here

`nox -s images`, `lock`, `scan` and `publish` run them; `engine` and `look_alikes` are what they
stand on. `python docker/images TASK --help` tells a task's options.
"""

from __future__ import annotations

import importlib
import sys

import engine

TASKS = ("build", "lock", "scan", "publish")


def main() -> int:
    """Runs the task that the first argument names, with the other ones."""
    task, *arguments = sys.argv[1:] or [""]
    if task not in TASKS:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        # A task's module is imported when it is asked for: `lock` needs no csvkafka.
        code: int = importlib.import_module(task).main(arguments)
    except engine.EngineError as error:
        print(f"{task}: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
