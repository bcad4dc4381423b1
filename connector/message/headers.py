"""Which header fields a task may add, and which are the connector's own."""

from __future__ import annotations

import re
from types import MappingProxyType

from connector.errors import InputError
from connector.message.text import check_text

# Long enough for every registered name, short enough that an encoded-word fits on the same line.
_MAX_NAME = 60
_NAME = re.compile(rf"[!-9;-~]{{1,{_MAX_NAME}}}")  # RFC 5322 section 3.6.8, ftext

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


def check_header(name: str, value: str, field: str) -> None:
    """Accept an extra header field, or say why it cannot be added.

    Args:
        name: The field's name, in any case.
        value: Its value, decoded; one line.
        field: The variable to name in the error, as ``smtpEmailHeaders.X-Case``.

    Raises:
        InputError: Not a name by RFC 5322, a header that the connector writes itself, or a control character.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "smtpEmailHeaders",
            f"a header name consists of 1 to {_MAX_NAME} visible ASCII characters without a colon",
        )
    lowered = name.lower()
    if lowered in OWNED_HEADERS or lowered.startswith(_OWNED_PREFIXES):
        variable = OWNED_HEADERS.get(lowered)
        advice = f"use {variable} instead" if variable else "remove it"
        raise InputError(field, f"the connector writes this header itself; {advice}")
    check_text(value, field)
