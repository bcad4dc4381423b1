"""The octets of a mail as Graph takes them: with a Bcc field, which Exchange takes out, and in base64.

There is no envelope: the recipients are those whom the header fields name. So what the fields and the
envelope say must agree, or a recipient would get the mail again, or not at all.
"""

from __future__ import annotations

import base64

from connector.errors import ErrorCode, InputError, Phase, TransportError
from connector.model.envelope import Message
from connector.model.server import GraphRoute

# The service's limit of a request, in octets of the body.
REQUEST_LIMIT = 4 * 1024 * 1024
_PROTECTED = (b"multipart/signed", b"multipart/encrypted", b"application/pkcs7-mime")


def refuse_unsupported(message: Message, route: GraphRoute) -> None:
    """Refuse by name what Graph cannot do, before anything is sent.

    Raises:
        InputError: The task asks for it.
        TransportError: The mail, as it is, cannot go this way.
    """
    envelope = message.envelope
    where = f"the account {route.account} sends through Microsoft Graph, which"
    if envelope.notify:
        raise InputError(
            "smtpEmailDeliveryReceipt",
            f"{where} takes no requests for delivery reports; remove it, or use an account with SMTP",
        )
    if message.private:
        raise InputError(
            "smtpEmailBccRecipients",
            f"{where} cannot send blind copies of an encrypted mail by themselves; name these recipients in "
            "To or Cc, or use an account with SMTP",
        )
    if envelope.smtputf8:
        raise InputError(
            "smtpEmailToRecipients",
            f"{where} is not given addresses whose local part is not ASCII; use an account with SMTP",
        )
    if message.data.startswith(b"DKIM-Signature:"):
        raise _rejected(
            "Microsoft Graph writes the mail anew, so that a DKIM signature would break: remove signing.dkim "
            f"from the account {route.account}, and let Exchange sign.",
            route,
        )
    if missing := [one for one in message.visible if one not in envelope.recipients]:
        raise _rejected(
            f"{len(missing)} of the mail's recipients are served already, by another account or under SMTP, "
            "and Microsoft Graph would send it to all of them again. Send the mail to the others by a task "
            "of its own.",
            route,
        )
    limit = route.quota.max_recipients
    if limit is not None and len(envelope.recipients) > limit:
        raise _rejected(
            f"The account takes {limit} recipients of one mail (max_recipients), this one has "
            f"{len(envelope.recipients)}, and Microsoft Graph cannot send it in parts. Name fewer.",
            route,
        )


def with_blind_copies(message: Message) -> bytes:
    """Give the octets with a Bcc field in front."""
    blind = blind_recipients(message)
    if not blind:
        return message.data
    field = "Bcc: " + ",\r\n ".join(f"<{address}>" for address in blind) + "\r\n"
    return field.encode("ascii") + message.data


def blind_recipients(message: Message) -> tuple[str, ...]:
    """Those whom no field names."""
    return tuple(one for one in message.envelope.recipients if one not in message.visible)


def encoded(octets: bytes) -> bytes | None:
    """Give octets as the body of a request; None where they are too many for one."""
    return base64.b64encode(octets) if (len(octets) + 2) // 3 * 4 <= REQUEST_LIMIT else None


def refuse_protected(message: Message, route: GraphRoute) -> None:
    """Refuse a signed or encrypted mail that is too large to go as it is.

    Raises:
        TransportError: It is one.
    """
    header = message.data[: message.data.find(b"\r\n\r\n")].lower()
    if any(kind in header for kind in _PROTECTED):
        raise TransportError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The mail is signed or encrypted and larger than the {REQUEST_LIMIT * 3 // 4:,} bytes that "
            "Microsoft Graph takes as they are; a larger one is written anew, which would break it. Attach "
            "less, or use an account with SMTP. Nothing was sent.",
            phase=Phase.CONTENT,
            server=str(route),
        )


def _rejected(message: str, route: GraphRoute) -> TransportError:
    return TransportError(
        ErrorCode.MESSAGE_REJECTED, f"{message} Nothing was sent.", phase=Phase.MAIL, server=str(route)
    )
