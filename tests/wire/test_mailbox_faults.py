"""A server that closes, hangs or says BYE at each verb: an error, no second use, nothing done twice."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from connector.errors import ErrorCode, MailboxError
from connector.mailbox.connection import Limits
from connector.mailbox.imap.mailbox import open_imap
from connector.mailbox.pop3 import open_pop3
from connector.mailbox.port import Deletion, Listing, Mark, Reference, Transfer
from connector.mailbox.threaded import OpenSession, ThreadedMailbox, WaitingSession
from connector.model.incoming import MailProtocol
from connector.model.server import Security
from tests.contract.mailboxes import DovecotPost, mail
from tests.servers import verbs
from tests.servers.dovecot import Dovecot
from tests.servers.verbs import Failure, Verbs

# A command that is not answered is given up after so long.
LIMITS = Limits(connect=10, tls=10, command=20, operation=60)
# So that a server that hangs is given up soon.
IMPATIENT = replace(LIMITS, command=0.5)
CODES = {
    Failure.CLOSES: {ErrorCode.CONNECTION_FAILED},
    Failure.HANGS: {ErrorCode.CONNECTION_TIMEOUT},
    # The reset of a connection may overtake what was said before it.
    Failure.SAYS_BYE: {ErrorCode.MAILBOX_ERROR, ErrorCode.CONNECTION_FAILED},
}


@dataclass
class Scene:
    """A mailbox behind a proxy."""

    post: DovecotPost
    proxy: Verbs
    mailbox: ThreadedMailbox[WaitingSession] | None = None

    @asynccontextmanager
    async def opened(self, limits: Limits = LIMITS) -> AsyncIterator[ThreadedMailbox[WaitingSession]]:
        opening: OpenSession[WaitingSession] = open_imap if self.post.has_folders else open_pop3
        incoming = self.post.incoming()
        server = replace(incoming.server, port=self.proxy.port, security=Security.NONE)
        mailbox = ThreadedMailbox(replace(incoming, server=server), limits, opening)
        await mailbox.open(ssl.create_default_context())
        self.mailbox = mailbox
        try:
            yield mailbox
        finally:
            await mailbox.aclose()


@pytest.fixture
def imap(dovecot: Dovecot) -> Iterator[Scene]:
    with verbs.running(dovecot.ports["imap"]) as proxy:
        yield Scene(DovecotPost(dovecot, MailProtocol.IMAP), proxy)


@pytest.fixture
def imap_without_extensions(dovecot: Dovecot) -> Iterator[Scene]:
    with verbs.running(dovecot.ports["imap"]) as proxy:
        disabled = frozenset({"MOVE", "UIDPLUS"})
        yield Scene(DovecotPost(dovecot, MailProtocol.IMAP, disabled), proxy)


@pytest.fixture
def pop3(dovecot: Dovecot) -> Iterator[Scene]:
    with verbs.running(dovecot.ports["pop3"], tagged=False) as proxy:
        yield Scene(DovecotPost(dovecot, MailProtocol.POP3), proxy)


FAILURES = [
    pytest.param(Failure.CLOSES, False, id="closes, unheard"),
    pytest.param(Failure.CLOSES, True, id="closes, heard"),
    pytest.param(Failure.HANGS, False, id="hangs, unheard"),
    pytest.param(Failure.SAYS_BYE, False, id="says BYE, unheard"),
    pytest.param(Failure.HANGS, True, id="hangs, heard", marks=pytest.mark.long),
    pytest.param(Failure.SAYS_BYE, True, id="says BYE, heard", marks=pytest.mark.long),
]

REFERENCE = Reference("<mail-1@example.test>", ("INBOX",))
Operation = Callable[[ThreadedMailbox[WaitingSession]], Awaitable[object]]


async def listed(mailbox: ThreadedMailbox[WaitingSession]) -> object:
    return await mailbox.find(Listing())


async def list_folders(mailbox: ThreadedMailbox[WaitingSession]) -> object:
    return await mailbox.folders()


async def read(mailbox: ThreadedMailbox[WaitingSession]) -> object:
    return await mailbox.read(REFERENCE, 100_000, mark=True)


async def read_only(mailbox: ThreadedMailbox[WaitingSession]) -> object:
    return await mailbox.read(REFERENCE, 100_000, mark=False)


async def mark(mailbox: ThreadedMailbox[WaitingSession]) -> object:
    return await mailbox.change(REFERENCE, Mark.FLAGGED)


async def move(mailbox: ThreadedMailbox[WaitingSession]) -> object:
    return await mailbox.change(REFERENCE, Transfer("Projects", create=True))


async def copy(mailbox: ThreadedMailbox[WaitingSession]) -> object:
    return await mailbox.change(REFERENCE, Transfer("Sent", copy=True))


def _limits(failure: Failure) -> Limits:
    return IMPATIENT if failure is Failure.HANGS else LIMITS


async def failed_at(
    scene: Scene, operation: Operation, verb: str, failure: Failure, *, heard: bool
) -> MailboxError:
    """Let an operation fail, and say how."""
    scene.proxy.fail(verb, failure, heard=heard)
    with pytest.raises(MailboxError) as caught:
        async with scene.opened(_limits(failure)) as mailbox:
            await operation(mailbox)
    assert not scene.proxy.pending, f"{verb} is never said: {scene.proxy.seen}"
    assert caught.value.code in CODES[failure] | {ErrorCode.AUTH_FAILED, ErrorCode.AUTH_UNAVAILABLE}
    assert caught.value.retryable
    assert scene.mailbox is None or not scene.mailbox.usable
    return caught.value


LOGIN = ("CAPABILITY", "AUTHENTICATE")
IMAP_VERBS = [
    *((listed, verb) for verb in (*LOGIN, "LIST", "NAMESPACE", "EXAMINE", "FETCH")),
    (list_folders, "STATUS"),
    *((read, verb) for verb in ("SELECT", "SEARCH", "FETCH", "STORE")),
    *((mark, verb) for verb in ("SELECT", "SEARCH", "STORE")),
    *((move, verb) for verb in ("CREATE", "LIST", "SELECT", "SEARCH", "MOVE")),
    *((copy, verb) for verb in ("EXAMINE", "SEARCH", "COPY")),
]


@pytest.mark.parametrize(("failure", "heard"), FAILURES)
@pytest.mark.parametrize(("operation", "verb"), IMAP_VERBS)
async def test_imap_failures_do_nothing_twice(
    imap: Scene, operation: Operation, verb: str, failure: Failure, heard: bool
) -> None:
    imap.post.deliver(mail())
    await failed_at(imap, operation, verb, failure, heard=heard)
    async with imap.opened() as mailbox:
        await operation(mailbox)
    there = [len(imap.post.found(folder)) for folder in ("INBOX", "Projects", "Sent")]
    assert there == ([0, 1, 0] if operation is move else [1, 0, 1] if operation is copy else [1, 0, 0])


FALLBACK_VERBS = ["COPY", "STORE", "EXPUNGE"]


@pytest.mark.parametrize(("failure", "heard"), FAILURES)
@pytest.mark.parametrize("verb", FALLBACK_VERBS)
async def test_a_move_without_the_extension_moves_once(
    imap_without_extensions: Scene, verb: str, failure: Failure, heard: bool
) -> None:
    scene = imap_without_extensions
    scene.post.deliver(mail())
    await failed_at(scene, move, verb, failure, heard=heard)
    async with scene.opened() as mailbox:
        await move(mailbox)
    assert [len(scene.post.found(folder)) for folder in ("INBOX", "Projects")] == [0, 1]


@pytest.mark.parametrize(("failure", "heard"), FAILURES)
@pytest.mark.parametrize("verb", ["STORE", "EXPUNGE"])
async def test_a_deletion_that_fails_deletes_once(
    imap: Scene, verb: str, failure: Failure, heard: bool
) -> None:
    for number in (1, 2):
        imap.post.deliver(mail(number))
    async with imap.opened() as mailbox:
        found = (await mailbox.find(Listing(newest_first=False))).messages[0]

    async def delete(mailbox: ThreadedMailbox[WaitingSession]) -> object:
        return await mailbox.change(Reference(found.id), Deletion())

    await failed_at(imap, delete, verb, failure, heard=heard)
    async with imap.opened() as mailbox:
        await delete(mailbox)
    assert [b"number 2" in one for one in imap.post.found()] == [True]


@pytest.mark.parametrize("failure", [Failure.CLOSES, Failure.HANGS])
@pytest.mark.parametrize(
    ("operation", "verb"),
    [
        *((listed, verb) for verb in ("CAPA", "AUTH", "UIDL", "LIST", "TOP")),
        *((read_only, verb) for verb in ("UIDL", "TOP", "LIST", "RETR")),
    ],
)
async def test_pop3_failures_are_errors(
    pop3: Scene, operation: Operation, verb: str, failure: Failure
) -> None:
    pop3.post.deliver(mail())
    pop3.proxy.fail(verb, failure, heard=False)
    with pytest.raises(MailboxError) as caught:
        async with pop3.opened(_limits(failure)) as mailbox:
            await operation(mailbox)
    assert not pop3.proxy.pending
    assert caught.value.retryable
    async with pop3.opened() as mailbox:
        await operation(mailbox)
    assert len(pop3.post.found()) == 1


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
@pytest.mark.parametrize("failure", [Failure.CLOSES, Failure.HANGS])
@pytest.mark.parametrize("verb", ["DELE", "QUIT"])
async def test_a_pop3_deletion_that_fails_deletes_once(
    pop3: Scene, verb: str, failure: Failure, heard: bool
) -> None:
    for number in (1, 2):
        pop3.post.deliver(mail(number))
    async with pop3.opened() as mailbox:
        found = (await mailbox.find(Listing(newest_first=False))).messages[0]
    pop3.proxy.fail(verb, failure, heard=heard)
    with pytest.raises(MailboxError):
        async with pop3.opened(_limits(failure)) as mailbox:
            await mailbox.change(Reference(found.id), Deletion())
    async with pop3.opened() as mailbox:
        await mailbox.change(Reference(found.id), Deletion())
    assert [b"number 2" in one for one in pop3.post.found()] == [True]
