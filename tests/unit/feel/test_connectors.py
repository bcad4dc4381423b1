"""The functions of Camunda's connectors: shapes, defaults, and what they do not take."""

from __future__ import annotations

import pytest

from connector import feel
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


@pytest.mark.parametrize(
    ("call", "milliseconds"),
    [
        ("backoff(attempt: 1, jitter: 0)", 50),
        ("backoff(attempt: 0, jitter: 0)", 50),
        ("backoff(attempt: 2, jitter: 0)", 80),
        ("backoff(attempt: 3, jitter: 0)", 128),
        ("backoff(attempt: 99, jitter: 0)", 5_000),
        ("backoff(attempt: 10 ** 30, jitter: 0)", 5_000),
        ('backoff(3, @"PT1S", 2, @"PT1H", 0)', 4_000),
        ('backoff(3, @"PT1S", 1, @"PT1H", 0)', 1_000),
        ('backoff(9, @"PT1S", 2, @"PT1M", 0)', 60_000),
        ('backoff(attempt: 5, minDelay: @"PT1M", jitter: 0)', 60_000),
    ],
)
def test_a_backoff_grows_up_to_a_limit(call: str, milliseconds: int) -> None:
    assert evaluate(f'{call} = duration("PT{milliseconds / 1000}S")') is True


def test_a_backoff_is_never_quite_the_same() -> None:
    pauses = {str(evaluate('backoff(1, @"PT10S", 2, @"PT10S")')) for _ in range(20)}
    assert len(pauses) > 1
    assert all(9 <= float(pause[2:-1]) <= 11 for pause in pauses)


@pytest.mark.parametrize(
    "call",
    [
        'backoff("1")',
        "backoff(-1)",
        "backoff(1, 50)",
        'backoff(1, @"PT0S")',
        "backoff(1, null, -2)",
        "backoff(null)",
    ],
)
def test_a_backoff_of_something_else_fails(call: str) -> None:
    with pytest.raises(FeelError, match="backoff takes"):
        evaluate(call)


def test_a_backoff_is_what_job_error_takes() -> None:
    decided = evaluate('jobError("m", {}, 1, backoff(attempt: 2, jitter: 0))')
    assert isinstance(decided, dict)
    assert decided["retryBackoff"] == "PT0.08S"


def test_who_gave_the_whole_value_is_known() -> None:
    def given_by(text: str) -> str | None:
        found = feel.compile(text).evaluate({"a": 1}, functions=feel.CONNECTOR_FUNCTIONS)
        return found.given_by

    assert given_by('if a = 1 then bpmnError("C") else null') == "bpmnError"
    assert given_by('[bpmnError("C")][1]') == "bpmnError"
    assert given_by('{x: bpmnError("C")}') is None
    assert given_by('context put(bpmnError("C"), "x", 1)') is None
    assert given_by('{errorType: "bpmnError", errorCode: "C"}') is None
