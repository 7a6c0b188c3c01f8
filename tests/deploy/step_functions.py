"""A small model of AWS Step Functions, as its documentation says: what deploy/ uses of it.

States Pass, Task, Choice, Wait, Succeed and Fail in JSONata, with Assign, Retry and Catch. A task
is a function of the test. It is a model: no state machine has run in AWS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

RunTask = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class TaskError(Exception):
    """The service refuses the call."""


@dataclass
class Execution:
    """One execution: `status` at its end, and the states on its way."""

    definition: Mapping[str, Any]
    run_task: RunTask
    status: str = "RUNNING"
    way: list[str] = field(default_factory=list)
    _variables: dict[str, Any] = field(default_factory=dict)

    def start(self, given: Mapping[str, Any]) -> None:
        """Runs to the end; 1,000 states are taken for a loop."""
        assert self.definition["QueryLanguage"] == "JSONata"
        name, data = self.definition["StartAt"], dict(given)
        while self.status == "RUNNING" and len(self.way) < 1_000:
            self.way.append(name)
            name, data = self._run(self.definition["States"][name], data)

    def _run(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        kind = state["Type"]
        if kind == "Succeed":
            self.status = "SUCCEEDED"
        elif kind == "Fail":
            self.status = "FAILED"
        elif kind == "Choice":
            for choice in state["Choices"]:
                if self._value(choice["Condition"], data):
                    return choice["Next"], data
            return state["Default"], data
        elif kind == "Task":
            return self._task(state, data)
        else:
            assert kind in ("Pass", "Wait"), kind
            self._assign(state, data, data)
        return state.get("Next", ""), data

    def _task(self, state: Mapping[str, Any], data: Any) -> tuple[str, Any]:
        assert state["Resource"].endswith(":states:::ecs:runTask")
        (retry,) = state.get("Retry", [{"MaxAttempts": 0}])
        for _ in range(1 + retry["MaxAttempts"]):
            try:
                result = self.run_task(self._value(state["Arguments"], data))
            except TaskError:
                continue
            self._assign(state, data, result)
            return state["Next"], result
        for catch in state.get("Catch", []):
            return catch["Next"], data
        self.status = "FAILED"
        return "", data

    def _assign(self, state: Mapping[str, Any], data: Any, result: Any) -> None:
        assigned = {
            name: self._value(value, data, result)
            for name, value in state.get("Assign", {}).items()
        }
        self._variables |= assigned

    def _value(self, template: Any, data: Any, result: Any = None) -> Any:
        if isinstance(template, dict):
            return {name: self._value(value, data, result) for name, value in template.items()}
        if isinstance(template, list):
            return [self._value(value, data, result) for value in template]
        if not (isinstance(template, str) and template.startswith("{%")):
            return template
        # Here, as the tests say in a line where it is not installed.
        from jsonata import Jsonata

        expression = Jsonata(template.removeprefix("{%").removesuffix("%}"))
        frame = expression.create_frame()
        frame.bind("states", {"input": data, "result": result})
        for name, value in self._variables.items():
            frame.bind(name, value)
        return expression.evaluate({}, frame)
