"""Recipes of the look-alike images; their folder's README says what each is like and what not."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import engine

from csvkafka.local import aws_server, jars, java, releases
from csvkafka.testing.stacks import images

FOLDER = engine.ROOT / "docker" / "look_alikes"
PACKAGE = engine.ROOT / "csvkafka"
SUITE = "trixie"
MIRROR_VARIABLE = "CSVKAFKA_DEBIAN_MIRROR"
NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
              "var/lib/apt/lists", "var/cache/apt", "var/log")  # fmt: skip


@dataclass(frozen=True, slots=True)
class LookAlike:
    """One image: what it is tagged as, the files that it follows from, and how it is made.

    `fill` puts into a build context what the folder of the recipe does not hold."""

    image: images.Image
    build: Callable[[LookAlike, Path], None]
    sources: Sequence[Path] = ()
    base: LookAlike | None = None
    fill: Callable[[Path], None] = field(default=lambda _: None)
    only_as_base: bool = False

    def fingerprint(self) -> str:
        """Hash of all that the image follows from; an image with another one is built anew."""
        digest = hashlib.sha256(self.image.name.encode())
        if self.base is not None:
            digest.update(self.base.fingerprint().encode())
        for source in self.sources:
            files = sorted(source.rglob("*")) if source.is_dir() else [source]
            for path in files:
                if path.is_file():
                    digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]

    def is_needed(self) -> bool:
        """Whether it is to be provided by itself, and not only when another is built on it."""
        return not self.only_as_base


def build_look_alike(recipe: LookAlike) -> None:
    """Builds the image, and first the look-alike that it stands on, if there is none."""
    if recipe.base is not None:
        name = recipe.base.image.name
        label = engine.image_label(name, engine.LOOK_ALIKE_LABEL)
        if label != recipe.base.fingerprint() and (label or not engine.image_exists(name)):
            build_look_alike(recipe.base)
    with tempfile.TemporaryDirectory(prefix="csvkafka-image-") as context:
        recipe.build(recipe, Path(context))


def _debootstrap(recipe: LookAlike, context: Path) -> None:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise engine.EngineError(
            f"{recipe.image.name} is not there and cannot be pulled; to build a look-alike, be "
            "root on Debian or Ubuntu, and: apt-get install debootstrap"
        )
    root = context / "root"
    mirror = os.environ.get(MIRROR_VARIABLE, "http://deb.debian.org/debian")
    command = ["debootstrap", "--variant=minbase", SUITE, str(root), mirror]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise engine.EngineError(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-500:]}")
    for folder in NOT_NEEDED:
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir()
    unwanted = "".join(f"path-exclude /{folder}/*\n" for folder in NOT_NEEDED[:4])
    (root / "etc/dpkg/dpkg.cfg.d/no-documentation").write_text(unwanted)
    label = f"LABEL {engine.LOOK_ALIKE_LABEL}={recipe.fingerprint()}"
    tar = subprocess.Popen(
        ["tar", "-C", str(root), "--numeric-owner", "-c", "."], stdout=subprocess.PIPE
    )
    assert tar.stdout is not None
    changes = ["--change", 'CMD ["bash"]', "--change", label]
    engine.run(["import", *changes, "-", recipe.image.name], stdin=tar.stdout.fileno())
    if tar.wait() != 0:
        raise engine.EngineError(f"tar of {root} failed")


def _dockerfile(recipe: LookAlike, context: Path) -> None:
    shutil.copytree(recipe.sources[0], context, dirs_exist_ok=True)
    recipe.fill(context)
    engine.build(
        context,
        context / "Dockerfile",
        [recipe.image.name],
        {"DEBIAN_IMAGE": images.DEBIAN.name, "PYTHON_IMAGE": images.PYTHON.name},
        {engine.LOOK_ALIKE_LABEL: recipe.fingerprint()},
    )


def _fill_kafka(context: Path) -> None:
    libraries = Path(jars.kafka_class_path()).parent
    (context / "libs").mkdir()
    for jar in libraries.glob("*.jar"):
        shutil.copy(jar, context / "libs")
    shutil.copytree(java.java_home(), context / "java", symlinks=True)


def _fill_localstack(context: Path) -> None:
    for path in (PACKAGE / "__init__.py", *_server_modules()):
        target = context / path.relative_to(engine.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


@functools.cache
def _server_modules() -> tuple[Path, ...]:
    folder = Path(aws_server.__file__).parent
    return tuple(folder / name for name in ("__init__.py", "aws_server.py", "ports.py"))


DEBIAN = LookAlike(images.DEBIAN, _debootstrap, (Path(__file__),), only_as_base=True)
PYTHON = LookAlike(images.PYTHON, _dockerfile, (FOLDER / "python",), DEBIAN)
LOCALSTACK = LookAlike(
    images.LOCALSTACK, _dockerfile, (FOLDER / "localstack", *_server_modules()), PYTHON,
    _fill_localstack,
)  # fmt: skip


def look_alikes() -> tuple[LookAlike, ...]:
    """All, Kafka's of the chosen release. Raises: StackError, if there is no such release."""
    jars_of_release = releases.lock_file(releases.choose_release())
    sources = (FOLDER / "kafka", jars_of_release)
    kafka = LookAlike(images.kafka_image(), _dockerfile, sources, DEBIAN, _fill_kafka)
    return (PYTHON, kafka, LOCALSTACK)
