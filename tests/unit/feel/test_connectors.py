"""The functions of Camunda's connectors: shapes, defaults, and what they do not take."""

from __future__ import annotations

import pytest

from connector.feel import FeelError, evaluate

SHAPES: dict[str, object] = {
    'bpmnError("C")': {"errorType": "bpmnError", "errorCode": "C"},
    'bpmnError("C", "m")': {"errorType": "bpmnError", "errorCode": "C", "errorMessage": "m"},
    'bpmnError("C", "m", {a: [1, {b: null}]})': {
        "errorType": "bpmnError",
        "errorCode": "C",
        "errorMessage": "m",
        "variables": {"a": [1, {"b": None}]},
    },
    'bpmnError("C", "m", null)': {"errorType": "bpmnError", "errorCode": "C", "errorMessage": "m"},
    'bpmnError(errorMessage: "m", errorCode: "C")': {
        "errorType": "bpmnError",
        "errorCode": "C",
        "errorMessage": "m",
    },
    'jobError("m")': {
        "errorType": "jobError",
        "errorMessage": "m",
        "variables": {},
        "retries": 0,
        "retryBackoff": "PT0S",
    },
    'jobError(errorMessage: "m", retries: 2, retryBackoff: @"P1DT1S")': {
        "errorType": "jobError",
        "errorMessage": "m",
        "variables": {},
        "retries": 2,
        "retryBackoff": "PT24H1S",
    },
    "ignoreError()": {"errorType": "ignoreError"},
    "ignoreError({a: 1})": {"errorType": "ignoreError", "variables": {"a": 1}},
    "ignoreError(null)": {"errorType": "ignoreError"},
    "bpmnError()": None,
    'bpmnError("C", "m", {}, 4)': None,
    'bpmnError(code: "C")': None,
}

WRONG: dict[str, str] = {
    "bpmnError(550)": "bpmnError takes a string as its errorCode, not a number; string(…)",
    "bpmnError(null)": "bpmnError takes a string as its errorCode, not null",
    'bpmnError("C", null)': "bpmnError takes a string as its errorMessage, not null",
    'bpmnError("C", "m", "x")': "bpmnError takes a context",
    "jobError(5)": "jobError takes a string as its errorMessage, not a number",
    'jobError("m", [])': "jobError takes a context such as {reason: error.code} as its variables, not a list",
    'jobError("m", {}, "2")': "jobError takes a number as its retries, not a string",
    'jobError("m", {}, 2, "PT10S")': 'jobError takes a duration such as @"PT30S" as its retryBackoff',
    'jobError("m", {}, 2, @"P1M")': "not a years and months duration",
    "ignoreError(1)": "ignoreError takes a context",
}


@pytest.mark.parametrize("text", SHAPES)
def test_a_call_gives_what_camunda_gives(text: str) -> None:
    assert evaluate(text) == SHAPES[text]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_argument_fails_at_its_place(text: str) -> None:
    with pytest.raises(FeelError) as caught:
        evaluate(f"if true then {text} else null")
    assert WRONG[text] in caught.value.message
    assert caught.value.caret().endswith("^")
    assert caught.value.column == len("if true then ") + 1


def test_a_decision_can_be_changed_before_it_is_given() -> None:
    changed = evaluate('context put(bpmnError("C"), "errorCode", "D")')
    assert changed == {"errorType": "bpmnError", "errorCode": "D"}
