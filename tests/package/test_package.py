"""The wheel and the sdist: the same bytes from any folder, whole, and usable without extras; with a
compiled encoder where there is a compiler, without one quietly where there is none."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
A_MOMENT = "1735689600"  # 2025-01-01T00:00:00Z
COMPILED = "csvkafka/_compiled.abi3.so"
HAS_COMPILER = bool(shutil.which("cc")) and Path(sysconfig.get_path("include"), "Python.h").exists()
INSTALL = ("install", "--quiet", "--no-compile")
"""Few of the modules that are installed are imported: to compile them all costs more."""
WHICH_ENCODER = "import csvkafka.compiled as c; print(c.compiled_module())"


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment that holds pip, `build`, what pyproject.toml requires to build,
    and nothing else. Made once: pip and `build` would make one for each time that they build."""
    folder = tmp_path_factory.mktemp("building") / "venv"
    venv.create(folder, with_pip=True)
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    # For an editable wheel, hatchling asks for `editables` too.
    subprocess.run([folder / "bin/pip", *INSTALL, "build", "editables", *requires], check=True)
    return folder


@pytest.fixture(scope="module")
def builder(building: Path) -> list[str | Path]:
    """The command that builds."""
    return [building / "bin" / "python", "-m", "build", "--no-isolation"]


def build(builder: Sequence[str | Path], source: Path, destination: Path) -> dict[str, str]:
    """Builds both from the folder; the name and SHA-256 of each."""
    subprocess.run(
        [*builder, "--sdist", "--wheel", "--outdir", destination, source],
        check=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": A_MOMENT},
    )
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in destination.iterdir()
    }


@pytest.fixture(scope="module")
def distributions(builder: Sequence[str | Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("dist")
    build(builder, ROOT, destination)
    return destination


@pytest.fixture(scope="module")
def installed(
    building: Path, distributions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of programs of a clean environment that holds the wheel, without extras."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder)
    (wheel,) = distributions.glob("*.whl")
    subprocess.run([*pip_for(folder, building), *INSTALL, wheel], check=True)
    return folder / "bin"


def pip_for(folder: Path, building: Path) -> list[str | Path]:
    """The command of a pip that stands in the one environment and works on the other."""
    return [building / "bin" / "pip", "--python", folder / "bin" / "python"]


def output(*command: str | Path, folder: Path) -> str:
    return subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True).stdout


def test_the_sdist_builds_the_same_bytes_in_another_folder(
    builder: Sequence[str | Path], distributions: Path, tmp_path: Path
) -> None:
    """So it is complete, and neither time, folder nor git decide what is built."""
    (sdist,) = distributions.glob("*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    for path in unpacked.rglob("*"):
        os.utime(path)
    first = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in distributions.iterdir()
    }
    assert build(builder, unpacked, tmp_path / "dist") == first
    assert len(first) == 2


def test_the_wheel_holds_the_package_and_nothing_else(
    installed: Path, building: Path, tmp_path: Path
) -> None:
    tracked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "csvkafka").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    }
    pip = pip_for(installed.parent, building)
    listed = output(*pip, "show", "--files", "csvkafka", folder=tmp_path)
    files = {line.strip() for line in listed.split("Files:\n")[1].splitlines()}
    of_package = {name for name in files if not name.startswith(("csvkafka-", "../"))}
    held = {name for name in of_package if "__pycache__" not in name}
    assert held == (tracked | {COMPILED} if HAS_COMPILER else tracked)


def test_the_package_is_imported_without_any_extra(installed: Path, tmp_path: Path) -> None:
    code = "import csvkafka, csvkafka.__main__; print(csvkafka.__file__)"
    place = output(installed / "python", "-c", code, folder=tmp_path)
    assert place.startswith(str(installed.parent))


def test_the_command_line_runs_without_any_extra(installed: Path, tmp_path: Path) -> None:
    version = output(
        installed / "python", "-c", "import csvkafka as c; print(c.__version__)", folder=tmp_path
    )
    assert version.strip() in output(installed / "csvkafka", "--version", folder=tmp_path)
    assert "load" in output(installed / "csvkafka", "--help", folder=tmp_path)


# -- the compiled encoder ----------------------------------------------------------------------


@pytest.fixture
def sources(distributions: Path, tmp_path: Path) -> Path:
    """A folder of sources of its own."""
    (sdist,) = distributions.glob("*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path / "sources")
    (folder,) = (tmp_path / "sources").iterdir()
    return folder


def test_the_version_says_which_encoder_was_built(installed: Path, tmp_path: Path) -> None:
    encoder = "compiled" if HAS_COMPILER else "Python"
    assert f"({encoder} encoder)" in output(installed / "csvkafka", "--version", folder=tmp_path)


@pytest.mark.skipif(not HAS_COMPILER, reason="there is no C compiler, or none of Python's headers")
def test_a_compiled_wheel_is_for_every_later_python(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    assert "-cp311-abi3-" in wheel.name
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".c", ".h"))]


@pytest.mark.parametrize("environment", [{"CC": "/nonexistent"}, {"CSVKAFKA_PURE": "1"}])
def test_without_a_compiler_the_wheel_is_pure(
    builder: Sequence[str | Path], sources: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    (sources / COMPILED).write_bytes(b"left over")
    command = [*builder, "--wheel", "--outdir", tmp_path / "dist", sources]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]


def test_an_editable_install_compiles_beside_the_sources(
    building: Path, sources: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv")
    programs = tmp_path / "venv" / "bin"
    packages, to_build = (
        next(folder.glob("lib/python*/site-packages")) for folder in (tmp_path / "venv", building)
    )
    (packages / "to_build.pth").write_text(f"{to_build}\n")
    options = ("--no-deps", "--no-build-isolation", "--editable")
    install: list[str | Path] = [programs / "python", "-m", "pip", *INSTALL, *options, sources]
    subprocess.run(install, check=True)
    assert (sources / COMPILED).exists() is HAS_COMPILER
    encoder = output(programs / "python", "-c", WHICH_ENCODER, folder=tmp_path)
    assert ("_compiled" in encoder) is HAS_COMPILER
    # What an earlier install left behind is not what this one asks for.
    subprocess.run(install, check=True, env={**os.environ, "CSVKAFKA_PURE": "1"})
    assert not (sources / COMPILED).exists()
