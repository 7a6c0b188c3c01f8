"""Azurite, Microsoft's emulator of Azure Storage, from npm: installed once, into the cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from csvkafka.local.jars import cache_directory
from csvkafka.local.made_once import made_once

RELEASE = "3.35.0"

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Those that Azurite documents."""


def why_not() -> str | None:
    """Why Azurite cannot be had here; None: it can."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        return f"no {' and no '.join(missing)} for Azurite"
    try:
        _home()
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode().strip().splitlines() or ["it says nothing"]
        return f"npm does not install Azurite ({said[0]})"
    return None


def _home() -> Path:
    home = cache_directory() / f"azurite-{RELEASE}"
    home.parent.mkdir(parents=True, exist_ok=True)
    made_once(home, _install)
    return home


def command(port: int) -> list[str]:
    """What serves blobs on the port, from memory."""
    program = _home() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    node = ["node", str(program), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    return [*node, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck"]


def _install(home: Path) -> None:
    home.mkdir()
    npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel", "error"]
    subprocess.run(
        [*npm, "--prefix", str(home), f"azurite@{RELEASE}"], check=True, capture_output=True
    )


def connection_string(port: int) -> str:
    """What a client needs to know."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )
