"""How each kind of header field is written.

Checked values enter, folded lines leave, as text that is ASCII except for an address which needs SMTPUTF8.
Nothing here knows which fields a message has; ``build`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from connector.errors import InputError
from connector.message.encoding import MAX_WORD, encode_words
from connector.model.addresses import Mailbox
from connector.model.text import MAX_HEADER_NAME, check_length, check_text

# RFC 5322 section 2.1.1 wants 78, RFC 2047 section 2 wants 76 where there is an encoded-word.
_MAX_LINE = 76
_HARD_LIMIT = 998  # RFC 5322 section 2.1.1, in octets

_MAX_ID = 250  # one word, which cannot be folded; mailers write 30 to 150 characters

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MESSAGE_ID = re.compile(r"<?([!-;=?-~]+@[!-;=?-~]+)>?")
_WORDS = re.compile(r" *[^ ]+")


def unstructured(name: str, value: str) -> str:
    """Write a field of free text, such as Subject (RFC 5322 section 2.2.1).

    Args:
        name: The field's name.
        value: Its value, decoded and checked; a reader gets back exactly this.

    Returns:
        The field with its CRLF, folded where it is long.
    """
    # "=?" would be read as an encoded-word, and blanks at an end would be lost.
    if value.isascii() and "=?" not in value and value.strip(" ") == value:
        if len(name) + 2 + len(value) <= _MAX_LINE:
            return f"{name}: {value}\r\n"
        words = _WORDS.findall(value)
        if max(map(len, words)) <= _HARD_LIMIT - MAX_HEADER_NAME - 2:
            return _fold(f"{name}: {words[0]}", words[1:])
    return tokens(name, encode_words(value, _MAX_LINE - len(name) - 2))


def tokens(name: str, values: Iterable[str]) -> str:
    """Write a field of tokens that are folded between each other, such as References."""
    first, *rest = values
    return _fold(f"{name}: {first}", [f" {value}" for value in rest])


def mailboxes(name: str, boxes: Sequence[Mailbox]) -> str:
    """Write a field of addresses, such as To (RFC 5322 section 3.6.3), folded between words.

    Args:
        name: The field's name.
        boxes: At least one; a display name is quoted or encoded as it needs, an address never.

    Returns:
        The field with its CRLF.
    """
    room = _MAX_LINE - len(name) - 2
    words: list[str] = []
    for box in boxes:
        words += [*_phrase(box.name, room), f"<{box.address}>," if box.name else f"{box.address},"]
        room = MAX_WORD
    words[-1] = words[-1][:-1]
    return tokens(name, words)


def message_id(text: str, field: str) -> str:
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
