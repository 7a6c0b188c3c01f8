"""Apache Kafka's jars, pinned by version and SHA-256, cached between runs.

A release's lock file names every jar with its checksum. It is all that is downloaded, and nothing
else ever comes onto the class path: a jar with another checksum is refused. The cache holds one
folder for each content of a lock file; several processes may fill it at once (one does, the others
wait), and a process that dies while it downloads leaves nothing that another takes for a jar.

The whole set is hashed when it arrives; later starts compare sizes and modification times with what
was hashed, and hash again if they differ.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csvkafka.errors import StackError
from csvkafka.local.java import INSTALL_HINT
from csvkafka.local.releases import choose_release, lock_file

CACHE_VARIABLE = "CSVKAFKA_CACHE_DIR"
REPOSITORY_VARIABLE = "CSVKAFKA_MAVEN_REPOSITORY"

_TRIES = 3
_TIMEOUT_SECONDS = 60
_DOWNLOADS_AT_ONCE = 8
_VERIFIED = "verified"
_CERTIFICATE_VARIABLE = "REQUESTS_CA_BUNDLE"
_CERTIFICATE_VARIABLES = frozenset((_CERTIFICATE_VARIABLE, "CURL_CA_BUNDLE"))


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock file. `coordinates` are Maven's group:artifact:version."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(path: Path) -> tuple[Jar, ...]:
    """The jars of a lock file, in its order."""
    lines = path.read_text("ascii").splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#")]
    return tuple(Jar(coordinates, sha256) for coordinates, sha256 in pairs)


def cache_directory() -> Path:
    """$CSVKAFKA_CACHE_DIR, else $XDG_CACHE_HOME/csvkafka, else ~/.cache/csvkafka."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "csvkafka"


def kafka_class_path(release: str | None = None) -> str:
    """The class path of a release's brokers and tools (None: the release that `choose_release`
    takes); fetches what the cache does not hold.

    Raises: StackError, naming the jar, if it cannot be fetched or is not the pinned one."""
    jars = read_lock(lock_file(choose_release(release)))
    digest = hashlib.sha256(repr(jars).encode()).hexdigest()[:16]
    return f"{JarFolder(cache_directory() / f'jars-{digest}', jars).complete()}/*"


class JarFolder:
    """A folder that holds exactly the given jars once `complete` has returned."""

    def __init__(self, folder: Path, jars: Sequence[Jar]) -> None:
        self._folder = folder
        self._jars = {jar.file_name: jar for jar in jars}

    def complete(self) -> Path:
        """Verifies, and fetches what is missing. Costs a stat of each jar when all is there."""
        try:
            if not self._is_verified():
                self._folder.mkdir(parents=True, exist_ok=True)
                with _only_one(self._folder / "lock"):
                    if not self._is_verified():
                        self._fill()
        except OSError as error:
            raise StackError(
                f"the cache folder {self._folder} cannot be used ({error}); "
                f"set {CACHE_VARIABLE} to a folder that can be written"
            ) from error
        return self._folder

    def _fingerprint(self) -> str:
        stats = sorted((path.name, path.stat()) for path in self._folder.glob("*.jar"))
        return "".join(f"{name} {stat.st_size} {stat.st_mtime_ns}\n" for name, stat in stats)

    def _is_verified(self) -> bool:
        try:
            return (self._folder / _VERIFIED).read_text() == self._fingerprint()
        except FileNotFoundError:
            return False

    def _fill(self) -> None:
        present = {path.name for path in self._folder.glob("*.jar")}
        for name in present - self._jars.keys():
            (self._folder / name).unlink()
        wanted = [
            jar
            for name, jar in self._jars.items()
            if name not in present or _sha256(self._folder / name) != jar.sha256
        ]
        for left_behind in self._folder.glob("download-*"):
            shutil.rmtree(left_behind)
        with tempfile.TemporaryDirectory(prefix="download-", dir=self._folder) as downloads:
            self._fetch(wanted, Path(downloads))
            stamp = Path(downloads) / _VERIFIED
            stamp.write_text(self._fingerprint())
            stamp.replace(self._folder / _VERIFIED)

    def _fetch(self, wanted: Sequence[Jar], downloads: Path) -> None:
        with certificates_of_this_machine(), ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as executor:
            for jar, path in zip(
                wanted, executor.map(lambda jar: fetch(jar, downloads), wanted), strict=True
            ):
                path.replace(self._folder / jar.file_name)


@contextmanager
def _only_one(lock_path: Path) -> Iterator[None]:
    with lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def certificates_of_this_machine() -> Iterator[None]:
    """Lets jgo trust what Python itself and pip trust here, an organisation's own authority too.

    The library below jgo brings a list of its own, and can be told of another by its variable only.
    """
    machine = ssl.get_default_verify_paths().cafile
    if machine is None or not _CERTIFICATE_VARIABLES.isdisjoint(os.environ):
        yield
        return
    os.environ[_CERTIFICATE_VARIABLE] = machine
    try:
        yield
    finally:
        del os.environ[_CERTIFICATE_VARIABLE]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def maven_context(repository_folder: Path) -> Any:
    """jgo's view of the Maven repository, with a cache folder of its own.

    $CSVKAFKA_MAVEN_REPOSITORY is the URL of a mirror to take instead of Maven Central.
    Raises: StackError, if jgo is not installed."""
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise StackError(f"the embedded stack needs jgo to fetch jars; {INSTALL_HINT}") from error
    mirror = os.environ.get(REPOSITORY_VARIABLE)
    return MavenContext(
        repo_cache=repository_folder,
        local_repos=[],
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_TIMEOUT_SECONDS,
    )


def fetch(jar: Jar, downloads: Path) -> Path:
    """Downloads one jar to somewhere under `downloads`, and verifies it. Raises: StackError."""
    context = maven_context(downloads)
    for remaining in reversed(range(_TRIES)):
        try:
            path = Path(context.create_dependency(jar.coordinates).artifact.resolve())
        except (OSError, RuntimeError) as error:
            # jgo leaves a broken download at the place where it looks for whole ones.
            for partial in downloads.rglob(jar.file_name):
                partial.unlink()
            if remaining == 0:
                raise StackError(
                    f"cannot fetch {jar.coordinates} from the Maven repository: {error}; the "
                    "embedded stack needs the network once. Check HTTPS_PROXY and "
                    f"REQUESTS_CA_BUNDLE, name a mirror in {REPOSITORY_VARIABLE}, or copy a "
                    f"filled cache folder to {cache_directory()}"
                ) from error
        else:
            break
    actual = _sha256(path)
    if actual != jar.sha256:
        raise StackError(
            f"{jar.coordinates} was fetched with SHA-256 {actual}, but {jar.sha256} is pinned; "
            f"nothing of it was used. If a mirror or proxy alters files, go around it"
        )
    return path
