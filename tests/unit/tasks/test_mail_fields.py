"""What a task gives for the fields of a mail: mailboxes, message ids, extra fields."""

from __future__ import annotations

from typing import Any

import pytest

from connector.model.addresses import Mailbox
from tests.unit.tasks.task_inputs import ABSENT, read, refused

JANE = Mailbox("jane@example.org")
TO, CC, BCC = "smtpEmailToRecipients", "smtpEmailCcRecipients", "smtpEmailBccRecipients"


@pytest.mark.parametrize(
    "data",
    [
        ["jane@example.org", "Joe <joe@example.org>"],
        "jane@example.org, Joe <joe@example.org>",
        "jane@example.org;Joe <joe@example.org>",
        '["jane@example.org", "Joe <joe@example.org>"]',
        ["", "jane@example.org", "Joe <joe@example.org>", "  "],
    ],
)
@pytest.mark.parametrize("name", [TO, CC, BCC, "smtpEmailDirectReplyTo"])
def test_addresses_in_all_forms_of_a_list(name: str, data: Any) -> None:
    request = read(**{name: data})
    attribute = {TO: request.to, CC: request.cc, BCC: request.bcc}.get(name, request.reply_to)
    assert attribute == (JANE, Mailbox("joe@example.org", "Joe"))


def test_a_comma_in_a_quoted_name_separates_nothing() -> None:
    assert read(smtpEmailToRecipients='"Doe, Jane" <jane@example.org>').to == (
        Mailbox("jane@example.org", "Doe, Jane"),
    )


@pytest.mark.parametrize("listed", ["Doe, Jane <jane@example.org>", "joe@x.org; Doe, Jane <jane@x.org>"])
def test_a_comma_in_a_name_without_quotes_is_told(listed: str) -> None:
    error = refused(smtpEmailToRecipients=listed)
    assert 'a name with a comma needs double quotes, as "Doe, Jane"' in error.message
    assert "jane@x.org" not in error.message


@pytest.mark.parametrize("name", [CC, BCC])
@pytest.mark.parametrize("blank", [ABSENT, "", []])
def test_one_kind_of_recipient_is_enough(name: str, blank: Any) -> None:
    copies: Any = "jane@example.org"
    request = read(smtpEmailToRecipients=blank, **{name: copies})
    assert request.to == ()
    assert (*request.cc, *request.bcc) == (JANE,)
    assert request.warnings == ()


def test_a_null_to_beside_copies_is_told() -> None:
    assert (
        "smtpEmailToRecipients is null"
        in read(smtpEmailToRecipients=None, smtpEmailCcRecipients="jane@example.org").warnings[0]
    )


@pytest.mark.parametrize("data", [["", None], ",;", "[]", [" "]])
def test_a_list_of_blanks_has_no_recipients(data: Any) -> None:
    error = refused(smtpEmailToRecipients=data)
    assert error.field == TO
    assert "at least one recipient" in error.message


def test_a_null_among_recipients_is_left_out_and_told() -> None:
    request = read(smtpEmailToRecipients=[None, "jane@example.org"])
    assert request.to == (JANE,)
    assert request.warnings == ("smtpEmailToRecipients: an item is null and was left out",)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (["jane@example.org", 5], f"{TO}[2]"),
        (["jane@example.org", {"address": "x"}], f"{TO}[2]"),
        (["jane@example.org", ["joe@example.org"]], f"{TO}[2]"),
        (["jane@example.org", True], f"{TO}[2]"),
        (["", "nobody"], f"{TO}[2]"),
        ("jane@example.org, nobody", f"{TO}[2]"),
        ("nobody", TO),
        ({"address": "jane@example.org"}, TO),
        ("jane@example.org\r\nBcc: eve@example.net", TO),
        ("jane@example.org,\njoe@example.org", TO),
        (["jane@example.org\n"], f"{TO}[1]"),
        (["Jane\x00 <jane@example.org>"], f"{TO}[1]"),
        (["Jane\u2028 <jane@example.org>"], f"{TO}[1]"),
        (["jane@example.org, joe@example.org"], f"{TO}[1]"),
    ],
)
def test_what_is_no_recipient_is_named_by_its_place(data: Any, field: str) -> None:
    assert refused(smtpEmailToRecipients=data).field == field


@pytest.mark.parametrize(
    "data", [["a@example.com"], "a@example.com, b@example.com", "mailBoxName", 5, "a\r\n@b"]
)
def test_the_sender_is_one_address(data: Any) -> None:
    assert refused(smtpEmailMailBoxName=data).field == "smtpEmailMailBoxName"


@pytest.mark.parametrize(
    "data", [["a@x"] * 10_001, "a@x," * 10_001, [None] * 10_001, pytest.param("a," * 500_000, id="a,a,…")]
)
def test_more_recipients_than_a_mail_may_have(data: Any) -> None:
    error = refused(smtpEmailToRecipients=data)
    assert error.field == TO
    assert "more than 10,000 items" in error.message


def test_ten_thousand_recipients_are_read_from_one_text() -> None:
    data = ", ".join(f'"Doe, Jane" <jane{number}@example.org>' for number in range(10_000))
    assert len(read(smtpEmailToRecipients=data).to) == 10_000


@pytest.mark.parametrize(
    "name", [TO, "smtpEmailDirectReplyTo", "smtpEmailMailBoxName", "smtpEmailReadReceipt"]
)
def test_an_address_that_never_ends_is_refused_for_its_length(name: str) -> None:
    assert "longer than 2,500 characters" in refused(**{name: '"@\\' * 300_000 + ">"}).message


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


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (["jane@example.org", "j ane@example.org"], f"{TO}[2]: j…@example.org is not a mail address"),
        ("jane@example.org, Joe <joe@example..org>", f"{TO}[2]: j…@example..org has no valid domain"),
        (["nobody"], f"{TO}[1]: n… is not a mail address"),
        ("nobody", f"{TO}: n… is not a mail address"),
        (["jane@" + "x" * 300], f"{TO}[1]: j…@{'x' * 60} has a domain of more"),
    ],
)
def test_a_wrong_address_is_shown_just_enough_to_find_it(data: Any, shown: str) -> None:
    assert refused(smtpEmailToRecipients=data).message.startswith(shown)


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("\u200bjane@example.org", "U+200B (zero width space)"),
        ("ja\u00adne@example.org", "U+00AD (soft hyphen)"),
        ("jane\xa0@example.org", "U+00A0 (no-break space)"),
        ("jane@exam\u2060 ple.org", "U+2060 (word joiner)"),
        ("jane.example.org\ufeff", "U+FEFF (zero width no-break space)"),
    ],
)
def test_a_character_that_nobody_sees_is_named(address: str, named: str) -> None:
    assert (
        f"holds the invisible character {named}; remove it"
        in refused(smtpEmailToRecipients=[address]).message
    )
    assert named in refused(smtpEmailMailBoxName=address).message
