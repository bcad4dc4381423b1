"""Logging in by SASL (RFC 4422): which mechanism, and what the client says; the same for SMTP, IMAP and POP3.

A second attempt with the same wrong password locks accounts, so the mechanism is chosen before anything is
sent: PLAIN (RFC 4616) where it is offered, else LOGIN.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field

from connector.auth.bearer import BEARER_MECHANISMS, BearerLogin

MECHANISMS = ("PLAIN", "LOGIN")

# NUL is PLAIN's separator; a lone surrogate is what Python makes of an environment variable's odd octets.
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the client says by one mechanism.

    Attributes:
        mechanism: In upper case.
        responses: In order, in base64.
        initial: Whether the first may go with the command, before any challenge.
    """

    mechanism: str
    responses: tuple[str, ...] = field(repr=False)
    initial: bool


def mechanism(offered: Collection[str], allowed: tuple[str, ...] = (), *, token: bool = False) -> str | None:
    """The mechanism to log in with; None when the server offers none that we speak.

    Args:
        offered: Mechanisms in any case.
        allowed: Those that an operator allows, in upper case and in order of preference; empty for all.
        token: Log in with an access token in place of a password.
    """
    names = {name.upper() for name in offered}
    possible = BEARER_MECHANISMS if token else MECHANISMS
    return next((name for name in allowed or possible if name in possible and name in names), None)


def is_sendable(username: str, password: str) -> bool:
    """Whether a mechanism can carry them: UTF-8 text without NUL."""
    return not _UNSENDABLE.search(username + password)


def exchange(name: str, username: str, password: str) -> Exchange:
    """What the client says by a mechanism of :data:`MECHANISMS`."""
    if name == "PLAIN":
        return Exchange(name, (_encoded(f"\0{username}\0{password}"),), initial=True)
    return Exchange(name, (_encoded(username), _encoded(password)), initial=False)


def bearer_exchange(login: BearerLogin) -> Exchange:
    """What the client says with an access token; the last response only to an error challenge.

    Raises:
        ValueError: The user name or the token holds what no mechanism can carry.
    """
    responses = (b64encode(login.message()).decode("ascii"), b64encode(login.acknowledgement).decode("ascii"))
    return Exchange(login.mechanism, responses, initial=True)


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
