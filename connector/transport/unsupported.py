"""What no service with an HTTP API can do with a mail, refused by name before anything is sent.

A message and its route enter; nothing leaves, or an error. Such a service has no envelope: it sends to those
whom its fields name, at once, and reports to nobody but its own administrators.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import ErrorCode, InputError, Phase, TransportError
from connector.model.envelope import Message
from connector.model.server import Route


@dataclass(frozen=True, slots=True)
class Service:
    """What messages call a service.

    Attributes:
        signer: What signs its mails for the domain.
    """

    name: str
    signer: str


def refuse_unsupported(message: Message, route: Route, service: Service) -> None:
    """Refuse what the service cannot do.

    Raises:
        InputError: The task asks for it.
        TransportError: The mail, as it is, cannot go this way.
    """
    envelope = message.envelope
    if envelope.notify:
        raise InputError(
            "smtpEmailDeliveryReceipt",
            told(route, service, "takes no requests for delivery reports; remove it"),
        )
    if message.private:
        raise InputError(
            "smtpEmailBccRecipients",
            told(
                route,
                service,
                "cannot send blind copies of an encrypted mail by themselves; name these recipients in To or "
                "Cc",
            ),
        )
    if envelope.smtputf8:
        raise InputError(
            "smtpEmailToRecipients",
            told(route, service, "is not given addresses whose local part is not ASCII; change the address"),
        )
    if message.data.startswith(b"DKIM-Signature:"):
        raise rejected(
            f"{service.name} writes the mail anew, so that a DKIM signature would break: remove signing.dkim "
            f"from the account {route.account}, and let {service.signer} sign.",
            route,
        )
    _refuse_recipients(message, route, service)


def _refuse_recipients(message: Message, route: Route, service: Service) -> None:
    recipients, limit = message.envelope.recipients, route.quota.max_recipients
    if missing := [one for one in message.visible if one not in recipients]:
        raise rejected(
            f"{len(missing)} of the mail's recipients are served already, by another account or under SMTP, "
            f"and {service.name} would send it to all of them again. Send the mail to the others by a task "
            "of its own.",
            route,
        )
    if limit is not None and len(recipients) > limit:
        raise rejected(
            f"The account takes {limit} recipients of one mail (max_recipients), this one has "
            f"{len(recipients)}, and {service.name} cannot send it in parts. Name fewer.",
            route,
        )


def told(route: Route, service: Service, cannot: str) -> str:
    """Say what a service cannot do, as the rest of a sentence about an input."""
    return (
        f"the account {route.account} sends through {service.name}, which {cannot}, or use an account with "
        "SMTP"
    )


def rejected(
    message: str, route: Route, code: ErrorCode = ErrorCode.MESSAGE_REJECTED, phase: Phase = Phase.MAIL
) -> TransportError:
    """The error for a mail that cannot go this way."""
    return TransportError(code, f"{message} Nothing was sent.", phase=phase, server=str(route))
