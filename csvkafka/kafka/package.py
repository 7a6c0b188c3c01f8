"""kafka-python's package, without its consumer, its producer and its admin client.

`import kafka` imports these three, and with them half of all that kafka-python has. csvkafka uses
its protocol and its connections alone. Here the three are imported when somebody first asks for
one: a TRANSFORM, for example, or csvkafka for `_send_to_kafka`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_CLIENTS = {
    "kafka.admin": ("KafkaAdminClient",),
    "kafka.consumer": ("KafkaConsumer",),
    "kafka.consumer.subscription_state": (
        "AsyncConsumerRebalanceListener",
        "ConsumerRebalanceListener",
    ),
    "kafka.producer": ("KafkaProducer",),
}
"""What `import kafka` takes from modules that are left out."""

_PROTOCOL = ("admin", "consumer", "metadata", "producer", "sasl")

_MODULE_OF = {name: module for module, names in _CLIENTS.items() for name in names}


def import_kafka() -> None:
    """Imports the package and its protocol, unless somebody imported the package before. If the
    package is another than is known here, it is imported whole."""
    if "kafka" in sys.modules:
        return
    with _nothing_called_deprecated():
        try:
            kafka = _imported_alone()
        except ImportError:
            import_module("kafka")
        else:
            vars(kafka)["__getattr__"] = _client
        for part in _PROTOCOL:
            import_module(f"kafka.protocol.{part}")


def _imported_alone() -> ModuleType:
    for module, names in _CLIENTS.items():
        sys.modules[module] = stand_in = ModuleType(module)
        vars(stand_in).update(dict.fromkeys(names))
    try:
        kafka = import_module("kafka")
    finally:
        for module in _CLIENTS:
            del sys.modules[module]
    for name in _MODULE_OF:
        vars(kafka).pop(name, None)
    return kafka


def _client(name: str) -> Any:
    """An attribute of the package that it has not: one that was left out, or a module."""
    module = _MODULE_OF.get(name, f"kafka.{name}")
    if module not in _CLIENTS:
        raise AttributeError(f"module 'kafka' has no attribute {name!r}", name=name)
    with _nothing_called_deprecated():
        found = import_module(module)
    if name in _MODULE_OF:
        vars(sys.modules["kafka"])[name] = getattr(found, name)
        return getattr(found, name)
    return found


@contextmanager
def _nothing_called_deprecated() -> Iterator[None]:
    """kafka-python reads its protocol with functions of `importlib.resources` that Python 3.11 and
    3.12 call deprecated. With `-W error` that ends the program, and a user of csvkafka cannot
    change it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
        yield
