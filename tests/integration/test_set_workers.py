"""Sets whose files are jobs of their own, on real servers, by one worker and by several."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaAdminClient

from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import (
    ConfigChangedError,
    FilesFailedError,
    SourceChangedError,
    SourceNotFoundError,
    StoppedError,
    WorkersEndedError,
)
from csvkafka.interfaces import ItemChange, StoredItem
from csvkafka.ledger.file_marks import child_id
from csvkafka.local.base import Stack
from csvkafka.model import Step
from csvkafka.stores import open_store
from csvkafka.testing.checker.verdict import AnomalyKind
from csvkafka.testing.checker.verify import Scope, verify_job
from csvkafka.wiring import run_load
from tests.integration.command_line import run_csvkafka, run_on_terminal
from tests.integration.loads import LoadPlace
from tests.refusals import refusal, refusal_in


def put(place: LoadPlace, count: int = 7, rows: int = 20) -> list[str]:
    keys = []
    for number in range(count):
        header, order = (b"id,n\n", b"%d,a\n") if number % 3 else (b"n,id\n", b"a,%d\n")
        data = header + b"".join(order % (1_000 * number + row) for row in range(rows))
        keys.append(f"x/part-{number:02}.csv")
        place.stack.put_object(place.bucket, keys[-1], data)
    return keys


def of_set(place: LoadPlace, **more: str) -> dict[str, str]:
    given = {"S3_KEY": "", "S3_PREFIX": "x/", "ORDER": "object"}
    return place.settings(**(given | more))


def load(place: LoadPlace, **more: str) -> Any:
    return run_load(LoadConfig.from_settings(of_set(place, **more)))


def lines_by_file(place: LoadPlace) -> dict[str, list[int]]:
    found = defaultdict(list)
    for record in place.records():
        found[record["_source_file"].partition(f"{place.bucket}/")[2]].append(
            record["_source_line"]
        )
    return dict(found)


def test_each_file_is_loaded_once_in_its_order_and_the_set_is_complete(place: LoadPlace) -> None:
    keys = put(place)
    result = load(place)
    assert (result.row_count, result.sent_now, result.already_complete) == (140, 140, False)
    assert lines_by_file(place) == {key: list(range(1, 21)) for key in keys}
    item = place.item()
    assert item is not None
    assert (item["status"], item["last_line"], item["total_sent"]) == ("COMPLETED", 140, 140)
    assert load(place).already_complete
    verdict = verify_job(LoadConfig.from_settings(of_set(place))).verdict
    assert verdict.is_clean, str(verdict)


def test_a_worker_with_other_settings_is_refused_by_the_name_of_each(place: LoadPlace) -> None:
    put(place)
    load(place)
    with refusal(ConfigChangedError, "KEY_COLUMN '' then, 'id' now"):
        load(place, KEY_COLUMN="id")
    with refusal(ConfigChangedError, "ORDER 'object' then, 'set' now"):
        load(place, ORDER="set")


def test_a_set_that_was_begun_in_one_order_is_not_loaded_in_the_other(place: LoadPlace) -> None:
    put(place)
    load(place, ORDER="set")
    with refusal(ConfigChangedError, "ORDER 'set' then, 'object' now"):
        load(place)
    assert len(place.records()) == 140


def test_the_list_is_frozen_from_the_first_start_on(place: LoadPlace) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[3], b"id,other\n1,2\n")
    with refusal(FilesFailedError, "1 of 7 files"):
        load(place)
    place.stack.put_object(place.bucket, keys[3], b"id,n\n1,2\n")
    with refusal(SourceChangedError, f"1 object changed: {keys[3]}"):
        load(place)


def test_files_that_fail_are_named_with_their_reasons_and_all_others_are_loaded(
    place: LoadPlace,
) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[2], b"id,other\n1,2\n")
    place.stack.put_object(place.bucket, keys[4], b"id,n\n7,a\n8,b,c\n")
    with refusal(FilesFailedError, "2 of 7 files") as refused:
        load(place)
    said = str(refused.value)
    assert f"{keys[2]} (MalformedRowError: the header of" in said
    assert "load it alone, by S3_KEY and under another JOB_ID" in said, "nothing of it was sent"
    assert f"{keys[4]} (MalformedRowError: row 2" in said
    assert "into another topic if rows of it are in this one" in said, "row 1 was sent"
    assert "the others are loaded" in said
    assert "repair a copy" in said and "This job takes its objects only as they were" in said
    assert "S3_EXCLUDE" not in said, "the list is frozen"
    loaded = {key: list(range(1, 21)) for key in keys if key not in (keys[2], keys[4])}
    assert lines_by_file(place) == loaded | {keys[4]: [1]}
    item = place.item()
    assert item is not None
    assert item["status"] == "IN_PROGRESS"


def test_with_fail_fast_no_file_is_taken_after_one_that_failed(place: LoadPlace) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[2], b"id,other\n1,2\n")
    with refusal(FilesFailedError, "2 are loaded, and no other is taken"):
        load(place, FAIL_FAST="true")
    assert sorted(lines_by_file(place)) == keys[:2]
    with refusal(FilesFailedError, "1 of 7 files"):
        load(place)
    assert len(lines_by_file(place)) == 6


class StopAfterTwoFiles:
    def __init__(self) -> None:
        self.loaded = 0

    def report(self, step: Step, **_: int) -> None:
        self.loaded += step is Step.FILE_MARKED

    def stop_signal(self) -> int | None:
        return 15 if self.loaded >= 2 else None


def test_rows_go_to_the_partitions_that_the_topic_had_when_the_set_was_begun(
    stack: Stack, place: LoadPlace
) -> None:
    wide = replace(place, topic=f"{place.topic}-3", partition_count=3, table=f"{place.table}-3")
    put(wide)
    config = LoadConfig.from_settings(of_set(wide, KEY_COLUMN="id"))
    stop = StopAfterTwoFiles()
    with pytest.raises(StoppedError):
        run_load(config, observer=stop, stop_signal=stop.stop_signal)
    client = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    client.create_partitions({wide.topic: 5})
    client.close()
    assert load(wide, KEY_COLUMN="id").row_count == 140
    verdict = verify_job(config).verdict
    assert verdict.is_clean, str(verdict)


def test_status_says_how_far_a_set_is_and_what_failed(place: LoadPlace) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[2], b"id,other\n1,2\n")
    with pytest.raises(FilesFailedError):
        load(place)
    shown = run_csvkafka("status", settings=of_set(place))
    assert shown.returncode == 0, shown.stderr
    assert "files       6 of 7" in shown.stdout
    assert "rows        120  (120 records sent)" in shown.stdout
    assert "none used yet" not in shown.stdout
    assert f"failed      {keys[2]}  MalformedRowError: the header of" in shown.stdout
    status = json.loads(run_csvkafka("status", "--json", settings=of_set(place)).stdout)
    assert (status["files_done"], status["files"], status["rows"]) == (6, 7, 120)
    assert status["files_failed"]["count"] == 1
    assert status["files_failed"]["first"][0]["file"] == keys[2]


def child_item(place: LoadPlace, number: int) -> StoredItem:
    """The item of a file's job."""
    item: Any = place.item()
    assert item is not None
    store = open_store(CheckpointPlace.parse(f"dynamodb://{place.table}"))
    return store.item(child_id(place.job_id, item["source"]["etag"], number))


