"""An SMTP session: from a host and port to a connection that takes mail, and its end in good order.

A server and how to trust it enter; a :class:`Session` leaves that takes one message after another. Setting
up is one function for each step of RFC 5321, RFC 3207 and RFC 4954, in the order in which they may happen:
nothing secret is sent before the protection that was asked for stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from dataclasses import dataclass, field, replace

from connector.auth.sasl import log_in
from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.model.envelope import Message
from connector.model.receipt import Receipt
from connector.model.server import Security, Server, TimeLimits
from connector.tls.tls import encrypt, host_to_verify, refused_later
from connector.transport.port import Committing, nothing_to_record
from connector.transport.smtp import splitting
from connector.transport.smtp.capabilities import Capabilities
from connector.transport.smtp.concealment import Concealment
from connector.transport.smtp.conversation import Conversation
from connector.transport.smtp.link import Link
from connector.transport.smtp.transaction import path
from connector.transport.smtp.witness import Witness

# RFC 8305 section 5: how long one address may take before the next is tried beside it.
_NEXT_ADDRESS_SECONDS = 0.25
_FAREWELL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Client:
    """What this side brings into a session.

    Attributes:
        timeouts: The time limits.
        context: Whom to trust, and our own certificate.
        helo_name: Our name for EHLO; without one, the address literal of the connection.
        witness: Told of each step on the way to a session.
    """

    timeouts: TimeLimits
    context: ssl.SSLContext
    helo_name: str | None = None
    witness: Witness = field(default_factory=Witness)


class Session:
    """A connection that waits for MAIL; made by :func:`open_session`, used by one task at a time."""

    def __init__(
        self, talk: Conversation, capabilities: Capabilities, warnings: tuple[str, ...] = ()
    ) -> None:
        self._talk = talk
        self._capabilities = capabilities
        self._warnings = warnings

    @property
    def usable(self) -> bool:
        """Whether another message, or QUIT, can follow; :meth:`reset` comes first after a failure.

        Not after a reply that nobody asked for: whatever is asked next, RSET included, would get it for an
        answer, and every mail from then on the reply to something else.
        """
        return not self._talk.link.broken and (self._talk.unanswered > 0 or self._talk.link.quiet)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS connection; None in clear."""
        return self._talk.link.tls

    @property
    def ready(self) -> bool:
        """Whether it waits for MAIL and has said nothing since, as a server does that wants to end it."""
        return not (self._talk.mail_begun or self._talk.unanswered) and self._talk.link.quiet

    async def submit(self, message: Message, committing: Committing = nothing_to_record) -> Receipt:
        """Hand one message over, in several transactions where the server limits recipients.

        Args:
            message: What to send, and to whom.
            committing: See :class:`~connector.transport.port.Transport`.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
        """
        receipt = await splitting.submit(self._talk, self._capabilities, message, committing)
        return replace(receipt, warnings=self._warnings + receipt.warnings) if self._warnings else receipt

    async def try_sender(self, address: str) -> Reply:
        """Ask whether mail from this address would be taken, and call the transaction off again.

        Some servers answer only at the first recipient: what they refuse there they accept here.

        Raises:
            TransportError: It would not, or the session is not usable any more.
        """
        international = "" if address.isascii() else " SMTPUTF8"
        reply = await self._talk.ask(Phase.MAIL, f"MAIL FROM:{path(address)}{international}")
        if reply.code != 250:
            raise self._talk.refusal(Phase.MAIL, reply)
        await self.reset()
        return self._talk.concealment.shown(reply)

    async def reset(self) -> None:
        """Forget a transaction that was refused, so that another can begin (RFC 5321 section 4.1.1.5).

        Raises:
            TransportError: The session is not usable any more.
        """
        await self._catch_up()
        reply = await self._talk.ask(Phase.MAIL, "RSET")
        if reply.code != 250:
            self.abort()
            raise self._talk.refusal(Phase.MAIL, reply)
        self._talk.mail_begun = False

    async def quit(self) -> None:
        """Take leave within two seconds; how that goes changes nothing for any mail."""
        with contextlib.suppress(TransportError, TimeoutError):
            try:
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self._catch_up()
                    await self._talk.ask(Phase.MAIL, "QUIT")
                    await self._talk.link.close(_FAREWELL_SECONDS)
            finally:
                self.abort()

    def abort(self) -> None:
        """Close at once, without a word."""
        self._talk.link.abort()

    async def _catch_up(self) -> None:
        """Read the replies to what was pipelined behind a command that was refused."""
        while self._talk.unanswered:
            reply = await self._talk.receive(Phase.DATA)
            if reply.code == 354:  # it waits for content and would read the next command as such
                self.abort()


