"""How a mailbox is reached: TLS modes and trust, mechanisms, access tokens, and servers that say no."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from connector.errors import ErrorCode, MailboxError
from connector.mailbox.connection import Limits
from connector.mailbox.imap.mailbox import open_imap
from connector.mailbox.pop3 import open_pop3
from connector.mailbox.port import Listing
from connector.mailbox.threaded import OpenSession, ThreadedMailbox, WaitingSession
from connector.model.incoming import Incoming, MailProtocol
from connector.model.server import Security
from tests.contract.mailboxes import DovecotPost, mail
from tests.servers import authorization
from tests.servers.authorization import OTHER_USER, USER, AuthorizationServer
from tests.servers.dovecot import Dovecot

LIMITS = Limits(connect=5, tls=5, command=5, operation=20)
PROTOCOLS = [MailProtocol.IMAP, MailProtocol.POP3]
MODES = [
    ("imaps", Security.TLS),
    ("imap", Security.STARTTLS),
    ("imap", Security.STARTTLS_OPTIONAL),
    ("imap", Security.NONE),
    ("pop3s", Security.TLS),
    ("pop3", Security.STARTTLS),
    ("pop3", Security.NONE),
]


class Given:
    """A source of tokens that are given."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.refused: list[str] = []

    async def token(self, refused: SecretStr | None = None) -> SecretStr:
        if refused is not None:
            self.refused.append(refused.get_secret_value())
        return SecretStr(self._tokens.pop(0))


def incoming(dovecot: Dovecot, listener: str, security: Security, **changed: Any) -> Incoming:
    protocol = MailProtocol.IMAP if listener.startswith("imap") else MailProtocol.POP3
    found = DovecotPost(dovecot, protocol).incoming()
    server = replace(found.server, port=dovecot.ports[listener], security=security)
    return replace(found, server=replace(server, **changed))


@asynccontextmanager
async def opened(
    where: Incoming, trust: ssl.SSLContext, tokens: Given | None = None
) -> AsyncIterator[ThreadedMailbox[WaitingSession]]:
    opening: OpenSession[WaitingSession] = open_imap if where.protocol is MailProtocol.IMAP else open_pop3
    mailbox = ThreadedMailbox(where, LIMITS, opening, tokens)
    await mailbox.open(trust)
    try:
        yield mailbox
    finally:
        await mailbox.aclose()


async def refusal(where: Incoming, trust: ssl.SSLContext, tokens: Given | None = None) -> MailboxError:
    with pytest.raises(MailboxError) as caught:
        async with opened(where, trust, tokens):
            pass
    return caught.value


@pytest.fixture
def trust(dovecot: Dovecot) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(dovecot.ca_file))


@pytest.mark.parametrize(("listener", "security"), MODES)
async def test_each_mode_reads_the_mailbox(
    dovecot: Dovecot, trust: ssl.SSLContext, listener: str, security: Security
) -> None:
    async with opened(incoming(dovecot, listener, security), trust) as mailbox:
        assert (await mailbox.find(Listing())).messages == ()


@pytest.mark.parametrize(("listener", "security"), [MODES[0], MODES[1], MODES[4], MODES[5]])
async def test_an_authority_that_is_not_trusted_gets_no_credentials(
    dovecot: Dovecot, listener: str, security: Security
) -> None:
    stranger = ssl.create_default_context()
    trustme.CA().configure_trust(stranger)
    error = await refusal(incoming(dovecot, listener, security), stranger)
    assert error.code is ErrorCode.TLS_FAILED
    assert "not trusted" in error.message
    assert not error.retryable


async def test_another_host_name_is_refused(dovecot: Dovecot, trust: ssl.SSLContext) -> None:
    error = await refusal(incoming(dovecot, "imaps", Security.TLS, hostname="127.0.0.2"), trust)
    assert error.code in {ErrorCode.TLS_FAILED, ErrorCode.CONNECTION_FAILED}


async def test_a_port_that_speaks_clear_text_is_named(dovecot: Dovecot, trust: ssl.SSLContext) -> None:
    error = await refusal(incoming(dovecot, "imap", Security.TLS), trust)
    assert error.code is ErrorCode.TLS_FAILED
    assert "starttls" in error.message


@pytest.mark.parametrize("listener", ["imaps", "pop3s"])
async def test_a_wrong_password_is_told_as_that(
    dovecot: Dovecot, trust: ssl.SSLContext, listener: str
) -> None:
    where = incoming(dovecot, listener, Security.TLS, password=SecretStr("wrong"))
    error = await refusal(where, trust)
    assert (error.code, error.phase) == (ErrorCode.AUTH_FAILED, "auth")
    assert "wrong" not in error.message


@pytest.mark.parametrize(
    ("mechanisms", "works"), [(("PLAIN",), True), (("LOGIN",), False), (("XOAUTH2",), False), ((), True)]
)
async def test_only_allowed_mechanisms_are_used(
    dovecot: Dovecot, trust: ssl.SSLContext, mechanisms: tuple[str, ...], works: bool
) -> None:
    """Dovecot's password is not ASCII, so that LOGIN cannot carry it."""
    where = replace(incoming(dovecot, "imaps", Security.TLS), mechanisms=mechanisms)
    if works:
        async with opened(where, trust):
            pass
    else:
        error = await refusal(where, trust)
        assert error.code is ErrorCode.AUTH_FAILED
        assert "No credentials were sent" in error.message


