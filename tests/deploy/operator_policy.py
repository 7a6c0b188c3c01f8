"""What an operator may do (deploy/operator-policy.json), and what scripts and terraform asked."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

from tests.deploy.folders import DEPLOY

POLICY = DEPLOY / "operator-policy.json"
_OF_OPERATORS = ("Terraform", "aws-cli")
_SERVICES = {"monitoring": "cloudwatch"}
_ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "sts:GetCallerIdentity": None,
}
"""IAM's names, where they differ from the calls'; None: nobody is refused."""


def granted() -> list[str]:
    """The actions, with their stars."""
    statements = json.loads(POLICY.read_text())["Statement"]
    actions = [each["Action"] for each in statements]
    return [name for some in actions for name in ([some] if isinstance(some, str) else some)]


def not_granted(asked: Path) -> set[str]:
    """What scripts or terraform asked of the account and the policy does not grant."""
    actions = set()
    for line in asked.read_text().splitlines():
        call, _, agent = line.partition(" ")
        if any(name in agent for name in _OF_OPERATORS):
            service, _, name = call.partition(":")
            call = f"{_SERVICES.get(service, service)}:{name}"
            actions.add(_ACTIONS.get(call, call))
    # IAM takes actions in either case, and moto tells some without it.
    patterns = [pattern.lower() for pattern in granted()]
    return {
        str(action)
        for action in actions - {None}
        if not any(fnmatchcase(str(action).lower(), pattern) for pattern in patterns)
    }
