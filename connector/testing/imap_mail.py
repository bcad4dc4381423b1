"""Mails that the mailbox for tests keeps, and what IMAP tells of one (RFC 3501 section 7.4.2).

Commands are read elsewhere; here octets enter, and the members of a FETCH response and the answers to a
SEARCH leave. The parser is the standard library's, since the double must not share faults with what it tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from imaplib import Time2Internaldate
from operator import eq, ge, gt, lt

Words = list["bytes | Words"]
"""The words of a command; what is in parentheses is a list of its own."""

_SECTION = re.compile(rb"BODY(\.PEEK)?\[(.*)\](?:<(\d+)\.(\d+)>)?", re.IGNORECASE | re.DOTALL)
_FIELDS = re.compile(rb"HEADER\.FIELDS(\.NOT)? \((.*)\)", re.IGNORECASE | re.DOTALL)
_FLAG_KEYS = {
    b"SEEN": "\\seen",
    b"FLAGGED": "\\flagged",
    b"DELETED": "\\deleted",
    b"ANSWERED": "\\answered",
    b"DRAFT": "\\draft",
}
_DAYS = {b"SINCE": ge, b"BEFORE": lt, b"ON": eq}
_SIZES = {b"LARGER": gt, b"SMALLER": lt}
_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()


class NotUnderstoodError(Exception):
    """A command asks for something that the mailbox for tests does not know."""


@dataclass(eq=False, slots=True)
class StoredMail:
    r"""A mail in a folder.

    Attributes:
        uid: Its number in the folder, which no other mail there ever has.
        octets: As they were delivered, or filed by a client.
        received_at: When it came into the mailbox.
        flags: Its flags, as ``\Seen``.
    """

    uid: int
    octets: bytes = field(repr=False)
    received_at: datetime
    flags: set[str] = field(default_factory=set)

    @property
    def unread(self) -> bool:
        """Return whether it was not read yet."""
        return not self.has("\\seen")

    @property
    def flagged(self) -> bool:
        """Return whether it is flagged for attention."""
        return self.has("\\flagged")

    @property
    def message(self) -> EmailMessage:
        """Return it parsed."""
        return message_from_bytes(self.octets, EmailMessage, policy=policy.default)

    @property
    def subject(self) -> str:
        """Return its subject; empty where it has none."""
        return _decoded(str(message_from_bytes(self.octets).get("Subject", "")))

    def has(self, flag: str) -> bool:
        """Return whether it has a flag, written in lower case."""
        return any(one.lower() == flag for one in self.flags)


# --- FETCH --------------------------------------------------------------------------------------------


def told(mail: StoredMail, item: bytes) -> bytes:
    """Return one member of a FETCH response, with its name.

    Raises:
        NotUnderstoodError: The mailbox for tests does not know it.
    """
    match item.upper():
        case b"UID":
            return b"UID %d" % mail.uid
        case b"FLAGS":
            return b"FLAGS (%s)" % " ".join(sorted(mail.flags)).encode()
        case b"INTERNALDATE":
            return b"INTERNALDATE " + Time2Internaldate(mail.received_at).encode()
        case b"RFC822.SIZE":
            return b"RFC822.SIZE %d" % len(mail.octets)
        case b"BODYSTRUCTURE":
            return b"BODYSTRUCTURE " + _structure(message_from_bytes(mail.octets))
    if (section := _SECTION.fullmatch(item)) is None:
        raise NotUnderstoodError(f"FETCH of {item.decode('latin-1')}")
    peek, name, first, most = section.groups()
    if peek is None:
        mail.flags.add("\\Seen")
    octets = _section(mail.octets, name)
    where = b""
    if first is not None:
        octets = octets[int(first) : int(first) + int(most)]
        where = b"<%s>" % first
    return b"BODY[%s]%s {%d}\r\n%s" % (name, where, len(octets), octets)


def _section(octets: bytes, name: bytes) -> bytes:
    head, blank, text = octets.partition(b"\r\n\r\n")
    header = head + blank
    if fields := _FIELDS.fullmatch(name):
        wanted = {one.strip(b'"').lower() for one in fields[2].split()}
        # A field and its folded lines (RFC 5322 section 2.2.3).
        found = re.findall(rb"^([!-9;-~]+)([ \t]*:.*(?:\n[ \t].*)*\n?)", header, re.MULTILINE)
        kept = [key + value for key, value in found if (key.lower() in wanted) is (fields[1] is None)]
        return b"".join(kept) + b"\r\n"
    match name.upper():
        case b"":
            return octets
        case b"HEADER":
            return header
        case b"TEXT":
            return text
    raise NotUnderstoodError(f"BODY[{name.decode('latin-1')}]")


def _structure(part: Message) -> bytes:
    """Write a body structure with its extension data (RFC 3501 section 7.4.2)."""
    kind, subtype = part.get_content_maintype(), part.get_content_subtype()
    parameters = _parameters(part, "Content-Type")
    if part.is_multipart() and kind == "multipart":
        inner = b"".join(_structure(one) for one in part.get_payload() if isinstance(one, Message))
        return b"(%s %s %s %s NIL NIL)" % (inner, _text(subtype), parameters, _disposition(part))
    octets = part.as_bytes().partition(b"\n\n")[2]
    fields = (part.get("Content-ID"), part.get("Content-Description"))
    words = [_text(kind), _text(subtype), parameters, *map(_text, fields)]
    words += [_text(part.get("Content-Transfer-Encoding", "7bit")), b"%d" % len(octets)]
    lines = b"%d" % octets.count(b"\n")
    if kind == "text":
        words.append(lines)
    within = part.get_payload(0) if kind == "message" and part.is_multipart() else None
    if subtype == "rfc822" and isinstance(within, Message):
        nothing = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"  # an envelope that tells nothing
        words += [nothing, _structure(within), lines]
    return b"(%s NIL %s NIL NIL)" % (b" ".join(words), _disposition(part))


def _disposition(part: Message) -> bytes:
    kind = part.get_content_disposition()
    return b"(%s %s)" % (_text(kind), _parameters(part, "Content-Disposition")) if kind else b"NIL"


def _parameters(part: Message, header: str) -> bytes:
    found = part.get_params([], header=header)[1:]
    pairs = [(name, value if isinstance(value, str) else value[2]) for name, value in found]
    return b"(%s)" % b" ".join(_text(text) for pair in pairs for text in pair) if pairs else b"NIL"


def _text(value: str | None) -> bytes:
    if value is None:
        return b"NIL"
    plain = re.sub(r"[\r\n\0]+", " ", str(value)).encode("ascii", "replace")
    return b'"%s"' % plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


# --- SEARCH -------------------------------------------------------------------------------------------


def matches(words: Words, mail: StoredMail, number: int, last: int) -> bool:
    """Return whether a mail meets every key of a search (RFC 3501 section 6.4.4).

    Args:
        words: The keys, which stay as they are.
        mail: The mail.
        number: Its place in the folder.
        last: The number of mails there.

    Raises:
        NotUnderstoodError: The mailbox for tests does not know a key.
    """
    rest = list(words)
    found = True
    while rest:
        found &= _key(rest, mail, number, last)
    return found


def _key(rest: Words, mail: StoredMail, number: int, last: int) -> bool:
    key = rest.pop(0)
    if isinstance(key, list):
        return matches(key, mail, number, last)
    key = key.upper()
    if key == b"NOT":
        return not _key(rest, mail, number, last)
    if key == b"OR":
        first, second = (_key(rest, mail, number, last) for _ in range(2))
        return first or second
    if key[:1].isdigit() or key == b"*":
        return number in numbers(key, last)
    return _of_one(key, rest, mail)


def _of_one(key: bytes, rest: Words, mail: StoredMail) -> bool:
    """Whether a mail meets a key that is about nothing else."""
    plain = key.removeprefix(b"UN")
    if plain in _FLAG_KEYS:
        return mail.has(_FLAG_KEYS[plain]) is (plain == key)
    if key in _DAYS:
        return bool(_DAYS[key](mail.received_at.astimezone(UTC).date(), _day(_next(rest))))
    if key in _SIZES:
        return bool(_SIZES[key](len(mail.octets), int(_next(rest))))
    if key == b"UID":
        return mail.uid in numbers(_next(rest), mail.uid)
    return key == b"ALL" or _contains(_searched(key, rest, mail), _next(rest))


def _searched(key: bytes, rest: Words, mail: StoredMail) -> list[str]:
    """The texts in which a key looks for its own."""
    if key == b"HEADER":
        return _fields(mail, _next(rest).decode("latin-1"))
    if key in {b"FROM", b"TO", b"CC", b"BCC", b"SUBJECT"}:
        return _fields(mail, key.decode())
    if key not in {b"BODY", b"TEXT"}:
        raise NotUnderstoodError(f"SEARCH {key.decode('latin-1')}")
    header = mail.octets.partition(b"\r\n\r\n")[0].decode("latin-1") if key == b"TEXT" else ""
    return [header, *_texts(mail)]


def numbers(written: bytes, last: int) -> set[int] | range:
    """Read a set of numbers, as ``1:3,7,9:*``.

    Raises:
        NotUnderstoodError: It is none.
    """
    found: set[int] = set()
    for one in written.split(b","):
        ends = [last if end == b"*" else int(end) if end.isdigit() else -1 for end in one.split(b":")]
        if min(ends) < 0 or len(ends) > 2:
            raise NotUnderstoodError(f"the set {written.decode('latin-1')}")
        found |= set(range(min(ends), min(max(ends), max(last, ends[0])) + 1))
    return found


def _next(rest: Words) -> bytes:
    word = rest.pop(0) if rest else b""
    if isinstance(word, list):
        raise NotUnderstoodError("a list in place of a text")
    return word


def _day(written: bytes) -> date:
    try:
        day, month, year = written.lower().split(b"-")
        return date(int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError:
        raise NotUnderstoodError(f"the day {written.decode('latin-1')}") from None


def _contains(texts: list[str], wanted: bytes) -> bool:
    """Return whether a text occurs; an empty one occurs in every field that is there."""
    text = wanted.decode("utf-8", "replace").casefold()
    return any(text in one.casefold() for one in texts)


def _fields(mail: StoredMail, name: str) -> list[str]:
    return [_decoded(str(value)) for value in message_from_bytes(mail.octets).get_all(name, [])]


def _texts(mail: StoredMail) -> list[str]:
    parts = [part for part in message_from_bytes(mail.octets).walk() if part.get_content_maintype() == "text"]
    decoded = [part.get_payload(decode=True) for part in parts]
    return [octets.decode("utf-8", "replace") for octets in decoded if isinstance(octets, bytes)]


def _decoded(value: str) -> str:
    unfolded = value.replace("\r", "").replace("\n", "")
    try:
        return str(make_header(decode_header(unfolded)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return unfolded
