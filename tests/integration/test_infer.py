"""`csvkafka infer` of a set: what its files hold, all over it."""

from __future__ import annotations

import gzip

from csvkafka.schema.declaration import read_table
from tests.integration.command_line import run_csvkafka
from tests.integration.loads import LoadPlace


def put(place: LoadPlace, name: str, text: str) -> None:
    body = text.encode()
    place.stack.put_object(
        place.bucket, f"x/{name}", gzip.compress(body) if name.endswith("gz") else body
    )


def infer(place: LoadPlace) -> tuple[int, str, str]:
    settings = {"S3_BUCKET": place.bucket, "S3_PREFIX": "x/", **place.stack.environment()}
    found = run_csvkafka("infer", settings=settings)
    return found.returncode, found.stdout, found.stderr


def test_a_set_is_looked_at_all_over(place: LoadPlace) -> None:
    for number in range(25):
        rows = [f"{number * 4 + n},2026-11-28" for n in range(4)]
        text = "\n".join(["id,day", *rows, ""])
        if number == 24:  # the last one of those that are looked at, in another order of columns
            text = "day,id\nnone,7000000000\n"
        put(place, f"{number:02}.csv" + (".gz" if number % 2 else ""), text)
    put(place, "03.csv.gz", "")
    code, text, said = infer(place)
    assert (code, said) == (0, "")
    types = {each.name: str(each.type) for each in read_table(text, "columns.toml").columns}
    assert types == {"id": "long", "day": "string"}
    assert f"from 29 rows of s3://{place.bucket}/x/:" in text
    assert "in 8 places of 8 of its 25 files, at the beginning of what is compressed." in text
    assert "# not date(iso): 1 row" in text


def test_files_of_other_columns_have_no_table_together(place: LoadPlace) -> None:
    put(place, "a.csv", "id,day\n1,x\n")
    put(place, "b.csv", "id,month\n1,x\n")
    code, text, said = infer(place)
    assert (code, text) == (1, "")
    assert f"the columns of s3://{place.bucket}/x/b.csv are id, month, and those of" in said
    assert "--s3-exclude" in said


def test_an_object_that_is_not_there_is_asked_of_no_job(place: LoadPlace) -> None:
    put(place, "a.csv", "id\n1\n")
    place.stack.put_object(place.bucket, "list.txt", b"x/a.csv\nx/gone.csv\n")
    settings = {"S3_BUCKET": place.bucket, "S3_MANIFEST": "list.txt"}
    found = run_csvkafka("infer", settings={**settings, **place.stack.environment()})
    assert (found.returncode, found.stdout) == (1, "")
    assert f"there is no s3://{place.bucket}/x/gone.csv, which line 2" in found.stderr
