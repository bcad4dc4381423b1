"""The server's side of one SMTP connection (RFC 5321), strict and exact.

Strict: the server refuses command parameters that it did not offer, and only CRLF ends a line. Exact: a mail
counts as received exactly if the server decided to accept it, even if the client never got the reply.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connector.testing.behaviour import (
    Append,
    Behaviour,
    Bytewise,
    Delay,
    Garbage,
    Hold,
    Offer,
    Rule,
    Say,
    Silence,
    Verb,
)
from connector.testing.smtp_wire import Closing, Connection, Wire

_PATH = re.compile(r'(?:FROM|TO):\s*<((?:"(?:[^"\\]|\\.)*"|[^>"])*)>\s*(.*)', re.IGNORECASE)
_BAD_PARAMETER = (555, "5.5.4 Parameter not recognized or not implemented")
# The user name and the access token in a message of XOAUTH2, and in one of OAUTHBEARER (RFC 7628).
_BEARER = re.compile(r"(?:user=|n,a=)([^\x01,]+),?\x01(?:[^\x01]+\x01)*?auth=Bearer ([^\x01]+)\x01\x01")


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail that the server has accepted.

    Attributes:
        sender: The reverse-path.
        recipients: The accepted forward-paths.
        data: The content without dot-stuffing, otherwise unchanged.
        mail_parameters: Parameters of MAIL, such as ``SIZE``; ``""`` for those without a value.
        rcpt_parameters: Parameters of RCPT, by recipient.
        at: When it was accepted.
        tls: Whether the connection was encrypted.
        username: The user that had logged in.
    """

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    mail_parameters: Mapping[str, str]
    rcpt_parameters: Mapping[str, Mapping[str, str]]
    at: datetime
    tls: bool
    username: str | None


@dataclass(frozen=True, slots=True)
class Service:
    """The state that all connections of a server share."""

    behaviour: Behaviour
    keep: Callable[[ReceivedMail], Awaitable[None]]
    offer: Offer
    tls_context: ssl.SSLContext | None
    users: Mapping[str, str] | None


@dataclass(slots=True)
class _Transaction:
    """The current mail transaction (RFC 5321 section 3.3)."""

    sender: str
    mail_parameters: dict[str, str]
    rcpt_parameters: dict[str, dict[str, str]] = field(default_factory=dict)


def _parse_path(argument: str) -> tuple[str, dict[str, str]] | None:
    match = _PATH.fullmatch(argument)
    if match is None:
        return None
    pairs = (word.partition("=") for word in match[2].split())
    return match[1], {name.upper(): value for name, _, value in pairs}


