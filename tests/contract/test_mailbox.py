"""One list of promises over every kind of mailbox, each on a real server or on Graph's double."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connector.errors import ErrorCode, InputError, MailboxError
from connector.mailbox.criteria import (
    All,
    Before,
    Contains,
    Criterion,
    Has,
    HeaderContains,
    Not,
    Since,
    Some,
    State,
    Word,
)
from connector.mailbox.port import (
    WHOLE,
    Deletion,
    Listing,
    Mailbox,
    Mark,
    Reference,
    Role,
    Transfer,
)
from connector.mailbox.reading.summary import Summary
from tests.contract.mailboxes import KINDS, POSTS, WITH_FOLDERS, DoublePost, Post, day, graph_post, mail
from tests.servers.dovecot import Dovecot

MANY = 1_000_000
WITH_FILE = (
    b"From: ann@example.test\r\nTo: bob@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <file@example.test>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Sch\xc3\xb6ne Gr\xc3\xbc\xc3\x9fe\r\n--b\r\nContent-Type: application/pdf\r\n"
    b'Content-Disposition: attachment; filename="bill.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    b"JVBERi0=\r\n--b--\r\n"
)


@pytest.fixture(params=KINDS)
def post(request: pytest.FixtureRequest) -> Iterator[Post]:
    yield from made(request)


@pytest.fixture(params=WITH_FOLDERS)
def foldered(request: pytest.FixtureRequest) -> Iterator[Post]:
    yield from made(request)


def made(request: pytest.FixtureRequest) -> Iterator[Post]:
    if request.param == "graph":
        with graph_post() as post:
            yield post
    elif request.param == "imap of tests":
        yield DoublePost()
    else:
        yield POSTS[request.param](request.getfixturevalue("dovecot"))


async def subjects(mailbox: Mailbox, listing: Listing | None = None) -> list[str]:
    return [found.subject for found in (await mailbox.find(listing or Listing())).messages]


async def first(mailbox: Mailbox) -> Summary:
    return (await mailbox.find(Listing())).messages[0]


async def error_of(code: ErrorCode, mailbox: Mailbox, reference: str) -> MailboxError:
    with pytest.raises(MailboxError) as caught:
        await mailbox.read(Reference(reference), MANY, mark=False)
    assert caught.value.code is code
    return caught.value


# Lists


async def test_an_empty_mailbox_lists_nothing(post: Post) -> None:
    async with post.opened() as mailbox:
        page = await mailbox.find(Listing())
    assert (page.messages, page.next_page) == ((), None)


async def test_a_summary_tells_the_header(post: Post) -> None:
    post.deliver(
        mail(headers="Cc: Carol <carol@example.test>\r\nReply-To: desk@example.test\r\nImportance: high\r\n"
                     "In-Reply-To: <a@b>\r\nReferences: <c@d>\r\n <a@b>\r\n")
    )  # fmt: skip
    async with post.opened() as mailbox:
        found = await first(mailbox)
    assert found.sender is not None
    assert (found.sender.name, found.sender.address) == ("Ann Example", "ann@example.test")
    assert [one.address for one in (*found.to, *found.cc, *found.reply_to)] == [
        "bob@example.test",
        "carol@example.test",
        "desk@example.test",
    ]
    assert (found.subject, found.importance, found.folder) == ("Number 1", "high", "INBOX")
    assert found.sent_at == datetime(2026, 11, 20, 19, 50, 33, tzinfo=UTC)
    assert (found.message_id, found.in_reply_to) == ("<mail-1@example.test>", "<a@b>")
    assert found.references == ("<c@d>", "<a@b>")
    assert (found.size is not None and found.size > 100) is post.tells_sizes
    assert not found.has_attachments


async def test_newest_or_oldest_come_first(post: Post) -> None:
    for number in (1, 2, 3):
        post.deliver(mail(number), received=day(number))
    async with post.opened() as mailbox:
        assert await subjects(mailbox) == ["Number 3", "Number 2", "Number 1"]
    async with post.opened() as mailbox:
        oldest = Listing(newest_first=False)
        assert await subjects(mailbox, oldest) == ["Number 1", "Number 2", "Number 3"]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_give_each_mail_once(post: Post, newest_first: bool) -> None:
    for number in range(1, 8):
        post.deliver(mail(number), received=day(number))
    found: list[str] = []
    page: str | None = None
    for _ in range(4):
        async with post.opened() as mailbox:
            answer = await mailbox.find(Listing(limit=2, page=page, newest_first=newest_first))
        found += [one.subject for one in answer.messages]
        page = answer.next_page
    expected = [f"Number {number}" for number in range(1, 8)]
    assert found == (expected[::-1] if newest_first else expected)
    assert page is None


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_page_goes_on_after_its_mails_were_deleted(post: Post, newest_first: bool) -> None:
    for number in range(1, 6):
        post.deliver(mail(number), received=day(number))
    async with post.opened() as mailbox:
        page = await mailbox.find(Listing(limit=2, newest_first=newest_first))
    for one in page.messages:
        async with post.opened() as mailbox:
            await mailbox.change(Reference(one.id), Deletion())
    post.deliver(mail(9), received=day(9))
    async with post.opened() as mailbox:
        rest = await subjects(mailbox, Listing(limit=2, newest_first=newest_first, page=page.next_page))
    assert rest == (["Number 3", "Number 2"] if newest_first else ["Number 3", "Number 4"])


async def test_a_page_of_other_folders_is_refused(foldered: Post) -> None:
    for number in (1, 2):
        foldered.deliver(mail(number))
    async with foldered.opened() as mailbox:
        page = (await mailbox.find(Listing(limit=1))).next_page
        with pytest.raises(InputError, match="mailboxPage"):
            await mailbox.find(Listing(("sent",), limit=1, page=page))
        with pytest.raises(InputError, match="mailboxPage"):
            await mailbox.find(Listing(limit=1, page="nonsense"))


async def test_previews_show_the_beginning_of_the_text(post: Post) -> None:
    post.deliver(mail(body="Dear Bob,\r\n\r\nthis is  long. " + "word " * 100))
    async with post.opened() as mailbox:
        found = (await mailbox.find(Listing(preview=True))).messages[0]
    assert found.preview is not None
    assert found.preview.startswith("Dear Bob, this is long. word word")
    assert len(found.preview) == 200


async def test_attachments_are_told_in_the_list(post: Post) -> None:
    post.deliver(WITH_FILE)
    async with post.opened() as mailbox:
        assert (await first(mailbox)).has_attachments


# Folders


async def test_folders_have_roles_and_numbers(foldered: Post) -> None:
    foldered.deliver(mail(1))
    foldered.deliver(mail(2), folder="Projects/Süd")
    async with foldered.opened() as mailbox:
        folders = {folder.name: folder for folder in await mailbox.folders()}
    assert folders["Sent"].role is Role.SENT
    inbox = next(folder for folder in folders.values() if folder.role is Role.INBOX)
    assert (inbox.unread, inbox.total) == (1, 1)
    assert folders["Süd"].parts[-2:] == ("Projects", "Süd")
    assert folders["Süd"].total == 1


@pytest.mark.parametrize("wanted", ["Projects/Süd", "projects/SÜD"])
async def test_nested_folders_are_found_by_their_path(foldered: Post, wanted: str) -> None:
    foldered.deliver(mail(2), folder="Projects/Süd")
    async with foldered.opened() as mailbox:
        assert await subjects(mailbox, Listing((wanted,))) == ["Number 2"]
        path = next(folder.path for folder in await mailbox.folders() if folder.name == "Süd")
        assert await subjects(mailbox, Listing((path,))) == ["Number 2"]


async def test_folders_are_found_by_their_role(foldered: Post) -> None:
    foldered.deliver(mail(), folder="Sent")
    async with foldered.opened() as mailbox:
        assert await subjects(mailbox, Listing((Role.SENT,))) == ["Number 1"]
        assert await subjects(mailbox, Listing(("\\Sent",))) == ["Number 1"]


async def test_a_missing_folder_is_an_error_that_names_the_nearest(foldered: Post) -> None:
    async with foldered.opened() as mailbox:
        with pytest.raises(MailboxError, match="did you mean Sent") as caught:
            await mailbox.find(Listing(("Sentt",)))
    assert caught.value.code is ErrorCode.FOLDER_NOT_FOUND
    assert not caught.value.retryable


async def test_several_folders_are_merged_by_date(foldered: Post) -> None:
    for number, folder in ((1, "INBOX"), (2, "Sent"), (3, "Junk"), (4, "INBOX"), (5, "Archives")):
        foldered.deliver(mail(number), folder=folder, received=day(number))
    async with foldered.opened() as mailbox:
        both = Listing(("INBOX", "Sent"))
        assert await subjects(mailbox, both) == ["Number 4", "Number 2", "Number 1"]
        whole = await mailbox.find(Listing((WHOLE,), limit=3))
        assert [(one.subject, one.folder) for one in whole.messages] == [
            ("Number 5", "Archives"),
            ("Number 4", "INBOX"),
            ("Number 2", "Sent"),
        ]
        rest = await mailbox.find(Listing((WHOLE,), limit=3, page=whole.next_page))
        assert [one.subject for one in rest.messages] == ["Number 1"]
        everything = Listing((WHOLE,), frozenset({Role.JUNK}), limit=3)
        assert await subjects(mailbox, everything) == ["Number 5", "Number 4", "Number 3"]


async def test_pop3_refuses_what_it_cannot_do(dovecot: Dovecot) -> None:
    post = POSTS["pop3"](dovecot)
    post.deliver(mail())
    async with post.opened() as mailbox:
        found = await first(mailbox)
        for listing in (Listing((WHOLE,)), Listing(criterion=Has(State.UNREAD, wanted=True))):
            with pytest.raises(InputError, match="imap"):
                await mailbox.find(listing)
        with pytest.raises(MailboxError) as caught:
            await mailbox.find(Listing(("Sent",)))
        assert caught.value.code is ErrorCode.FOLDER_NOT_FOUND
        with pytest.raises(InputError, match="mailboxMarkRead"):
            await mailbox.read(Reference(found.id), MANY, mark=True)
        for change in (Mark.READ, Transfer("Sent")):
            with pytest.raises(InputError, match="POP3"):
                await mailbox.change(Reference(found.id), change)


# Searches

CASES: list[tuple[Criterion, set[int]]] = [
    (Contains(Word.SUBJECT, "number 2"), {2}),
    (Contains(Word.SUBJECT, "größe"), {4}),
    (Contains(Word.FROM, "ann@"), {1, 2, 3, 4}),
    (Contains(Word.TO, "BOB"), {1, 2, 3, 4}),
    (Contains(Word.TEXT, "is number 3"), {3}),
    (All((Contains(Word.FROM, "ann"), Contains(Word.SUBJECT, "Number 1"))), {1}),
    (Some((Contains(Word.SUBJECT, "Number 1"), Contains(Word.TEXT, "is number 3"))), {1, 3}),
    (
        Some(
            (
                Contains(Word.SUBJECT, "Number 1"),
                All((Contains(Word.SUBJECT, "Number"), Contains(Word.TEXT, "number 2"))),
            )
        ),
        {1, 2},
    ),
    (Not(Contains(Word.SUBJECT, "Number 1")), {2, 3, 4}),
    (Contains(Word.SUBJECT, 'a "quoted\\" word'), set()),
]


def numbers(found: list[Summary]) -> set[int]:
    return {int((one.message_id or "").removeprefix("<mail-").partition("@")[0]) for one in found}


@pytest.mark.parametrize(("criterion", "expected"), CASES)
async def test_searches_find_what_they_ask_for(post: Post, criterion: Criterion, expected: set[int]) -> None:
    for number in (1, 2, 3):
        post.deliver(mail(number), received=day(number))
    post.deliver(mail(4, subject="=?utf-8?q?Gr=C3=B6=C3=9Fe?="), received=day(4))
    async with post.opened() as mailbox:
        page = await mailbox.find(Listing(criterion=criterion))
    assert numbers(list(page.messages)) == expected


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (Since(day(3)), {3, 4}),
        (Before(day(3)), {1, 2}),
        (All((Since(day(2)), Before(datetime(2026, 1, 3, 11, 59, tzinfo=UTC)))), {2}),
        (All((Since(datetime(2026, 1, 2, 12, 1, tzinfo=UTC)), Has(State.UNREAD, wanted=True))), {3}),
        (Has(State.UNREAD, wanted=True), {1, 2, 3}),
        (Has(State.UNREAD, wanted=False), {4}),
        (Has(State.FLAGGED, wanted=True), {4}),
        (Not(Has(State.FLAGGED, wanted=True)), {1, 2, 3}),
    ],
)
async def test_searches_know_dates_and_flags(
    foldered: Post, criterion: Criterion, expected: set[int]
) -> None:
    for number in (1, 2, 3, 4):
        foldered.deliver(mail(number), received=day(number))
    async with foldered.opened() as mailbox:
        last = await first(mailbox)
        await mailbox.change(Reference(last.id), Mark.READ)
        await mailbox.change(Reference(last.id), Mark.FLAGGED)
        page = await mailbox.find(Listing(criterion=criterion))
    assert numbers(list(page.messages)) == expected


async def test_header_searches_find_a_message_id(post: Post) -> None:
    for number in (1, 2):
        post.deliver(mail(number))
    async with post.opened() as mailbox:
        page = await mailbox.find(Listing(criterion=HeaderContains("Message-ID", "<mail-2@example.test>")))
    assert numbers(list(page.messages)) == {2}


async def test_a_search_goes_on_page_by_page(post: Post) -> None:
    for number in range(1, 6):
        post.deliver(mail(number, subject="odd" if number % 2 else "even"), received=day(number))
    criterion = Contains(Word.SUBJECT, "odd")
    async with post.opened() as mailbox:
        page = await mailbox.find(Listing(criterion=criterion, limit=2))
    async with post.opened() as mailbox:
        rest = await mailbox.find(Listing(criterion=criterion, limit=2, page=page.next_page))
    assert [numbers(list(one.messages)) for one in (page, rest)] == [{5, 3}, {1}]


# Reading


async def test_a_mail_is_read_with_text_and_attachments(post: Post) -> None:
    post.deliver(WITH_FILE)
    async with post.opened() as mailbox:
        letter = await mailbox.read(Reference((await first(mailbox)).id), MANY, mark=False)
    assert letter.summary.subject == "Grüße"
    assert letter.mail.text.strip() == "Schöne Grüße"
    (file,) = letter.mail.files
    assert (file.name, file.content_type, b"".join(file.pieces())) == (
        "bill.pdf",
        "application/pdf",
        b"%PDF-",
    )


async def test_a_mail_is_read_by_its_message_id(post: Post) -> None:
    post.deliver(mail(1))
    post.deliver(mail(2))
    async with post.opened() as mailbox:
        letter = await mailbox.read(Reference("<mail-1@example.test>"), MANY, mark=False)
    assert letter.summary.subject == "Number 1"


async def test_reading_marks_only_where_asked(foldered: Post) -> None:
    foldered.deliver(mail())
    async with foldered.opened() as mailbox:
        found = await first(mailbox)
        await mailbox.read(Reference(found.id), MANY, mark=False)
        assert (await first(mailbox)).unread
        await mailbox.read(Reference(found.id), MANY, mark=True)
        assert not (await first(mailbox)).unread


async def test_a_mail_larger_than_the_limit_is_refused(post: Post) -> None:
    post.deliver(mail(body="x" * 5_000))
    async with post.opened() as mailbox:
        reference = Reference((await first(mailbox)).id)
        with pytest.raises(MailboxError, match=r"mailbox\.max_message") as caught:
            await mailbox.read(reference, 2_000, mark=False)
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE


async def test_a_large_mail_arrives_whole(post: Post) -> None:
    line = "0123456789abcdef" * 4 + "\r\n"
    post.deliver(mail(body=line * 150_000))
    async with post.opened() as mailbox:
        letter = await mailbox.read(Reference((await first(mailbox)).id), 50_000_000, mark=False)
    assert letter.mail.text.replace("\n", "\r\n").rstrip() == (line * 150_000).rstrip()


async def test_a_mail_that_never_was_is_not_found(post: Post) -> None:
    post.deliver(mail())
    async with post.opened() as mailbox:
        await error_of(ErrorCode.MESSAGE_NOT_FOUND, mailbox, "<nowhere@example.test>")
        for other in ("imap:1.2:3-4:INBOX", "pop3:abc", "graph:AAMk"):
            with pytest.raises((MailboxError, InputError)):
                await mailbox.read(Reference(other), MANY, mark=False)


async def test_what_is_no_name_of_a_mail_is_refused(post: Post) -> None:
    async with post.opened() as mailbox:
        for text in ("", "42", "imap:x", "no id at all", "a" * 10_000):
            with pytest.raises(InputError, match="mailboxMessage"):
                await mailbox.read(Reference(text), MANY, mark=False)


# Changes


@pytest.mark.parametrize(
    ("mark", "attribute", "expected"),
    [
        (Mark.READ, "unread", False),
        (Mark.UNREAD, "unread", True),
        (Mark.FLAGGED, "flagged", True),
        (Mark.UNFLAGGED, "flagged", False),
    ],
)
async def test_marks_are_set_and_taken_away(
    foldered: Post, mark: Mark, attribute: str, expected: bool
) -> None:
    foldered.deliver(mail())
    opposite = {Mark.READ: Mark.UNREAD, Mark.FLAGGED: Mark.UNFLAGGED}
    other = opposite.get(mark) or next(key for key, value in opposite.items() if value is mark)
    async with foldered.opened() as mailbox:
        found = await first(mailbox)
        await mailbox.change(Reference(found.id), other)
        for _ in range(2):
            assert await mailbox.change(Reference(found.id), mark) == found.id
        assert getattr(await first(mailbox), attribute) is expected


async def test_a_moved_mail_has_a_name_in_its_new_place(foldered: Post) -> None:
    foldered.deliver(mail())
    async with foldered.opened() as mailbox:
        found = await first(mailbox)
        moved = await mailbox.change(Reference(found.id), Transfer("Projects/Süd", create=True))
        assert moved is not None
        letter = await mailbox.read(Reference(moved), MANY, mark=False)
    assert letter.summary.subject == "Number 1"
    assert letter.summary.folder.endswith("Süd")
    assert (foldered.found(), len(foldered.found("Projects/Süd"))) == ([], 1)


async def test_a_move_that_comes_twice_moves_once(foldered: Post) -> None:
    foldered.deliver(mail())
    async with foldered.opened() as mailbox:
        reference = Reference((await first(mailbox)).id)
        moved = await mailbox.change(reference, Transfer(Role.TRASH))
        assert await mailbox.change(reference, Transfer(Role.TRASH)) == moved
        by_message_id = Reference("<mail-1@example.test>", ("INBOX",))
        assert await mailbox.change(by_message_id, Transfer(Role.TRASH)) == moved
    assert len(foldered.found("Trash")) == 1


async def test_a_move_beside_another_mail_with_the_same_message_id_loses_none(foldered: Post) -> None:
    foldered.deliver(mail(body="A forged mail."), folder="Trash", received=day(1))
    foldered.deliver(mail(body="The one that counts."), received=day(2))
    async with foldered.opened() as mailbox:
        await mailbox.change(Reference((await first(mailbox)).id), Transfer(Role.TRASH))
    assert foldered.found() == []
    assert sorted(octets.split(b"\r\n\r\n")[1] for octets in foldered.found("Trash")) == [
        b"A forged mail.\r\n",
        b"The one that counts.\r\n",
    ]


async def test_a_mail_without_message_id_is_known_again_after_a_move(foldered: Post) -> None:
    foldered.deliver(b"From: ann@example.test\r\nSubject: nameless\r\n\r\nHello\r\n", received=day(4))
    foldered.deliver(b"From: ann@example.test\r\nSubject: other\r\n\r\nHello!\r\n", folder="Trash")
    async with foldered.opened() as mailbox:
        reference = Reference((await first(mailbox)).id)
        moved = await mailbox.change(reference, Transfer(Role.TRASH))
        assert await mailbox.change(reference, Transfer(Role.TRASH)) == moved
    assert len(foldered.found("Trash")) == 2


async def test_a_copy_that_comes_twice_copies_once(foldered: Post) -> None:
    foldered.deliver(mail())
    async with foldered.opened() as mailbox:
        reference = Reference((await first(mailbox)).id)
        copied = await mailbox.change(reference, Transfer("Archives", copy=True, create=True))
        assert await mailbox.change(reference, Transfer("Archives", copy=True)) == copied
    assert (len(foldered.found()), len(foldered.found("Archives"))) == (1, 1)


async def test_a_missing_target_is_only_created_on_request(foldered: Post) -> None:
    foldered.deliver(mail())
    async with foldered.opened() as mailbox:
        reference = Reference((await first(mailbox)).id)
        with pytest.raises(MailboxError) as caught:
            await mailbox.change(reference, Transfer("Elsewhere"))
    assert caught.value.code is ErrorCode.FOLDER_NOT_FOUND
    assert len(foldered.found()) == 1


async def test_a_deletion_that_comes_twice_deletes_once(post: Post) -> None:
    post.deliver(mail(1), received=day(1))
    post.deliver(mail(2), received=day(2))
    async with post.opened() as mailbox:
        found = await first(mailbox)
    for _ in range(2):
        async with post.opened() as mailbox:
            assert await mailbox.change(Reference(found.id), Deletion()) is None
    assert len(post.found()) == 1


async def test_a_deletion_leaves_other_deleted_mails_alone(dovecot: Dovecot) -> None:
    post = POSTS["imap without extensions"](dovecot)
    for number in (1, 2):
        post.deliver(mail(number), received=day(number))
    imap = post._imap()  # type: ignore[attr-defined]
    imap.select("INBOX")
    imap.store("1", "+FLAGS", "\\Deleted")
    imap.logout()
    async with post.opened() as mailbox:
        await mailbox.change(Reference((await first(mailbox)).id), Deletion())
    assert [b"number 1" in one for one in post.found()] == [True]


async def test_a_gone_mail_cannot_be_marked_or_moved(foldered: Post) -> None:
    foldered.deliver(mail())
    async with foldered.opened() as mailbox:
        reference = Reference((await first(mailbox)).id)
        await mailbox.change(reference, Deletion())
        for change in (Mark.READ, Transfer("Sent")):
            with pytest.raises(MailboxError) as caught:
                await mailbox.change(reference, change)
            assert caught.value.code is ErrorCode.MESSAGE_NOT_FOUND
