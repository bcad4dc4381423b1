"""From a server to an open session: connect, TLS, greeting, EHLO, login (RFC 5321, RFC 3207, RFC 4954).

A server and what this side brings enter; a session that waits for MAIL leaves. Credentials leave only once
the connection is as the server's security says. An access token is there before the connection, so that no
server waits for another one's answer; a refused token (535) is renewed once, and tried on a new connection,
since some servers close the one on which they have refused it.
"""

from __future__ import annotations

import ipaddress
import ssl
from base64 import b64decode
from binascii import Error as Base64Error
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import SecretStr

from connector.auth import sasl
from connector.auth.bearer import BearerLogin, TokenRefusal
from connector.auth.port import TokenSource
from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.model.server import Security, Server, TimeLimits
from connector.tls.faults import ClearTextBeforeTlsError, explain, explain_later
from connector.transport.smtp import verdicts
from connector.transport.smtp.conversation import Conversation, unheard
from connector.transport.smtp.replies import Capabilities, Concealment
from connector.transport.smtp.reply_rules import verdict
from connector.transport.smtp.session import Session
from connector.transport.smtp.tls_probe import TlsProbe
from connector.transport.smtp.wire import Wire

_NO_LOGIN = "leave out user name and password, or check port and security"
# RFC 5321 section 4.5.3.1.4: 512 octets with CRLF; a longer initial response follows on its own line.
_LONGEST_COMMAND = 510


class Witness:
    """Looks on while a session is opened, as ``smtp-connector check`` does; a subclass overrides.

    It hears of each step after it was done, from the code that every mail passes: what is shown of a server
    is what a mail would meet. Failures need no witness, since the error says where it happened.
    """

    def connected(self, wire: Wire) -> None:
        """A TCP connection stands."""

    def encrypted(self, wire: Wire) -> None:
        """TLS stands, and the certificate was found right."""

    def announced(self, capabilities: Capabilities) -> None:
        """The server answered EHLO; a second time behind STARTTLS, and only that counts."""


@dataclass(frozen=True, slots=True)
class Client:
    """What this side brings into a session.

    Attributes:
        timeouts: The time limits.
        context: Whom to trust, and our own certificate.
        helo_name: Our name for EHLO; without one, the address literal of the connection.
        tokens: Gives access tokens, where the server has a credential.
        witness: Told of each step on the way to a session.
        heard: Called at each answer of the server.
    """

    timeouts: TimeLimits
    context: ssl.SSLContext
    helo_name: str | None = None
    tokens: TokenSource | None = None
    witness: Witness = field(default_factory=Witness)
    heard: Callable[[], None] = unheard


async def open_session(server: Server, client: Client) -> Session:
    """Connect, encrypt as the server's security says, and log in if there is a user name.

    Raises:
        TransportError: Of the phase that failed; credentials were sent in no phase before ``auth``.
        TokenError: There is no access token to log in with.
    """
    if client.tokens is None:
        return await _opened(server, client, server.password)
    token = await client.tokens.token()
    try:
        return await _opened(server, client, token)
    except TransportError as error:
        if not _token_refused(error) or (fresh := await client.tokens.token(token)) == token:
            raise
    return await _opened(server, client, fresh)


async def _opened(server: Server, client: Client, secret: SecretStr | None) -> Session:
    """Open a session with this password or token."""
    username, password = server.username or "", secret.get_secret_value() if secret else ""
    section = f"accounts.{server.account}.timeouts" if server.account else "smtp.timeouts"
    talk = Conversation(str(server), client.timeouts, Concealment(username, password), section)
    talk.heard = client.heard
    try:
        capabilities = await _prepare(talk, server, client)
        if client.tokens is not None:
            await _log_in_with_token(talk, capabilities, server, SecretStr(password))
        elif username:
            await _log_in(talk, capabilities, server, password)
    except BaseException:
        talk.farewell()
        raise
    return Session(talk, capabilities, clear_text_warnings(talk, server))


async def _prepare(talk: Conversation, server: Server, client: Client) -> Capabilities:
    try:
        return await _set_up(talk, server, client)
    except TransportError as error:
        # A server may refuse our certificate only after the handshake, and wait for one without a greeting.
        fault = explain_later(error.__cause__, server)
        raise (_tls_failed(server, fault) if fault else error) from error.__cause__


