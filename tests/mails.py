"""Messages of every shape that signing has to leave intact, as the connector writes them."""

from __future__ import annotations

from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from connector.message.build import build
from connector.model.addresses import Mailbox
from connector.model.mail import ContentType, InlineContent, LoadedAttachment, LoadedContent, SendRequest
from connector.model.server import Server
from connector.settings.model import MessageSettings

SENDER, RECEIVER = "ann@example.test", "bob@example.test"
NOW = datetime(2026, 11, 20, 21, 50, 33, tzinfo=ZoneInfo("Europe/Berlin"))

_INNER_MAIL = b"From: x@y.test\nSubject: Inside\n\nFrom here on:  \n.\n"
_FILE = LoadedAttachment("smtpEmailAttachments[0]", "Übersicht.bin", None, bytes(range(256)) * 40)
_IMAGE = LoadedAttachment(
    "smtpEmailAttachments[1]", "logo.png", None, b"\x89PNG", inline=True, content_id="logo"
)
_MESSAGE = LoadedAttachment("smtpEmailAttachments[2]", "old.eml", "message/rfc822", _INNER_MAIL)


def mail(
    body: str, *files: LoadedAttachment, kind: ContentType = ContentType.TEXT, key: str = "key"
) -> bytes:
    """Write a message as the connector sends it."""
    request = SendRequest(
        route=Server("localhost", 25),
        sender=Mailbox(SENDER, "Ann Example"),
        to=(Mailbox(RECEIVER, "Jürgen Müller"),),
        cc=(),
        bcc=(),
        subject="Über die Rechnung",
        content_type=kind,
        content=InlineContent(""),
    )
    return build(request, LoadedContent(body, files), key, MessageSettings(), NOW).data


def large() -> bytes:
    """A message of some 10 MB."""
    data = Random(1).randbytes(7_500_000)
    return mail("See the attachment.\n", LoadedAttachment("smtpEmailAttachments[0]", "a.bin", None, data))


MAILS = {
    "text": mail("Hello Bob,\nthe invoice is due.\n"),
    "html": mail("<p>Hello <b>Bob</b></p>", kind=ContentType.HTML),
    "multipart": mail('<p>Hello</p><img src="cid:logo">', _IMAGE, kind=ContentType.MULTIPART),
    "attachments": mail("See below.\n", _FILE, _MESSAGE),
    "8-bit text": mail("Grüße aus Köln, 5 € für Jürgen\n" * 20),
    "8-bit mostly": mail("привет мир\n" * 20),
    "dot lines": mail(".\n..\n.dot\nend\n"),
    "trailing blanks": mail("blank \ntab\t\n  \nend  \n"),
    "From lines": mail("From here\n\nFrom there\n"),
    "no final newline": mail("the end"),
    "blank lines at the end": mail("the end\n\n\n\n"),
    "long line": mail("word " * 400),
    "empty": mail(""),
}
