"""What building a message costs, beside the standard library's EmailMessage in the same run.

``python -m benchmarks.message_build`` prints the best of several rounds, in microseconds for one mail. Judge
the ratio; the absolute figures are the machine's. Both make the text part with the same function; what it
takes is told beside it.
"""

from __future__ import annotations

import os
import timeit
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from benchmarks.figures import Row, report
from connector.message.build import build
from connector.message.html_text import text_from_html
from connector.model.addresses import parse_mailbox
from connector.model.mail import ContentType, InlineContent, LoadedAttachment, LoadedContent, SendRequest
from connector.model.server import Server
from connector.settings.model import MessageSettings

_NOW = datetime(2026, 11, 20, 20, 50, 33, tzinfo=UTC)
_SETTINGS = MessageSettings()
_SUBJECT = "Your order 4711 has been shipped"
_TEXT = "Dear Jane, your order has been shipped and arrives on Monday.\n" * 33
_HTML = (
    "<html><body>\n"
    + "<p>Dear <b>Jane</b>, your <a href='https://shop.example/4711'>order</a> is on its way.</p>\n" * 23
    + "</body></html>\n"
)


def _ours(kind: ContentType, body: str, attached: bytes | None) -> bytes:
    request = SendRequest(
        route=Server("localhost", 25),
        sender=parse_mailbox("Shop <shop@example.com>", "smtpEmailMailBoxName"),
        to=(parse_mailbox("Jane Doe <jane@example.org>", "smtpEmailToRecipients"),),
        cc=(),
        bcc=(),
        subject=_SUBJECT,
        content_type=kind,
        content=InlineContent(body),
    )
    files = () if attached is None else (LoadedAttachment("smtpEmailAttachments", "a.pdf", None, attached),)
    return build(request, LoadedContent(body, files), "key", _SETTINGS, _NOW).data


def _standard(kind: ContentType, body: str, attached: bytes | None) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "Shop <shop@example.com>"
    mail["To"] = "Jane Doe <jane@example.org>"
    mail["Subject"] = _SUBJECT
    mail["Date"] = format_datetime(_NOW)
    mail["Message-ID"] = "<4711@example.com>"
    if kind is ContentType.MULTIPART:
        mail.set_content(text_from_html(body))
        mail.add_alternative(body, subtype="html")
    else:
        mail.set_content(body)
    if attached is not None:
        mail.add_attachment(attached, maintype="application", subtype="pdf", filename="a.pdf")
    return mail.as_bytes()


def _microseconds(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call)
    number, _ = timer.autorange()
    return min(timer.repeat(3, number)) / number * 1e6


def main() -> None:
    report({"Building a mail": measured()})


def measured() -> Sequence[Row]:
    """Build each kind of mail, ours and the standard library's in turn."""
    cases = (
        ("text, 2 KB", ContentType.TEXT, _TEXT, None),
        ("text made from html + html, 2 KB", ContentType.MULTIPART, _HTML, None),
        ("text + 1 MB attachment", ContentType.TEXT, _TEXT, os.urandom(1_000_000)),
        ("text + 10 MB attachment", ContentType.TEXT, _TEXT, os.urandom(10_000_000)),
    )
    rows: list[Row] = []
    for label, kind, body, attached in cases:
        ours = _microseconds(lambda k=kind, b=body, a=attached: _ours(k, b, a))  # type: ignore[misc]
        standard = _microseconds(lambda k=kind, b=body, a=attached: _standard(k, b, a))  # type: ignore[misc]
        from_html = _microseconds(lambda b=body: text_from_html(b)) if kind is ContentType.MULTIPART else 0.0  # type: ignore[misc]
        rows.append(
            {
                "mail": label,
                "connector, µs": ours,
                "of which text from HTML": from_html,
                "EmailMessage, µs": standard,
                "EmailMessage, ours = 1": standard / ours,
            }
        )
    return rows


if __name__ == "__main__":
    main()
