"""Logging in (RFC 4954): one mechanism, one attempt.

A second attempt with the same wrong password locks accounts, so the mechanism is chosen before anything is
sent: PLAIN (RFC 4616) where it is offered, else LOGIN. Credentials leave only through the link.
"""

from __future__ import annotations

import re

from aiosmtplib.auth import auth_login_encode, auth_plain_encode

from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.transport.smtp.capabilities import Capabilities
from connector.transport.smtp.conversation import Conversation

# RFC 5321 section 4.5.3.1.4: 512 octets with CRLF; a longer initial response follows on its own line.
_LONGEST_COMMAND = 510
# NUL is PLAIN's separator; a lone surrogate is what Python makes of an environment variable's odd octets.
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


def mechanism(capabilities: Capabilities) -> str | None:
    """The mechanism to log in with; None when the server offers neither of those that we speak."""
    return next((name for name in ("PLAIN", "LOGIN") if name.lower() in capabilities.auth), None)


async def log_in(talk: Conversation, capabilities: Capabilities, username: str, password: str) -> None:
    """Log in once.

    Raises:
        TransportError: ``AUTH_FAILED`` when credentials, server and mechanism do not fit each other,
            ``AUTH_UNAVAILABLE`` when the server cannot check them now.
    """
    if _UNSENDABLE.search(username + password):
        raise _impossible(
            talk,
            "User name or password holds a NUL character or is not UTF-8 text: no mechanism can carry it.",
        )
    plain = auth_plain_encode(username, password).decode()
    name, secret = (part.decode() for part in auth_login_encode(username, password))
    chosen = mechanism(capabilities)
    if chosen == "PLAIN":
        reply = await _plain(talk, plain)
    elif chosen == "LOGIN":
        reply = await _exchange(talk, "AUTH LOGIN", name, secret)
    else:
        raise _impossible(talk, _not_offered(talk, capabilities))
    if reply.code == 334:  # it wants more than the mechanism has; RFC 4954 section 4: "*" calls it off
        reply = await talk.ask(Phase.AUTH, "*")
    if reply.code != 235:
        raise talk.refusal(Phase.AUTH, reply)


async def _plain(talk: Conversation, credentials: str) -> Reply:
    command = f"AUTH PLAIN {credentials}"
    if len(command) > _LONGEST_COMMAND:
        return await _exchange(talk, "AUTH PLAIN", credentials)
    return await talk.ask(Phase.AUTH, command)


async def _exchange(talk: Conversation, command: str, *answers: str) -> Reply:
    """Send the command, and an answer to each challenge (334); the first reply of another kind ends it."""
    reply = await talk.ask(Phase.AUTH, command)
    for answer in answers:
        if reply.code != 334:
            break
        reply = await talk.ask(Phase.AUTH, answer)
    return reply


def _not_offered(talk: Conversation, capabilities: Capabilities) -> str:
    if not capabilities.auth:
        return "The server offers no login: leave out user name and password, or check port and security."
    offered = talk.concealment.shown_text(", ".join(mechanism.upper() for mechanism in capabilities.auth))
    return f"The server offers only {offered} to log in, not PLAIN or LOGIN: a password cannot be used there."


def _impossible(talk: Conversation, message: str) -> TransportError:
    return TransportError(
        ErrorCode.AUTH_FAILED, f"{message} No credentials were sent.", phase=Phase.AUTH, server=talk.server
    )