async def open_session(server: Server, client: Client) -> Session:
    """Connect, encrypt as the server's security says, and log in if there is a user name.

    Raises:
        TransportError: Of the phase that failed; credentials were sent in no phase before ``auth``.
    """
    username = server.username or ""
    password = server.password.get_secret_value() if server.password else ""
    section = f"accounts.{server.account}.timeouts" if server.account else "smtp.timeouts"
    talk = Conversation(Link(), str(server), client.timeouts, Concealment(username, password), section)
    try:
        capabilities = await _prepare(talk, server, client)
        if username:
            await log_in(talk, capabilities, username, password)
    except BaseException:
        talk.link.farewell()
        raise
    return Session(talk, capabilities, clear_text_warnings(talk.link, server))


async def _prepare(talk: Conversation, server: Server, client: Client) -> Capabilities:
    try:
        return await _set_up(talk, server, client)
    except TransportError as error:
        raise refused_later(error, server) or error from error.__cause__


async def _set_up(talk: Conversation, server: Server, client: Client) -> Capabilities:
    await _connect(talk, server)
    client.witness.connected(talk.link)
    if server.security is Security.TLS:
        await _encrypt(talk, client, server, Phase.TLS)
    _demand(talk, Phase.GREETING, await talk.receive(Phase.GREETING), 220)
    capabilities = await _greet(talk, client, server.security)
    if server.security is Security.STARTTLS and not capabilities.starttls:
        raise _tls_not_offered(talk)
    if server.security in (Security.STARTTLS, Security.STARTTLS_OPTIONAL) and capabilities.starttls:
        _demand(talk, Phase.STARTTLS, await talk.ask(Phase.STARTTLS, "STARTTLS"), 220)
        await _encrypt(talk, client, server, Phase.STARTTLS)
        # RFC 3207 section 4.2: what was announced in clear is forgotten; an attacker may have written it.
        capabilities = await _greet(talk, client, server.security)
    return capabilities


async def _connect(talk: Conversation, server: Server) -> None:
    with talk.step(Phase.CONNECT):
        connecting = asyncio.get_running_loop().create_connection(
            lambda: talk.link,
            host_to_verify(server.hostname),
            server.port,
            happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
        )
        # asyncio forgets to close the winner's socket when this race is cancelled at its end. So it is left
        # to end by itself, and the link, aborted by then, closes the connection as soon as it is made.
        async with asyncio.timeout(talk.seconds(Phase.CONNECT)):
            await asyncio.shield(connecting)


async def _encrypt(talk: Conversation, client: Client, server: Server, phase: Phase) -> None:
    await encrypt(talk, client.context, server, phase)
    client.witness.encrypted(talk.link)


async def _greet(talk: Conversation, client: Client, security: Security) -> Capabilities:
    capabilities = await _introduce(talk, client, security)
    client.witness.announced(capabilities)
    return capabilities


async def _introduce(talk: Conversation, client: Client, security: Security) -> Capabilities:
    name = client.helo_name or _address_literal(talk.link.address("sockname"))
    reply = await talk.ask(Phase.EHLO, f"EHLO {name}")
    if reply.code == 250:
        return Capabilities.announced(reply.text)
    # RFC 5321 section 3.2: a server from before 1995 does not know EHLO; it has no STARTTLS either.
    if reply.code in (500, 502) and not talk.link.encrypted and security is not Security.STARTTLS:
        _demand(talk, Phase.EHLO, await talk.ask(Phase.EHLO, f"HELO {name}"), 250)
        return Capabilities()
    raise talk.refusal(Phase.EHLO, reply)


def _demand(talk: Conversation, phase: Phase, reply: Reply, code: int) -> None:
    if reply.code != code:
        raise talk.refusal(phase, reply)


def _tls_not_offered(talk: Conversation) -> TransportError:
    return TransportError(
        ErrorCode.TLS_NOT_OFFERED,
        f"{talk.server} offers no STARTTLS, or somebody between removes the offer: nothing was sent. Use the "
        "port for submission (587), security tls on port 465, or security none where clear text is meant.",
        phase=Phase.STARTTLS,
        server=talk.server,
    )


def _address_literal(address: str) -> str:
    """Our address as EHLO's argument (RFC 5321 section 4.1.3)."""
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def clear_text_warnings(link: Link, server: Server) -> tuple[str, ...]:
    """What the modeler should know about a connection that others can read."""
    if link.encrypted or _is_loopback(link.address("peername")):
        return ()
    what = "The password and the mail" if server.username else "The mail"
    return (f"{what} went to {server} without encryption: use security starttls or tls.",)


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
