"""`python -m csvkafka`: the documented `main()`, with all settings from the environment.

With arguments it is the command line: `python -m csvkafka status JOB`.
"""

from __future__ import annotations

import sys

from csvkafka.process.collector import spare_long_lived_objects
from csvkafka.process.signals import end_at_once_on_signals


def command_line() -> None:
    """The script `csvkafka`."""
    end_at_once_on_signals()
    from csvkafka.cli import program

    program.main()


def documented_main() -> None:
    """`python -m csvkafka` and `python -m csvkafka.processor`."""
    end_at_once_on_signals()
    spare_long_lived_objects()
    try:
        from csvkafka.processor import main
    except (AttributeError, ImportError):
        hidden = _hidden_by_files_here()
        if not hidden:
            raise
        sys.exit(
            f"csvkafka: error: {', '.join(hidden)} in this folder hides a module that Python or "
            "csvkafka needs; rename it, or run `python -P -m csvkafka`"
        )
    main()


def _hidden_by_files_here() -> list[str]:
    """Files of the folder that `python -m` looks into before all others, which were imported by
    now."""
    if sys.flags.safe_path:
        return []
    from pathlib import Path

    here = Path(sys.path[0]).resolve()
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return sorted({file for file in files if file and Path(file).resolve().parent == here})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        command_line()
    else:
        documented_main()
