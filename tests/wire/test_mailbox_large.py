"""A large mailbox: 10,000 mails in 40 nested folders, listed as one, paged, searched and read."""

from __future__ import annotations

import gc
import imaplib
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.mailbox.criteria import All, Contains, Has, Since, State, Word
from connector.mailbox.imap import listing as lists
from connector.mailbox.imap.mailbox import open_imap
from connector.mailbox.imap.session import ImapSession
from connector.mailbox.port import WHOLE, Deletion, Listing, Mark, Reference, Role, Transfer
from connector.mailbox.threaded import ThreadedMailbox
from connector.model.incoming import MailProtocol
from connector.model.server import Security
from tests.contract.mailboxes import LIMITS, DovecotPost
from tests.servers.dovecot import PASSWORD, Dovecot

MAILS, FOLDERS = 10_000, 40
START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [
    ("INBOX",),
    *(("Region", f"Land {number}") for number in range(13)),
    *(("Region", f"Land {number}", f"Stadt {number}") for number in range(13)),
    *(("Archiv", str(2000 + number), "Süd") for number in range(13)),
]


def octets(number: int) -> bytes:
    header = (
        f"From: Person {number % 97} <person.{number % 97}@example.org>\r\n"
        f'To: "Team" <team@example.org>\r\n'
        f"Subject: Re: Report {number} of the northern branch\r\n"
        f"Date: {START + timedelta(minutes=number):%a, %d %b %Y %H:%M:%S} +0000\r\n"
        f"Message-ID: <report.{number}@mail.example.org>\r\n"
        f"In-Reply-To: <report.{number}.before@mail.example.org>\r\n"
        f"References: <first.{number}@mail.example.org>\r\n <report.{number}.before@mail.example.org>\r\n"
        "MIME-Version: 1.0\r\n"
    )
    text = f"Content-Type: text/plain; charset=utf-8\r\n\r\nThe figures of report {number}.\r\n"
    if number % 3 == 0:
        return (header + text).encode()
    kind = "alternative" if number % 3 == 1 else "mixed"
    other = (
        "Content-Type: text/html; charset=utf-8\r\n\r\n<p>The figures.\r\n"
        if number % 3 == 1
        else 'Content-Type: application/pdf; name="report.pdf"\r\n'
        'Content-Disposition: attachment; filename="report.pdf"\r\n\r\nPDF\r\n'
    )
    return (
        f'{header}Content-Type: multipart/{kind}; boundary="b"\r\n\r\n--b\r\n{text}--b\r\n{other}--b--\r\n'
    ).encode()


def spelled(parts: tuple[str, ...]) -> str:
    return "." + ".".join(part.replace("ü", "&APw-") for part in parts)


