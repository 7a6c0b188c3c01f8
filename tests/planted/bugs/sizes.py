"""Bugs of a record's size: what is measured, and what it is held against."""

from __future__ import annotations

import zlib
from dataclasses import replace as changed
from typing import Any

from csvkafka.encode import row_json
from csvkafka.encode.compiled_rows import CompiledRows
from csvkafka.job import size_limit
from csvkafka.job.definition import JobSpec
from csvkafka.model import EncodePlan

from . import patch, replace


@patch("size-compressed")
def a_record_is_measured_compressed() -> None:
    def size(key: bytes | None, value: bytes, *_: object) -> int:
        return len(key or b"") + len(zlib.compress(value, 1))

    replace(row_json, "record_size", size)


@patch("size-of-the-value-alone")
def a_records_key_and_headers_are_not_measured() -> None:
    replace(row_json, "record_size", lambda _key, value, *_: len(value))


@patch("size-limit-that-is-met")
def a_record_of_the_limits_size_is_set_aside() -> None:
    measured = row_json.record_size
    replace(row_json, "record_size", lambda *record: measured(*record) + 1)


@patch("size-limit-of-today")
def a_resume_takes_the_limit_that_would_hold_now() -> None:
    plan_of = JobSpec.plan

    def of_today(self: JobSpec, *arguments: Any) -> EncodePlan:
        plan = plan_of(self, *arguments)
        if plan.set_aside_above_bytes is None:
            return plan
        return changed(plan, set_aside_above_bytes=size_limit._usual(plan.max_record_bytes))

    replace(JobSpec, "plan", of_today)


@patch("size-compiled-limit-too-large")
def the_compiled_encoder_is_told_a_larger_limit() -> None:
    of = vars(CompiledRows)["of"].__func__

    def told(cls: Any, plan: EncodePlan, *more: Any) -> Any:
        if plan.set_aside_above_bytes is not None:
            plan = changed(plan, set_aside_above_bytes=plan.set_aside_above_bytes + 100)
        return of(cls, plan, *more)

    replace(CompiledRows, "of", classmethod(told))