async def _set_up(talk: Conversation, server: Server, client: Client) -> Capabilities:
    await talk.connect(server)
    client.witness.connected(talk)
    if server.security is Security.TLS:
        await _encrypt(talk, client, server, Phase.TLS)
    with TlsProbe(talk, server):
        _demand(talk, Phase.GREETING, await talk.receive(Phase.GREETING), 220)
    capabilities = await _greet(talk, client, server)
    if server.security is Security.STARTTLS and not capabilities.starttls:
        raise _tls_not_offered(talk)
    if server.security in (Security.STARTTLS, Security.STARTTLS_OPTIONAL) and capabilities.starttls:
        _demand(talk, Phase.STARTTLS, await talk.ask(Phase.STARTTLS, "STARTTLS"), 220)
        await _encrypt(talk, client, server, Phase.STARTTLS)
        # RFC 3207 section 4.2: what was announced in clear is forgotten; an attacker may have written it.
        capabilities = await _greet(talk, client, server)
    return capabilities


async def _encrypt(talk: Conversation, client: Client, server: Server, phase: Phase) -> None:
    try:
        await talk.encrypt(client.context, server.hostname)
    except (ssl.SSLError, ClearTextBeforeTlsError, ConnectionResetError) as error:
        raise _tls_failed(server, explain(error, phase, server)) from error
    client.witness.encrypted(talk)


async def _greet(talk: Conversation, client: Client, server: Server) -> Capabilities:
    capabilities = (await _introduce(talk, client, server.security)).without(server.switches.disabled)
    client.witness.announced(capabilities)
    return capabilities


async def _introduce(talk: Conversation, client: Client, security: Security) -> Capabilities:
    name = client.helo_name or _address_literal(talk.address("sockname"))
    reply = await talk.ask(Phase.EHLO, f"EHLO {name}")
    if reply.code == 250:
        return Capabilities.announced(reply.text)
    # RFC 5321 section 3.2: a server from before 1995 does not know EHLO; it has no STARTTLS either.
    if reply.code in (500, 502) and not talk.encrypted and security is not Security.STARTTLS:
        _demand(talk, Phase.EHLO, await talk.ask(Phase.EHLO, f"HELO {name}"), 250)
        return Capabilities()
    raise talk.refusal(Phase.EHLO, reply)


def _demand(talk: Conversation, phase: Phase, reply: Reply, code: int) -> None:
    if reply.code != code:
        raise talk.refusal(phase, reply)


def _tls_not_offered(talk: Conversation) -> TransportError:
    return TransportError(
        ErrorCode.TLS_NOT_OFFERED,
        f"{talk.server} offers no STARTTLS, or something on the way removes the offer: nothing was sent. Use "
        "the port for submission (587), security tls on port 465, or security none where clear text is "
        "meant.",
        phase=Phase.STARTTLS,
        server=talk.server,
    )


def _address_literal(address: str) -> str:
    """Our address as EHLO's argument (RFC 5321 section 4.1.3)."""
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def clear_text_warnings(wire: Wire, server: Server) -> tuple[str, ...]:
    """What the modeler should know about a connection that others can read."""
    if wire.encrypted or _is_loopback(wire.address("peername")):
        return ()
    what = "The mail"
    if server.username:
        what = "The access token and the mail" if server.credential else "The password and the mail"
    return (f"{what} went to {server} without encryption: use security starttls or tls.",)


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _tls_failed(server: Server, fault: str) -> TransportError:
    return TransportError(
        ErrorCode.TLS_FAILED,
        f"TLS with {server} failed: {fault} No credentials were sent.",
        phase=Phase.TLS,
        server=str(server),
    )


# --- login ------------------------------------------------------------------------------------------


async def _log_in(talk: Conversation, capabilities: Capabilities, server: Server, password: str) -> None:
    """Log in once.

    Raises:
        TransportError: ``AUTH_FAILED`` when credentials, server and mechanism do not fit each other,
            ``AUTH_UNAVAILABLE`` when the server cannot check them now.
    """
    username = server.username or ""
    if not sasl.is_sendable(username, password):
        raise _impossible(
            talk,
            "User name or password holds a NUL character or is not UTF-8 text: no mechanism can carry it.",
        )
    allowed = server.switches.mechanisms
    mechanism = sasl.mechanism(capabilities.auth, allowed)
    if mechanism is None:
        raise _impossible(talk, _not_offered(talk, capabilities, allowed, token=False))
    reply = await _authenticate(talk, sasl.exchange(mechanism, username, password))
    if reply.code == 334:  # it wants more than the mechanism has; RFC 4954 section 4: "*" calls it off
        reply = await talk.ask(Phase.AUTH, "*")
    if reply.code != 235:
        raise talk.refusal(Phase.AUTH, reply)