def test_a_set_without_a_file_that_is_skipped_and_what_is_said_of_it(place: LoadPlace) -> None:
    keys = put(place)
    uri = f"s3://{place.bucket}/{keys[2]}"
    place.stack.put_object(place.bucket, keys[2], b"id,n\n7,a\n8,b\n9,c,d\n10,e\n")
    with pytest.raises(FilesFailedError):
        load(place)
    skipped = run_csvkafka("skip-file", keys[2], settings=of_set(place))
    assert (skipped.returncode, skipped.stderr) == (0, "")
    assert skipped.stdout == (f"{uri} is skipped: 2 of its rows are in the topic, and stay there\n")
    said = "6 of 7 files loaded (120 rows), 1 skipped, 0 under way, 0 not begun"
    verdict = run_csvkafka("verify", settings=of_set(place))
    assert verdict.returncode == 2, verdict.stdout
    assert f"(IN_PROGRESS, {said})" in verdict.stdout
    code, output = run_on_terminal("load", settings=of_set(place))
    assert code == 0, output
    output = " ".join(output.split())
    assert "1 of 7 files skipped (csvkafka skip-file): x/part-02.csv; 2 of their" in output
    assert "122 rows are in topic" in output
    assert "; 1 file skipped" in output
    verdict = run_csvkafka("verify", "--exclusive", settings=of_set(place))
    assert verdict.returncode == 0, verdict.stdout
    assert f"skipped: {uri}, of which 2 rows belong into the topic" in verdict.stdout
    shown = run_csvkafka("status", settings=of_set(place)).stdout
    assert "files       6 of 7" in shown
    assert "rows        122  (122 records sent)" in shown
    assert f"skipped     {keys[2]}  2 rows of it are in the topic" in shown
    assert "%" not in shown, "of its bytes, those of the file that is skipped are none of 100 %"
    status = json.loads(run_csvkafka("status", "--json", settings=of_set(place)).stdout)
    first = [{"file": keys[2], "rows": 2}]
    assert status["files_skipped"] == {"count": 1, "rows": 2, "first": first}


