"""The advanced switches of an account, each on a real socket."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.accounts.accounts import Accounts, Origin
from connector.check.findings import CheckStep, Status
from connector.errors import ErrorCode
from connector.mailbox.imap.mailbox import open_imap
from connector.mailbox.pop3 import open_pop3
from connector.mailbox.port import Listing, Reference, Transfer
from connector.mailbox.threaded import OpenSession, ThreadedMailbox, WaitingSession
from connector.model.envelope import EightBit, Envelope, Message
from connector.model.incoming import Incoming, MailProtocol
from connector.settings.model import Settings
from connector.testing.smtp import Offer, SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.contract.mailboxes import LIMITS, DovecotPost, mail
from tests.servers import verbs
from tests.servers.dovecot import PASSWORD, Dovecot
from tests.wire import smtp_submission as given
from tests.wire.account_submission import USERS, account, refusal
from tests.wire.checks import finding, sales

_ROWS = Path("/proc/net/tcp")
_ESTABLISHED, _KEEPALIVE_TIMER = "01", "02"
needs_the_kernels_table = pytest.mark.skipif(not _ROWS.exists(), reason="needs Linux")

OCTETS = b"Subject: test\r\n\r\nHello.\r\n"


def connections_to(port: int) -> list[tuple[str, bool]]:
    """The kernel's view of connections to a local port: where each starts, and whether it is kept alive."""
    found = []
    for row in _ROWS.read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, state, _, timer, *_ = row.split()
        if state == _ESTABLISHED and int(remote.partition(":")[2], 16) == port:
            octets = bytes.fromhex(local.partition(":")[0])[::-1]
            found.append((".".join(map(str, octets)), timer.partition(":")[0] == _KEEPALIVE_TIMER))
    return found


def everything() -> Message:
    """A message that would use every extension."""
    envelope = Envelope("ada@example.com", ("bob@example.com", "eve@example.com"), notify=("FAILURE",))
    return Message(envelope, OCTETS, "<1@x>", eight_bit=EightBit("é".encode() + OCTETS, OCTETS, ()))


async def commands(disabled: list[str]) -> tuple[list[str], bool]:
    """What a server hears from an account without these extensions, and whether it came in groups."""
    async with SmtpServer() as server:
        route = account(
            server, username=None, password=None, security="none", advanced={"disable_extensions": disabled}
        )
        smtp = SmtpTransport(given.settings())
        await smtp.submit(everything(), route)
        await smtp.aclose()
        await server.wait_until_idle()
        return server.connections[0].commands, server.connections[0].pipelined


USED = {"SIZE": " SIZE=", "8BITMIME": " BODY=8BITMIME", "DSN": " NOTIFY=FAILURE", "CHUNKING": "DATA"}


@pytest.mark.parametrize("extension", USED)
async def test_an_extension_is_used_unless_it_is_disabled(extension: str) -> None:
    used, without = await commands([]), await commands([extension.lower()])
    assert USED[extension] in "\n".join(used[0])
    assert (USED[extension] in "\n".join(without[0])) == (extension == "CHUNKING")
    assert "BDAT" not in "\n".join(without[0])


async def test_commands_go_one_by_one_without_pipelining() -> None:
    assert (await commands([]))[1]
    assert not (await commands(["PIPELINING"]))[1]


async def test_an_address_that_needs_smtputf8_is_refused_without_it() -> None:
    envelope = Envelope("ada@example.com", ("jörg@example.com",), smtputf8=True)
    async with SmtpServer() as server, given.transport() as smtp:
        plain = {"username": None, "password": None, "security": "none"}
        await smtp.submit(Message(envelope, OCTETS, "<1@x>"), account(server, **plain))
        error = await given.failure(
            Message(envelope, OCTETS, "<2@x>"),
            account(server, **plain, advanced={"disable_extensions": ["SMTPUTF8"]}),
        )
        assert error.code is ErrorCode.RECIPIENT_REJECTED
        assert len(server.received) == 1


async def logins(mechanisms: list[str]) -> list[str]:
    async with SmtpServer(users=USERS, offer=Offer(auth=("PLAIN", "LOGIN"))) as server:
        smtp = SmtpTransport(given.settings())
        route = account(server, security="none", advanced={"auth_mechanisms": mechanisms})
        await smtp.submit(given.message(), route)
        await smtp.aclose()
        return [line.split()[1] for line in server.connections[0].commands if line.startswith("AUTH")]


async def test_the_ways_to_log_in_are_tried_in_the_accounts_order() -> None:
    assert await logins([]) == ["PLAIN"]
    assert await logins(["login", "plain"]) == ["LOGIN"]


async def test_a_login_that_is_not_allowed_sends_no_credentials() -> None:
    async with SmtpServer(users=USERS, offer=Offer(auth=("LOGIN",))) as server:
        route = account(server, security="none", advanced={"auth_mechanisms": ["PLAIN"]})
        error = await refusal(route)
        assert error.code is ErrorCode.AUTH_FAILED
        assert "advanced.auth_mechanisms allows PLAIN" in error.message
        assert not [line for line in server.connections[0].commands if line.startswith("AUTH")]
        checked = await sales(
            server, security="none", username="ada", password="x", advanced={"auth_mechanisms": ["PLAIN"]}
        )
        assert finding(checked, CheckStep.AUTH).status is Status.FAILED


