"""A mail as Azure Communication Services takes it: JSON with addresses, bodies, headers and files.

The octets of a message enter and are read back; the content of a request leaves. The service writes the mail
anew, so that what its fields cannot say is refused by the name of the input that asks for it.

Its documentation says of headers that an importance goes as one, that a Message-ID is taken where it is well
formed and new, that those called x-ms-acsemail-… steer the service itself, and of all others that they are
passed on.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from connector.acs.api import NAME, as_json
from connector.errors import ErrorCode, InputError, Phase
from connector.model.addresses import Mailbox
from connector.model.envelope import Message
from connector.model.server import AcsRoute
from connector.settings.acs import is_inline_capable
from connector.transport.fields import Fields, File, blind_recipients, is_protected, read_back
from connector.transport.unsupported import Service, refuse_unsupported, rejected, told

_SERVICE = Service(NAME, "it")
_STEERING = "x-ms-acsemail-"
_PRIORITY = {"high": "1", "normal": "3", "low": "5"}


def payload(message: Message, route: AcsRoute) -> bytes:
    """Say a mail in JSON.

    Args:
        message: Of our own writing.
        route: Named in an error, and what it takes.

    Raises:
        InputError: The task asks for what the service cannot do.
        TransportError: The mail, as it is, cannot go this way.
    """
    refuse_unsupported(message, route, _SERVICE)
    if is_protected(message):
        raise InputError(
            "smtpEmailSign",
            told(route, _SERVICE, "writes mails anew, so that a signed or encrypted one breaks"),
        )
    said = read_back(message)
    _refuse_unsaid(said, route)
    octets = as_json(
        {
            "senderAddress": said.sender.address,
            "recipients": {
                "to": _addresses(said.to),
                "cc": _addresses(said.cc),
                "bcc": [{"address": one} for one in blind_recipients(message)],
            },
            "content": _content(said),
            "replyTo": _addresses(said.reply_to),
            "headers": _headers(said, message.message_id),
            "attachments": list(map(_attachment, said.files)),
        }
    )
    if len(octets) > route.max_size:
        raise rejected(
            f"The mail makes a request of {len(octets):,} bytes, and {NAME} takes {route.max_size:,} "
            f"(accounts.{route.account}.acs.max_size), attachments in base64 included. Attach less.",
            route,
            ErrorCode.MESSAGE_TOO_LARGE,
            Phase.CONTENT,
        )
    return octets


def _refuse_unsaid(said: Fields, route: AcsRoute) -> None:
    refused: dict[str, str] = {}
    if said.sender.name:
        refused["smtpEmailMailBoxName"] = (
            "takes the sender's name from its own settings; give the address alone, and set the name in Azure"
        )
    if said.invitation:
        refused["smtpEmailInvitation"] = "knows no invitations; attach the calendar as a file"
    if any(file.content_id for file in said.files) and not is_inline_capable(route.api_version):
        refused["smtpEmailAttachments"] = (
            f"knows inline images since version 2025-09-01 of its API, not in {route.api_version}; set "
            "acs.api_version"
        )
    if said.read_receipt is not None:
        refused["smtpEmailReadReceipt"] = "does not ask readers for confirmations; remove it"
    for name, _ in said.headers:
        if name.lower().startswith(_STEERING):
            refused[f"smtpEmailHeaders.{name}"] = "reads this header as an order to itself; remove it"
    for field, reason in refused.items():
        raise InputError(field, told(route, _SERVICE, reason))


def _content(said: Fields) -> dict[str, str]:
    bodies = {"plainText": said.text, "html": said.html}
    given = {name: body for name, body in bodies.items() if body is not None}
    return {"subject": said.subject, **(given or {"plainText": ""})}


def _headers(said: Fields, message_id: str) -> dict[str, str]:
    importance = {}
    if said.importance != "normal":
        importance = {"Importance": said.importance, "x-priority": _PRIORITY.get(said.importance, "3")}
    return {"Message-ID": message_id, **importance, **dict(said.headers)}


def _addresses(mailboxes: Iterable[Mailbox]) -> list[dict[str, str]]:
    return [{"address": one.address, **({"displayName": one.name} if one.name else {})} for one in mailboxes]


def _attachment(file: File) -> dict[str, Any]:
    inside = {"contentId": file.content_id} if file.content_id else {}
    return {
        "name": file.name,
        "contentType": file.content_type,
        "contentInBase64": base64.b64encode(file.octets).decode("ascii"),
        **inside,
    }
