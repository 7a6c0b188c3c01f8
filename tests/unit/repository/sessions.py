"""What developers call by a name: the sessions of the noxfile, and the environments of tox."""

from __future__ import annotations

import configparser
import re

from tests.unit.repository.markdown import ROOT

NOX_SESSIONS = frozenset(
    re.findall(
        r"^@nox\.session\n(?:@.+\n)*def (\w+)", (ROOT / "noxfile.py").read_text(), re.MULTILINE
    )
)


def tox_environments() -> frozenset[str]:
    """Those that `tox` runs, and those that have a section of their own."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini")
    listed = settings["tox"]["env_list"].replace(",", " ").split()
    own = (name.removeprefix("testenv:") for name in settings.sections())
    return frozenset([*listed, *own])
