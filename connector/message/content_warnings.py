"""What a modeler should know about a mail that is lawful and probably not what was meant.

A request and its loaded content enter, sentences for the response leave; no mail is held back by them. Of a
body only so much is looked at that a large one costs no more than a usual one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote

from connector.message.header import needs_encoding
from connector.model.mail import BODY_FIELD, ContentType, LoadedAttachment, LoadedContent, SendRequest

# Beyond this a body's beginning says enough; a picture's place may be anywhere.
_LOOKED_AT = 20_000
_MOST = 10
_DOCUMENT = re.compile(r"\s*<(?:!doctype html|html|body)\b", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:p|br|div|table|tr|td|h[1-6]|ul|ol|li|span|strong|em|b|i|a|img|font)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ANY_TAG = re.compile(r"<[a-zA-Z!/][^<>]*>")
_REFERENCE = re.compile(r"""\bcid:([^\s"'()<>]+)""", re.IGNORECASE)


def content_warnings(request: SendRequest, content: LoadedContent) -> tuple[str, ...]:
    """Look a mail over.

    Args:
        request: What the task asks for.
        content: The body and attachments, read.

    Returns:
        One sentence for each oddity, each with the name of its variable; ten at most.
    """
    found = (*_of_body(request.content_type, content), *_of_headers(request))
    return found if len(found) <= _MOST else (*found[:_MOST], f"… and {len(found) - _MOST} more warnings")


def _of_body(kind: ContentType, content: LoadedContent) -> Iterator[str]:
    start = content.body[:_LOOKED_AT]
    if kind is ContentType.TEXT:
        if _DOCUMENT.match(start) or len(list(islice(_TAG.finditer(start), 2))) == 2:
            yield (
                f"{BODY_FIELD} looks like HTML and goes as plain text; set smtpEmailContentType to html or "
                "multipart"
            )
        return
    if start.strip() and not _ANY_TAG.search(start):
        yield (
            f"{BODY_FIELD} is HTML without markup, so that its line breaks are not seen; write <p> and <br>, "
            "or set smtpEmailContentType to text"
        )
    yield from _of_images(content)


def _of_images(content: LoadedContent) -> Iterator[str]:
    # Most mails show no picture, and the expression takes a tenth of what the whole mail costs.
    found = _REFERENCE.finditer(content.body) if "cid:" in content.body.lower() else ()
    shown = {unquote(reference[1]) for reference in found}
    there = {attachment.content_id for attachment in content.attachments}
    for name in sorted(shown - there):
        yield f"{BODY_FIELD} shows cid:{_short(name)}, and no attachment has that contentId"
    for attachment in content.attachments:
        if attachment.inline and attachment.content_id not in shown:
            yield _unseen(attachment)


def _unseen(attachment: LoadedAttachment) -> str:
    name = _short(attachment.content_id or "")
    return f'{attachment.field} is inline, and the body does not show it; write <img src="cid:{name}">'


def _of_headers(request: SendRequest) -> Iterator[str]:
    for name, value in request.headers:
        if value.isascii() and "=?" not in value and needs_encoding(value.strip(" ")):
            yield (
                f"smtpEmailHeaders.{name} has a word too long for a line and goes encoded (RFC 2047); put "
                "blanks or commas into it"
            )


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
