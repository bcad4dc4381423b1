"""A whole mail as results show it: header, texts and attachments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connector.mailbox.reading.fields import Fields, decode_words, read_fields
from connector.mailbox.reading.mime import Part
from connector.message.html_text import text_from_html

_NAME_PARTS = re.compile(r"[/\\]")
_UNFIT_IN_NAME = re.compile("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+")
_LONGEST_NAME, _LONGEST_EXTENSION = 200, 20
# What is longer does not fit into a result anyway, and would take seconds to convert.
_LONGEST_HTML = 4_000_000
# Shown inside the text by every mail program, and no file that a person attached.
_BODIES = frozenset(("text/plain", "text/html"))
_EXTENSIONS = {
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/plain": ".txt",
    "text/html": ".html",
    "application/pdf": ".pdf",
    "application/ms-tnef": ".dat",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "text/rfc822-headers": ".txt",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
}


@dataclass(frozen=True, slots=True)
class File:
    """One attachment, or an image that the HTML shows.

    Attributes:
        name: A bare file name, never a path; made up where the mail has none.
        inline: Whether the HTML refers to it by ``content_id``.
    """

    name: str
    content_type: str
    inline: bool
    content_id: str | None
    part: Part

    def pieces(self) -> Iterator[bytes]:
        """Its content, decoded, piece by piece."""
        return self.part.pieces()


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail says.

    Attributes:
        text: The text that was written, or else what the HTML says; empty where there is neither.
        html: None where there is none.
        auto_submitted: Whether a program sent it by itself, such as an out-of-office answer (RFC 3834).
    """

    fields: Fields
    text: str
    html: str | None
    files: tuple[File, ...]
    auto_submitted: bool


def read_mail(message: Part) -> Mail:
    """Tell texts and attachments of a message apart."""
    collected = _Collected()
    if message.media_type in _BODIES and message.disposition.value != "attachment":
        collected.take_body(message)
    else:
        collected.take(message)
    html = "\n".join(collected.html) if collected.html else None
    text = "\n".join(collected.text)
    if not text and html and len(html) <= _LONGEST_HTML:
        text = text_from_html(html)
    files = tuple(_file(part, number, html) for number, part in enumerate(collected.files, 1))
    return Mail(message.fields, text, html, files, _auto_submitted(message.fields))


class _Collected:
    """The leaves of a message, by what they are for."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.html: list[str] = []
        self.files: list[Part] = []

    def take(self, part: Part) -> None:
        if part.media_type == "multipart/alternative":
            self._take_alternatives(part)
        elif part.parts:
            for inner in part.parts:
                self.take(inner)
        elif _is_body(part):
            self.take_body(part)
        elif len(part.body) or not part.media_type.startswith("multipart/"):
            self.files.append(part)

    def take_body(self, part: Part) -> None:
        if text := part.text().replace("\r\n", "\n"):
            (self.html if part.media_type == "text/html" else self.text).append(text)

    def _take_alternatives(self, part: Part) -> None:
        """Take each form of the same content; of two in one form the last is the best (RFC 2046 5.1.4)."""
        taken = _Collected()
        for inner in part.parts:
            one = _Collected()
            one.take(inner)
            taken.text = one.text or taken.text
            taken.html = one.html or taken.html
            taken.files += one.files
        self.text += taken.text
        self.html += taken.html
        self.files += taken.files


def _is_body(part: Part) -> bool:
    return part.media_type in _BODIES and part.disposition.value != "attachment" and not part.name


def _file(part: Part, number: int, html: str | None) -> File:
    content_id = part.content_id
    shown = bool(html and content_id and f"cid:{content_id}" in html)
    return File(file_name(part, number), part.media_type, shown, content_id, part)


def file_name(part: Part, number: int) -> str:
    """A bare name for a part: its own without a path, else its subject's or one made up."""
    name = _bare(part.name)
    if not name and part.media_type == "message/rfc822":
        name = _bare(_inner_subject(part))[: _LONGEST_NAME - 4] + ".eml"
        name = "" if name == ".eml" else name
    return name or f"attachment-{number}{_EXTENSIONS.get(part.media_type, '.bin')}"


def _bare(name: str) -> str:
    last = _NAME_PARTS.split(name)[-1]
    bare = _UNFIT_IN_NAME.sub("", last).strip(" .")
    stem, dot, extension = bare.rpartition(".")
    if len(bare) <= _LONGEST_NAME or not stem or len(extension) > _LONGEST_EXTENSION:
        return bare[:_LONGEST_NAME]
    return stem[: _LONGEST_NAME - len(extension) - 1] + dot + extension


def _inner_subject(part: Part) -> str:
    """The subject of a mail inside the mail."""
    return decode_words(read_fields(next(part.pieces(), b"")).text("subject"))


def _auto_submitted(fields: Fields) -> bool:
    """Whether its header says that no person sent it (RFC 3834, and what mail programs write beside it)."""
    if submitted := fields.text("auto-submitted").lower():
        return not submitted.startswith("no")
    answers = ("x-autoreply", "x-autorespond")
    return any(fields.text(name) for name in answers) or fields.text("precedence").lower() == "auto_reply"
