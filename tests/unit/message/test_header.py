import json
from email import message_from_string, policy
from email.utils import getaddresses

import pytest

from connector.errors import InputError
from connector.message.header import (
    checked_message_id,
    mailboxes,
    needs_encoding,
    tokens,
    unstructured,
)
from connector.model.addresses import Mailbox
from connector.model.text import OWNED_HEADERS, check_header, check_name, check_text


def read(field: str) -> str:
    assert field.endswith("\r\n")
    return str(message_from_string(field, policy=policy.default).values()[0])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        "Grüße an alle",
        "  blanks at both ends ",
        "a  b   c",
        "=?utf-8?q?not_encoded?=",
        "word " * 60 + "end",
        "w" * 300,
        "w" * 3000,
        "ü" * 300,
        "漢字" * 100,
        "😀" * 100,
        "a" + " " * 200 + "b",
        " " * 1100,
    ],
)
@pytest.mark.parametrize("name", ["X", "Subject", "X-" + "N" * 48])
def test_free_text_arrives_exactly_on_lines_of_lawful_length(name: str, value: str) -> None:
    field = unstructured(name, value)
    assert read(field) == value
    assert field.isascii()
    for line in field.split("\r\n")[:-1]:
        assert len(line) <= (76 if "=?utf-8?" in line else 998)
        assert line.strip()
    for word in field.split():
        assert len(word) <= 75 or not word.startswith("=?utf-8?")


def test_json_for_a_service_stays_readable() -> None:
    """As SendGrid reads X-SMTPAPI: one line each, below the 998 octets that a server may cut off."""
    given = {"to": [f"p{number}@example.org" for number in range(90)], "note": 'a "b", c;' * 40}
    value = json.dumps(given, separators=(",", ":"))
    field = unstructured("X-SMTPAPI", value)
    assert "=?" not in field
    assert max(map(len, field.split("\r\n"))) <= 998
    assert json.loads(field.removeprefix("X-SMTPAPI: ").replace("\r\n", "")) == given


def test_a_word_without_separators_is_encoded_only_when_no_line_holds_it() -> None:
    assert unstructured("X-Token", "w" * 900) == f"X-Token: {'w' * 900}\r\n"
    assert not needs_encoding("w" * 900)
    assert needs_encoding("w" * 1000)
    assert not needs_encoding("w," * 1000)


def test_each_encoded_word_is_whole_characters() -> None:
    for word in unstructured("Subject", "a😀ü漢" * 50).split()[1:]:
        read(f"X: {word}\r\n").encode()  # half a character would have become a surrogate escape
        assert "\ufffd" not in read(f"X: {word}\r\n")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Jane", "Jane <a@x>"),
        ("Jane Q Doe", "Jane Q Doe <a@x>"),
        ("Doe, Jane", '"Doe, Jane" <a@x>'),
        ("Dr. Jane", '"Dr. Jane" <a@x>'),
        ('J "X" \\', '"J \\"X\\" \\\\" <a@x>'),
        ("a  b", '"a  b" <a@x>'),
        ("Jürgen", "=?utf-8?q?J=C3=BCrgen?= <a@x>"),
        ("", "<a@x>"),
    ],
)
def test_a_display_name_is_quoted_or_encoded_as_it_needs(name: str, written: str) -> None:
    assert mailboxes("To", (Mailbox("a@x", name),)) == f"To: {written}\r\n"


def test_many_recipients_are_folded_between_them() -> None:
    boxes = tuple(Mailbox(f"user{at}@example.com", f"User, {at}") for at in range(200))
    field = mailboxes("To", boxes)
    assert max(map(len, field.split("\r\n"))) <= 76
    unfolded = field.removeprefix("To: ").replace("\r\n", "")
    assert getaddresses([unfolded]) == [(box.name, box.address) for box in boxes]


def test_an_address_that_is_not_ascii_is_written_raw() -> None:
    assert mailboxes("To", (Mailbox("jürgen@x", "Jörg"),)) == "To: =?utf-8?q?J=C3=B6rg?= <jürgen@x>\r\n"


