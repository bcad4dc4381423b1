"""Whatever a process hands over: reading it ends in a request that a mail can carry, or in our own error."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.accounts.accounts import Accounts, Origin
from connector.errors import ConnectorError, InputError
from connector.model.mail import SendRequest
from connector.model.text import check_text
from connector.settings.model import INFOSYS_TASK_TYPE, SEND_TASK_TYPE, MessageSettings, Settings
from connector.tasks import send_task
from connector.tasks.headers import TaskHeaders, read_task_headers
from connector.tasks.port import ReadContext
from connector.tasks.send_inputs import AUTHENTICATION, NATIVE

CONTEXT = ReadContext(
    MessageSettings(time_zone="Europe/Berlin"),
    datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
    Accounts(Settings()),
    Origin("order", "<default>"),
)
COMPLETE: dict[str, Any] = {
    "authentication": {"hostname": "localhost", "port": 25, "username": "u", "password": "p"},
    "smtpEmailMailBoxName": "orders@example.com",
    "smtpEmailToRecipients": "jane@example.org",
    "smtpEmailSubject": "s",
    "smtpEmailContent": "c",
}
NAMES = [name for definition in NATIVE for name in definition.names]
KEYS = [key for definition in NATIVE for member in definition.members for key in member.names]

# Pieces that mean something to one reader or another, and the characters that must not come through.
PIECES = st.sampled_from(
    [
        *("jane@example.org", "<", ">", '"', ",", ";", "[", "]", "{", "}", "true", "${false}", "today"),
        *("tomorrow", "09:30", "2027-01-31", "T08:00", "Z", "@Europe/Berlin", "P1D", "PT5M", "high", "html"),
        *("a.html", "QUJD", "=", "xn--", "ä", "\r\n", "\n", "\r", "\x00", "\x85", "\u2028", "\ud800"),
        *("Bcc: eve@example.net", "https://", "file.example", ":", "/", "..", "127.0.0.1", "::1", "\\"),
        *("'", " ", "\t", "(", ")", "@"),
    ]
)
TEXTS = st.text(max_size=20) | st.lists(PIECES, max_size=8).map("".join)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=4)
    ),
    max_leaves=8,
)
JSON_TEXTS = VALUES.map(json.dumps)
TASK_TYPES = st.sampled_from([SEND_TASK_TYPE, INFOSYS_TASK_TYPE])


def read(task_type: str, variables: dict[str, Any]) -> SendRequest | ConnectorError:
    try:
        return send_task(task_type).read(variables, CONTEXT)
    except ConnectorError as error:
        return error


def check(outcome: SendRequest | ConnectorError) -> None:
    """What may go on: header text without a control character, or an error for one line of an incident."""
    if isinstance(outcome, ConnectorError):
        assert outcome.message.isprintable()
        assert len(outcome.message) < 500
        json.dumps(outcome.variables)
        return
    mailboxes = [outcome.sender, *outcome.to, *outcome.cc, *outcome.bcc, *outcome.reply_to]
    header_texts = [outcome.subject, outcome.in_reply_to or "", *outcome.references]
    header_texts += [part for mailbox in mailboxes for part in (mailbox.name, mailbox.address)]
    header_texts += [part for header in outcome.headers for part in header]
    for attachment in outcome.attachments:
        header_texts += [attachment.name or "", attachment.content_type or "", attachment.content_id or ""]
    for text in header_texts:
        check_text(text, "any")
    assert outcome.to or outcome.cc or outcome.bcc
    assert outcome.follow_up is None or outcome.follow_up > CONTEXT.now
    assert all(warning.isprintable() for warning in outcome.warnings)


@given(TASK_TYPES, st.sampled_from(NAMES), VALUES | JSON_TEXTS)
def test_any_value_in_any_variable(task_type: str, name: str, value: Any) -> None:
    check(read(task_type, {**COMPLETE, name: value}))


@given(TASK_TYPES, st.dictionaries(st.sampled_from(NAMES) | TEXTS, VALUES, max_size=8))
def test_any_variables_at_all(task_type: str, variables: dict[str, Any]) -> None:
    check(read(task_type, variables))


@given(TASK_TYPES, st.sampled_from([member.name for member in AUTHENTICATION]), VALUES)
def test_any_value_in_the_login(task_type: str, key: str, value: Any) -> None:
    login = {**COMPLETE["authentication"], key: value}
    check(read(task_type, {**COMPLETE, "authentication": login}))


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_attachment(attachment: dict[str, Any]) -> None:
    variables = {**COMPLETE, "smtpEmailAttachments": [attachment], "smtpEmailContentType": "html"}
    check(read(SEND_TASK_TYPE, variables))


@given(
    st.dictionaries(
        st.sampled_from(
            ["resultVariable", "resultExpression", "errorExpression", "errorMapping", "retryBackoff"]
        ),
        TEXTS,
    )
)
def test_any_task_header(headers: dict[str, str]) -> None:
    outcome: TaskHeaders | ConnectorError
    try:
        outcome = read_task_headers(headers)
    except ConnectorError as error:
        outcome = error
    if isinstance(outcome, ConnectorError):
        # What is wrong, and where an expression is at fault its line and a caret.
        lines = outcome.message.split("\n")
        assert len(lines) in {1, 3}
        assert [line for line in lines if not line.isprintable()] == []
        assert max(map(len, lines)) < 250
    else:
        assert outcome.result_variable is None or outcome.result_variable.isidentifier()


@given(st.text(), st.sampled_from(["\r", "\n", "\r\n", "\x00", "\x85", "\u2028", "\u2029"]), st.text())
def test_a_line_break_in_a_header_text_is_always_refused(before: str, character: str, after: str) -> None:
    broken = f"a{before}{character}{after}a"
    for name, value in (
        ("smtpEmailSubject", broken),
        ("smtpEmailMailBoxName", f"{broken} <a@example.com>"),
        ("smtpEmailToRecipients", [f"{broken}@example.com"]),
        ("smtpEmailToRecipients", f"{broken}@example.com"),
        ("smtpEmailHeaders", {"X-Case": broken}),
        ("smtpEmailHeaders", {f"X{broken}": "1"}),
        ("smtpEmailReferences", f"<{broken}>"),
        ("smtpEmailAttachments", [{"name": broken, "content": ""}]),
        ("smtpEmailAttachments", [broken]),
    ):
        assert isinstance(read(SEND_TASK_TYPE, {**COMPLETE, name: value}), ConnectorError)
    with pytest.raises(InputError):
        send_task(SEND_TASK_TYPE).idempotency_key({"smtpEmailIdempotencyKey": broken})


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "piece",
    [
        *(
            "[",
            "{",
            '"',
            ",",
            "<",
            "(",
            ")",
            "a",
            " ",
            "=",
            "P1",
            "@",
            "\\",
            "9",
            "ä",
            "a@b,",
            '"\\',
            "<a",
            '"",',
        )
    ],
)
def test_much_of_anything_does_not_hang(name: str, piece: str) -> None:
    for end in ("", ">"):
        check(read(SEND_TASK_TYPE, {**COMPLETE, name: piece * (1_000_000 // len(piece)) + end}))


@pytest.mark.long
@settings(max_examples=10_000)
@given(TASK_TYPES, st.sampled_from(NAMES), VALUES | JSON_TEXTS)
def test_any_value_in_any_variable_at_length(task_type: str, name: str, value: Any) -> None:
    check(read(task_type, {**COMPLETE, name: value}))
