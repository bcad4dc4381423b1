"""The SMTP transport: a message and a server in, a receipt out.

It stands at the border: it holds what outlives a mail (the trust, our name, the connections that are kept)
and leaves the protocol to :mod:`~connector.transport.smtp.session`. Here is decided whether a mail may be
sent once more: only if the connection had ended before this mail began.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from dataclasses import replace

from connector.auth.port import TokenSource
from connector.errors import ErrorCode, Phase, Rejection, Reply, TransportError
from connector.model.credential import Credential
from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Route, Server, TlsPolicy, smtp_server
from connector.settings.model import SmtpSettings
from connector.tls.trust import Contexts, Trust, UnusableTrustError
from connector.transport.port import UNRECORDED, Deliveries
from connector.transport.smtp import failures
from connector.transport.smtp.fairness import Hosts
from connector.transport.smtp.lane import Connection
from connector.transport.smtp.opening import Client, open_session
from connector.transport.smtp.pool import Pool
from connector.transport.smtp.session import Session

_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_NAME_LOOKUP_SECONDS = 5.0

Sources = Callable[[Credential], TokenSource]
"""Gives the source of a credential's access tokens."""


class SmtpTransport:
    """Submits mails over SMTP (RFC 5321, RFC 6409).

    Safe to use from many tasks of one event loop at a time. Make it once, close it with :meth:`aclose`.

    Args:
        settings: Time limits, our name, and whom to trust, where the server's account does not say.
        slots: How many mails the worker has in hand at a time; None for a program that has no such limit.
        tokens: Gives the source of a credential's access tokens.
    """

    def __init__(
        self, settings: SmtpSettings, slots: int | None = None, tokens: Sources | None = None
    ) -> None:
        self._hosts = Hosts(slots)
        self._settings = settings
        self._tokens = tokens
        self._contexts = Contexts()
        self._name: str | None = None  # not looked for yet; empty when there is none
        self._naming = asyncio.Lock()
        self._pool = Pool(settings.pool, self._open)

    async def submit(self, message: Message, route: Route, deliveries: Deliveries = UNRECORDED) -> Receipt:
        """Hand the message over, once, on a connection of its own or on one that was used before.

        It takes several deliveries where the account or the server limits the recipients of one, and where
        recipients get copies of their own. Cancelling
        it closes the connection: before a final dot ``CancelledError`` goes on, and after it the outcome is
        ``DELIVERY_UNCERTAIN``.

        Returns:
            The receipt of all deliveries. Recipients that were refused, also those refused for now, are in
            ``rejected`` unless the message requires all of them.

        Raises:
            TransportError: None of those who were left got the message by this delivery, except under
                ``DELIVERY_UNCERTAIN``; earlier ones stand.
            PostponedError: A limit of our own leaves no room now; nothing was sent.
        """
        server = smtp_server(route)
        recipients = message.envelope.recipients
        limit = route.quota.max_recipients or len(recipients)
        if message.require_all_recipients and len(recipients) > limit:
            raise failures.too_many(str(route), limit, len(recipients))
        joint = _JointReceipt()
        async with self._hosts.room(server):
            connection = await self._pool.take(server)
            try:
                waiting = list(message.parts)
                while waiting:
                    part = waiting.pop(0)
                    group, left = part.envelope.recipients[:limit], part.envelope.recipients[limit:]
                    left = await self._deliver(connection, part.to(group), deliveries, joint) + left
                    waiting = [part.to(left), *waiting] if left else waiting
                    if waiting and joint.last is not None:
                        await deliveries.delivered(*joint.last)
                return joint.receipt()
            except TransportError as error:
                error.rejected = (*joint.rejected, *error.rejected)
                failures.name_refused(error, len(recipients))
                raise
            finally:
                self._pool.give_back(connection)

    async def _deliver(
        self, connection: Connection, message: Message, deliveries: Deliveries, joint: _JointReceipt
    ) -> tuple[str, ...]:
        """Make one delivery; gives those of its recipients who need another one.

        On a kept connection, and on a new one if that had ended before this delivery began.
        """
        joint.last = None
        renewed = False
        while True:
            try:
                if joint.begun and not connection.session.ready:
                    await connection.session.reset()
                joint.add(receipt := await connection.session.submit(message, deliveries))
            except TransportError as error:
                if _refused_each(error, message):
                    joint.refuse(error)
                    return ()
                if renewed or not ((connection.mails or joint.begun) and _closed_while_idle(error)):
                    raise
            else:
                return receipt.left
            await self._pool.renew(connection)
            renewed = True

    def use(self, settings: SmtpSettings, tokens: Sources | None = None) -> None:
        """Send the mails that come from now on with other settings, and other sources of tokens if given.

        Connections are kept unless they were made under another name, trust or time limit.
        """
        former, self._settings = self._settings, settings
        self._tokens = tokens or self._tokens
        same = former.model_copy(update={"pool": settings.pool}) == settings
        self._pool.use(settings.pool, keep=same)

    def connections(self) -> int:
        """How many connections are open."""
        return self._pool.connections

    async def aclose(self) -> None:
        """Take leave on every connection that is kept, two seconds at most."""
        await self._pool.aclose()

    async def client_for(self, server: Server) -> Client:
        """What to bring to a server: as its account says, and where it says nothing the general settings.

        Raises:
            TransportError: ``TLS_FAILED``, for a file of certificates that cannot be used.
        """
        return await self._client(server, await self._trust(server))

    async def _open(self, server: Server) -> Session:
        trust = await self._trust(server)
        try:
            client = replace(await self._client(server, trust), heard=self._hosts.listener(server))
            session = await open_session(server, client)
        except TransportError as error:
            if error.phase is Phase.TLS:
                trust.sessions.forget()
            raise
        if session.tls is not None:
            trust.sessions.remember(session.tls)
        return session

    async def _client(self, server: Server, trust: Trust) -> Client:
        name = server.helo_name or self._settings.helo_name or await self._own_name()
        timeouts = server.timeouts or self._settings.timeouts.limits
        return Client(timeouts, trust.context, name, self._source(server))

    def _source(self, server: Server) -> TokenSource | None:
        if server.credential is None:
            return None
        if self._tokens is None:
            raise RuntimeError("this transport was made without sources of tokens")
        return self._tokens(server.credential)

    async def _trust(self, server: Server) -> Trust:
        policy = server.tls
        if policy.ca_file is None and policy.trust_store is None:
            policy = replace(policy, ca_file=self._settings.ca_file)
        try:
            return await self._contexts.get(policy)
        except UnusableTrustError as error:
            raise _unusable(policy, error, server) from error

    async def _own_name(self) -> str | None:
        """Find our name, once."""
        async with self._naming:
            if self._name is None:
                self._name = await _qualified_name() or ""
        return self._name or None


