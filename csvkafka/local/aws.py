"""The AWS side of the embedded stack: a child process that serves S3 and DynamoDB on loopback."""

from __future__ import annotations

import importlib.util
import os
import sys
import urllib.error
import urllib.request

from csvkafka.errors import StackError
from csvkafka.local.java import INSTALL_HINT
from csvkafka.local.ports import LOOPBACK, ReservedPort
from csvkafka.local.processes import GuardedProcess, Guardian, log_tail, wait_until

START_TIMEOUT_SECONDS = 180.0
REGION = "us-east-1"
CREDENTIALS = "test"


class AwsServer:
    """One server for S3 and DynamoDB. What it holds is in memory: a kill loses it.

    Raises: StackError, if moto is not installed."""

    def __init__(self, guardian: Guardian) -> None:
        if importlib.util.find_spec("moto") is None:
            raise StackError(f"the embedded stack needs moto for S3 and DynamoDB; {INSTALL_HINT}")
        self._guardian = guardian
        self._port = ReservedPort()
        self._process: GuardedProcess | None = None
        self.folder = guardian.folder / "aws"
        self.log = self.folder / "aws.log"
        (self.folder / "tmp").mkdir(parents=True)

    @property
    def endpoint_url(self) -> str:
        """Where S3 and DynamoDB answer."""
        return f"http://{LOOPBACK}:{self._port.number}"

    @property
    def process(self) -> GuardedProcess:
        """The server, to be killed, paused or watched. Raises: StackError before `launch`."""
        if self._process is None:
            raise StackError("the AWS server was never started")
        return self._process

    def environment(self) -> dict[str, str]:
        """Variables that point boto3, and all that is built on it, at this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": CREDENTIALS,
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def launch(self) -> None:
        """Starts the process and does not wait."""
        environment = {
            **os.environ,
            **self.environment(),
            "TMPDIR": str(self.folder / "tmp"),
        }
        environment.pop("AWS_ENDPOINT_URL")
        command = [sys.executable, "-P", "-m", "csvkafka.local.aws_server", str(self._port.number)]
        self._process = self._guardian.spawn(command, self.log, environment)

    def wait_until_ready(self) -> None:
        """Returns when it answers. Raises: StackError with the end of its log."""
        process = self.process
        wait_until(
            lambda: self._answers() or process.return_code() is not None, START_TIMEOUT_SECONDS
        )
        if process.return_code() is not None or not self._answers():
            raise StackError(f"the AWS server did not start; its log ends:\n{log_tail(self.log)}")

    def start(self) -> None:
        """Starts it (again) on the same port; returns when it answers."""
        self.launch()
        self.wait_until_ready()

    def close(self) -> None:
        """Gives the port back."""
        self._port.release()

    def _answers(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.endpoint_url}/moto-api/", timeout=5.0):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
