"""`csvkafka status`, `verify`, `doctor` and `generate`, run as users run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from kafka import KafkaProducer

from csvkafka.errors import MalformedRowError
from csvkafka.kafka.probe_cases import CASES
from csvkafka.testing.inputs.csv_files import preset, write_csv
from tests.integration.command_line import run_csvkafka, run_on_terminal
from tests.integration.loads import LoadPlace
from tests.unit.aws.faulty_gateway import FaultyGateway

ROWS = b'id,name\n1,a\n2,"b\nb"\n3,c\n'


def plant(place: LoadPlace, *values: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=place.stack.bootstrap_servers)
    for value in values:
        producer.send(place.topic, value=value, partition=0).get(timeout=120)
    producer.close()


def record(place: LoadPlace, line: int, **fields: str) -> bytes:
    meta = {"_source_line": line, "_source_file": f"s3://{place.bucket}/{place.key}"}
    return json.dumps({**fields, **meta}).encode()


def put_item(place: LoadPlace, **attributes: dict[str, str]) -> None:
    item = {"job_id": {"S": place.job_id}, **attributes}
    place.stack.client("dynamodb").put_item(TableName=place.table, Item=item)


def change_item(place: LoadPlace, name: str, value: dict[str, str]) -> None:
    place.stack.client("dynamodb").update_item(
        TableName=place.table,
        Key={"job_id": {"S": place.job_id}},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": value},
    )


class TestStatus:
    def status(self, place: LoadPlace, *more: str) -> subprocess.CompletedProcess[str]:
        return run_csvkafka("status", place.job_id, "--dynamodb-table", place.table, *more)

    def test_a_complete_job_in_human_words(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        result = self.status(place)
        assert (result.returncode, result.stderr) == (0, "")
        for text in (
            rf"job +{place.job_id}  COMPLETED",
            rf"source +s3://{place.bucket}/{place.key}  {len(ROWS)} bytes, ETag .+",
            rf"topic +{place.topic}  partition 0",
            r"rows +3  \(3 records sent\)",
            rf"bytes +{len(ROWS)} bytes of {len(ROWS)} bytes  \(100.0 %\)",
            r"owner +nobody",
        ):
            assert re.search(text, result.stdout), text

    def test_json_has_the_item_and_what_follows(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        change_item(
            place, "started_at", {"N": str(int(str((place.item() or {})["timestamp"])) - 3)}
        )
        shown = json.loads(self.status(place, "--json").stdout)
        assert shown["item"] == place.item()
        assert (shown["status"], shown["rows"], shown["percent"]) == ("COMPLETED", 3, 100.0)
        assert shown["rows_per_second"] == 1.0
        assert shown["owner"] is None

    def test_the_owner_and_whether_it_is_gone(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        change_item(place, "status", {"S": "IN_PROGRESS"})
        change_item(place, "byte_offset", {"N": "12"})
        code = "from csvkafka.ledger.owner import this_incarnation as i; print(i())"
        gone = subprocess.run(
            [sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
        change_item(place, "lease_owner", {"S": gone})
        result = self.status(place)
        assert re.search(r"owner +process \d+ on host .+, which is gone", result.stdout)
        assert f"({100 * 12 / len(ROWS):.1f} %)" in result.stdout
        from csvkafka.ledger.owner import this_incarnation

        change_item(place, "lease_owner", {"S": this_incarnation()})
        result = self.status(place)
        assert re.search(rf"owner +process {os.getpid()} on host .+; should it", result.stdout)

    def test_an_item_of_another_implementation(self, place: LoadPlace) -> None:
        put_item(
            place,
            last_line={"N": "50000"},
            total_sent={"N": "50000"},
            timestamp={"N": "1705420800"},
            status={"S": "IN_PROGRESS"},
        )
        result = self.status(place)
        assert result.returncode == 0
        assert re.search(r"rows +50,000  \(50,000 records sent\)", result.stdout)
        assert "2024-01-16 16:00:00 UTC" in result.stdout
        assert "another implementation" in result.stdout
        shown = json.loads(self.status(place, "--json").stdout)
        assert (shown["rows"], shown["percent"], shown["owner"]) == (50_000, None, None)

    def test_an_empty_job_id_is_not_taken_for_the_default(self, place: LoadPlace) -> None:
        result = run_csvkafka("status", settings=place.settings(JOB_ID=""))
        assert (result.returncode, result.stdout) == (1, "")
        assert "the job's name is empty" in result.stderr

    def test_no_item_and_no_table(self, place: LoadPlace) -> None:
        result = self.status(place)
        assert (result.returncode, result.stdout) == (1, "")
        assert f"table {place.table} has no item of job {place.job_id}" in result.stderr
        result = run_csvkafka("status", "job", settings={"DYNAMODB_TABLE": "no-such-table"})
        assert result.returncode == 1
        assert "csvkafka: error: cannot use checkpoint table no-such-table" in result.stderr
        assert "`csvkafka load` with --create-table creates it" in result.stderr

    def test_watch_ends_when_the_job_is_complete(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        result = self.status(place, "--watch")
        assert result.returncode == 0
        assert re.fullmatch(r"\d\d:\d\d:\d\d  COMPLETED  3 rows  100.0 %\n", result.stdout)


class TestVerify:
    def test_a_clean_job(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        result = run_csvkafka("verify", "--isolation", "both", settings=place.settings())
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.count("clean: 3 records, 3 of 3 rows") == 2

    def test_anomalies_are_named_with_their_places(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        plant(place, record(place, 2, id="2", name="b\nb"), record(place, 9, id="9", name="x"))
        result = run_csvkafka("verify", "--json", settings=place.settings())
        assert result.returncode == 1
        verdict = json.loads(result.stdout)["read_uncommitted"]
        assert verdict["is_clean"] is False
        found = {anomaly["kind"]: anomaly for anomaly in verdict["anomalies"]}
        assert set(found) == {"duplicate-row", "phantom-row"}
        assert found["duplicate-row"]["places"][0]["kafka_offset"] == 3
        human = run_csvkafka("verify", settings=place.settings())
        assert human.returncode == 1
        assert "NOT CLEAN" in human.stdout
        assert "duplicate-row x 1, first at partition 0, Kafka offset 3" in human.stdout

    def test_rows_that_are_not_there(self, place: LoadPlace) -> None:
        place.put(ROWS)
        plant(place, record(place, 1, id="1", name="a"), record(place, 3, id="3", name="torn"))
        put_item(place, last_line={"N": "3"}, total_sent={"N": "3"}, status={"S": "COMPLETED"})
        result = run_csvkafka("verify", settings=place.settings())
        assert result.returncode == 1
        for text in ("lost-row x 1", "torn-row x 1", "checkpoint-ahead x 1"):
            assert text in result.stdout

    def test_a_load_that_is_still_to_go_on_is_no_anomaly(self, place: LoadPlace) -> None:
        place.put(ROWS)
        plant(place, record(place, 1, id="1", name="a"))
        put_item(place, last_line={"N": "1"}, total_sent={"N": "1"})
        result = run_csvkafka("verify", settings=place.settings())
        assert result.returncode == 2
        assert "is not complete: its item says IN_PROGRESS at row 1" in result.stderr
        assert "--so-far" in result.stderr
        so_far = run_csvkafka("verify", "--so-far", settings=place.settings())
        assert (so_far.returncode, so_far.stderr) == (0, "")
        assert "not complete" in so_far.stdout

    def test_what_cannot_be_judged_is_neither_clean_nor_an_anomaly(self, place: LoadPlace) -> None:
        place.put(ROWS)
        no_topic = place.settings(KAFKA_TOPIC="no-such-topic")
        missing = run_csvkafka("verify", "--so-far", settings=no_topic)
        assert (missing.returncode, missing.stdout) == (2, "")
        assert missing.stderr.startswith("csvkafka: error: topic no-such-topic does not exist")
        assert run_csvkafka("verify", "--nonsense").returncode == 2
        assert run_csvkafka("verify", settings={"S3_BUCKET": ""}).returncode == 2

    def test_a_job_without_an_item_is_judged_on_request_only(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        settings = place.settings(JOB_ID="another")
        unknown = run_csvkafka("verify", settings=settings)
        assert (unknown.returncode, unknown.stdout) == (2, "")
        assert f"table {place.table} has no item of job another" in unknown.stderr
        judged = run_csvkafka("verify", "--so-far", settings=settings)
        assert (judged.returncode, judged.stderr) == (0, "")
        assert "(no item)" in judged.stdout

    def test_another_topic_or_object_than_the_job_s_is_said(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        begun = f"csvkafka: error: job {place.job_id} was begun with"
        for other, said in (
            ({"KAFKA_TOPIC": "other"}, f"{begun} topic {place.topic}, not other; check "),
            (
                {"S3_KEY": "b"},
                f"{begun} s3://{place.bucket}/{place.key}, not s3://{place.bucket}/b;",
            ),
            ({"S3_BUCKET": "other"}, f"{begun} s3://{place.bucket}/{place.key}, not s3://other/"),
        ):
            result = run_csvkafka("verify", settings=place.settings(**other))
            assert (result.returncode, result.stdout) == (2, "")
            assert result.stderr.startswith(said)

    def test_progress_is_shown_on_a_terminal(self, place: LoadPlace) -> None:
        place.put(b"".join(write_csv(preset("plain", 60_000))))
        place.load()
        code, shown = run_on_terminal("verify", settings=place.settings())
        assert code == 0
        assert re.search(r"judging, as read_uncommitted readers see it.* \d+%", shown)
        assert "clean: 60000 records" in shown


class TestDoctor:
    def doctor(
        self, place: LoadPlace, *arguments: str, **settings: str
    ) -> tuple[int, dict[str, list[str]]]:
        """Exit code, and what the lines say by their level."""
        result = run_csvkafka("doctor", *arguments, settings=place.settings(**settings))
        assert result.stderr == ""
        lines: dict[str, list[str]] = {}
        for line in result.stdout.splitlines():
            level, _, text = line.partition(" ")
            lines.setdefault(level, []).append(" ".join(text.split()))
        return result.returncode, lines

    def test_all_is_well_and_nothing_was_changed(self, place: LoadPlace) -> None:
        place.put(ROWS)
        code, lines = self.doctor(place)
        assert code == 0
        assert "error" not in lines
        said = "\n".join(lines["ok"])
        for text in ("header of 2 columns", "conditional writes", "is new", "gives producer ids"):
            assert text in said
        assert any("sequence" in line for line in lines["skipped"])
        assert any("one replica" in line for line in lines["warning"])
        assert place.stack.client("dynamodb").scan(TableName=place.table)["Items"] == []
        assert place.records() == []

    def test_the_broker_is_probed_on_request(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.stack.create_topic(scratch := f"{place.topic}-scratch", 3)
        code, lines = self.doctor(place, "--probe-topic", scratch)
        assert code == 0
        said = [line for line in lines["ok"] if line.startswith("sequence")]
        assert len(said) == len(CASES)
        assert said[0].startswith("sequence repeat: A batch that is sent again is known")
        assert said[0].endswith("(0, 0: stored, recognised)")
        assert place.records() == []

    def test_the_probes_answers_are_a_table_on_a_terminal_and_json_for_programs(
        self, place: LoadPlace
    ) -> None:
        place.put(ROWS)
        place.stack.create_topic(scratch := f"{place.topic}-scratch", 3)
        arguments = ("doctor", "--probe-topic", scratch)
        code, shown = run_on_terminal(*arguments, settings=place.settings())
        assert code == 0
        (row,) = [line for line in shown.splitlines() if "new-epoch-not-from-0" in line]
        assert "epoch 0: 0; epoch 1: 1 → stored, OUT_OF_ORDER_SEQUENCE_NUMBER" in row
        answer = run_csvkafka(*arguments, "--json", settings=place.settings())
        cases = [f["case"] for f in json.loads(answer.stdout)["findings"] if "case" in f]
        assert [case["case"] for case in cases] == [case.name for case in CASES]
        assert cases[0]["answer"] == "stored, recognised"
        # The one partition that never held a record does now.
        assert [c["case"] for c in cases if c["verdict"] == "skipped"] == [
            "never-written-partition"
        ]

    def test_a_probe_is_kept_away_from_the_loads_own_topic(self, place: LoadPlace) -> None:
        place.put(ROWS)
        code, lines = self.doctor(place, "--probe-topic", place.topic)
        assert code == 1
        assert "is one of this load's own" in lines["error"][0]
        assert place.records() == []

    def test_each_part_is_examined_whatever_fails(self, place: LoadPlace) -> None:
        place.stack.create_topic(compacted := f"{place.topic}-c", 1, {"cleanup.policy": "compact"})
        code, lines = self.doctor(place, KAFKA_TOPIC=compacted, DYNAMODB_TABLE="no-such-table")
        assert code == 1
        failed = [line.partition(" ")[0] for line in lines["error"]]
        assert failed == ["source", "table", "topic"]
        assert "cleanup.policy=compact" in lines["error"][2]

    def test_a_table_that_cannot_be_read_is_one_finding(self, place: LoadPlace) -> None:
        place.put(ROWS)
        code, lines = self.doctor(place, DYNAMODB_TABLE="no-such-table")
        assert code == 1
        (failure,) = lines["error"]
        assert failure.startswith("table ")
        assert "job cannot be compared before the table can be read" in lines["skipped"]

    def test_the_remedy_follows_the_state_of_the_job(self, place: LoadPlace) -> None:
        place.put(b"id,name\n1,a\n2\n")
        _, lines = self.doctor(place)
        (failure,) = lines["error"]
        assert "and run again" in failure
        with pytest.raises(MalformedRowError):
            place.load()
        _, lines = self.doctor(place)
        (failure,) = lines["error"]
        assert "load under another --job-id" in failure

    @pytest.mark.parametrize(
        ("settings", "complaint"),
        [
            ({"KAFKA_PARTITION": "7"}, "partition 7 is configured"),
            ({"KEY_COLUMN": "nobody"}, "key column 'nobody' (--key-column) is not in the header"),
            ({"KAFKA_TOPIC": "no-such-topic"}, "no-such-topic does not exist"),
        ],
    )
    def test_settings_that_a_load_would_refuse(
        self, place: LoadPlace, settings: dict[str, str], complaint: str
    ) -> None:
        place.put(ROWS)
        code, lines = self.doctor(place, **settings)
        assert code == 1
        assert any(complaint in line for line in lines["error"])

    def test_a_table_that_the_load_would_create(self, place: LoadPlace) -> None:
        place.put(ROWS)
        missing = f"{place.table}-new"
        code, lines = self.doctor(place, DYNAMODB_TABLE=missing, CREATE_TABLE="true")
        assert f"table {missing} is missing and will be created" in lines["ok"]
        assert code == 0

    def test_the_right_to_write_is_tried_and_other_rights_are_not_needed(
        self, place: LoadPlace
    ) -> None:
        place.put(ROWS)
        denied = (400, "AccessDeniedException")
        gateway = FaultyGateway(int(place.stack.aws_endpoint_url.rpartition(":")[2]))
        try:
            gateway.script(None, denied)
            code, lines = self.doctor(place, AWS_ENDPOINT_URL_DYNAMODB=gateway.endpoint_url)
            assert gateway.actions[:2] == ["GetItem", "UpdateItem"]
            assert code == 1
            (failure,) = lines["error"]
            assert "the role needs dynamodb:UpdateItem" in failure

            gateway.reset()
            gateway.script(None, None, None, denied)
            code, lines = self.doctor(place, AWS_ENDPOINT_URL_DYNAMODB=gateway.endpoint_url)
            assert gateway.actions[2:4] == ["PutItem", "DescribeTable"]
            assert code == 0
            assert any("dynamodb:DescribeTable" in line for line in lines["skipped"])
        finally:
            gateway.close()

    def test_the_source_is_previewed_and_each_line_says_how_it_was_found_out(
        self, place: LoadPlace
    ) -> None:
        place.put(b'id,name\r\n1,Ada\r\n2,"b\r\nb"\r\n3,c\r\n4,d\r\n')
        code, lines = self.doctor(place, KEY_COLUMN="id")
        assert code == 0
        said = "\n".join(lines["ok"])
        for text in (
            "not compressed (its key does not end in .gz",
            "utf-8 (all ASCII so far), lines end in CRLF",
            "fields between ',', quoted by \" (CSV_DELIMITER by default",
            "header of 2 columns: id, name",
            '{"id":"2","name":"b\\r\\nb","_source_line":2',
            "to partition 0, key '3'",
            "4 rows can be sent",
        ):
            assert text in said
        assert said.count('record {"id"') == 3
        assert sum(map(len, lines.values())) <= 25, "one screen"

    @pytest.mark.parametrize(
        ("body", "settings", "level", "complaint"),
        [
            (b"id;name\n1;a\n", {}, "error", "set --csv-delimiter ';'"),
            (b"id,name,name\n1,a,b\n", {}, "error", "set --csv-duplicate-columns last"),
            (b"id,name,name\n1,a,b\n", {"CSV_DUPLICATE_COLUMNS": "last"}, "warning", "last one's"),
            (b"1,ada\n2,bob\n", {}, "warning", "looks like data"),
            (b"id,name\n1,a\n2\n", {}, "error", "row 2 at byte 12"),
            (b"id,name\n1,caf\xe9\n", {}, "error", "not all of it text in utf-8"),
            (b"\x28\xb5\x2f\xfd", {}, "error", "set --source-compression zstd"),
            (b"\xfd7zXZ\0\0\4", {}, "error", "is xz by its first bytes"),
            (b"", {}, "warning", "is empty"),
        ],
    )
    def test_what_would_load_wrongly_or_not_at_all(
        self, place: LoadPlace, body: bytes, settings: dict[str, str], level: str, complaint: str
    ) -> None:
        place.put(body)
        code, lines = self.doctor(place, **settings)
        assert code == (level == "error")
        assert any(complaint in line for line in lines[level])

    def test_for_programs_it_is_one_json_object(self, place: LoadPlace) -> None:
        place.put(b"id;name\n1;" + b"x" * 1_000 + b"\n")
        result = run_csvkafka("doctor", "--json", settings=place.settings())
        assert result.returncode == 1
        report = json.loads(result.stdout)
        assert report["can_begin"] is False
        marks = {finding["mark"] for finding in report["findings"]}
        assert marks == {"ok", "warning", "error", "skipped"}
        (record,) = (f for f in report["findings"] if f["text"].startswith('{"id;name"'))
        assert json.loads(record["text"])["_source_line"] == 1

    def test_another_file_under_the_same_job(self, place: LoadPlace) -> None:
        place.put(ROWS)
        place.load()
        code, lines = self.doctor(place)
        assert code == 0
        assert any("the same job: COMPLETED, 3 rows" in line for line in lines["ok"])
        place.put(ROWS + b"4,d\n")
        code, lines = self.doctor(place)
        assert code == 1
        assert any("has changed since job" in line for line in lines["error"])


class TestGenerate:
    def test_to_s3_as_a_stream(self, place: LoadPlace) -> None:
        uri = f"s3://{place.bucket}/{place.key}"
        result = run_csvkafka(
            "generate", "--rows", "200000", "--seed", "5", "--preset", "quoted", uri
        )
        assert (result.returncode, result.stderr) == (0, "")
        body = place.stack.client("s3").get_object(Bucket=place.bucket, Key=place.key)["Body"]
        assert body.read() == b"".join(write_csv(preset("quoted", 200_000, seed=5)))

    def test_a_bucket_that_does_not_exist(self, place: LoadPlace) -> None:
        result = run_csvkafka("generate", f"s3://{place.bucket}-no/data.csv")
        assert result.returncode == 1
        assert result.stderr.startswith(f"csvkafka: error: cannot write s3://{place.bucket}-no/")