class Dialogue:
    """One connection, from the greeting to its end."""

    def __init__(
        self,
        service: Service,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._service = service
        self._connection = connection
        self._wire = Wire(connection, reader, writer)
        self._transaction: _Transaction | None = None
        self._username: str | None = None
        self._verbs: dict[str, Callable[[str], Awaitable[object]]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
        }

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            await self._answer(Verb.CONNECT, "", 220, "test.example ESMTP")
            while True:
                line = await self._wire.line()
                name, _, argument = line.partition(" ")
                verb = self._verbs.get(name.upper())
                if verb is None:
                    await self._wire.say(500, "5.5.1 Command unrecognized")
                else:
                    await verb(argument)
        except (Closing, EOFError, OSError):
            pass  # a test server does not report how a connection ends
        finally:
            self._wire.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._wire.abort()

    async def _answer(self, verb: Verb, line: str, code: int, *lines: str) -> int:
        """Give the good reply, or perform the action of a rule; return the code that was sent, or 0."""
        return await self._act(self._service.behaviour.take(verb, line), code, *lines)

    async def _act(self, rule: Rule | None, code: int, *lines: str) -> int:
        match rule.action if rule is not None else None:
            case Say() as said:
                await self._wire.say(said.code, *said.lines)
                if said.close:
                    await self._wire.half_close()
                return said.code
            case Garbage(data=data, then_silent=silent):
                await self._wire.send(data)
                await self._wire.fault(Silence() if silent else None)
                return 0
            case Append(data=data):
                await self._wire.say(code, *lines, behind=data)
            case Bytewise():
                await self._wire.say(code, *lines, bytewise=True)
            case action:
                await self._wire.fault(action)
                await self._wire.say(code, *lines)
        return code

    async def _interrupt(self, rule: Rule | None) -> bool:
        """Perform the action of a rule where no reply is due yet; return whether it gave one."""
        if rule is not None and isinstance(rule.action, Say | Garbage):
            await self._act(rule, 0)
            return True
        await self._wire.fault(rule.action if rule is not None else None)
        return False

    async def _ehlo(self, name: str) -> None:
        starttls = self._service.tls_context is not None and not self._connection.tls
        keywords = self._service.offer.lines(starttls=starttls, auth=self._service.users is not None)
        self._transaction = None
        await self._answer(Verb.EHLO, name, 250, "test.example", *keywords)

    async def _helo(self, name: str) -> None:
        self._transaction = None
        await self._answer(Verb.HELO, name, 250, "test.example")

    async def _starttls(self, argument: str) -> None:
        context = self._service.tls_context
        if context is None or self._connection.tls:
            await self._wire.say(502, "5.5.1 Command not implemented")
        elif await self._answer(Verb.STARTTLS, argument, 220, "2.0.0 Ready to start TLS") == 220:
            self._username = None
            await self._interrupt(self._service.behaviour.take(Verb.HANDSHAKE))
            await self._wire.start_tls(context)

    async def _auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        if await self._interrupt(self._service.behaviour.take(Verb.AUTH, argument)):
            return
        if self._service.users is None or mechanism.upper() not in self._service.offer.auth:
            await self._wire.say(504, "5.5.4 Unrecognized authentication type")
            return
        await self._check_credentials(await self._credentials(mechanism.upper(), initial))

    async def _credentials(self, mechanism: str, initial: str) -> tuple[str, str] | None:
        try:
            if mechanism == "LOGIN":
                name = self._decode(initial or await self._challenge("Username:"))
                return name, self._decode(await self._challenge("Password:"))
            message = self._decode(initial or await self._challenge(""))
            if bearer := _BEARER.fullmatch(message):
                return bearer[1], bearer[2]
            _, name, password = message.split("\0")
        except (ValueError, binascii.Error):
            return None
        return name, password

    async def _challenge(self, text: str) -> str:
        await self._wire.say(334, base64.b64encode(text.encode()).decode())
        return await self._wire.line()

    @staticmethod
    def _decode(text: str) -> str:
        return base64.b64decode(text, validate=True).decode()

    async def _check_credentials(self, credentials: tuple[str, str] | None) -> None:
        good = credentials is not None and (self._service.users or {}).get(credentials[0]) == credentials[1]
        reply = (235, "2.7.0 Authentication successful") if good else (535, "5.7.8 Authentication failed")
        if await self._answer(Verb.CREDENTIALS, "", *reply) == 235 and credentials is not None:
            self._username = credentials[0]

    async def _mail(self, argument: str) -> None:
        path = _parse_path(argument)
        if path is None:
            await self._wire.say(501, "5.5.4 Syntax: MAIL FROM:<address>")
        elif self._service.users is not None and self._username is None:
            await self._wire.say(530, "5.7.0 Authentication required")
        elif (refusal := self._refuse_mail(*path)) is not None:
            await self._wire.say(*refusal)
        elif await self._answer(Verb.MAIL, argument, 250, "2.1.0 Ok") == 250:
            self._transaction = _Transaction(*path)

    def _refuse_mail(self, sender: str, parameters: dict[str, str]) -> tuple[int, str] | None:
        limit = self._service.offer.size
        if self._transaction is not None:
            return 503, "5.5.1 Nested MAIL command"
        if not parameters.keys() <= self._service.offer.mail_parameters():
            return _BAD_PARAMETER
        if not sender.isascii() and "SMTPUTF8" not in parameters:
            return 553, "5.6.7 Non-ASCII address without SMTPUTF8"
        if limit and int(parameters.get("SIZE", 0)) > limit:
            return 552, "5.3.4 Message size exceeds fixed limit"
        return None

    async def _rcpt(self, argument: str) -> None:
        path = _parse_path(argument)
        if self._transaction is None:
            await self._wire.say(503, "5.5.1 Need MAIL command")
        elif path is None:
            await self._wire.say(501, "5.5.4 Syntax: RCPT TO:<address>")
        elif not path[1].keys() <= self._service.offer.rcpt_parameters():
            await self._wire.say(*_BAD_PARAMETER)
        elif not path[0].isascii() and "SMTPUTF8" not in self._transaction.mail_parameters:
            await self._wire.say(553, "5.6.7 Non-ASCII address without SMTPUTF8")
        elif len(self._transaction.rcpt_parameters) == self._service.offer.recipients:
            await self._wire.say(452, "4.5.3 Error: too many recipients")
        elif await self._answer(Verb.RCPT, argument, 250, "2.1.5 Ok") == 250:
            self._transaction.rcpt_parameters[path[0]] = path[1]

    async def _data(self, argument: str) -> None:
        ready = self._transaction is not None and bool(self._transaction.rcpt_parameters)
        good = (354, "End data with <CR><LF>.<CR><LF>") if ready else (554, "5.5.1 No valid recipients")
        if await self._answer(Verb.DATA, argument, *good) == 354:
            await self._content()

    async def _content(self) -> None:
        rule = self._service.behaviour.take(Verb.CONTENT)
        if rule is not None:
            await self._wire.wait_for_content(rule.after)
            if await self._interrupt(rule) and not rule.keeps_mail:
                self._transaction = None
                await self._wire.content()
                return
        await self._dot(await self._wire.content())

    async def _dot(self, data: bytes) -> None:
        transaction, self._transaction = self._transaction, None
        rule = self._service.behaviour.take(Verb.DOT)
        if rule is not None and not rule.keep and isinstance(rule.action, Hold | Delay):
            await self._wire.fault(rule.action)
            rule = None
        if transaction is not None and (rule is None or rule.keeps_mail):
            await self._service.keep(self._received(transaction, data))
            self._connection.accepted += 1
        await self._act(rule, 250, f"2.0.0 Ok: queued as {len(data):X}")

    def _received(self, transaction: _Transaction, data: bytes) -> ReceivedMail:
        return ReceivedMail(
            sender=transaction.sender,
            recipients=tuple(transaction.rcpt_parameters),
            data=data,
            mail_parameters=transaction.mail_parameters,
            rcpt_parameters=transaction.rcpt_parameters,
            at=datetime.now(UTC),
            tls=self._connection.tls,
            username=self._username,
        )

    async def _rset(self, argument: str) -> None:
        self._transaction = None
        await self._answer(Verb.RSET, argument, 250, "2.0.0 Ok")

    async def _noop(self, argument: str) -> None:
        await self._answer(Verb.NOOP, argument, 250, "2.0.0 Ok")

    async def _quit(self, argument: str) -> None:
        await self._answer(Verb.QUIT, argument, 221, "2.0.0 Bye")
        raise Closing
