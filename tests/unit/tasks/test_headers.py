"""A task's static headers."""

from datetime import timedelta

import pytest

from connector.errors import ErrorCode, ExpressionError
from connector.tasks.headers import TaskHeaders, read_task_headers


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
        ("30", "not an ISO 8601 duration"),
        ("30s", "not an ISO 8601 duration"),
        ("P", "not an ISO 8601 duration"),
        ("PT", "not an ISO 8601 duration"),
        ("P1DT", "not an ISO 8601 duration"),
        ("-PT5S", "not an ISO 8601 duration"),
        ("PT5", "not an ISO 8601 duration"),
        ("PT5S\n,PT10S", "not an ISO 8601 duration"),
        ("PT٣S", "not an ISO 8601 duration"),
        ("P1M", "years or months"),
        ("P1Y", "years or months"),
        ("P366D", "longer than a year"),
        ("PT9999999999S", "longer than a year"),
        ("P" + "9" * 100_000 + "D", "not an ISO 8601 duration"),
    ],
)
def test_no_retry_backoff(written: str, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_task_headers({"retryBackoff": written})
    assert caught.value.field == "retryBackoff"
    assert part in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["resultExpression", "errorExpression"])
@pytest.mark.parametrize("written", ["{a: x}", "={a: x}", " = {a: x} ", "=\n{a: x}"])
def test_an_expression_is_parsed(name: str, written: str) -> None:
    headers = read_task_headers({name: written})
    parsed = headers.result_expression if name == "resultExpression" else headers.error_expression
    assert parsed is not None
    assert parsed.evaluate({"x": 1}).value == {"a": 1}


BROKEN: dict[str, tuple[str, str, str]] = {
    "not closed": ("={a: response", "line 1, column 14", "={a: response\n             ^"),
    "no value": ("if x then", "line 1, column 10", "if x then\n         ^"),
    "second line": ("{a: 1,\n b: + }", "line 2, column 5", " b: + }\n    ^"),
    "not FEEL": ("${response.id}", "line 1, column 1", "${response.id}\n^"),
    "too deep": ("(" * 5000, "nested more than 64 levels deep", "^"),
    "too long": ("1 +" * 20_000 + "1", "longer than 50000 characters", ""),
}


@pytest.mark.parametrize("name", ["resultExpression", "errorExpression", "errorMapping"])
@pytest.mark.parametrize(("written", "place", "shown"), BROKEN.values(), ids=BROKEN)
def test_a_broken_expression_is_an_error_with_its_place(
    name: str, written: str, place: str, shown: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_task_headers({name: written})
    assert caught.value.message.startswith(f"{name}: ")
    assert place in caught.value.message
    assert caught.value.message.endswith(shown)
    assert (caught.value.code, caught.value.field) == (ErrorCode.EXPRESSION_ERROR, name)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "written",
    [
        '{AUTH_FAILED: "LOGIN", "*": "MAIL"}',
        '= {"AUTH_FAILED": "LOGIN", "*": "MAIL"}',
        '{"AUTH_FAILED":"LOGIN","*":"MAIL"}',
        'context merge([{AUTH_FAILED: "LOGIN"}, {"*": "MA" + "IL"}])',
    ],
)
def test_an_error_mapping_is_a_context_or_json(written: str) -> None:
    mapping = read_task_headers({"errorMapping": written}).error_mapping
    assert mapping == {"AUTH_FAILED": "LOGIN", "*": "MAIL"}


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ('{AUTH_FAILD: "X"}', "'AUTH_FAILD' is not an error code; did you mean AUTH_FAILED?"),
        ('{auth_failed: "X"}', "'auth_failed' is not an error code; did you mean AUTH_FAILED?"),
        ('{zzz: "X"}', "'zzz' is not an error code"),
        ("{AUTH_FAILED: 5}", "the BPMN error code for AUTH_FAILED must be a text"),
        ('{"*": " "}', "the BPMN error code for * must be a text that is not blank"),
        ('{"*": null}', "the BPMN error code for * must be a text"),
        ('["MAIL"]', "expected error codes with BPMN error codes"),
        ('"MAIL"', "expected error codes with BPMN error codes"),
        ("MAIL", "expected error codes with BPMN error codes"),
        ('assert("x", false)', "line 1, column"),
    ],
)
def test_no_error_mapping(written: str, part: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_task_headers({"errorMapping": written})
    assert caught.value.message.startswith("errorMapping: ")
    assert part in caught.value.message


def test_an_error_mapping_that_never_ends_is_refused() -> None:
    with pytest.raises(ExpressionError, match="errorMapping: The expression takes"):
        read_task_headers({"errorMapping": "for i in 1..1000000000 return i"})