def test_rows_that_are_set_aside_are_said_of_the_whole_set(place: LoadPlace) -> None:
    """By the last lines of the load and by status, those of a file that is skipped too."""
    keys = put(place)
    place.stack.put_object(place.bucket, keys[1], b"id,n\n1,a,x\n2,b\n3,c,y\n")
    cut_off = gzip.compress(b"id,n\n7,a,z\n8,b\n")[:-4]
    place.stack.put_object(place.bucket, "x/part-99.csv.gz", cut_off)
    letters = f"{place.topic}-dead"
    place.stack.create_topic(letters)
    more = {"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": letters}
    with pytest.raises(FilesFailedError):
        load(place, **more)
    given = of_set(place, **more)
    status = json.loads(run_csvkafka("status", "--json", settings=given).stdout)
    assert status["set_aside"] == 2, "of the files that are loaded"
    assert run_csvkafka("skip-file", "x/part-99.csv.gz", settings=given).returncode == 0
    loaded = run_csvkafka("load", settings=given)
    assert loaded.returncode == 0, loaded.stderr
    assert f"3 rows of the set set aside in topic {letters}" in loaded.stdout
    shown = run_csvkafka("status", settings=given).stdout
    assert "set aside   3 rows, as dead letters" in shown
    again = load(place, **more)
    assert (again.already_complete, again.set_aside) == (True, 3)
    again = run_csvkafka("load", settings=given)
    assert f"3 rows set aside in topic {letters}; this worker sent 0" in again.stdout


@pytest.mark.parametrize("rows", [1, 3])
def test_verify_expects_of_a_skipped_file_exactly_what_its_item_says(
    place: LoadPlace, rows: int
) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[2], b"id,n\n7,a\n8,b\n9,c,d\n10,e\n")
    with pytest.raises(FilesFailedError):
        load(place)
    assert run_csvkafka("skip-file", keys[2], settings=of_set(place)).returncode == 0
    load(place)
    config = LoadConfig.from_settings(of_set(place, ON_BAD_ROW="keep"))
    assert child_item(place, 2).update(ItemChange(set={"last_line": rows})) is None
    verdict = verify_job(config, Scope(exclusive=True)).verdict
    kinds = {anomaly.kind for anomaly in verdict.anomalies}
    due = AnomalyKind.PHANTOM_ROW if rows == 1 else AnomalyKind.LOST_ROW
    assert due in kinds, str(verdict)


def test_the_object_of_a_skipped_file_may_go_if_none_of_its_rows_is_in_the_topic(
    place: LoadPlace,
) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[2], b"id,other\n1,2\n")
    both = f"{keys[2]} has other columns than that of s3://{place.bucket}/{keys[0]}"
    with pytest.raises(FilesFailedError, match=both):
        load(place)
    place.stack.client("s3").delete_object(Bucket=place.bucket, Key=keys[2])
    with refusal(SourceChangedError, "1 object missing: x/part-02.csv"):
        load(place)
    skipped = run_csvkafka("skip-file", keys[2], settings=of_set(place))
    assert skipped.stdout.endswith("is skipped: none of its rows is in the topic\n")
    assert load(place).files_skipped == 1
    verified = verify_job(LoadConfig.from_settings(of_set(place)), Scope(exclusive=True))
    assert verified.verdict.is_clean, str(verified.verdict)
    assert verified.skipped == {f"s3://{place.bucket}/{keys[2]}": 0}
    looked = run_csvkafka("doctor", settings=of_set(place))
    assert "job       " in looked.stdout, looked.stdout
    assert "is the same job: COMPLETED, 120 rows" in looked.stdout


def test_a_manifest_may_name_the_object_of_a_skipped_file_that_is_gone(place: LoadPlace) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[2], b"id,other\n1,2\n")
    place.stack.put_object(place.bucket, "m.txt", "\n".join(keys).encode())
    given = {"S3_PREFIX": "", "S3_MANIFEST": "m.txt"}
    with pytest.raises(FilesFailedError):
        load(place, **given)
    s3 = place.stack.client("s3")
    s3.delete_object(Bucket=place.bucket, Key=keys[2])
    with refusal(SourceNotFoundError, f"which line 3 of the manifest s3://{place.bucket}/m.txt"):
        load(place, **given)
    assert run_csvkafka("skip-file", keys[2], settings=of_set(place, **given)).returncode == 0
    result = load(place, **given)
    assert (result.row_count, result.files_skipped) == (120, 1)


