"""Hypothesis strategies: any dialect, and bytes in which all of it counts."""

from __future__ import annotations

from hypothesis import strategies as st

from csvkafka.model import Dialect
from csvkafka.testing.inputs.strategies import HOSTILE_PIECES

PIECES = (
    *HOSTILE_PIECES,
    *("#", "\n#", "\r#", "#a,b\n", '#"\n', '"#\n#"', "\\\\", '\\"', "\\\n", "\\,", "\\\r\n"),
    *('"a""b"', '"a\\"b"', ",\n", "a,b,\n", ",,\n", '"",', "//", "\n//x\n", "~", "~\n"),
)


def hostile() -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(PIECES), max_size=40).map(lambda each: "".join(each).encode())


def dialects() -> st.SearchStrategy[Dialect]:
    return st.builds(
        Dialect,
        quotechar=st.sampled_from(['"', '"', '"', ""]),
        escapechar=st.sampled_from(["", "\\", "~"]),
        doublequote=st.booleans(),
        comment=st.sampled_from(["", "#", "//"]),
        trailing_delimiter=st.sampled_from([False, False, True]),
        skipped_lines=st.sampled_from([0, 0, 1]),
        names=st.sampled_from([None, None, (), ("x",), ("x", "y")]),
    )
