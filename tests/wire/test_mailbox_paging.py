"""A page of a folder costs a page, however many mails the folder has: octets and commands are counted.

Between the worker and Dovecot stands a proxy that counts. The short form has a folder of 2,500 mails,
the long one of a hundred thousand.
"""

from __future__ import annotations

import imaplib
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.mailbox.criteria import Contains, Criterion, Has, State, Word
from connector.mailbox.imap.mailbox import open_imap
from connector.mailbox.port import Listing, Mailbox, Page
from connector.mailbox.threaded import ThreadedMailbox
from connector.model.incoming import MailProtocol
from connector.model.server import Security
from tests.contract.mailboxes import LIMITS, DovecotPost
from tests.servers.dovecot import PASSWORD, Dovecot
from tests.servers.proxy import Proxy

START = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 50
# What the server says to open a folder, and what it says of one mail on a page, at most.
_OPENING, _A_MAIL = 2_000, 900
_LARGE_PAGE = 1_000
# What the answer to one search lists at most, of a folder with many mails that match.
_LISTED = 2_000 * 7

SIZES = [
    pytest.param(2_500, id="short"),
    pytest.param(100_000, id="long", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]


@dataclass
class Counted:
    """A mailbox behind a proxy."""

    mailbox: Mailbox
    proxy: Proxy
    octets: int = 0
    lines: int = 0

    async def page(
        self,
        page: str | None = None,
        criterion: Criterion | None = None,
        limit: int = PAGE,
        *,
        newest_first: bool = True,
    ) -> Page:
        """A page; what it has cost is in ``octets`` and ``lines``."""
        octets, lines = self.proxy.told, self.proxy.lines
        listing = Listing(criterion=criterion, limit=limit, page=page, newest_first=newest_first)
        found = await self.mailbox.find(listing)
        self.octets, self.lines = self.proxy.told - octets, self.proxy.lines - lines
        return found


@pytest.fixture(scope="module", params=SIZES)
def size(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def large(dovecot: Dovecot, size: int) -> DovecotPost:
    return filled(dovecot, size)


async def test_every_page_costs_a_page(large: DovecotPost, size: int) -> None:
    async with counted(large) as one:
        numbers: list[int] = []
        costs: list[tuple[int, int]] = []
        page: str | None = None
        while page is not None or not numbers:
            found = await one.page(page, limit=_LARGE_PAGE)
            numbers += numbers_of(found)
            costs.append((one.octets, one.lines))
            page = found.next_page
    print(f"{size} mails, {len(costs)} pages of {_LARGE_PAGE}: {min(costs)} to {max(costs)}")  # noqa: T201
    assert numbers == list(range(size - 1, -1, -1))
    assert max(octets for octets, _ in costs) < _OPENING + _LARGE_PAGE * _A_MAIL
    assert max(lines for _, lines in costs) <= 6


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_page_after_changes_costs_a_page(dovecot: Dovecot, size: int, newest_first: bool) -> None:
    """Mails of the first page go, as a process moves them, and mails far away."""
    changing = filled(dovecot, size)
    async with counted(changing) as one:
        first = await one.page(newest_first=newest_first)
        listed = sorted(numbers_of(first))
        costs = [(one.octets, one.lines)]
        for gone in (listed[:10], listed[10:], list(range(size // 2, size // 2 + 20))):
            remove(changing, gone)
            second = await one.page(first.next_page, newest_first=newest_first)
            costs.append((one.octets, one.lines))
            begin, step = (size - 1 - PAGE, -1) if newest_first else (PAGE, 1)
            assert numbers_of(second) == list(range(begin, begin + step * PAGE, step))
    print(f"{size} mails, after changes: {costs}")  # noqa: T201
    assert max(octets for octets, _ in costs) < _OPENING + PAGE * _A_MAIL
    assert max(lines for _, lines in costs) <= 6 + size.bit_length()


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_page_of_a_search_costs_a_page(large: DovecotPost, size: int, newest_first: bool) -> None:
    unread = Has(State.UNREAD, wanted=True)
    async with counted(large) as one:
        first = await one.page(criterion=unread, newest_first=newest_first)
        costs = [(one.octets, one.lines)]
        second = await one.page(first.next_page, unread, newest_first=newest_first)
        costs.append((one.octets, one.lines))
        rare = await one.page(criterion=Contains(Word.SUBJECT, "Number 1000"), newest_first=newest_first)
        costs.append((one.octets, one.lines))
    print(f"{size} mails, searched: {costs}")  # noqa: T201
    numbers = [*numbers_of(first), *numbers_of(second)]
    unread_ones = range(0, size, 2)
    assert numbers == list((unread_ones[::-1] if newest_first else unread_ones)[: 2 * PAGE])
    assert sorted(numbers_of(rare)) == [number for number in range(size) if str(number).startswith("1000")]
    assert max(octets for octets, _ in costs) < _OPENING + PAGE * _A_MAIL + _LISTED
    assert max(lines for _, lines in costs) <= 12


@asynccontextmanager
async def counted(post: DovecotPost) -> AsyncIterator[Counted]:
    async with Proxy(f"127.0.0.1:{post.server.ports['imap']}") as proxy:
        where = post.incoming()
        port = int(proxy.address.rpartition(":")[2])
        server = replace(where.server, hostname="127.0.0.1", port=port, security=Security.NONE)
        mailbox = ThreadedMailbox(replace(where, server=server), LIMITS, open_imap)
        await mailbox.open(ssl.create_default_context())
        try:
            yield Counted(mailbox, proxy)
        finally:
            await mailbox.aclose()


def numbers_of(page: Page) -> list[int]:
    return [int(one.subject.split()[1]) for one in page.messages]


def filled(dovecot: Dovecot, size: int) -> DovecotPost:
    """A mailbox with so many mails, which the server has seen."""
    post = DovecotPost(dovecot, MailProtocol.IMAP)
    fill(dovecot.folder(post.user), size)
    opened(post).logout()
    return post


def remove(post: DovecotPost, numbers: list[int]) -> None:
    """Delete mails for good; numbers that follow one another."""
    imap = opened(post)
    found = imap.search(None, f'(SUBJECT "Number {numbers[0]}")')[1][0].split()
    begin = min(map(int, found))
    imap.store(f"{begin}:{begin + len(numbers) - 1}", "+FLAGS.SILENT", r"(\Deleted)")
    imap.expunge()
    imap.logout()


def opened(post: DovecotPost) -> imaplib.IMAP4:
    """Another client of the same mailbox."""
    imap = imaplib.IMAP4("127.0.0.1", post.server.ports["imap"])
    imap.authenticate("PLAIN", lambda _: f"\0{post.user}\0{PASSWORD}".encode())
    imap.select("INBOX")
    return imap


def fill(root: Path, mails: int) -> None:
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir(parents=True)
    for number in range(mails):
        moment = START + timedelta(minutes=number)
        flags = "S" if number % 2 else ""
        file = root / "cur" / f"{number:06}.M{number}.host:2,{flags}"
        file.write_bytes(
            f"From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: Number {number}\r\n"
            f"Date: {moment:%a, %d %b %Y %H:%M:%S} +0000\r\nMessage-ID: <mail-{number}@example.test>\r\n\r\n"
            f"This is number {number}.\r\n".encode()
        )
        os.utime(file, (moment.timestamp(), moment.timestamp()))
    if os.geteuid() == 0:
        owner = root.parent.stat()
        for path in (root, *root.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
