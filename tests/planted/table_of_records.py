"""Bugs of records by a declared table, and what must be found of each."""

from __future__ import annotations

from tests.planted import records
from tests.planted.plant import plant

OF_RECORDS = (
    plant(
        "record-decimals-through-floats",
        "a decimal of 19 digits becomes a float",
        records.in_json,
        "torn-row",
    ),
    plant(
        "record-local-time-as-utc",
        "the time of a zone is taken for UTC",
        records.in_json,
        "torn-row",
    ),
    plant(
        "record-null-as-text",
        "a text that means null is sent",
        records.in_json,
        "torn-row",
    ),
    plant(
        "record-mask-shows-the-wrong-end",
        "a mask shows the first characters for the last",
        records.in_json,
        "torn-row",
    ),
    plant(
        "record-key-in-the-files-order",
        "a key's columns stand as in the file",
        records.in_json,
        "torn-row",
    ),
    plant(
        "record-integer-wraps",
        "an integer beyond its bits wraps",
        records.an_integer_beyond_its_bits,
        "phantom-row",
    ),
    plant(
        "record-leading-zeros-taken",
        "digits after a zero are a number",
        records.an_integer_with_leading_zeros,
        "phantom-row",
    ),
    plant(
        "record-days-off-by-one",
        "an Avro date is a day early",
        records.in_avro,
        "torn-row",
    ),
    plant(
        "record-decimal-unsigned",
        "an Avro decimal has no room for its sign",
        records.in_avro,
        "torn-row",
    ),
    plant(
        "record-of-another-schema",
        "an Avro record names another schema",
        records.in_avro,
        "torn-row",
        *("lost-row", "checkpoint-ahead"),
    ),
    plant(
        "record-key-of-another-schema",
        "an Avro key names another schema",
        records.in_avro,
        "torn-row",
    ),
    plant(
        "record-milliseconds-as-microseconds",
        "an Avro time has the wrong unit",
        records.in_avro,
        "torn-row",
    ),
    plant(
        "record-of-a-dropped-row",
        "a rule with texts that mean null is not asked, so rows that the table drops are sent",
        records.some_are_dropped,
        "phantom-row",
    ),
    plant(
        "record-dropped-by-a-part-of-its-text",
        "a pattern drops a row of whose text only the beginning matches",
        records.some_are_dropped,
        "lost-row",
        "checkpoint-ahead",
    ),
    plant(
        "record-compiled-integer-of-64-bits",
        "the compiled encoder takes each integer for a long",
        records.an_integer_beyond_its_bits,
        "phantom-row",
    ),
    plant(
        "record-compiled-local-time-as-utc",
        "the compiled encoder takes the time of a zone for UTC",
        records.in_json,
        "torn-row",
    ),
    plant(
        "record-compiled-scale-off-by-one",
        "the compiled encoder has one digit more after the point",
        records.in_avro_with_keys_as_text,
        "torn-row",
    ),
    plant(
        "record-compiled-of-a-dropped-row",
        "the compiled encoder is not told which texts mean null, so rows that are dropped are sent",
        records.some_are_dropped,
        "phantom-row",
    ),
    plant(
        "record-letter-read-again",
        "a replay goes on with the last letter that it loaded",
        records.a_replay_is_killed,
        "duplicate-row",
    ),
)
