"""What an expression's value means for the job, and what is no meaning at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from connector import feel
from connector.errors import ErrorCode, ExpressionError
from connector.feel import Evaluation, Expression
from connector.send.expressions import BpmnError, Decision, IgnoreError, JobError, decision_of, variables_of

ENDLESS = "for i in 1..1000000000 return i"
# More than an expression may take on the event loop, and far less than it may take at all.
LONG = "{n: count(for i in 1..20000 return i)}"

ERROR = {"error": {"code": "RECIPIENT_REJECTED", "message": "no", "variables": {"smtpCode": 550}}}
JOB: dict[str, Any] = {"job": {"retries": 3}}

DECISIONS: dict[str, Decision | None] = {
    "null": None,
    "{}": None,
    "if false then 1 else null": None,
    "response.nothing": None,
    'bpmnError("C")': BpmnError("C"),
    'bpmnError("C", "m", {a: 1})': BpmnError("C", "m", {"a": 1}),
    "bpmnError(error.code, error.message)": BpmnError("RECIPIENT_REJECTED", "no"),
    'jobError("m")': JobError("m"),
    'jobError("m", {a: [1]}, job.retries - 1, @"PT1M30S")': JobError(
        "m", {"a": [1]}, 2, timedelta(seconds=90)
    ),
    'jobError("m", {}, job.retries - 4)': JobError("m", {}, 0, timedelta(0)),
    'jobError("m", {}, 2147483647, @"P2D")': JobError("m", {}, 2**31 - 1, timedelta(days=2)),
    "ignoreError()": IgnoreError(),
    "ignoreError({a: 1})": IgnoreError({"a": 1}),
    # The contexts that the functions give may be written as they are, in Camunda's words or in short ones.
    '{errorType: "bpmnError", errorCode: "C"}': BpmnError("C"),
    '{errorType: "bpmnError", code: "C", message: "m", variables: {a: 1}}': BpmnError("C", "m", {"a": 1}),
    '{code: "C"}': BpmnError("C"),
    '{errorType: "bpmnError", code: error.variables.smtpCode}': BpmnError("550"),
    '{errorType: "jobError", message: "m", retries: 1, retryBackoff: "PT2S"}': JobError(
        "m", {}, 1, timedelta(seconds=2)
    ),
    '{errorType: "jobError"}': JobError(""),
    '{errorType: "ignoreError", variables: {a: null}}': IgnoreError({"a": None}),
}

UNDECIDED: dict[str, str] = {
    "true": "gave a boolean",
    '"bpmnError"': "gave text",
    "1": "gave a number",
    '[bpmnError("C")]': "gave a list",
    '{reason: "C"}': "gave a BPMN error without a code",
    'bpmnError("")': "gave a BPMN error without a code",
    '{errorType: "bpmnError"}': "gave a BPMN error without a code",
    '{errorType: "BPMN", code: "C"}': "gave the errorType 'BPMN'",
    '{code: ["C"]}': "gave a code that is not text: a list",
    "{code: true}": "gave a code that is not text: true",
    '{code: "C", variables: "x"}': "gave variables that are not a context: 'x'",
    '{errorType: "jobError", retries: "2"}': "gave retries that are not a whole number: '2'",
    '{errorType: "jobError", retries: 1.5}': "gave retries that are not a whole number: 1.5",
    '{errorType: "jobError", retries: true}': "gave retries that are not a whole number: true",
    'jobError("m", {}, 2147483648)': "gave retries that are not a whole number",
    '{errorType: "jobError", retryBackoff: 30}': "gave a retryBackoff that is not a duration such as PT30S",
    '{errorType: "jobError", retryBackoff: "P1M"}': "gave a retryBackoff that is not a duration",
    'jobError("m", {}, 1, @"-PT5S")': "gave a retryBackoff that is not a duration",
}


async def decide(text: str, context: Mapping[str, Any]) -> Decision | None:
    return (await decision_of(feel.compile(text), context))[0]


@pytest.mark.parametrize("text", DECISIONS)
async def test_a_decision(text: str) -> None:
    decision = await decide(text, ERROR | JOB)
    expected = DECISIONS[text]
    if isinstance(decision, JobError) and decision.backoff == timedelta(0):
        assert isinstance(expected, JobError)
        assert decision == JobError(expected.message, expected.variables, expected.retries, timedelta(0))
    else:
        assert decision == expected


@pytest.mark.parametrize("text", UNDECIDED)
async def test_a_value_that_decides_nothing_is_an_error_that_says_what_to_write(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        await decide(text, ERROR | JOB)
    assert caught.value.message.startswith(f"errorExpression: {UNDECIDED[text]}")
    assert "write bpmnError(…), jobError(…), ignoreError(…) or null" in caught.value.message
    assert (caught.value.code, caught.value.field) == (ErrorCode.EXPRESSION_ERROR, "errorExpression")


async def test_a_value_in_an_error_is_shown_short() -> None:
    with pytest.raises(ExpressionError) as caught:
        await decide('{code: "C", variables: string join(for i in 1..1000 return "secret words")}', {})
    assert len(caught.value.message) < 250


# Result expressions

RESPONSE = {"status": "SUCCESS", "accepted": ["a@x", "b@x"], "size": 2, "date": "2026-11-20"}
RESULTS: dict[str, dict[str, Any]] = {
    "null": {},
    "{}": {},
    "{id: status}": {"id": "SUCCESS"},
    "{to: response.accepted[1], all: accepted, n: count(accepted)}": {
        "to": "a@x",
        "all": ["a@x", "b@x"],
        "n": 2,
    },
    "{mail: {to: for a in accepted return {address: a, deep: [[a]]}}}": {
        "mail": {"to": [{"address": "a@x", "deep": [["a@x"]]}, {"address": "b@x", "deep": [["b@x"]]}]}
    },
    '{none: response.nothing, day: date(date), next: date(date) + @"P1D"}': {
        "none": None,
        "day": "2026-11-20",
        "next": "2026-11-21",
    },
    '{when: @"2026-11-20T20:50:33.5+01:00", time: @"20:50:33Z", wait: @"PT90M", term: @"P14M"}': {
        "when": "2026-11-20T20:50:33.5+01:00",
        "time": "20:50:33Z",
        "wait": "PT1H30M",
        "term": "P1Y2M",
    },
    "{half: size / 4, whole: size / 2, third: 1 / 3, big: 9007199254740993, sum: 0.1 + 0.2}": {
        "half": 0.5,
        "whole": 1,
        "third": 1 / 3,
        "big": 9007199254740993,
        "sum": 0.3,
    },
}


@pytest.mark.parametrize("text", RESULTS)
async def test_result_variables(text: str) -> None:
    variables, _ = await variables_of(feel.compile(text), {**RESPONSE, "response": RESPONSE})
    assert variables == RESULTS[text]
    assert [type(value) for value in variables.values()] == [type(value) for value in RESULTS[text].values()]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("5", "not a number"),
        ('"x"', "not text"),
        ("[{a: 1}]", "not a list"),
        ("true", "not a boolean"),
        ('@"P1D"', "not text"),
    ],
)
async def test_a_result_that_is_no_context(text: str, what: str) -> None:
    with pytest.raises(ExpressionError, match="resultExpression: must give a context such as") as caught:
        await variables_of(feel.compile(text), {})
    assert caught.value.message.endswith(what)


async def test_why_a_value_is_null_is_told() -> None:
    assert await variables_of(feel.compile("{a: missing}"), {}) == (
        {"a": None},
        ("There is no variable 'missing'",),
    )
    decision, warnings = await decision_of(feel.compile('bpmnEror("C")'), {})
    assert decision is None
    assert warnings == ("There is no function bpmnEror(string); did you mean bpmnError?",)


# What an expression may cost


async def test_a_failure_shows_the_expression_and_the_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        await decide('if true then\n  jobError("m", 1)\nelse null', {})
    first, line, caret = caught.value.message.split("\n")
    assert first.startswith("errorExpression: jobError takes a context")
    assert first.endswith("(line 2, column 3)")
    assert (line, caret) == ('  jobError("m", 1)', "  ^")


async def test_an_endless_expression_ends_while_the_loop_goes_on() -> None:
    turns = 0
    running = asyncio.create_task(decide(f"count({ENDLESS})", {}))
    while not running.done():
        await asyncio.sleep(0)
        turns += 1
    with pytest.raises(ExpressionError, match=r"errorExpression: The expression takes (more|longer) than"):
        running.result()
    assert turns > 10


async def test_a_long_expression_leaves_the_event_loop() -> None:
    threads: list[str] = []

    class Watched(Expression):
        __slots__ = ()

        def evaluate(self, *arguments: Any, **named: Any) -> Evaluation:
            threads.append(threading.current_thread().name)
            return super().evaluate(*arguments, **named)

    await variables_of(Watched(LONG, feel.compile(LONG)._node), {})
    on_the_loop, elsewhere = threads
    assert on_the_loop == threading.current_thread().name != elsewhere


async def test_who_cancels_does_not_cut_off_an_expression() -> None:
    began, go_on = threading.Event(), threading.Event()

    class Held(Expression):
        __slots__ = ()

        def evaluate(self, *arguments: Any, **named: Any) -> Evaluation:
            if threading.current_thread() is not threading.main_thread():
                began.set()
                assert go_on.wait(20)
            return super().evaluate(*arguments, **named)

    running = asyncio.create_task(variables_of(Held(LONG, feel.compile(LONG)._node), {}))
    assert await asyncio.to_thread(began.wait, 20)
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0)
    assert not running.done()
    go_on.set()
    assert await running == ({"n": 20000}, ())
