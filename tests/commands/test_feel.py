"""``smtp-connector feel`` as a person tries an expression."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.terminal import command

RESPONSE = {"response": {"messageId": "<1@mail>", "accepted": ["ann@x"]}, "größe": 2, "half": "\ud83d"}

VALUES: dict[str, tuple[str, object]] = {
    "a context": ("{id: response.messageId, to: response.accepted[1]}", {"id": "<1@mail>", "to": "ann@x"}),
    "a leading =": ("= größe + 1", 3),
    "text beyond ASCII": ('"Grüße 😀"', "Grüße 😀"),
    "half of a pair": ("half", "\ud83d"),
    "a moment": ('@"2026-11-20T20:50:33Z" + @"P1D"', "2026-11-21T20:50:33Z"),
    "a function of ours": (
        'bpmnError(errorCode: "C", errorMessage: "m")',
        {"errorType": "bpmnError", "errorCode": "C", "errorMessage": "m"},
    ),
    "another": ('jobError("m").retries', 0),
    "the third": ("ignoreError()", {"errorType": "ignoreError"}),
}


@pytest.mark.parametrize(("expression", "value"), VALUES.values(), ids=VALUES)
async def test_the_value_is_printed_as_json(expression: str, value: object, tmp_path: Path) -> None:
    context = tmp_path / "context.json"
    context.write_text(json.dumps(RESPONSE), encoding="utf-8")
    done = await command("feel", expression, "--context", str(context), environ={"LC_ALL": "C"})
    assert (done.code, done.stderr) == (0, "")
    assert json.loads(done.stdout) == value


async def test_the_context_may_come_from_standard_input() -> None:
    done = await command("feel", "a + b", "--context", "-", stdin='{"a": 1, "b": 2}')
    assert (done.code, done.stdout) == (0, "3\n")


async def test_an_expression_may_begin_with_a_minus() -> None:
    done = await command("feel", "--", "-2 ** 2")
    assert (done.code, done.stdout) == (0, "4\n")


async def test_warnings_go_to_standard_error() -> None:
    done = await command("feel", "{a: bpmnEror(code)}")
    assert (done.code, json.loads(done.stdout)) == (0, {"a": None})
    assert done.stderr == (
        "warning: There is no variable 'code'\nwarning: There is no function bpmnEror(null); did you mean "
        "bpmnError?\n"
    )


FAILURES: dict[str, tuple[str, str]] = {
    "syntax": ("{a: 1 +", "{a: 1 +\n       ^\n"),
    "second line": ("if x\nthen 1 els 2", "then 1 els 2\n       ^\n"),
    "a wrong argument": ("if true then bpmnError(5) else null", "\n             ^\n"),
    "an assertion": ('assert("x", false)', "^\n"),
    "without end": ("for i in 1..1000000000 return i", "^\n"),
}


@pytest.mark.parametrize(("expression", "end"), FAILURES.values(), ids=FAILURES)
async def test_a_mistake_is_shown_with_a_caret_and_exit_code_1(expression: str, end: str) -> None:
    done = await command("feel", expression)
    assert (done.code, done.stdout) == (1, "")
    message, *_ = done.stderr.splitlines()
    assert "(line " in message
    assert done.stderr.endswith(end)
    assert "Traceback" not in done.stderr


USAGE: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no expression": (("feel",), "", "Missing argument"),
    "two expressions": (("feel", "1", "2"), "", "unexpected extra argument"),
    "unknown option": (("feel", "1", "--nonsense"), "", "No such option"),
    "no file": (("feel", "1", "--context", "/no/such.json"), "", "/no/such.json: cannot read it"),
    "no JSON": (("feel", "1", "--context", "-"), "{", "standard input: not valid JSON"),
    "no object": (("feel", "1", "--context", "-"), "[]", "expected a JSON object with the variables"),
    "too deep": (("feel", "1", "--context", "-"), "[" * 100_000, "standard input: not valid JSON"),
}


@pytest.mark.parametrize(("arguments", "stdin", "message"), USAGE.values(), ids=USAGE)
async def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], stdin: str, message: str) -> None:
    done = await command(*arguments, stdin=stdin)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