@needs_the_kernels_table
async def test_a_connection_starts_where_the_account_says_and_is_kept_alive() -> None:
    switches = {"source_address": "127.0.0.9", "keepalive": 60}
    async with SmtpServer(users=USERS) as server, given.transport() as smtp:
        await smtp.submit(given.message(), account(server, security="none", host="127.0.0.1"))
        assert connections_to(server.port) == [("127.0.0.1", False)]
        await smtp.submit(
            given.message(), account(server, security="none", host="127.0.0.1", advanced=switches)
        )
        assert set(connections_to(server.port)) == {("127.0.0.1", False), ("127.0.0.9", True)}


async def test_an_address_of_another_machine_is_named() -> None:
    async with SmtpServer(users=USERS) as server:
        error = await refusal(account(server, security="none", advanced={"source_address": "192.0.2.7"}))
        assert error.code is ErrorCode.CONNECTION_FAILED
        assert "It starts from 192.0.2.7 (advanced.source_address)." in error.message
        assert server.connections == []


# The mailbox


def incoming(post: DovecotPost, port: int, protocol: MailProtocol, **advanced: Any) -> Incoming:
    half = {"protocol": protocol.value, "host": "127.0.0.1", "port": port, "security": "none"}
    login = {"username": post.user, "password": PASSWORD}
    settings = {"accounts": {"sales": {"host": "x", "incoming": half | login, "advanced": advanced}}}
    found = Accounts(Settings.model_validate(settings)).named("sales", Origin("order", "a")).incoming
    assert isinstance(found, Incoming)
    return found


@asynccontextmanager
async def opened(where: Incoming) -> AsyncIterator[ThreadedMailbox[WaitingSession]]:
    opening: OpenSession[WaitingSession] = open_imap if where.protocol is MailProtocol.IMAP else open_pop3
    mailbox = ThreadedMailbox(where, LIMITS, opening)
    await mailbox.open(ssl.create_default_context())
    try:
        yield mailbox
    finally:
        await mailbox.aclose()


@pytest.mark.parametrize(
    ("disabled", "verb", "instead"), [("MOVE", "MOVE", "COPY"), ("UIDPLUS", "EXPUNGE", "MOVE")]
)
async def test_an_extension_of_imap_is_not_used_if_disabled(
    dovecot: Dovecot, disabled: str, verb: str, instead: str
) -> None:
    post = DovecotPost(dovecot, MailProtocol.IMAP)
    post.deliver(mail())
    with verbs.running(dovecot.ports["imap"]) as proxy:
        where = incoming(post, proxy.port, MailProtocol.IMAP, disable_extensions=[disabled])
        async with opened(where) as mailbox:
            reference = Reference("<mail-1@example.test>", ("INBOX",))
            await mailbox.change(reference, Transfer("Projects", create=True))
    assert (verb in proxy.seen, instead in proxy.seen) == (False, True)
    assert len(post.found("Projects")) == 1


@pytest.mark.parametrize(
    ("protocol", "mechanism", "verb"),
    [
        (MailProtocol.IMAP, "PLAIN", "AUTHENTICATE"),
        (MailProtocol.POP3, "PLAIN", "AUTH"),
        (MailProtocol.POP3, "USER", "USER"),
    ],
)
async def test_the_ways_to_log_in_to_a_mailbox(
    dovecot: Dovecot, protocol: MailProtocol, mechanism: str, verb: str
) -> None:
    port = dovecot.ports["imap" if protocol is MailProtocol.IMAP else "pop3"]
    post = DovecotPost(dovecot, protocol)
    with verbs.running(port, tagged=protocol is MailProtocol.IMAP) as proxy:
        async with opened(incoming(post, proxy.port, protocol, imap_auth_mechanisms=[mechanism])):
            assert verb in proxy.seen


async def test_folders_are_created_below_the_namespace_that_is_set(dovecot: Dovecot) -> None:
    post = DovecotPost(dovecot, MailProtocol.IMAP)
    post.deliver(mail())
    where = incoming(post, dovecot.ports["imap"], MailProtocol.IMAP, imap_namespace="Team.")
    async with opened(where) as mailbox:
        await mailbox.change(Reference("<mail-1@example.test>", ("INBOX",)), Transfer("Done", create=True))
        assert len((await mailbox.find(Listing(folders=("Done",)))).messages) == 1
    assert len(post.found("Team/Done")) == 1


@needs_the_kernels_table
@pytest.mark.parametrize("protocol", [MailProtocol.IMAP, MailProtocol.POP3])
async def test_a_mailbox_is_reached_from_where_the_account_says(
    dovecot: Dovecot, protocol: MailProtocol
) -> None:
    port = dovecot.ports["imap" if protocol is MailProtocol.IMAP else "pop3"]
    post = DovecotPost(dovecot, protocol)
    where = incoming(post, port, protocol, source_address="127.0.0.11", keepalive=60)
    async with opened(where):
        assert ("127.0.0.11", True) in connections_to(port)
