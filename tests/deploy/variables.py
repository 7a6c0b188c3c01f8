"""docs/deploy-variables.md, made of the variables in deploy/.

python -m tests.deploy.variables > docs/deploy-variables.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGE = DEPLOY.parent / "docs" / "deploy-variables.md"
OPTIONS = {"1": "option1-ecs-fargate", "2": "option2-aws-batch", "3": "option3-ec2-spot"}
_BLOCK = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.M | re.S)
_ATTRIBUTE = re.compile(r"^    (\w+) += (optional\()?([\w()]+)(?:, (.+)\))? +# (.+)$", re.M)
_GIVEN_BY_SCRIPTS = {"image_tag"}
_HEAD = """# The variables of a deployment

They stand in `terraform.tfvars`, in the option's folder. Those without a default must be given.
What is wrong is said by `./deploy.sh` before anything changes. [deploy.md](deploy.md) tells when
each is needed. This page is made of the Terraform in `deploy/` (`nox -s variables`).

| variable | options | default | meaning |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Variable:
    """`defaults` are those of the options that have the variable; None: it must be given."""

    name: str
    meaning: str
    defaults: tuple[tuple[str, str | None], ...]

    def __str__(self) -> str:
        options = ", ".join(option for option, _ in self.defaults)
        if len(self.defaults) == len(OPTIONS):
            options = "all"
        values = {default for _, default in self.defaults}
        if len(values) == 1:
            (value,) = values
            shown = _shown(value)
        else:
            shown = ", ".join(f"{option}: {_shown(value)}" for option, value in self.defaults)
        meaning = self.meaning.replace("|", "\\|")
        return f"| `{self.name}` | {options} | {shown} | {meaning} |"


def _shown(default: str | None) -> str:
    return "**none**" if default is None else f"`{default}`"


def _blocks(path: Path) -> dict[str, tuple[str, str | None]]:
    """Each variable's description and default."""
    found = {}
    for name, body in _BLOCK.findall(path.read_text()):
        description = re.search(r'^  description = "(.+)"$', body, re.M)
        default = re.search(r"^  default += (.+)$", body, re.M)
        assert description is not None, f"{path}: {name} has no description"
        found[name] = (description[1].replace('\\"', '"'), default and default[1])
    return found


def _attributes() -> list[Variable]:
    """Those of `job`, which have their descriptions as comments."""
    text = (DEPLOY / "modules" / "job" / "variables.tf").read_text()
    every = tuple(OPTIONS)
    return [
        Variable(
            f"job.{name}",
            meaning,
            tuple((option, default if optional else None) for option in every),
        )
        for name, optional, _, default, meaning in _ATTRIBUTE.findall(text)
    ]


def variables() -> list[Variable]:
    """All of them: those that must be given, the job's, those of all options, those of one."""
    shared = _blocks(DEPLOY / "common.tf")
    own = {option: _blocks(DEPLOY / folder / "variables.tf") for option, folder in OPTIONS.items()}
    both = [
        Variable(name, meaning, tuple((option, default) for option in OPTIONS))
        for name, (meaning, default) in shared.items()
        if name not in {"job", *_GIVEN_BY_SCRIPTS}
    ]
    names = list(dict.fromkeys(name for blocks in own.values() for name in blocks))
    single = []
    for name in names:
        have = {option: blocks[name] for option, blocks in own.items() if name in blocks}
        (meaning,) = {description for description, _ in have.values()}
        defaults = tuple((option, default) for option, (_, default) in have.items())
        single.append(Variable(name, meaning, defaults))
    given = [each for each in both if each.defaults[0][1] is None]
    return [*given, *_attributes(), *(each for each in both if each not in given), *single]


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"{each}\n" for each in variables())


if __name__ == "__main__":
    print(page(), end="")
