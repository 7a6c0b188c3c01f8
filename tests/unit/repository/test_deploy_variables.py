"""docs/deploy-variables.md has every variable of deploy/, as it is there."""

from __future__ import annotations

import re

from tests.deploy.variables import DEPLOY, PAGE, page


def test_the_page_is_made_of_the_variables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make it anew: nox -s variables"


def test_no_variable_is_left_out() -> None:
    files = [DEPLOY / "common.tf", *DEPLOY.glob("option*/variables.tf")]
    texts = "".join(path.read_text() for path in files)
    names = set(re.findall(r'^variable "(\w+)"', texts, re.M))
    text = (DEPLOY / "modules" / "job" / "variables.tf").read_text()
    (job,) = re.findall(r"type = object\(\{\n(.*?)^  \}\)", text, re.M | re.S)
    attributes = {f"job.{line.split()[0]}" for line in job.splitlines()}
    rows = set(re.findall(r"^\| `([\w.]+)` \|", page(), re.M))
    # deploy.sh gives the tag.
    assert rows == (names - {"job", "image_tag"}) | attributes
