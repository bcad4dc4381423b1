"""A task's static headers."""

from datetime import timedelta

import pytest

from connector.errors import ErrorCode, ExpressionError
from connector.task.headers import TaskHeaders, read_task_headers


def test_headers_of_others_and_blank_ones_say_nothing() -> None:
    blank = {"resultVariable": "", "resultExpression": " ", "errorExpression": "=", "retryBackoff": " = "}
    assert read_task_headers({}) == TaskHeaders()
    assert read_task_headers({**blank, "errorMapping": "", "elementTemplateId": "x"}) == TaskHeaders()


@pytest.mark.parametrize("written", ["mail", " mail ", "=mail", " = mail", '"mail"', '="mail"'])
def test_a_result_variable(written: str) -> None:
    assert read_task_headers({"resultVariable": written}).result_variable == "mail"


@pytest.mark.parametrize("name", ["_a1", "größe", "notes", "ifx", "True"])
def test_names_that_a_variable_may_have(name: str) -> None:
    assert read_task_headers({"resultVariable": name}).result_variable == name


@pytest.mark.parametrize(
    "name", ["1st", "a b", "a-b", "a.b", "a+b", "null", "true", "for", "not", "a\nb", "a?", "=a"]
)
def test_names_that_a_variable_may_not_have(name: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_task_headers({"resultVariable": f"={name}"})
    assert caught.value.field == "resultVariable"
    assert caught.value.code is ErrorCode.EXPRESSION_ERROR
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("PT30S", 30),
        (" = PT30S ", 30),
        ('"PT5M"', 300),
        ("pt1m30s", 90),
        ("P1DT1H", 90_000),
        ("P2W", 1_209_600),
        ("PT0.5S", 0.5),
        ("PT0,5S", 0.5),
        ("PT0S", 0),
        ("P365D", 31_536_000),
    ],
)
def test_a_retry_backoff(written: str, seconds: float) -> None:
    assert read_task_headers({"retryBackoff": written}).retry_backoff == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("30", "no ISO 8601 duration"),
        ("30s", "no ISO 8601 duration"),
        ("P", "no ISO 8601 duration"),
        ("PT", "no ISO 8601 duration"),
        ("P1DT", "no ISO 8601 duration"),
        ("-PT5S", "no ISO 8601 duration"),
        ("PT5", "no ISO 8601 duration"),
        ("PT5S\n,PT10S", "no ISO 8601 duration"),
        ("PT٣S", "no ISO 8601 duration"),
        ("P1M", "years or months"),
        ("P1Y", "years or months"),
        ("P366D", "longer than a year"),
        ("PT9999999999S", "longer than a year"),
        ("P" + "9" * 100_000 + "D", "no ISO 8601 duration"),
    ],
)
def test_no_retry_backoff(written: str, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_task_headers({"retryBackoff": written})
    assert caught.value.field == "retryBackoff"
    assert part in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["resultExpression", "errorExpression", "errorMapping"])
def test_an_expression_is_refused_not_ignored(name: str) -> None:
    with pytest.raises(ExpressionError, match="not supported by this version") as caught:
        read_task_headers({name: "={a: response}"})
    assert caught.value.field == name
