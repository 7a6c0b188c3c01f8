"""The exit codes that an orchestrator can tell apart. Each error names its own: `errors`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What an orchestrator can tell apart with EXIT_CODES=detailed; up to 78 those of BSD's
    sysexits."""

    DATA = 65, "the file, or a function of yours, must be repaired"
    NO_SOURCE = 66, "there is no such object"
    NO_STACK = 69, "the local stack is not available"
    DEFECT = 70, "a defect of csvkafka; please report it"
    CONTRADICTION = 74, "topic or checkpoint item contradict what was acknowledged: look at them"
    TRY_AGAIN = 75, "it may succeed when it is just run again"
    REFUSED = 77, "Kafka, or the registry, refused us: authentication, authorization or TLS"
    SETTINGS = 78, "a setting must be repaired"
    SOURCE_CHANGED = 80, "the object is not the one that the job was begun with"
    FENCED = 81, "another worker owns the job: let it go on"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member
