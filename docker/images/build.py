"""Makes every image that the tests need be there: `python docker/images build`.

The images of the stack and the base image are kept if they are there, else pulled, else (where no
registry answers) built as look-alikes from Debian packages, pip packages and jars. The job's image
is always built; without changes that costs a second. Run it as often as you like.

$CSVKAFKA_KAFKA_RELEASE is the release of Kafka's image.

    --no-pull         build what is missing without asking a registry
    --job-only        build the job's image alone
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Sequence

import engine
from look_alikes import LookAlike, build_look_alike, look_alikes

from csvkafka import __version__
from csvkafka.errors import StackError
from csvkafka.testing.stacks import images


def provide(recipe: LookAlike, *, pull: bool) -> str:
    """Makes the image of the recipe be there; returns what was done."""
    name = recipe.image.name
    built = engine.image_label(name, engine.LOOK_ALIKE_LABEL)
    if built == recipe.fingerprint() or (built == "" and engine.image_exists(name)):
        return "is there"
    if pull and not built and engine.run(["pull", "--quiet", name], check=False) == 0:
        return "pulled"
    build_look_alike(recipe)
    return "built as a look-alike"


def build_job() -> None:
    """Builds the job's image, tagged with its name and with csvkafka's version."""
    name = images.JOB.name
    created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    arguments = {
        "PYTHON_IMAGE": images.PYTHON.name,
        "VERSION": __version__,
        "REVISION": engine.revision(),
        "CREATED": engine.git("log", "-1", "--format=%cI") or created,
    }
    tags = [name, f"{name.rpartition(':')[0] or name}:{__version__}"]
    engine.build(engine.ROOT, engine.ROOT / "docker" / "Dockerfile", tags, arguments)


def _recipes() -> tuple[LookAlike, ...]:
    try:
        return look_alikes()
    except StackError as error:  # no such release
        raise engine.EngineError(str(error)) from error


def main(arguments: Sequence[str]) -> int:
    """Provides the images one after the other and says what each took."""
    parser = argparse.ArgumentParser(
        prog="build", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--no-pull", action="store_true")
    parser.add_argument("--job-only", action="store_true")
    options = parser.parse_args(arguments)
    engine.check()
    for recipe in () if options.job_only else _recipes():
        if not recipe.is_needed():
            continue
        begin = time.monotonic()
        done = provide(recipe, pull=not options.no_pull)
        print(f"{recipe.image.name}: {done} ({time.monotonic() - begin:.1f} s)", flush=True)
    begin = time.monotonic()
    build_job()
    for label in (engine.LOOK_ALIKE_LABEL, "org.opencontainers.image.title=csvkafka"):
        engine.prune(label)
    size = engine.image_size(images.JOB.name) / 1e6
    print(f"{images.JOB.name}: built, {size:.0f} MB ({time.monotonic() - begin:.1f} s)", flush=True)
    return 0
