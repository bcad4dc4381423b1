"""The switches of an account for servers that need something out of the ordinary.

Each is one setting with one meaning; none turns the verification of certificates off.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from connector.settings.values import Seconds, Section, text_schema

SMTP_EXTENSIONS = ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE")
IMAP_EXTENSIONS = ("IDLE", "MOVE", "UIDPLUS", "SORT")
SMTP_MECHANISMS = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
INCOMING_MECHANISMS = (*SMTP_MECHANISMS, "USER")

# RFC 5321 section 4.1.1.1 and RFC 4422 section 3.1: keywords and names of mechanisms have no case.


def _known(names: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in upper case.

    Raises:
        ValueError: One is not known, or comes twice.
    """
    upper = tuple(name.upper() for name in names)
    for name in upper:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"expected some of {', '.join(known)}"
            raise ValueError(f"{name[:40]!r} is not known here; {hint}")
        if upper.count(name) > 1:
            raise ValueError(f"{name} comes twice: keep one")
    return upper


def _local_address(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError("expected an IP address of this machine, as 192.0.2.7") from None


SmtpMechanisms = Annotated[tuple[str, ...], AfterValidator(lambda names: _known(names, SMTP_MECHANISMS))]
IncomingMechanisms = Annotated[
    tuple[str, ...], AfterValidator(lambda names: _known(names, INCOMING_MECHANISMS))
]
Extensions = Annotated[
    tuple[str, ...], AfterValidator(lambda names: _known(names, SMTP_EXTENSIONS + IMAP_EXTENSIONS))
]
LocalAddress = Annotated[str, AfterValidator(_local_address), text_schema(r"\[?[0-9a-fA-F:.]+\]?")]


class AdvancedSettings(Section):
    """Switches for servers that need something out of the ordinary."""

    auth_mechanisms: SmtpMechanisms = Field(
        (),
        description="Ways to log in that are allowed, in order of preference: `PLAIN`, `LOGIN`; with `oauth` "
        "`XOAUTH2`, `OAUTHBEARER`. Default: all.",
    )
    disable_extensions: Extensions = Field(
        (),
        description="Extensions that are not used although the server offers them. SMTP: `PIPELINING`, "
        "`CHUNKING`, `8BITMIME`, `SMTPUTF8`, `DSN`, `SIZE`; IMAP: `IDLE`, `MOVE`, `UIDPLUS`, `SORT`.",
    )
    imap_auth_mechanisms: IncomingMechanisms = Field(
        (), description="The same as auth_mechanisms for the mailbox; with POP3 also `USER`. Default: all."
    )
    imap_namespace: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Prefix of the user's own folders, as `INBOX.`, where the server does not say it or "
        "says it wrong.",
    )
    source_address: LocalAddress | None = Field(
        None, description="IP address of this machine from which connections to the account's servers start."
    )
    keepalive: Seconds | None = Field(
        None,
        description="After so long without traffic the machine asks whether the other side still is there "
        "(TCP keep-alive), as firewalls need that forget idle connections. Default: never.",
    )

    @model_validator(mode="after")
    def _usable(self) -> AdvancedSettings:
        if self.keepalive is not None and not 1 <= self.keepalive.total_seconds() <= 32_767:
            raise ValueError("keepalive must be from 1 to 32767 seconds")
        return self
