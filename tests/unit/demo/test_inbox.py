"""What the inbox makes of the octets it receives."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.demo.inbox import Inbox, read_mail
from connector.testing.smtp import ReceivedMail

Wrap = Callable[..., ReceivedMail]


def test_a_nested_mail_is_taken_apart(received: Wrap) -> None:
    mail = read_mail(1, received())
    assert mail.subject == "A long subject, grüße"
    assert mail.header("from") == "Order désk <orders@example.com>"
    assert mail.text is not None
    assert mail.text.strip() == "Grüße"
    assert mail.html is not None
    assert mail.html.startswith("<p>Hello</p>")
    assert [(part.depth, part.content_type) for part in mail.parts] == [
        (0, "multipart/mixed"),
        (1, "multipart/alternative"),
        (2, "text/plain"),
        (2, "multipart/related"),
        (3, "text/html"),
        (3, "image/png"),
        (1, "text/html"),
    ]
    assert [part.index for part in mail.parts] == list(range(7))
    assert mail.envelope_recipients == ("ada@example.com", "audit@example.com")


def test_an_inline_image_is_no_attachment(received: Wrap) -> None:
    (attachment,) = read_mail(1, received()).attachments
    assert attachment.index == 6
    assert attachment.content.strip() == b"<script>alert(1)</script>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"no header at all\r\n",
        b"Subject: =?no-such-charset?q?x?=\r\n\r\nbody\r\n",
        b"Subject: =?utf-8?b?!!!?=\r\nContent-Type: text/plain; charset=martian\r\n\r\n\xff\xfe\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts\r\n",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhi\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\n%%%\r\n",
    ],
)
def test_a_broken_mail_is_kept_all_the_same(received: Wrap, data: bytes) -> None:
    mail = read_mail(1, received(data))
    assert mail.source == data
    assert isinstance(mail.subject, str)
    assert all(isinstance(part.text, str) for part in mail.parts)


@given(data=st.binary(max_size=200))
def test_nothing_that_arrives_makes_it_fail(data: bytes) -> None:
    from datetime import UTC, datetime

    mail = ReceivedMail(
        sender="",
        recipients=(),
        data=b"Subject: " + data + b"\r\nContent-Type: " + data + b"\r\n\r\n" + data,
        mail_parameters={},
        rcpt_parameters={},
        at=datetime(2026, 1, 1, tzinfo=UTC),
        tls=False,
        username=None,
    )
    assert read_mail(1, mail).parts


def test_mails_are_numbered_and_the_oldest_go(received: Wrap) -> None:
    inbox = Inbox()
    for _ in range(201):
        inbox.add(received())
    assert inbox.count == 201
    assert len(inbox.mails) == 200
    assert inbox.get(1) is None
    assert inbox.get(201) == inbox.mails[-1]


def test_a_mail_is_found_by_its_message_id(received: Wrap) -> None:
    inbox = Inbox()
    inbox.add(received())
    again = inbox.add(received())
    assert inbox.find("<4711@example.com>") == again
    assert inbox.find("<other@example.com>") is None
