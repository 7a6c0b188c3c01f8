"""kafka-python without its clients: they come when they are asked for, and then as ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import sys
from csvkafka.kafka import sink, tail, cluster, client
clients = ("kafka.admin", "kafka.consumer", "kafka.producer", "kafka.coordinator")
assert not [name for name in sys.modules if name.startswith(clients)], sys.modules.keys()
import kafka
"""


def run(code: str) -> None:
    # `-W error`: nothing that is imported late complains of what Python calls deprecated.
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize(
    "code",
    [
        "from kafka import KafkaProducer; from kafka.producer import KafkaProducer as same\n"
        "assert KafkaProducer is same is kafka.KafkaProducer",
        "import kafka.admin; assert kafka.admin.KafkaAdminClient is kafka.KafkaAdminClient",
        "assert kafka.consumer.KafkaConsumer is kafka.KafkaConsumer",
        "from kafka import ConsumerRebalanceListener as a, AsyncConsumerRebalanceListener as b\n"
        "assert isinstance(a, type) and isinstance(b, type)",
        "from kafka import *\nassert isinstance(KafkaConsumer, type) and IsolationLevel",
    ],
    ids=["producer", "admin", "module", "listeners", "all"],
)
def test_who_asks_for_a_client_gets_it(code: str) -> None:
    run(BEGIN + code)


def test_all_that_the_package_offers_is_there() -> None:
    run(BEGIN + "assert all(getattr(kafka, name) is not None for name in kafka.__all__)")


def test_what_the_package_has_not_is_an_error_as_ever() -> None:
    run(
        BEGIN
        + "assert not hasattr(kafka, 'no_such_name')\n"
        + "try:\n    from kafka import no_such_name\n"
        + "except ImportError: pass\nelse: raise SystemExit(1)"
    )


def test_a_package_that_was_imported_before_is_left_as_it_is() -> None:
    run(
        "import warnings\n"
        "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    import kafka\n"
        "before = dict(vars(kafka))\nfrom csvkafka.kafka import sink\n"
        "assert '__getattr__' not in vars(kafka)\n"
        "assert kafka.KafkaProducer is before['KafkaProducer']"
    )


def test_another_package_than_is_known_is_imported_whole() -> None:
    run(
        "from csvkafka.kafka import package\n"
        "import sys\n"
        "for name in [n for n in sys.modules if n == 'kafka' or n.startswith('kafka.')]:\n"
        "    del sys.modules[name]\n"
        "package._CLIENTS['kafka.producer'] = ('another',)\n"
        "package.import_kafka()\n"
        "import kafka\n"
        "assert isinstance(kafka.KafkaProducer, type) and '__getattr__' not in vars(kafka)"
    )