async def _authenticate(talk: Conversation, exchange: sasl.Exchange) -> Reply:
    """Send the command, and a response to each challenge (334); the first reply of another kind ends it."""
    *_, reply = await _dialogue(talk, exchange)
    return reply


async def _dialogue(talk: Conversation, exchange: sasl.Exchange) -> list[Reply]:
    command, responses = f"AUTH {exchange.mechanism}", deque(exchange.responses)
    if exchange.initial and len(command) + 1 + len(responses[0]) <= _LONGEST_COMMAND:
        command = f"{command} {responses.popleft()}"
    replies = [await talk.ask(Phase.AUTH, command)]
    while responses and replies[-1].code == 334:
        replies.append(await talk.ask(Phase.AUTH, responses.popleft()))
    return replies


async def _log_in_with_token(
    talk: Conversation, capabilities: Capabilities, server: Server, token: SecretStr
) -> None:
    """Log in once with an access token (RFC 7628), and answer the challenge that says why it is refused.

    Raises:
        TransportError: As for :func:`_log_in`.
    """
    allowed = server.switches.mechanisms
    mechanism = sasl.mechanism(capabilities.auth, allowed, token=True)
    if mechanism is None:
        raise _impossible(talk, _not_offered(talk, capabilities, allowed, token=True))
    login = BearerLogin(mechanism, server.username or "", token, server.hostname, server.port)
    try:
        exchange = sasl.bearer_exchange(login)
    except ValueError as error:
        raise _impossible(talk, f"The login cannot be written: {error}.") from None
    message = exchange.responses[0]
    talk.concealment = Concealment(login.username, token.get_secret_value(), message)
    *challenges, reply = await _dialogue(talk, exchange)
    if reply.code != 235:
        raise _not_taken(talk, server, reply, _refusal(challenges))


def _refusal(challenges: list[Reply]) -> TokenRefusal:
    """Read the last challenge; the one before the message is empty."""
    try:
        return TokenRefusal.read(b64decode(challenges[-1].text)) if challenges else TokenRefusal()
    except (Base64Error, ValueError):
        return TokenRefusal()


def _not_taken(talk: Conversation, server: Server, reply: Reply, refusal: TokenRefusal) -> TransportError:
    """The error for a token that did not log in; what a rule knows of the reply comes first."""
    error = talk.refusal(Phase.AUTH, reply)
    if verdict(Phase.AUTH, reply, "") is not verdicts.PASSWORD:
        return error
    user = f"accounts.{server.account}.username" if server.account else "authentication.username"
    place = server.credential.place if server.credential else "oauth"
    said = talk.concealment.shown_text(str(refusal))
    if reply.code == 535:
        message = (
            f"The server refuses the access token{f' ({said})' if said else ''}: check that {user} is the "
            f"mailbox that {place} gives access to, and its scopes."
        )
    else:  # "500 5.5.6 SASL response limit exceeded"
        message = "The server cannot read the login: the access token may be longer than it takes."
    return TransportError(
        error.code, message, phase=Phase.AUTH, server=talk.server, reply=talk.concealment.shown(reply)
    )


def _token_refused(error: TransportError) -> bool:
    """Whether another token may help."""
    return error.phase is Phase.AUTH and error.reply is not None and error.reply.code == 535


def _not_offered(
    talk: Conversation, capabilities: Capabilities, allowed: tuple[str, ...], *, token: bool
) -> str:
    """Say why none of the server's ways to log in can be used."""
    if not capabilities.auth:
        advice = "check port and security" if token else _NO_LOGIN
        return f"The server offers no login: {advice}."
    offered = talk.concealment.shown_text(", ".join(mechanism.upper() for mechanism in capabilities.auth))
    if allowed:
        return (
            f"The server offers {offered} to log in, and advanced.auth_mechanisms allows "
            f"{', '.join(allowed)}: none of them can be used with this login."
        )
    missing = (
        "XOAUTH2 or OAUTHBEARER: use a password there"
        if token
        else "PLAIN or LOGIN: a password cannot be used there"
    )
    return f"The server offers only {offered} to log in, not {missing}."


def _impossible(talk: Conversation, message: str) -> TransportError:
    return TransportError(
        ErrorCode.AUTH_FAILED, f"{message} No credentials were sent.", phase=Phase.AUTH, server=talk.server
    )
