"""The octets of a mail as Graph takes them: with a Bcc field, which Exchange takes out, and in base64.

There is no envelope: the recipients are those whom the header fields name. So what the fields and the
envelope say must agree, or a recipient would get the mail again, or not at all.
"""

from __future__ import annotations

import base64

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.envelope import Message
from connector.model.server import GraphRoute
from connector.transport.fields import blind_recipients, is_protected

# The service's limit of a request, in octets of the body.
REQUEST_LIMIT = 4 * 1024 * 1024


def with_blind_copies(message: Message) -> bytes:
    """Give the octets with a Bcc field in front."""
    blind = blind_recipients(message)
    if not blind:
        return message.data
    field = "Bcc: " + ",\r\n ".join(f"<{address}>" for address in blind) + "\r\n"
    return field.encode("ascii") + message.data


def encoded(octets: bytes) -> bytes | None:
    """Give octets as the body of a request; None where they are too many for one."""
    return base64.b64encode(octets) if (len(octets) + 2) // 3 * 4 <= REQUEST_LIMIT else None


def refuse_protected(message: Message, route: GraphRoute) -> None:
    """Refuse a signed or encrypted mail that is too large to go as it is.

    Raises:
        TransportError: It is one.
    """
    if is_protected(message):
        raise TransportError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The mail is signed or encrypted and larger than the {REQUEST_LIMIT * 3 // 4:,} bytes that "
            "Microsoft Graph takes as they are; a larger one is written anew, which would break it. Attach "
            "less, or use an account with SMTP. Nothing was sent.",
            phase=Phase.CONTENT,
            server=str(route),
        )
