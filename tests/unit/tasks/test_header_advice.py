"""Headers that are probably not what was meant."""

from __future__ import annotations

import pytest

from connector.tasks.header_advice import decides_blindly, header_warnings
from connector.tasks.headers import HEADERS


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("resultVarible", "resultVariable"),
        ("ResultVariable", "resultVariable"),
        ("result_expression", "resultExpression"),
        ("errorExpresion", "errorExpression"),
        ("error-mapping", "errorMapping"),
        ("retryBackOff", "retryBackoff"),
        ("jobTimeOut", "jobTimeout"),
    ],
)
def test_a_header_that_resembles_ours_is_told(name: str, meant: str) -> None:
    (warning,) = header_warnings({name: "x"}, HEADERS)
    assert warning == f"the task header {name!r} was ignored; did you mean {meant}?"


def test_other_headers_belong_to_others() -> None:
    others = (
        "elementTemplateId",
        "elementTemplateVersion",
        "inputs",
        "method",
        "retries",
        "error",
        "timeout",
    )
    assert header_warnings(dict.fromkeys((*HEADERS, *others, "x" * 10_000), ""), HEADERS) == ()


@pytest.mark.parametrize(
    ("expression", "code", "near"),
    [
        ('=if error.code = "404" then bpmnError("X") else null', "404", "ATTACHMENT_NOT_FOUND"),
        ('if "500" = error.code then null else null', "500", "RECIPIENT_REJECTED or MESSAGE_REJECTED"),
        ('if error.code != "429" then null else null', "429", "RATE_LIMITED"),
        ('if error.code in ("AUTH_FAILED", "AUTHFAILED") then null else null', "AUTHFAILED", "AUTH_FAILED"),
        ('if error.code in ["RECIPIENT"] then null else null', "RECIPIENT", "RECIPIENT_REJECTED"),
        ('list contains(["AUTH_FAILED", "RATE_LIMIT"], error.code)', "RATE_LIMIT", "RATE_LIMITED"),
    ],
)
def test_a_comparison_with_an_unknown_code_is_told(expression: str, code: str, near: str) -> None:
    (warning,) = header_warnings({"errorExpression": expression}, HEADERS)
    assert warning.startswith(
        f'errorExpression compares error.code with "{code}", which is not an error code'
    )
    assert f"did you mean {near}" in warning
    assert ("error.variables.smtpCode" in warning) == code.isdigit()


@pytest.mark.parametrize(
    "expression",
    [
        "",
        'error.code = "AUTH_FAILED"',
        'error.code in ("AUTH_FAILED", "RATE_LIMITED")',
        'list contains(["x", "y"], error.message) and error.code = "CLIENT_REJECTED"',
        'my.error.code = "404"',
        'error.code.x = "404"',
        'bpmnError("404")',
        "error.code = ",
        '"error.code = \\"404\\""',
        "error.code = code",
    ],
)
def test_other_comparisons_are_no_matter(expression: str) -> None:
    assert header_warnings({"errorExpression": expression}, HEADERS) == ()


def test_warnings_about_headers_are_few() -> None:
    codes = " or ".join(f'error.code = "{number}"' for number in range(400, 500))
    assert len(header_warnings({"errorExpression": codes}, HEADERS)) == 10


@pytest.mark.parametrize(
    ("expression", "blind"),
    [
        ('bpmnError("X")', True),
        ('if job.retries = 1 then jobError("m", {error: 1}) else null', True),
        ('if x.error then bpmnError("X") else null', True),
        ('if is defined(error) then bpmnError("X") else null', False),
        ("if count(response.rejected) > 0 then null else null", False),
        ("if status = 1 then null else null", False),
    ],
)
def test_an_expression_decides_blindly_or_not(expression: str, blind: bool) -> None:
    assert decides_blindly(expression) is blind
