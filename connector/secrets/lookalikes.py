"""What resembles a reference to a secret and is none, and references where secrets do not resolve.

Neither may go out as it is: a misspelt reference would be sent as a password, and one in an address would be
told to the server as a mailbox.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from connector.errors import InputError

_NEAR = re.compile(
    r"""\s*(?:
        \{\{ [^{}]* secret [^{}]* \}\}          # {{secret.X}}, {{ secrets X }}
        # ${X}, #{X}; but ${true} and ${false} are what Infosys's template writes for a boolean
        | [$\#] \{ (?! (?: true | false ) \} ) [\w./ -]+ \}
        | \$? secrets? \s* [./:\\]+ \s* \S.*    # secret.X, secrets../X, secrets:X
    )\s*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(r"[,;\[\]\"']+")

# Inputs whose values go to a server, a disk or a web server as they are.
GUARDED = frozenset(
    {
        *("account", "smtpEmailMailBoxName", "smtpEmailToRecipients", "smtpEmailCcRecipients"),
        *("smtpEmailBccRecipients", "smtpEmailDirectReplyTo", "smtpEmailReadReceipt", "smtpEmailAttachments"),
    }
)
_CONTENT = frozenset({"content", "base64", "name", "contentType", "contentId"})


def refuse_near_reference(text: str, field: str) -> None:
    """Refuse a credential that resembles a reference; a real one was replaced before.

    Raises:
        InputError: It does; the text is not quoted.
    """
    if _resembles(text):
        raise InputError(
            field,
            "this looks like a reference to a secret and is none, so it was not sent. Write secrets.NAME, "
            "where NAME has letters, digits, '/', '.', '_' and '-'. Put a password of this form into one.",
        )


def refuse_reference(name: str, value: Any) -> None:
    """Refuse a reference that is the whole value of an address, a path, a URL or an account's name.

    Args:
        name: The variable, one of :data:`GUARDED`.
        value: Its JSON value.

    Raises:
        InputError: One of its texts is a reference, or resembles one.
    """
    for field, text in _texts(name, value):
        for piece in _LIST.split(text):
            if "@" not in piece and _resembles(piece):
                raise InputError(
                    field,
                    "secrets do not resolve here, only in the fields of authentication; nothing was sent. "
                    "Write the value itself, or ask the operator to add this field to secrets.fields.",
                )


def _resembles(text: str) -> bool:
    if text.isascii():
        return ("ecret" in text or "ECRET" in text or "{" in text) and bool(_NEAR.fullmatch(text))
    return bool(_NEAR.fullmatch(unicodedata.normalize("NFKC", text)))


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield field, value
        case list():
            for index, item in enumerate(value, 1):
                yield from _texts(f"{field}[{index}]", item)
        case dict():
            for key, item in value.items():
                if key not in _CONTENT:
                    yield from _texts(f"{field}.{key}", item)