# Access tokens


@pytest.fixture(scope="module", params=[True, False], ids=["small", "large"])
def tokens(request: pytest.FixtureRequest, dovecot: Dovecot) -> Iterator[AuthorizationServer]:
    with authorization.running(small=request.param) as server:
        dovecot.trust(server.key_id, server.public_key, server.state.algorithm)
        yield server


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_token_opens_the_mailbox(
    dovecot: Dovecot,
    trust: ssl.SSLContext,
    tokens: AuthorizationServer,
    protocol: MailProtocol,
    mechanism: str,
) -> None:
    post = DovecotPost(dovecot, MailProtocol.IMAP)
    post.user = USER
    post.deliver(mail())
    listener = "imaps" if protocol is MailProtocol.IMAP else "pop3s"
    where = incoming(dovecot, listener, Security.TLS, username=USER, password=None)
    good = tokens.state.access_token(USER)
    async with opened(replace(where, mechanisms=(mechanism,)), trust, Given(good)) as mailbox:
        assert len((await mailbox.find(Listing())).messages) >= 1


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_refused_token_is_renewed_once(
    dovecot: Dovecot,
    trust: ssl.SSLContext,
    tokens: AuthorizationServer,
    protocol: MailProtocol,
    mechanism: str,
) -> None:
    listener = "imaps" if protocol is MailProtocol.IMAP else "pop3s"
    where = incoming(dovecot, listener, Security.TLS, username=USER, password=None)
    where = replace(where, mechanisms=(mechanism,))
    other, good = tokens.state.access_token(OTHER_USER), tokens.state.access_token(USER)
    source = Given(other, good)
    async with opened(where, trust, source):
        assert source.refused == [other]
    error = await refusal(where, trust, Given(other, other))
    assert error.code is ErrorCode.AUTH_FAILED
    assert other not in error.message
    assert "invalid_token" in error.message or "401" in error.message


# Servers that say something else


@asynccontextmanager
async def saying(*lines: bytes) -> AsyncIterator[int]:
    """A server that says a line at the start and after each line of the client."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line.replace(b"TAG", tag(await reader.readline())) if b"TAG" in line else line)
            await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def tag(command: bytes) -> bytes:
    return command.split()[0]


CAPABILITY = b"* CAPABILITY IMAP4rev1 %s\r\nTAG OK done\r\n"


@pytest.mark.parametrize(
    ("lines", "security", "code", "words"),
    [
        ((b"* BYE too many connections\r\n",), Security.NONE, ErrorCode.MAILBOX_ERROR, "too many"),
        (
            (b"* PREAUTH hello\r\n", CAPABILITY % b"STARTTLS"),
            Security.STARTTLS,
            ErrorCode.TLS_NOT_OFFERED,
            "PREAUTH",
        ),
        ((b"* OK hello\r\n", CAPABILITY % b""), Security.STARTTLS, ErrorCode.TLS_NOT_OFFERED, "993"),
        (
            (b"* OK hello\r\n", CAPABILITY % b"LOGINDISABLED"),
            Security.NONE,
            ErrorCode.AUTH_FAILED,
            "encryption",
        ),
        (
            (b"* OK hello\r\n", CAPABILITY % b"", b"TAG NO [UNAVAILABLE] later\r\n"),
            Security.NONE,
            ErrorCode.AUTH_UNAVAILABLE,
            "later",
        ),
        (
            (b"* OK hello\r\n", CAPABILITY % b"", b"TAG NO [ALERT] Too many simultaneous connections.\r\n"),
            Security.NONE,
            ErrorCode.AUTH_UNAVAILABLE,
            "Too many",
        ),
        ((b"HTTP/1.1 400 Bad Request\r\n",), Security.NONE, ErrorCode.MAILBOX_ERROR, ""),
        ((b"",), Security.NONE, ErrorCode.CONNECTION_TIMEOUT, ""),
        ((b"* OK " + b"x" * 2_000_000 + b"\r\n",), Security.NONE, ErrorCode.MAILBOX_ERROR, ""),
    ],
)  # fmt: skip
async def test_what_an_imap_server_says_becomes_an_error(
    lines: tuple[bytes, ...], security: Security, code: ErrorCode, words: str, dovecot: Dovecot
) -> None:
    async with saying(*lines) as port:
        where = incoming(
            dovecot, "imap", security, hostname="127.0.0.1", port=port, password=SecretStr("ascii")
        )
        opening: OpenSession[WaitingSession] = open_imap
        mailbox = ThreadedMailbox(where, replace(LIMITS, command=0.5), opening)
        with pytest.raises(MailboxError) as caught:
            await mailbox.open(ssl.create_default_context())
    assert caught.value.code is code
    assert words in caught.value.message


async def test_a_server_that_is_not_there(dovecot: Dovecot, trust: ssl.SSLContext) -> None:
    nowhere = incoming(dovecot, "imaps", Security.TLS, port=1)
    assert (await refusal(nowhere, trust)).code is ErrorCode.CONNECTION_FAILED
    unknown = incoming(dovecot, "imaps", Security.TLS, hostname="imap.invalid")
    assert (await refusal(unknown, trust)).code is ErrorCode.DNS_FAILED
