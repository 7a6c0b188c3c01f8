"""`deploy/modules/job` evaluated by terraform itself: it has no provider, so nothing is fetched."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.folders import ACCOUNT, DEPLOY, REGION

DEFAULTS: Mapping[str, object] = {
    "s3_bucket": "data",
    "s3_prefix": "exports/",
    "kafka_bootstrap_servers": "b-1.example.com:9098",
    "kafka_topic": "rows",
    "kafka_authentication": "none",
}


class ModuleError(Exception):
    """What terraform says against the attributes."""


@dataclass(frozen=True, slots=True)
class JobModule:
    """What the module says."""

    environment: dict[str, str]
    secrets: dict[str, str]
    statements: list[dict[str, Any]]

    def actions(self, prefix: str) -> set[str]:
        """The actions of one service that the policy grants, e.g. of `s3:`."""
        return {
            action
            for statement in self.statements
            for action in statement["Action"]
            if action.startswith(prefix)
        }


def evaluate(
    folder: Path, table_name: str = "csv-kafka-checkpoint", **attributes: object
) -> JobModule:
    """Applies the module in the folder, with these attributes of `job`."""
    job = {**DEFAULTS, **attributes}
    module = {
        "source": str(DEPLOY / "modules" / "job"),
        "job": job,
        "attributes": list(job),
        "table_name": table_name,
        "region": REGION,
        "account_id": ACCOUNT,
    }
    main = {
        "module": {"job": module},
        "output": {
            name: {"value": f"${{module.job.{name}}}"}
            for name in ("environment", "secrets", "task_policy")
        },
    }
    (folder / "main.tf.json").write_text(json.dumps(main))
    for command in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        done = subprocess.run(
            ["terraform", *command, "-no-color"], cwd=folder, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise ModuleError(" ".join(done.stderr.replace("│", "").split()))
    said = subprocess.run(
        ["terraform", "output", "-json"], cwd=folder, check=True, capture_output=True
    ).stdout
    outputs = {name: output["value"] for name, output in json.loads(said).items()}
    policy = json.loads(outputs["task_policy"])
    return JobModule(outputs["environment"], outputs["secrets"], policy["Statement"])