def test_a_file_that_is_not_to_be_skipped_is_refused_in_one_line(place: LoadPlace) -> None:
    keys = put(place)
    load(place)
    for key, why in ((keys[1], "is loaded already (20 rows)"), ("y.csv", "is none of the 7 files")):
        refused = run_csvkafka("skip-file", key, settings=of_set(place))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert why in refused.stderr
        assert refused.stderr.count("\n") == 1
    refused = run_csvkafka("skip-file", keys[1], settings=of_set(place, JOB_ID="other"))
    assert "no item of job other" in refused.stderr
    refused = run_csvkafka("skip-file", keys[1], settings=of_set(place, DYNAMODB_TABLE=""))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "Missing option --dynamodb-table" in refused.stderr
    assert run_csvkafka("skip-file", settings=of_set(place)).returncode == 2


def test_verify_takes_the_order_from_the_item(place: LoadPlace) -> None:
    put(place)
    load(place)
    verdict = run_csvkafka("verify", settings=of_set(place, ORDER="set"))
    assert verdict.returncode == 0, verdict.stdout


def test_verify_of_an_unfinished_set_says_how_many_files_stand(place: LoadPlace) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[0], b"id,n\n7,a\n8,b,c\n")
    stop = StopAfterTwoFiles()
    with pytest.raises(StoppedError):
        run_load(
            LoadConfig.from_settings(of_set(place)), observer=stop, stop_signal=stop.stop_signal
        )
    said = "2 of 7 files loaded (40 rows), 0 under way, 1 failed, 4 not begun"
    verdict = run_csvkafka("verify", settings=of_set(place))
    assert verdict.returncode == 2, verdict.stdout
    assert f"(IN_PROGRESS, {said})" in verdict.stdout
    assert f"is not complete: {said}, so rows after the last one" in verdict.stderr
    shown = run_csvkafka("verify", "--so-far", "--json", settings=of_set(place))
    assert shown.returncode == 0, shown.stdout
    files = json.loads(shown.stdout)["read_uncommitted"]["files"]
    assert (files["loaded"], files["failed"], files["not_begun"]) == (2, 1, 4)


def test_doctor_says_what_order_holds(place: LoadPlace) -> None:
    put(place)
    said = run_csvkafka("doctor", settings=of_set(place, KEY_COLUMN="id"))
    assert said.returncode == 0, said.stdout
    assert "rows of one key in two files may arrive in any order" in " ".join(said.stdout.split())


def test_worker_processes_load_a_set_together(place: LoadPlace) -> None:
    keys = put(place, count=12)
    done = run_csvkafka("load", "--workers", "3", settings=of_set(place))
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines_by_file(place) == {key: list(range(1, 21)) for key in keys}
    item = place.item()
    assert item is not None
    assert item["status"] == "COMPLETED"
    again = run_csvkafka("load", "--workers", "2", settings=of_set(place))
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("complete already") == 2


def test_worker_processes_show_one_progress(place: LoadPlace) -> None:
    put(place, count=12)
    code, shown = run_on_terminal("load", "--workers", "2", settings=of_set(place))
    assert code == 0, shown
    assert shown.count("is loaded, 20 rows") == 12
    assert "complete" in shown


def test_worker_processes_name_what_failed_once(place: LoadPlace) -> None:
    keys = put(place)
    place.stack.put_object(place.bucket, keys[2], b"id,other\n1,2\n")
    ended = run_csvkafka("load", "--workers", "2", settings=of_set(place))
    assert ended.returncode == 1
    assert ended.stderr.count("1 of 7 files of job") == 1
    assert f"{keys[2]} (MalformedRowError" in ended.stderr


def test_worker_processes_are_for_sets_of_jobs(place: LoadPlace) -> None:
    put(place)
    refused = run_csvkafka("load", "--workers", "2", settings=of_set(place, ORDER="set"))
    assert refused.returncode == 1
    assert "--workers is for a set whose files are jobs of their own" in refused.stderr
    single = of_set(place, S3_PREFIX="", ORDER="set", S3_KEY="a.csv")
    refused = run_csvkafka("load", "--workers", "2", settings=single)
    assert refused.returncode == 1
    assert "a.csv is one object or file: leave it out, or set" in refused.stderr


def test_an_error_of_all_workers_is_said_once(place: LoadPlace) -> None:
    put(place)
    load(place)
    ended = run_csvkafka("load", "--workers", "2", settings=of_set(place, KEY_COLUMN="id"))
    assert ended.returncode == 1
    refusal_in(WorkersEndedError, ended.stderr)
    assert ended.stderr.count("begun with other settings") == 1
    assert "into a clean topic; repair that" in ended.stderr
