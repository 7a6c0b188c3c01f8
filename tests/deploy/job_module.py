"""`deploy/modules/job` evaluated by terraform itself: it has no provider, so nothing is fetched."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.folders import ACCOUNT, DEPLOY, REGION

DEFAULTS = {
    "s3_bucket": "data",
    "s3_prefix": "exports/",
    "kafka_bootstrap_servers": "b-1.example.com:9098",
    "kafka_topic": "rows",
    "kafka_authentication": "none",
    "table_name": "csv-kafka-checkpoint",
    "region": REGION,
    "account_id": ACCOUNT,
}


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


def evaluate(folder: Path, **variables: object) -> JobModule:
    """Applies the module with these variables, in the folder."""
    main = {
        "module": {"job": {"source": str(DEPLOY / "modules" / "job"), **DEFAULTS, **variables}},
        "output": {
            name: {"value": f"${{module.job.{name}}}"}
            for name in ("environment", "secrets", "task_policy")
        },
    }
    (folder / "main.tf.json").write_text(json.dumps(main))
    for command in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        subprocess.run(
            ["terraform", *command], cwd=folder, check=True, capture_output=True, text=True
        )
    said = subprocess.run(
        ["terraform", "output", "-json"], cwd=folder, check=True, capture_output=True
    ).stdout
    outputs = {name: output["value"] for name, output in json.loads(said).items()}
    policy = json.loads(outputs["task_policy"])
    return JobModule(outputs["environment"], outputs["secrets"], policy["Statement"])
