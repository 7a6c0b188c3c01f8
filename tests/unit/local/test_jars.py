"""The jar cache: pinned, verified, shared by processes, and clear about what it cannot fetch."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from csvkafka.errors import StackError
from csvkafka.local.jars import Jar, JarFolder, cache_directory, read_lock
from csvkafka.local.releases import known_releases, lock_file
from tests.certificates import certificate

CONTENTS = {f"artifact{number}": f"jar {number}".encode() * 1000 for number in range(4)}
JARS = tuple(
    Jar(f"org.example:{artifact}:1.0", hashlib.sha256(content).hexdigest())
    for artifact, content in CONTENTS.items()
)


class Repository:
    """A Maven repository on loopback, or a proxy that answers for one."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.truncated = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        content = CONTENTS.get(handler.path.split("/")[-3])
        if content is None or not handler.path.endswith(".jar"):
            handler.send_error(404)
            return
        with self._lock:
            self.requests.append(handler.path)
            cut = self.truncated > 0
            self.truncated -= cut
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if cut else content)


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    repository = Repository()
    thread = threading.Thread(target=repository.server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("CSVKAFKA_MAVEN_REPOSITORY", repository.url)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    yield repository
    repository.server.shutdown()
    repository.server.server_close()
    thread.join()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.jar")}


def test_a_full_cache_asks_nobody(repository: Repository, tmp_path: Path) -> None:
    folder = JarFolder(tmp_path / "jars", JARS).complete()
    assert {path.name: path.read_bytes() for path in folder.glob("*.jar")} == {
        f"{artifact}-1.0.jar": content for artifact, content in CONTENTS.items()
    }
    assert not list(folder.glob("download-*"))
    assert len(repository.requests) == len(JARS)
    JarFolder(folder, JARS).complete()
    assert len(repository.requests) == len(JARS)


def test_a_jar_that_was_altered_in_the_cache_is_fetched_again(
    repository: Repository, tmp_path: Path
) -> None:
    folder = JarFolder(tmp_path, JARS).complete()
    altered = folder / JARS[1].file_name
    altered.write_bytes(b"x" * altered.stat().st_size)
    (folder / JARS[2].file_name).unlink()
    (folder / "stranger.jar").write_bytes(b"not pinned")
    JarFolder(folder, JARS).complete()
    assert altered.read_bytes() == CONTENTS["artifact1"]
    assert names_in(folder) == {jar.file_name for jar in JARS}
    assert len(repository.requests) == len(JARS) + 2


def test_a_jar_with_another_checksum_is_refused(repository: Repository, tmp_path: Path) -> None:
    wrong = Jar(JARS[0].coordinates, "0" * 64)
    with pytest.raises(StackError, match=r"org\.example:artifact0:1\.0 .* is pinned"):
        JarFolder(tmp_path, (wrong,)).complete()
    assert names_in(tmp_path) == set()
    assert len(repository.requests) == 1


def test_a_broken_download_is_tried_again(repository: Repository, tmp_path: Path) -> None:
    repository.truncated = 2
    JarFolder(tmp_path, JARS[:1]).complete()
    assert (tmp_path / JARS[0].file_name).read_bytes() == CONTENTS["artifact0"]
    assert len(repository.requests) == 3


def test_a_jar_that_is_not_there_is_named(repository: Repository, tmp_path: Path) -> None:
    missing = Jar("org.example:missing:2.0", "0" * 64)
    with pytest.raises(StackError, match=r"org\.example:missing:2\.0.*CSVKAFKA_MAVEN_REPOSITORY"):
        JarFolder(tmp_path, (missing,)).complete()
    assert repository.requests == []


def test_no_network_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CSVKAFKA_MAVEN_REPOSITORY", "http://127.0.0.1:1")
    with pytest.raises(StackError, match=r"org\.example:artifact0:1\.0.*HTTPS_PROXY"):
        JarFolder(tmp_path, JARS[:1]).complete()


def test_jars_come_through_the_proxy_of_the_environment(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CSVKAFKA_MAVEN_REPOSITORY", "http://maven.invalid/maven2")
    monkeypatch.setenv("HTTP_PROXY", repository.url)
    JarFolder(tmp_path, JARS).complete()
    assert len(repository.requests) == len(JARS)
    assert all(url.startswith("http://maven.invalid/maven2/") for url in repository.requests)


def test_several_at_once_fetch_each_jar_once(repository: Repository, tmp_path: Path) -> None:
    fill = (
        "import sys; from pathlib import Path\n"
        "from csvkafka.local.jars import Jar, JarFolder\n"
        "jars = [Jar(*pair.split()) for pair in sys.argv[2:]]\n"
        "print(JarFolder(Path(sys.argv[1]), jars).complete())"
    )
    pairs = [f"{jar.coordinates} {jar.sha256}" for jar in JARS]

    def run(_: int) -> str:
        command = [sys.executable, "-P", "-c", fill, str(tmp_path), *pairs]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    with ThreadPoolExecutor(4) as executor:
        assert set(executor.map(run, range(4))) == {f"{tmp_path}\n"}
    assert len(repository.requests) == len(JARS)


def test_what_a_killed_download_left_is_not_taken(repository: Repository, tmp_path: Path) -> None:
    left_behind = tmp_path / "download-1234"
    left_behind.mkdir()
    (left_behind / JARS[0].file_name).write_bytes(b"half")
    JarFolder(tmp_path, JARS).complete()
    assert not left_behind.exists()
    assert len(repository.requests) == len(JARS)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StackError, match="CSVKAFKA_CACHE_DIR"):
        JarFolder(tmp_path / "file" / "jars", JARS).complete()


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CSVKAFKA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_directory() == Path("/home/me/.cache/csvkafka")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_directory() == Path("/cache/csvkafka")
    monkeypatch.setenv("CSVKAFKA_CACHE_DIR", "/jars")
    assert cache_directory() == Path("/jars")


@pytest.mark.parametrize("release", known_releases())
def test_every_jar_of_a_lock_file_is_pinned(release: str) -> None:
    jars = read_lock(lock_file(release))
    assert f"org.apache.kafka:kafka_2.13:{release}" in {jar.coordinates for jar in jars}
    assert f"org.apache.kafka:kafka-tools:{release}" in {jar.coordinates for jar in jars}
    assert len([jar for jar in jars if jar.coordinates.startswith("org.slf4j:")]) == 2
    assert len({jar.file_name for jar in jars}) == len(jars)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


def self_signed(folder: Path) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file, that only its own reader trusts."""
    path = folder / "own.pem"
    path.write_text("".join(certificate()))
    return path


def test_an_authority_that_the_machine_trusts_is_trusted(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own)
    repository.server.socket = context.wrap_socket(repository.server.socket, server_side=True)
    monkeypatch.setenv("CSVKAFKA_MAVEN_REPOSITORY", repository.url.replace("http:", "https:"))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    JarFolder(tmp_path / "jars", JARS).complete()
    assert names_in(tmp_path / "jars") == {jar.file_name for jar in JARS}
    assert "REQUESTS_CA_BUNDLE" not in os.environ
