"""What the log says of one job: enough to know why, and never a recipient, a subject or content.

A response or an error enters, fields of a log line leave. Servers quote addresses in their replies, so those
are shortened to their first letter and their domain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.errors import ConnectorError
from connector.model.addresses import concealed

Facts = dict[str, Any]

_ADDRESS = re.compile(r"[^\s<>@,;:()\"'\[\]]++@[^\s<>@,;:()\"'\]]++")
# Behind this a message or reply says nothing new; it also bounds the search for addresses.
_LONGEST = 1_000


def sent_facts(response: Mapping[str, Any], server: str | None, seconds: float) -> Facts:
    """Describe a mail that was sent.

    Args:
        response: The native response, of this attempt or of the ledger.
        server: ``host:port``.
        seconds: How long the job took.
    """
    facts = {
        "account": response["account"],
        "server": server,
        "message_id": response["messageId"],
        "reply": without_addresses(response["reply"] or ""),
        "accepted": len(response["accepted"]),
        "rejected": len(response["rejected"]),
        "duplicate": response["duplicate"] or None,
        "seconds": round(seconds, 3),
    }
    return _known(facts)


def mailbox_facts(operation: str, account: str | None, server: str, seconds: float) -> Facts:
    """What the log says of a mailbox task that was done; never a folder, a name or a word of a mail."""
    facts = {"operation": operation, "account": account, "server": server, "seconds": round(seconds, 3)}
    return _known(facts)


def failed_facts(error: ConnectorError, account: str | None, server: str | None, seconds: float) -> Facts:
    """Describe an attempt that failed.

    Args:
        error: What went wrong, its words without secrets.
        account: The account; None where the task names a server, or none was chosen yet.
        server: The same for the server.
        seconds: How long the job took.
    """
    variables = error.variables
    facts = {
        "code": error.code.value,
        "reason": error.cancel_reason,
        "message": without_addresses(error.message),
        "account": account,
        "server": variables.get("server") or server,
        "phase": variables.get("phase"),
        "seconds": round(seconds, 3),
    }
    return _known(facts)


def without_addresses(text: str) -> str:
    """Shorten every mail address in a text."""
    return _ADDRESS.sub(lambda found: concealed(found[0]), text[:_LONGEST])


def _known(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if value not in (None, "")}