def fill(root: Path) -> None:
    """Write the Maildirs, as many mails as there are, over the folders in turn."""
    places = [root if parts == ("INBOX",) else root / spelled(parts) for parts in NAMES]
    for place in places:
        for name in ("cur", "new", "tmp"):
            (place / name).mkdir(parents=True)
        if place != root:
            (place / "maildirfolder").touch()
    for number in range(MAILS):
        flags = "S" if number % 2 else ""
        file = places[number % FOLDERS] / "cur" / f"{number:06}.M{number}.host:2,{flags}"
        file.write_bytes(octets(number))
        moment = (START + timedelta(minutes=number)).timestamp()
        os.utime(file, (moment, moment))
    if os.geteuid() == 0:
        owner = root.parent.stat()
        for path in (root, *root.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


@pytest.fixture(scope="module")
def large(dovecot: Dovecot) -> DovecotPost:
    assert len(NAMES) == FOLDERS
    post = DovecotPost(dovecot, MailProtocol.IMAP)
    fill(dovecot.folder(post.user))
    return post


async def test_the_whole_mailbox_is_one_list(large: DovecotPost) -> None:
    async with large.opened() as mailbox:
        folders = await mailbox.folders()
        assert sum(folder.total or 0 for folder in folders) == MAILS
        assert sum(folder.unread or 0 for folder in folders) == MAILS // 2
        numbers: list[int] = []
        page: str | None = None
        for _ in range(3):
            answer = await mailbox.find(Listing((WHOLE,), limit=100, page=page))
            numbers += [int(one.subject.split()[2]) for one in answer.messages]
            page = answer.next_page
        assert numbers == list(range(MAILS - 1, MAILS - 301, -1))
        oldest = await mailbox.find(Listing((WHOLE,), limit=50, newest_first=False))
        assert [int(one.subject.split()[2]) for one in oldest.messages] == list(range(50))


async def test_a_search_goes_over_the_whole_mailbox(large: DovecotPost) -> None:
    wanted = All(
        (
            Contains(Word.FROM, "person.5@"),
            Has(State.UNREAD, wanted=True),
            Since(START + timedelta(minutes=5_000)),
        )
    )
    async with large.opened() as mailbox:
        found: list[int] = []
        page: str | None = None
        while True:
            answer = await mailbox.find(Listing((WHOLE,), criterion=wanted, limit=20, page=page))
            found += [int(one.subject.split()[2]) for one in answer.messages]
            if (page := answer.next_page) is None:
                break
    expected = [n for n in range(MAILS - 1, 4_999, -1) if n % 97 == 5 and n % 2 == 0]
    assert found == expected


async def test_one_mail_of_many_is_read_marked_moved_copied_and_deleted(large: DovecotPost) -> None:
    async with large.opened() as mailbox:
        reference = Reference("<report.7777@mail.example.org>")
        letter = await mailbox.read(reference, 100_000, mark=True)
        assert letter.summary.subject == "Re: Report 7777 of the northern branch"
        assert letter.summary.folder == ".".join(NAMES[7777 % FOLDERS])
        await mailbox.change(reference, Mark.FLAGGED)
        moved = await mailbox.change(Reference(letter.summary.id), Transfer("Archiv/2012/Süd"))
        assert moved is not None
        copied = await mailbox.change(Reference(moved), Transfer(Role.TRASH, copy=True))
        assert copied is not None
        for name in (moved, copied):
            await mailbox.change(Reference(name), Deletion())


async def test_pop3_pages_through_the_inbox(large: DovecotPost) -> None:
    pop3 = DovecotPost(large.server, MailProtocol.POP3)
    pop3.user = large.user
    async with pop3.opened() as mailbox:
        (inbox,) = await mailbox.folders()
        assert inbox.total == MAILS // FOLDERS
        first = await mailbox.find(Listing(limit=100))
    async with pop3.opened() as mailbox:
        second = await mailbox.find(Listing(limit=100, page=first.next_page))
        searched = await mailbox.find(Listing(criterion=Contains(Word.SUBJECT, "report 4000 ")))
    numbers = [int(one.subject.split()[2]) for one in (*first.messages, *second.messages)]
    assert len(set(numbers)) == 200
    assert [one.subject for one in searched.messages] == ["Re: Report 4000 of the northern branch"]


def cpu_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


@pytest.mark.long  # a ratio of times
async def test_a_list_of_a_thousand_costs_three_times_an_unread_answer_at_most(large: DovecotPost) -> None:
    """Compare with imaplib, which fetches the same items and reads none of them.

    Each is measured several times, one after the other, since other programs share the processor.
    """
    post = DovecotPost(large.server, MailProtocol.IMAP)
    root = post.server.folder(post.user)
    one_folder(root, 1_000)
    plain = imaplib.IMAP4("127.0.0.1", post.server.ports["imap"])
    plain.authenticate("PLAIN", lambda _: f"\0{post.user}\0{PASSWORD}".encode())
    plain.select("INBOX", readonly=True)
    items = f"({lists.SUMMARIES})"
    async with opened_in_clear(post) as session:
        gc.collect()
        gc.disable()
        try:
            raw, read = [], []
            for _ in range(12):
                raw.append(cpu_seconds(lambda: plain.fetch("1:1000", items)))
                read.append(cpu_seconds(lambda: lists.find(session, Listing(limit=1_000))))
        finally:
            gc.enable()
        page = lists.find(session, Listing(limit=1_000))
    plain.logout()
    assert len(page.messages) == 1_000
    assert sum(one.has_attachments for one in page.messages) == 333
    assert min(read) < 3 * min(raw), (min(read), min(raw))


def one_folder(root: Path, mails: int) -> None:
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir(parents=True)
    for number in range(mails):
        (root / "cur" / f"{number:06}.M{number}.host:2,").write_bytes(octets(number))
    if os.geteuid() == 0:
        owner = root.parent.stat()
        for path in (root, *root.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


@asynccontextmanager
async def opened_in_clear(post: DovecotPost) -> AsyncIterator[ImapSession]:
    """The session itself, so that nothing but the list is measured."""
    where = post.incoming()
    server = replace(where.server, port=post.server.ports["imap"], security=Security.NONE)
    mailbox = ThreadedMailbox(replace(where, server=server), LIMITS, open_imap)
    await mailbox.open(ssl.create_default_context())
    try:
        yield mailbox.session.session
    finally:
        await mailbox.aclose()
