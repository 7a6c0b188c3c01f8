"""Builds the compiled encoder into the wheel. Where there is no C compiler or none of Python's
headers, or CSVKAFKA_PURE is set, the wheel is pure, and csvkafka encodes in Python."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

MODULE = "csvkafka._compiled"
SOURCES = "compiled"
"""The folder of C sources; module.c includes the others."""

PURE_VARIABLE = "CSVKAFKA_PURE"
STABLE_ABI = "cp311-abi3"
"""One wheel serves CPython 3.11 and every later one."""


class CompiledEncoder(BuildHookInterface):
    """Compiles beside the sources for an editable install, else in a temporary folder."""

    _folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the compiled encoder to the wheel, if it can be built."""
        is_editable = version == "editable"
        for left_over in Path(self.root, "csvkafka").glob("_compiled.*.so") if is_editable else ():
            left_over.unlink()
        if os.environ.get(PURE_VARIABLE) or not _has_stable_abi():
            return
        self._folder = tempfile.TemporaryDirectory()
        destination = self.root if is_editable else self._folder.name
        try:
            built = _compile(self.root, self._folder.name, destination)
        except Exception as error:  # noqa: BLE001 - whatever a compiler and its driver may raise
            self.app.display_warning(f"csvkafka will encode in Python, nothing compiles: {error}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"{STABLE_ABI}-{platform}"
        build_data["force_include"][str(built)] = f"csvkafka/{built.name}"

    def finalize(self, *_: object) -> None:
        """Drops what the wheel holds by now."""
        if self._folder is not None:
            self._folder.cleanup()


def _has_stable_abi() -> bool:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return sys.implementation.name == "cpython" and os.name == "posix" and not free_threaded


def _compile(root: str, folder: str, destination: str) -> Path:
    """Builds in `folder`; the path of the module below `destination`."""
    extension = Extension(
        MODULE,
        [f"{SOURCES}/module.c"],
        depends=[str(path) for path in Path(root, SOURCES).glob("*.h")],
        # No path of this machine, so that the same sources make the same bytes in any folder.
        extra_compile_args=["-std=c11", "-O3", "-g0", f"-ffile-prefix-map={root}=."],
        py_limited_api=True,
    )
    command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
    command.build_temp = folder
    command.build_lib = destination
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath(MODULE))
