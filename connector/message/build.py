"""From a send request and its loaded content to the finished message: id, envelope, nesting of the parts.

A request, its content, the key of the mail and the time enter; envelope and bytes leave. The same four always
give the same bytes, so that a second attempt sends the same message under the same Message-ID. No I/O is done
here, but a large attachment takes the processor for some milliseconds for each megabyte.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from operator import attrgetter

from connector.errors import InputError
from connector.message.content_warnings import content_warnings
from connector.message.header import header_section
from connector.message.html_text import text_from_html
from connector.message.invitation import INVITATION_FIELD, calendar
from connector.message.parts import Part, attachment_part, text_part
from connector.model.addresses import ascii_domain
from connector.model.envelope import EightBit, Envelope, Message
from connector.model.mail import (
    BODY_FIELD,
    TEXT_FIELD,
    ContentType,
    DeliveryReceipt,
    LoadedAttachment,
    LoadedContent,
    SendRequest,
)
from connector.settings.model import MessageSettings

_MAX_LINE = 998  # RFC 5322 section 2.1.1, in octets without the CRLF


def build(
    request: SendRequest, content: LoadedContent, key: str, settings: MessageSettings, now: datetime
) -> Message:
    """Write the message that a task asks for.

    Args:
        request: What the task asks for.
        content: The body and attachments, read.
        key: What tells this mail from every other one; the Message-ID and boundaries are made from it.
        settings: The domain of Message-IDs.
        now: The moment of origination, with its zone; at a second attempt the one of the first.

    Returns:
        The envelope and the octets by RFC 5322 and MIME, 7-bit unless an address needs SMTPUTF8.

    Raises:
        InputError: Something in the request or content that a mail cannot hold; the variable is named.
        ValueError: A line came out too long, which no input should be able to cause.
    """
    digest = name_of(key)
    name = _message_id(request, digest, settings)
    envelope = _envelope(request, digest)
    # encode("ascii") proves for every message that nothing else got a character past 7 bits into a header.
    header = header_section(request, name, now).encode("utf-8" if envelope.smtputf8 else "ascii")
    events = _events(request, name, now)
    content_part = _content(request.content_type, content, digest, events)
    data = _octets(header, content_part)
    other = None
    if content_part.lowered:
        raw = _content(request.content_type, content, digest, events, eight_bit=True)
        other = EightBit(_octets(header, raw), data, content_part.lowered)
    warnings = (*content_warnings(request, content), *content_part.warnings)
    visible = tuple(dict.fromkeys(map(attrgetter("address"), (*request.to, *request.cc))))
    return Message(envelope, data, name, request.require_all_recipients, warnings, other, visible=visible)


def _message_id(request: SendRequest, digest: str, settings: MessageSettings) -> str:
    return f"<{digest}@{_id_domain(request, settings)}>"


def check_lines(data: bytes) -> None:
    """Refuse a message with a line that a server may cut, and so break what comes behind it.

    Everything that goes into a line is bounded where it is read; this is the last line of defence. It jumps
    from one line end to the last one within reach, which takes a millisecond for ten megabytes.

    Args:
        data: Lines that end with CRLF.

    Raises:
        ValueError: A line has more than 998 octets (RFC 5322 section 2.1.1).
    """
    start = 0
    while start < len(data):
        end = data.rfind(b"\r\n", start, start + _MAX_LINE + 2)
        if end < 0:
            raise ValueError(f"a line of the message is longer than {_MAX_LINE} octets")
        start = end + 2


def _octets(header: bytes, content: Part) -> bytes:
    data = _joined(b"%s%s\r\n" % (header, content.header.encode("ascii")), content)
    check_lines(data)
    return data


def _joined(header: bytes, content: Part) -> bytes:
    """Put the octets of a message together, and end its last line.

    The room is made beforehand, since what grows holds up to twice what it has; what is too much of it goes
    without a copy.
    """
    message = BytesIO(bytes(len(header) + content.size + 2))
    message.write(header)
    last = b""
    for last in content.blocks:
        message.write(last)
    if last and not last.endswith(b"\r\n"):
        message.write(b"\r\n")
    message.truncate()
    return message.getvalue()


def name_of(key: str) -> str:
    """What the Message-ID of a mail begins with, made from its key."""
    return _digest(key)


def _digest(text: str) -> str:
    """160 bits in 32 letters and digits."""
    return b32encode(sha256(text.encode("utf-8", "surrogatepass")).digest()[:20]).decode("ascii").lower()


def _id_domain(request: SendRequest, settings: MessageSettings) -> str:
    if settings.message_id_domain:
        return ascii_domain(settings.message_id_domain, "message.message_id_domain")
    domain = request.sender.domain
    return domain if domain and not domain.startswith("[") else "localhost"


def _envelope(request: SendRequest, digest: str) -> Envelope:
    receivers = (*request.to, *request.cc, *request.bcc)
    named = (request.sender, *receivers, *request.reply_to, *filter(None, [request.read_receipt]))
    notify = tuple(map(str.upper, request.delivery_receipt))
    if len(notify) > 1 and DeliveryReceipt.NEVER in request.delivery_receipt:
        raise InputError("smtpEmailDeliveryReceipt", "`never` excludes the others (RFC 3461 section 4.1)")
    return Envelope(
        sender=request.sender.address,
        # Domains are in lower case by now; local parts differ by case (RFC 5321 section 2.4).
        recipients=tuple(dict.fromkeys(map(attrgetter("address"), receivers))),
        smtputf8=any(map(attrgetter("needs_smtputf8"), named)),
        notify=notify,
        envelope_id=digest if notify else "",
    )


def _events(request: SendRequest, name: str, now: datetime) -> str | None:
    """Write the calendar of an invitation."""
    if request.invitation is None:
        return None
    return calendar(request.invitation, request.subject, name, now)


def _calendar_part(events: str) -> Part:
    """Write the part of an invitation, which names its method as the calendar does (RFC 6047 section 2.4)."""
    method = "CANCEL" if "\nMETHOD:CANCEL\n" in events else "REQUEST"
    return text_part(events, f"calendar; method={method}", INVITATION_FIELD)


def _content(
    kind: ContentType, content: LoadedContent, digest: str, events: str | None, *, eight_bit: bool = False
) -> Part:
    """Nest the parts: mixed{alternative{plain, related{html, images}, calendar}, files}, each when needed.

    A mail program shows the last alternative that it knows, which is the invitation.
    """
    subtype = "plain" if kind is ContentType.TEXT else "html"
    plain = _plain(kind, content)
    last = [] if events is None else [_calendar_part(events)]
    if not (plain or last or content.attachments):
        return text_part(content.body, subtype, BODY_FIELD)
    images = [attachment for attachment in content.attachments if attachment.inline]
    files = [attachment for attachment in content.attachments if not attachment.inline]
    if kind is ContentType.TEXT and images:
        raise InputError(images[0].field, "an inline image needs smtpEmailContentType html or multipart")
    _check_ids(content.attachments)
    root = text_part(content.body, subtype, BODY_FIELD)
    shown = [attachment_part(image, eight_bit=eight_bit) for image in images]
    attached = [attachment_part(file, eight_bit=eight_bit) for file in files]
    token = _boundary_token(digest, [root, *shown, *plain, *last, *attached])
    if shown:
        root = _multipart('related; type="text/html"', [root, *shown], f"=_r_{token}")
    if plain or last:
        root = _multipart("alternative", [*plain, root, *last], f"=_a_{token}")
    if attached:
        root = _multipart("mixed", [root, *attached], f"=_m_{token}")
    return root


def _plain(kind: ContentType, content: LoadedContent) -> list[Part]:
    """Write the text alternative, where there is one: by hand, or made from the HTML."""
    if content.text is not None:
        return [text_part(content.text, "plain", TEXT_FIELD)]
    if kind is ContentType.MULTIPART:
        return [text_part(text_from_html(content.body), "plain", BODY_FIELD)]
    return []


def _check_ids(attachments: Sequence[LoadedAttachment]) -> None:
    seen = set()
    for attachment in attachments:
        if attachment.content_id in seen:
            raise InputError(f"{attachment.field}.contentId", "another attachment has the same one")
        if attachment.content_id is not None:
            seen.add(attachment.content_id)


def _boundary_token(digest: str, parts: Sequence[Part]) -> str:
    """Give a token that occurs in no part (RFC 2046 section 5.1); only one that is not encoded could."""
    readable = [block for part in parts if not part.encoded for block in part.blocks]
    token = digest[:24]
    while any(token.encode() in block for block in readable):
        token = _digest(token + digest)[:24]
    return token


def _multipart(subtype: str, parts: Sequence[Part], boundary: str) -> Part:
    """Join parts (RFC 2046 section 5.1); the CRLF before a boundary belongs to the boundary."""
    header = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n'
    raw = any(part.eight_bit for part in parts)
    if raw:  # RFC 2045 section 6.4: what holds an 8-bit part is 8-bit itself
        header += "Content-Transfer-Encoding: 8bit\r\n"
    end = f"--{boundary}--".encode("ascii")
    heads = [f"--{boundary}\r\n{part.header}\r\n".encode("ascii") for part in parts]
    size = sum(map(len, heads)) + sum(part.size + 2 for part in parts) + len(end)
    return Part(
        header,
        _framed(heads, parts, end),
        size,
        encoded=True,
        eight_bit=raw,
        warnings=tuple(warning for part in parts for warning in part.warnings),
        lowered=tuple(warning for part in parts for warning in part.lowered),
    )


def _framed(heads: Sequence[bytes], parts: Sequence[Part], end: bytes) -> Iterator[bytes]:
    for head, part in zip(heads, parts, strict=True):
        yield head
        yield from part.blocks
        yield b"\r\n"
    yield end
