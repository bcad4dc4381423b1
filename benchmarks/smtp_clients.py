"""The clients that are compared: each sends one mail again and again, with sixteen at a time.

A :class:`Target` enters, and a number of mails sent leaves; all stop at the same moment of the clock.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import cast

import aiosmtplib
from pydantic import SecretStr

from connector.model.envelope import Envelope, Message
from connector.model.server import Security, Server
from connector.settings.model import PoolSettings, SmtpSettings
from connector.transport.smtp.transport import SmtpTransport

WORKERS = 16
SENDER, RECIPIENT = "shop@example.com", "jane@example.org"
USER, PASSWORD = "shop", "a long password"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, what, and until when."""

    port: int
    auth: bool
    starttls: bool
    authorities: Path
    data: bytes
    until: float

    def context(self) -> ssl.SSLContext:
        """Trust in the sink's certificate."""
        return ssl.create_default_context(cafile=str(self.authorities))


async def _sent(target: Target, work: Callable[[Callable[[], bool]], Awaitable[None]]) -> int:
    """Let all workers work until time is up; each asks before every mail."""
    sent = 0

    def another() -> bool:
        nonlocal sent
        if perf_counter() >= target.until:
            return False
        sent += 1
        return True

    await asyncio.gather(*(work(another) for _ in range(WORKERS)))
    return sent


async def _ours(target: Target, pool: PoolSettings) -> int:
    smtp = SmtpTransport(SmtpSettings(helo_name="client.example", ca_file=target.authorities, pool=pool))
    security = Security.STARTTLS if target.starttls else Security.NONE
    login = (USER, SecretStr(PASSWORD)) if target.auth else (None, None)
    server = Server("127.0.0.1", target.port, security, *login)
    mail = Message(
        Envelope(SENDER, (RECIPIENT,)), target.data, "<1@example.com>", require_all_recipients=False
    )

    async def work(another: Callable[[], bool]) -> None:
        while another():
            await smtp.submit(mail, server)

    sent = await _sent(target, work)
    await smtp.aclose()
    return sent


async def ours(target: Target) -> int:
    """Our transport as it is set by default: a new connection after a hundred mails."""
    return await _ours(target, PoolSettings())


async def ours_kept(target: Target) -> int:
    """Our transport with connections kept to the end, as the clients have them that it is compared with."""
    return await _ours(target, PoolSettings(max_messages=10**9))


async def library_kept(target: Target) -> int:
    """A connection of aiosmtplib's for each worker."""
    context = target.context()

    async def work(another: Callable[[], bool]) -> None:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=target.port,
            start_tls=target.starttls,
            tls_context=context if target.starttls else None,
            username=USER if target.auth else None,
            password=PASSWORD if target.auth else None,
        )
        async with client:
            while another():
                await client.sendmail(SENDER, [RECIPIENT], target.data)

    return await _sent(target, work)


async def library_send(target: Target) -> int:
    """``aiosmtplib.send()``: a connection for each mail."""
    context = target.context()

    async def work(another: Callable[[], bool]) -> None:
        while another():
            await aiosmtplib.send(
                target.data,
                sender=SENDER,
                recipients=[RECIPIENT],
                hostname="127.0.0.1",
                port=target.port,
                start_tls=target.starttls,
                tls_context=context if target.starttls else None,
                username=USER if target.auth else None,
                password=PASSWORD if target.auth else None,
            )

    return await _sent(target, work)


class _Bare(asyncio.Protocol):
    """Counts lines and looks at nothing: what asyncio itself costs."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._owed = 1
        self._change: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._owed -= data.count(b"\n") - data.count(b"250-")
        if self._owed <= 0 and self._change is not None:
            self._change.set_result(None)
            self._change = None

    async def answered(self, replies: int) -> None:
        self._owed += replies
        if self._owed > 0:
            self._change = asyncio.get_running_loop().create_future()
            await self._change

    async def say(self, *octets: bytes, replies: int) -> None:
        assert self.transport is not None
        for packet in octets:
            self.transport.write(packet)
        await self.answered(replies)


async def _bare_connection(target: Target, context: ssl.SSLContext) -> _Bare:
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(_Bare, "127.0.0.1", target.port)
    await link.answered(0)
    await link.say(b"EHLO client.example\r\n", replies=1)
    if target.starttls:
        await link.say(b"STARTTLS\r\n", replies=1)
        assert link.transport is not None
        link.transport = await loop.start_tls(link.transport, link, context, server_hostname="127.0.0.1")
        await link.say(b"EHLO client.example\r\n", replies=1)
    if target.auth:
        login = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
        await link.say(b"AUTH PLAIN " + login + b"\r\n", replies=1)
    return link


async def bare(target: Target) -> int:
    """The fastest asyncio client: no reply is read, nothing is checked, nothing has a time limit."""
    context = target.context()
    envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode()

    async def work(another: Callable[[], bool]) -> None:
        link = await _bare_connection(target, context)
        while another():
            await link.say(envelope, replies=3)
            # The dot apart, as ours: what is known before it must be on record before it goes.
            await link.say(target.data, b".\r\n", replies=1)
        assert link.transport is not None
        link.transport.close()

    return await _sent(target, work)
