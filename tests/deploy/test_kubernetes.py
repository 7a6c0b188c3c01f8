"""The manifests of deploy/kubernetes: by the JSON schemas of Kubernetes' own API, as kustomize puts
them together, and the script of the nightly job. No cluster has run them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import yaml

from csvkafka.config.settings import SETTINGS
from csvkafka.exit_codes import ExitCode
from csvkafka.local.base import Stack
from csvkafka.testing.inputs.csv_files import preset
from tests.deploy.files import Files
from tests.deploy.folders import DEPLOY, needs

FOLDER = DEPLOY / "kubernetes"
NIGHTLY = FOLDER / "nightly" / "nightly.py"
OVERLAYS = ("job", "nightly")
RELEASES = ("1.31", "1.37")
"""The first one that has podFailurePolicy for good, and the newest one that is known here."""
RETRIED = {ExitCode.TRY_AGAIN, ExitCode.FENCED}
DUE = datetime(2026, 11, 28, 2, 17, tzinfo=UTC)
NAME = f"csvkafka-nightly-{int(DUE.timestamp()) // 60}"


def built(overlay: str) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    command = ["kubectl", "kustomize", str(FOLDER / overlay)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def job_of(overlay: str) -> dict[str, Any]:
    """The Job's specification in the overlay's own file."""
    name = {"job": "job.yaml", "nightly": "cronjob.yaml"}[overlay]
    manifest = yaml.safe_load((FOLDER / overlay / name).read_text())
    spec: dict[str, Any] = manifest["spec"]
    return spec if overlay == "job" else spec["jobTemplate"]["spec"]


def container_of(overlay: str) -> dict[str, Any]:
    (container,) = job_of(overlay)["template"]["spec"]["containers"]
    return dict(container)


def check(manifest: dict[str, Any], release: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    validate.validate(manifest, release, strict=True)


@needs("kubectl")
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_manifest_is_what_the_api_takes(overlay: str, release: str) -> None:
    kinds = []
    for manifest in built(overlay):
        check(manifest, release)
        kinds.append(manifest["kind"])
    assert kinds.count("ServiceAccount") == 1
    assert set(kinds) >= {"ConfigMap", {"job": "Job", "nightly": "CronJob"}[overlay]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "paralelism"), 4),
        (("spec", "parallelism"), "four"),
        (("spec", "template", "spec", "containers"), None),
        (("spec", "podFailurePolicy", "rules", 0, "action"), 1),
    ],
)
def test_a_manifest_with_a_mistake_is_not(path: tuple[Any, ...], value: Any) -> None:
    """What the check of the schemas is worth."""
    validate = pytest.importorskip("kubernetes_validate")
    manifest = yaml.safe_load((FOLDER / "job" / "job.yaml").read_text())
    check(manifest, RELEASES[-1])
    *parents, last = path
    place = manifest
    for step in parents:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    with pytest.raises(validate.ValidationError):
        check(manifest, RELEASES[-1])


@needs("kubectl")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_referred_to_is_there(overlay: str) -> None:
    manifests = built(overlay)
    names = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    (job,) = (each for each in manifests if each["kind"] in ("Job", "CronJob"))
    spec = job["spec"] if overlay == "job" else job["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.com/csvkafka:1.0", "the image's name is replaced"
    maps = [each["configMapRef"]["name"] for each in container["envFrom"] if "configMapRef" in each]
    maps += [volume["configMap"]["name"] for volume in pod.get("volumes", [])]
    assert {("ConfigMap", name) for name in maps} <= names
    assert ("ServiceAccount", pod["serviceAccountName"]) in names


@needs("kubectl")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_setting_is_one_of_the_loader(overlay: str) -> None:
    maps = [each["data"] for each in built(overlay) if each["kind"] == "ConfigMap"]
    given = {name for data in maps for name in data if name != "nightly.py"}
    known = {setting.variable for setting in SETTINGS} | {"AWS_REGION", "EXIT_CODES"}
    assert given - known <= ({"DATE_HOURS"} if overlay == "nightly" else set())


def test_job_and_nightly_job_run_alike() -> None:
    """Kustomize shares no pod templates, so the same stands in both."""
    job, nightly = job_of("job"), job_of("nightly")
    own, container = container_of("nightly"), container_of("job")
    for name in ("command", "env", "volumeMounts"):
        assert name not in container
        del own[name]
    assert own == container
    pod, nightly_pod = job["template"]["spec"], nightly["template"]["spec"]
    assert {**nightly_pod, "containers": 0} == {
        **pod,
        "containers": 0,
        "volumes": nightly_pod["volumes"],
    }
    assert {**job, "template": 0} == {**nightly, "template": 0}


def test_what_stays_wrong_fails_the_job_and_all_else_is_tried_again() -> None:
    ignored, failed = job_of("job")["podFailurePolicy"]["rules"]
    assert ignored["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    # No stack is started there.
    expected = set(ExitCode) - RETRIED - {ExitCode.NO_STACK}
    assert set(failed["onExitCodes"]["values"]) == {int(code) for code in expected}


def test_a_stop_is_long_enough_and_nothing_is_written_or_may_be_gained() -> None:
    pod = job_of("job")["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 15
    assert pod["securityContext"]["runAsNonRoot"] is True
    security = container_of("job")["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


# -- the nightly job's script ---------------------------------------------------------------------


def nightly(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(NIGHTLY), *arguments],
        env={**os.environ, "JOB_NAME": NAME, "DATE_HOURS": "-24", **given},
        capture_output=True,
        text=True,
    )


def test_each_night_loads_the_set_of_its_date(stack: Stack) -> None:
    name = uuid4().hex[:12]
    files = Files(stack.client, stack.bootstrap_servers, f"rows-{name}", f"data-{name}", name)
    stack.create_bucket(files.bucket)
    stack.create_table(files.table)
    stack.create_topic(files.topic)
    for day in ("27", "28"):
        files.put(f"nightly/2026-11-{day}/a.csv", preset("nasty", 500, seed=int(day)))
    settings = {
        **stack.environment(),
        "S3_BUCKET": files.bucket,
        "S3_PREFIX": "nightly/{date}/",
        "KAFKA_TOPIC": files.topic,
        "DYNAMODB_TABLE": files.table,
    }
    for _ in range(2):
        done = nightly(**settings)
        assert done.returncode == 0, done.stdout + done.stderr
    item = files.item("nightly/2026-11-27/")
    assert item["status"] == {"S": "COMPLETED"}
    assert item["last_line"] == {"N": "500"}
    assert files.item("nightly/2026-11-28/") == {}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"JOB_NAME": "by-hand"}, "does not end in the minute that it is for"),
        ({"S3_PREFIX": "nightly/"}, "put {date} into it"),
    ],
)
def test_what_is_no_night_is_refused_and_not_tried_again(given: dict[str, str], says: str) -> None:
    done = nightly(**{"S3_PREFIX": "nightly/{date}/", **given})
    assert done.returncode == 78
    assert says in done.stderr