def test_tokens_are_folded_between_each_other() -> None:
    ids = [f"<{at}@example.com>" for at in range(50)]
    field = tokens("References", ids)
    assert max(map(len, field.split("\r\n"))) <= 76
    assert field.removeprefix("References: ").split() == ids


@pytest.mark.parametrize("text", ["<a@b>", "a@b", " <a@b> "])
def test_a_message_id_gets_its_brackets(text: str) -> None:
    assert checked_message_id(text, "f") == "<a@b>"


@pytest.mark.parametrize(
    "text",
    ["", "a", "<a>", "<a@b> <c@d>", "a b@c", "ü@b", "<a@b>\r\n", "a@b\nX: 1", "<" * 3, "a@" + "b" * 249],
)
def test_what_is_no_message_id_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_message_id(text, "smtpEmailInReplyTo")
    assert caught.value.field == "smtpEmailInReplyTo"


def test_the_longest_message_id_is_taken() -> None:
    assert checked_message_id("<a@" + "b" * 246 + ">", "f") == "<a@" + "b" * 246 + ">"


@pytest.mark.parametrize("name", ["", "a b", "X:", "X\r\nY", "Ü", "X\0", "x" * 51, "X-Foo\n"])
def test_a_name_that_is_no_field_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="header name"):
        check_header(name, "v", "smtpEmailHeaders.x")


@pytest.mark.parametrize(
    "name",
    [
        *OWNED_HEADERS,
        "MIME-Version",
        "mime-x",
        "Content-Type",
        "content-foo",
        "Resent-To",
        "ARC-Seal",
        "FROM",
    ],
)
def test_an_owned_header_is_refused_in_any_case(name: str) -> None:
    for spelling in (name, name.upper(), name.title()):
        with pytest.raises(InputError) as caught:
            check_header(spelling, "v", f"smtpEmailHeaders.{spelling}")
        assert caught.value.field == f"smtpEmailHeaders.{spelling}"


def test_the_variable_to_use_is_named() -> None:
    with pytest.raises(InputError, match="use smtpEmailDirectReplyTo instead"):
        check_header("Reply-To", "a@x", "smtpEmailHeaders.Reply-To")


@pytest.mark.parametrize("value", ["a\r\nBcc: b@x", "a\nb", "a\0", "a\x85b", "a\u2028b", "\ud800", "a\tb"])
def test_a_value_with_a_control_character_is_refused(value: str) -> None:
    with pytest.raises(InputError) as caught:
        check_header("X-Case", value, "smtpEmailHeaders.X-Case")
    assert caught.value.field == "smtpEmailHeaders.X-Case"


def test_a_value_of_ten_thousand_characters_is_the_longest() -> None:
    check_header("X-Case", "漢" * 10_000, "smtpEmailHeaders.X-Case")
    assert len(unstructured("X-Case", "漢" * 10_000)) < 102_400  # where Postfix cuts
    with pytest.raises(InputError, match="longer than 10,000 characters") as caught:
        check_header("X-Case", "w" * 10_001, "smtpEmailHeaders.X-Case")
    assert caught.value.field == "smtpEmailHeaders.X-Case"


def test_text_may_be_right_to_left_but_a_name_may_not_be_turned_round() -> None:
    turned = "invoice\u202efdp.exe"
    assert check_text(turned, "f") == turned
    with pytest.raises(InputError, match=r"U\+202E"):
        check_name(turned, "f")


@pytest.mark.parametrize("field", ["To", "From", "Reply-To", "Disposition-Notification-To"])
@pytest.mark.parametrize("character", ["ü", "é x", "木"])
def test_the_first_line_of_an_encoded_name_has_its_76_columns(field: str, character: str) -> None:
    for length in range(1, 60):
        written = mailboxes(field, [Mailbox("jane@example.org", (character * length).strip())])
        assert max(map(len, written.split("\r\n"))) <= 76
    assert len(written.split("\r\n")[0]) > 76 - 3 * 4, "and uses them: another character would not fit"
