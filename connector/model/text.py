"""Text that is bound for a header: what no mail may carry there is refused, never dropped or folded.

Text enters and leaves unchanged, or an :class:`~connector.errors.InputError` names its variable. A line break
would start a second header; NUL and the other control characters are cut or taken for a line break by some
server or reader on the way (the standard library's own policy lets NUL through). Length is looked at before
anything else, so that a text of megabytes costs nothing.
"""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType

from connector.errors import InputError

# C0, DEL, C1 (NEL, U+0085, among them), the two Unicode line separators, and lone surrogates, which have no
# UTF-8 form.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Explicit embeddings, overrides and isolates (UAX #9): they make a name or an address read as another one.
# The marks U+200E and U+200F and the joiners stay: names in Arabic, Persian or Hindi need them.
_BIDI_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Letters and symbols that are drawn as nothing: Hangul fillers and the empty Braille cell.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")

# Ten times what people read; Postfix cuts a header off at 102,400 octets (header_size_limit), which this
# many characters do not reach in any script, encoded.
MAX_VALUE = 10_000
# For names of people and files; a file system has 255 octets for one.
MAX_NAME = 1_000
# Long enough for every registered header, short enough that an encoded-word fits on the same line.
MAX_HEADER_NAME = 50
_HEADER_NAME = re.compile(rf"[!-9;-~]{{1,{MAX_HEADER_NAME}}}")  # RFC 5322 section 3.6.8, ftext

# The connector's own header fields, lower case, and the variable that sets each (None: nothing does).
OWNED_HEADERS = MappingProxyType(
    {
        "from": "smtpEmailMailBoxName",
        "sender": "smtpEmailMailBoxName",
        "to": "smtpEmailToRecipients",
        "cc": "smtpEmailCcRecipients",
        "bcc": "smtpEmailBccRecipients",
        "reply-to": "smtpEmailDirectReplyTo",
        "subject": "smtpEmailSubject",
        "in-reply-to": "smtpEmailInReplyTo",
        "references": "smtpEmailReferences",
        "disposition-notification-to": "smtpEmailReadReceipt",
        "date": None,
        "message-id": None,
        "return-path": None,
        "received": None,
        "delivered-to": None,
        "authentication-results": None,
        "dkim-signature": None,
    }
)
_OWNED_PREFIXES = ("mime-", "content-", "resent-", "arc-")


def check_length(text: str, field: str, longest: int) -> str:
    """Accept text of at most so many characters.

    Args:
        text: Any text.
        field: The variable to name in the error.
        longest: The limit, in characters.

    Returns:
        The text as it came.

    Raises:
        InputError: It is longer.
    """
    if len(text) > longest:
        raise InputError(field, f"is longer than {longest:,} characters; shorten it")
    return text


def check_text(text: str, field: str) -> str:
    """Accept text for a header: one line, without control characters or lone surrogates.

    Args:
        text: A subject, header value or anything else that a header will hold.
        field: The variable to name in the error.

    Returns:
        The text as it came.

    Raises:
        InputError: A character that has no place in a header; its code point is told, not the text.
    """
    if not text.isprintable() and (found := _FORBIDDEN.search(text)):
        raise InputError(field, f"{_describe(found[0])} is not allowed here; remove it")
    return text


def check_name(text: str, field: str) -> str:
    """Accept text that people read as a name: what :func:`check_text` accepts, without direction overrides.

    Args:
        text: A display name, an address or a file name.
        field: The variable to name in the error.

    Returns:
        The text as it came.

    Raises:
        InputError: A control character, or one that makes the name read as another one.
    """
    if not text.isprintable():
        check_text(text, field)
        if found := _BIDI_CONTROL.search(text):
            raise InputError(field, f"{_describe(found[0])} (text direction) is not allowed here; remove it")
    return text


def check_header(name: str, value: str, field: str) -> None:
    """Accept an extra header field, or say why it cannot be added.

    Args:
        name: The field's name, in any case.
        value: Its value, decoded; one line.
        field: The variable to name in the error, as ``smtpEmailHeaders.X-Case``.

    Raises:
        InputError: Not a name by RFC 5322, a header that the connector writes itself, a value of more than
            10,000 characters, or a control character.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise InputError(
            "smtpEmailHeaders",
            f"a header name must consist of 1 to {MAX_HEADER_NAME} visible ASCII characters without a colon",
        )
    lowered = name.lower()
    if lowered in OWNED_HEADERS or lowered.startswith(_OWNED_PREFIXES):
        variable = OWNED_HEADERS.get(lowered)
        advice = f"use {variable} instead" if variable else "remove it"
        raise InputError(field, f"the connector writes this header itself; {advice}")
    check_text(check_length(value, field, MAX_VALUE), field)


def base_name(path: str) -> str:
    """Give the last component of a path of any system, which a receiver must not take for a directory."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def invisible(text: str) -> str | None:
    """Name the first character that cannot be seen, such as a zero-width space; None where there is none."""
    for character in text:
        if character in _BLANK_LETTERS or not character.isprintable():
            if name := unicodedata.name(character, "").lower():
                return f"the invisible character U+{ord(character):04X} ({name})"
            return _describe(character)
    return None


def header_text(data: object) -> str | None:
    """Give the text of an extra header's value; None where it is neither text nor a number nor a boolean."""
    if isinstance(data, bool):
        return str(data).lower()
    return str(data) if isinstance(data, int | float | str) else None


def _describe(character: str) -> str:
    if character in "\r\n\x85\u2028\u2029":
        return f"a line break (U+{ord(character):04X})"
    if "\ud800" <= character <= "\udfff":
        return f"half of a surrogate pair (U+{ord(character):04X})"
    return f"the control character U+{ord(character):04X}"
