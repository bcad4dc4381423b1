"""The header section of a mail: which fields a request gives it, in which order, and how each is written.

A request enters, folded lines leave, everything but the fields that describe the content; as text that is
ASCII except for an address which needs SMTPUTF8. Every text is checked once more here, so that no request
gets a line break into a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from email.utils import format_datetime
from functools import lru_cache

from connector.errors import InputError
from connector.message.encoding import MAX_WORD, encode_words
from connector.model.addresses import Mailbox
from connector.model.mail import Importance, SendRequest, Sensitivity
from connector.model.text import (
    MAX_HEADER_NAME,
    MAX_VALUE,
    check_header,
    check_length,
    check_name,
    check_text,
)

# RFC 5322 section 2.1.1 wants 78, RFC 2047 section 2 wants 76 where there is an encoded-word.
_MAX_LINE = 76
_HARD_LIMIT = 998  # RFC 5322 section 2.1.1, in octets

_MAX_ID = 250  # one word, which cannot be folded; mailers write 30 to 150 characters

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MESSAGE_ID = re.compile(r"<?([!-;=?-~]+@[!-;=?-~]+)>?")
_WORDS = re.compile(r" *[^ ]+")
# What ends with a comma or semicolon outside of quotes: in JSON and in lists a blank may follow there.
_PIECES = re.compile(r'(?:[^",;]++|"(?:[^"\\]++|\\.)*+"?)*+[,;]?+', re.DOTALL)
_LONGEST_WORD = _HARD_LIMIT - MAX_HEADER_NAME - 2
# Not X-MSMail-Priority, which spam filters score where no Outlook has written the mail.
_FIELDS_OF_IMPORTANCE = ("Importance", "X-Priority", "Priority")
_IMPORTANCE = {
    Importance.HIGH: ("high", "1", "urgent"),
    Importance.NORMAL: ("normal", "3", "normal"),
    Importance.LOW: ("low", "5", "non-urgent"),
}
# RFC 2156 section 5.3.5, as RFC 4021 section 2.1.55 has it in mail; normal is the absence of the field.
_SENSITIVITY = {
    Sensitivity.PERSONAL: "Personal",
    Sensitivity.PRIVATE: "Private",
    Sensitivity.CONFIDENTIAL: "Company-Confidential",
}
# Extra headers that are free unless the variable is given as well.
_SET_BY = {
    **dict.fromkeys(map(str.lower, _FIELDS_OF_IMPORTANCE), "smtpEmailImportance"),
    "sensitivity": "smtpEmailSensitivity",
    "x-message-flag": "smtpEmailFollowUp",
    "reply-by": "smtpEmailFollowUp",
    "list-unsubscribe": "smtpEmailUnsubscribe",
    "list-unsubscribe-post": "smtpEmailUnsubscribe",
}


def unstructured(name: str, value: str) -> str:
    """Write a field of free text, such as Subject (RFC 5322 section 2.2.1).

    Args:
        name: The field's name.
        value: Its value, decoded and checked; a reader gets back exactly this, with a blank more behind a
            comma or semicolon where a word is too long for a line, as the JSON of a mail service may be.

    Returns:
        The field with its CRLF, folded where it is long; encoded where :func:`needs_encoding` says so.
    """
    if needs_encoding(value):
        return tokens(name, encode_words(value, _MAX_LINE - len(name) - 2))
    if len(name) + 2 + len(value) <= _MAX_LINE:
        return f"{name}: {value}\r\n"
    first, *rest = _foldable_words(value)
    return _fold(f"{name}: {first}", rest)


def needs_encoding(value: str) -> bool:
    """Whether a text can only go into a header as encoded-words (RFC 2047), which machines seldom read."""
    # "=?" would be read as an encoded-word, and blanks at an end would be lost.
    if not value.isascii() or "=?" in value or value.strip(" ") != value:
        return True
    return len(value) > _LONGEST_WORD and max(map(len, _foldable_words(value))) > _LONGEST_WORD


def _foldable_words(value: str) -> list[str]:
    """Take a text apart where it may be folded: before blanks, and in a long word behind its separators."""
    words: list[str] = []
    for word in _WORDS.findall(value):
        if len(word) <= _LONGEST_WORD:
            words.append(word)
            continue
        first, *rest = _packed(piece[0] for piece in _PIECES.finditer(word))
        words += [first, *(f" {line}" for line in rest)]
    return words


def _packed(pieces: Iterable[str]) -> list[str]:
    """Join pieces to as few lines as they fit in."""
    lines = [""]
    for piece in pieces:
        if len(lines[-1]) + len(piece) >= _LONGEST_WORD:
            lines.append("")
        lines[-1] += piece
    return [line for line in lines if line]


def tokens(name: str, values: Iterable[str]) -> str:
    """Write a field of tokens that are folded between each other, such as References."""
    first, *rest = values
    return _fold(f"{name}: {first}", map(" {}".format, rest)) if rest else f"{name}: {first}\r\n"


def mailboxes(name: str, boxes: Sequence[Mailbox]) -> str:
    """Write a field of addresses, such as To (RFC 5322 section 3.6.3), folded between words.

    Args:
        name: The field's name.
        boxes: At least one; a display name is quoted or encoded as it needs, an address is always in angle
            brackets, as spam filters expect it.

    Returns:
        The field with its CRLF.
    """
    room = _MAX_LINE - len(name) - 2
    words: list[str] = []
    for box in boxes:
        words += [*_phrase(box.name, room), f"<{box.address}>,"]
        room = MAX_WORD
    words[-1] = words[-1][:-1]
    return tokens(name, words)


def checked_message_id(text: str, field: str) -> str:
    """Read a message id that a task refers to (RFC 5322 section 3.6.4).

    Args:
        text: The id, with or without its angle brackets; 250 characters at most.
        field: The variable to name in the error.

    Returns:
        The id with angle brackets.

    Raises:
        InputError: No id, several, or characters that none may have.
    """
    check_text(check_length(text, field, _MAX_ID), field)
    if not (found := _MESSAGE_ID.fullmatch(text.strip())):
        raise InputError(field, "is not a message id; write <left@right>, as the mail's Message-ID shows it")
    return f"<{found[1]}>"


def _phrase(name: str, room: int) -> list[str]:
    if not name:
        return []
    if name.isascii() and "=?" not in name and len(name) <= room - 2:
        if _ATOMS.fullmatch(name):
            return [name]
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{escaped}"']
    return encode_words(name, room)


def _fold(line: str, words: Iterable[str]) -> str:
    """Fold before words that begin with their blanks (RFC 5322 section 2.2.3: folding adds CRLF only)."""
    lines = []
    for word in words:
        if len(line) + len(word) > _MAX_LINE:
            lines.append(line)
            line = word
        else:
            line += word
    return "\r\n".join([*lines, line]) + "\r\n"


def header_section(request: SendRequest, message_id: str, now: datetime) -> str:
    """Write the fields of a message up to the ones that describe its content.

    Args:
        request: What the task asks for.
        message_id: The Message-ID with its angle brackets.
        now: The moment of origination, with its zone.

    Returns:
        Fields with CRLF, ``MIME-Version`` the last; ASCII unless an address needs SMTPUTF8. Bcc is not
        among them.

    Raises:
        InputError: A text that a header cannot hold, a malformed message id, or an extra header which the
            connector writes itself.
    """
    fields = [
        *_correspondents(request),
        unstructured("Subject", check_subject(request.subject)),
        f"Date: {_date(int(now.timestamp()), now.tzinfo)}\r\n",
        f"Message-ID: {message_id}\r\n",
        *_thread(request),
    ]
    marks = dict(_marks(request))
    if marks or request.headers:
        fields += [f"{name}: {value}\r\n" for name, value in marks.items()]
        fields += _extra(request, {name.lower() for name in marks})
    return "".join([*fields, "MIME-Version: 1.0\r\n"])


def check_subject(subject: str) -> str:
    """Accept a subject line.

    Returns:
        The subject as it came.

    Raises:
        InputError: More than 10,000 characters, or one that a header cannot hold.
    """
    return check_text(check_length(subject, "smtpEmailSubject", MAX_VALUE), "smtpEmailSubject")


# The mails of one second have the same.
@lru_cache(maxsize=16)
def _date(second: int, zone: tzinfo | None) -> str:
    return format_datetime(datetime.fromtimestamp(second, zone))


def _correspondents(request: SendRequest) -> Iterator[str]:
    yield _addresses("From", (request.sender,), "smtpEmailMailBoxName")
    if request.to:
        yield _addresses("To", request.to, "smtpEmailToRecipients")
    elif not request.cc:
        yield "To: undisclosed-recipients:;\r\n"  # a group without members, RFC 5322 section 3.4
    if request.cc:
        yield _addresses("Cc", request.cc, "smtpEmailCcRecipients")
    if request.reply_to:
        yield _addresses("Reply-To", request.reply_to, "smtpEmailDirectReplyTo")
    if request.read_receipt:
        yield _addresses("Disposition-Notification-To", (request.read_receipt,), "smtpEmailReadReceipt")


def _addresses(name: str, boxes: tuple[Mailbox, ...], field: str) -> str:
    for box in boxes:
        if box.name:
            check_name(box.name, field)
        check_name(box.address, field)
    return mailboxes(name, boxes)


def _thread(request: SendRequest) -> Iterator[str]:
    if not (request.references or request.in_reply_to):
        return
    references = [
        checked_message_id(text, f"smtpEmailReferences[{at}]") for at, text in enumerate(request.references)
    ]
    if request.in_reply_to:
        parent = checked_message_id(request.in_reply_to, "smtpEmailInReplyTo")
        yield tokens("In-Reply-To", [parent])
        references = references or [parent]  # RFC 5322 section 3.6.4
    if references:
        yield tokens("References", references)


def _marks(request: SendRequest) -> Iterator[tuple[str, str]]:
    if request.importance:
        yield from zip(_FIELDS_OF_IMPORTANCE, _IMPORTANCE[request.importance], strict=True)
    if request.sensitivity in _SENSITIVITY:
        yield "Sensitivity", _SENSITIVITY[request.sensitivity]
    if request.follow_up:
        yield "X-Message-Flag", "Follow up"
        yield "Reply-By", format_datetime(request.follow_up)
    if request.unsubscribe:
        yield "List-Unsubscribe", ",\r\n ".join(f"<{link}>" for link in request.unsubscribe.links)
        if request.unsubscribe.one_click:
            yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"


def _extra(request: SendRequest, written: set[str]) -> Iterator[str]:
    for name, value in request.headers:
        field = f"smtpEmailHeaders.{name}"
        check_header(name, value, field)
        lowered = name.lower()
        if lowered in written:
            variable = _SET_BY.get(lowered)
            reason = f"{variable} sets this header already" if variable else "the header is given twice"
            raise InputError(field, f"{reason}; remove one of the two")
        written.add(lowered)
        yield unstructured(name, value)
