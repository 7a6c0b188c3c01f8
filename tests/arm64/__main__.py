"""Tests the compiled code on arm64, where it searches bytes by other instructions: `nox -s arm64`,
or

    python -m tests.arm64 FOLDER [TESTS AND OPTIONS OF PYTEST]

A cross compiler builds the extension. Debian's Python for arm64 then runs the unit tests of what
encodes, in an emulator. That Python, and the packages that the tests import, are put into FOLDER
once and stay there. Needs root, and the packages of Debian or Ubuntu in `PROGRAMS`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DEBIAN, PYTHON = "bookworm", "3.11"
COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
PROGRAMS = {"debootstrap": "debootstrap", COMPILER: "gcc-aarch64-linux-gnu", EMULATOR: "qemu-user"}
"""What must be on the path, and the package that holds it."""

IMPORTED = (
    *("crc32c", "fastavro", "hypothesis", "isal", "kafka-python>=3.0.12,<3.1", "orjson"),
    *("lz4", "pytest", "pytest-timeout", "python-snappy>=0.7", "zstandard"),
)
"""What the tests import, and what the tested code imports."""

TESTS = ("tests/unit/encode", "tests/unit/rows", "tests/unit/testing/checker")
LEFT_OUT = ("-k", "not encode_worker")
"""Leaves out tests that start a process: this machine cannot run it without the emulator."""


def main(folder: Path, options: list[str]) -> int:
    """Returns the exit code of pytest."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        sys.exit(f"not all programs are on the path: apt-get install {' '.join(missing)}")
    root, packages, tree = folder / "root", folder / "packages", folder / "tree"
    if not packages.exists():
        _unpack_debian(root)
        _install(packages)
    _copy(tree)
    _compile(root, tree / "csvkafka/_compiled.abi3.so")
    python = [EMULATOR, "-L", str(root), str(root / f"usr/bin/python{PYTHON}")]
    environment = {
        **os.environ,
        "CSVKAFKA_ENCODER": "compiled",
        "PYTHONPATH": os.pathsep.join(map(str, (tree, packages))),
    }
    names_tests = any(Path(tree, option.partition("::")[0]).exists() for option in options)
    which = options if names_tests else [*TESTS, *LEFT_OUT, *options]
    command = [*python, "-m", "pytest", "-p", "no:cacheprovider", *which]
    return subprocess.run(command, cwd=tree, env=environment, check=False).returncode


def _unpack_debian(root: Path) -> None:
    """Only unpacks the packages: to set them up, programs for arm64 would have to run here."""
    shutil.rmtree(root, ignore_errors=True)
    wanted = f"--include=python{PYTHON},libpython{PYTHON}-dev"
    options = ("--foreign", "--arch=arm64", "--variant=minbase", wanted)
    _run("debootstrap", *options, DEBIAN, str(root))
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        _run("dpkg-deb", "--extract", str(package), str(root))


def _install(packages: Path) -> None:
    kind = ("--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}")
    systems = [f"--platform={name}_aarch64" for name in ("manylinux2014", "manylinux_2_28")]
    target = f"--target={packages}"
    _run(sys.executable, "-m", "pip", "install", "--quiet", *kind, *systems, target, *IMPORTED)


def _copy(tree: Path) -> None:
    """Copies the working tree, without what was compiled for this machine."""
    shutil.rmtree(tree, ignore_errors=True)
    left_out = shutil.ignore_patterns("*.so", "__pycache__")
    for name in ("csvkafka", "tests"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=left_out)
    shutil.copy(REPOSITORY / "pyproject.toml", tree)


def _compile(root: Path, module: Path) -> None:
    """Builds the extension as hatch_build.py does."""
    options = ["-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    of_python = (f"python{PYTHON}", f"aarch64-linux-gnu/python{PYTHON}", "")
    options += [f"-isystem{root}/usr/include/{folder}" for folder in of_python]
    options += os.environ.get("CFLAGS", "").split()
    _run(COMPILER, *options, str(REPOSITORY / "compiled/module.c"), "-o", str(module))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tests.arm64 FOLDER [TESTS AND OPTIONS OF PYTEST]")
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
