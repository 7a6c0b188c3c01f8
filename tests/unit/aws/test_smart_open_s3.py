"""Reading S3 imports no other store's client, and takes none away from a program that has them."""

from __future__ import annotations

import subprocess
import sys

from csvkafka.aws.smart_open_s3 import smart_open_s3


def python(program: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


IMPORTED = """
import sys
from csvkafka.aws.smart_open_s3 import smart_open_s3
assert smart_open_s3() is smart_open_s3()
print(*{name.partition(".")[0] for name in sys.modules} & {"google", "azure", "requests"})
print(*(name for name, module in sys.modules.items() if module is None))
"""


def test_no_other_stores_client_is_imported() -> None:
    assert python(IMPORTED).split() == []


LATER = """
from csvkafka.aws.smart_open_s3 import smart_open_s3
s3 = smart_open_s3()
import smart_open
from smart_open import transport
for scheme in ("gs", "azure", "http", "s3", "", "hdfs", "ftp"):
    print(scheme, transport.get_transport(scheme).__name__)
try:
    transport.get_transport("none")
except NotImplementedError as error:
    print("refused")
"""


def test_smart_open_knows_all_stores_when_it_is_asked() -> None:
    plainly = LATER.split("s3 = ")[1].partition("\n")[2]
    assert python(LATER) == python(plainly)
    assert "gs smart_open.gcs" in python(LATER)


def test_a_program_that_imported_it_before_keeps_what_it_has() -> None:
    import smart_open.s3

    assert smart_open_s3() is smart_open.s3