class _JointReceipt:
    """What became of all deliveries of one message so far.

    Attributes:
        last: The latest delivery that the server took, with its reply.
    """

    def __init__(self) -> None:
        self.accepted: tuple[str, ...] = ()
        self.rejected: tuple[Rejection, ...] = ()
        self.last: tuple[Delivery, Reply] | None = None
        self._reply: Reply | None = None
        self._warnings: dict[str, None] = {}
        self._refusal: TransportError | None = None

    @property
    def begun(self) -> bool:
        """Whether there has been a delivery."""
        return self._reply is not None or self._refusal is not None

    def add(self, receipt: Receipt) -> None:
        """Add a delivery that the server took."""
        self.accepted += receipt.accepted
        self.rejected += receipt.rejected
        self._warnings |= dict.fromkeys(receipt.warnings)
        self._reply = receipt.reply
        if receipt.reply is not None:
            self.last = Delivery(receipt.accepted), receipt.reply

    def refuse(self, error: TransportError) -> None:
        """Add a delivery in which every recipient was refused; one for now is worth another attempt."""
        self.rejected += error.rejected
        if self._refusal is None or (error.retryable and not self._refusal.retryable):
            self._refusal = error

    def receipt(self) -> Receipt:
        """One receipt for all.

        Raises:
            TransportError: No recipient was accepted.
        """
        if not self.accepted and self._refusal is not None:
            self._refusal.rejected = ()
            raise self._refusal
        return Receipt(self._reply, self.accepted, self.rejected, tuple(self._warnings))


def _refused_each(error: TransportError, message: Message) -> bool:
    """Whether the server refused every recipient of a delivery one by one, and can take another delivery."""
    each = len(error.rejected) == len(message.envelope.recipients)
    return error.phase is Phase.RCPT and each and not message.require_all_recipients


def _closed_while_idle(error: TransportError) -> bool:
    """Whether a kept connection was over before this mail began: no reply to MAIL, or 421.

    Nothing of the mail can have been accepted then. A server that is merely silent is no such case.
    """
    if error.phase is not Phase.MAIL:
        return False
    return error.code is ErrorCode.CONNECTION_FAILED if error.reply is None else error.reply.code == 421


def _unusable(policy: TlsPolicy, error: UnusableTrustError, server: Server) -> TransportError:
    source = "The system's bundle of authorities"
    if error.key:
        own = server.account is not None and getattr(server.tls, error.key) is not None
        section = f"accounts.{server.account}" if own else "smtp"
        source = f"{section}.{error.key} {getattr(policy, error.key)}"
    return TransportError(
        ErrorCode.TLS_FAILED,
        f"{source} cannot be used: {error}. Nothing was sent.",
        phase=Phase.TLS,
        server=str(server),
    )


async def _qualified_name() -> str | None:
    """This host's name in DNS; ``None`` when it has none, or DNS does not answer in five seconds."""
    try:
        async with asyncio.timeout(_NAME_LOOKUP_SECONDS):
            name = await asyncio.to_thread(socket.getfqdn)
    except TimeoutError:
        return None
    return name if _QUALIFIED_NAME.fullmatch(name) else None
