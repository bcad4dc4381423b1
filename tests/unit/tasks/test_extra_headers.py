"""Extra header fields, and the mails that a mail answers."""

from typing import Any

import pytest

from tests.unit.tasks.task_inputs import read, refused


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"X-Case": "7", "X-Note": "ä"}, (("X-Case", "7"), ("X-Note", "ä"))),
        (
            {"X-Case": 7, "X-Test": True, "X-Rate": 0.5},
            (("X-Case", "7"), ("X-Test", "true"), ("X-Rate", "0.5")),
        ),
        ({"X-None": None, "X-Blank": "", "X-Case": "7"}, (("X-Case", "7"),)),
        ('{"X-Case": "7"}', (("X-Case", "7"),)),
        ({}, ()),
    ],
)
def test_extra_headers(data: Any, expected: tuple[tuple[str, str], ...]) -> None:
    assert read(smtpEmailHeaders=data).headers == expected


@pytest.mark.parametrize(
    "data",
    [
        {"Bcc": "CANARY@example.net"},
        {"from": "CANARY@example.net"},
        {"MIME-Version": "CANARY"},
        {"Content-Type": "CANARY"},
        {"X-Case": "CANARY\r\nBcc: eve@example.net"},
        {"X-Case": ["CANARY"]},
        {"X-Case": {"CANARY": 1}},
        {"X-Case": [["CANARY"]]},
        {"X Case": "CANARY"},
        {"X-Case\r\nBcc": "CANARY"},
        {"X-Case\r\nBcc": {"CANARY": 1}},
        {"": "CANARY"},
        {"X-Case": "CANARY\ud800"},
        ["CANARY"],
        "X-Case: CANARY",
        '{"X-Case": CANARY}',
        True,
    ],
)
def test_headers_that_are_refused_without_their_values(data: Any) -> None:
    error = refused(smtpEmailHeaders=data)
    assert error.field.startswith("smtpEmailHeaders")
    assert "CANARY" not in error.message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("<a@x>", ("<a@x>",)),
        ("a@x", ("<a@x>",)),
        ("<a@x> <b@x>", ("<a@x>", "<b@x>")),
        ("a@x b@x, c@x", ("<a@x>", "<b@x>", "<c@x>")),
        ("<a,1@x>;<b@x>", ("<a,1@x>", "<b@x>")),
        (["<a@x>", "", "b@x"], ("<a@x>", "<b@x>")),
        ('["<a@x>"]', ("<a@x>",)),
    ],
)
def test_message_ids(data: Any, expected: tuple[str, ...]) -> None:
    assert read(smtpEmailReferences=data).references == expected


@pytest.mark.parametrize("data", ["a@x", "<a@x>", ["<a@x>"], " <a@x> "])
def test_a_mail_answers_one_other(data: Any) -> None:
    assert read(smtpEmailInReplyTo=data).in_reply_to == "<a@x>"


def test_a_mail_does_not_answer_two_others() -> None:
    assert refused(smtpEmailInReplyTo="<a@x> <b@x>").field == "smtpEmailInReplyTo"


@pytest.mark.parametrize(
    "data",
    ["<a@x>\r\n<b@x>", "<>", "<a b@x>", "<a@x>\r\nBcc: y", ["<ä@x>"], [7], True, "<" + "a" * 901 + ">"],
)
def test_no_message_ids(data: Any) -> None:
    for name in ("smtpEmailReferences", "smtpEmailInReplyTo"):
        assert refused(**{name: data}).field.startswith(name)


@pytest.mark.parametrize(
    "data",
    ["a@" + "b" * 2_000, "<a@" + "b" * 5_000 + ">", ["a@" + "b" * 249], pytest.param("@" * 10**6, id="@@…")],
)
def test_no_message_id_is_too_long_for_a_line(data: Any) -> None:
    for name in ("smtpEmailReferences", "smtpEmailInReplyTo"):
        assert "longer than 250 characters" in refused(**{name: data}).message


def test_a_header_holds_ten_thousand_characters_and_a_mail_two_hundred_headers() -> None:
    assert refused(smtpEmailHeaders={"X-Case": "v" * 10_001}).field == "smtpEmailHeaders.X-Case"
    assert len(read(smtpEmailHeaders={f"X-{number}": "v" * 10_000 for number in range(200)}).headers) == 200
    error = refused(smtpEmailHeaders={f"X-{number}": "v" for number in range(201)})
    assert "more than 200 headers" in error.message
