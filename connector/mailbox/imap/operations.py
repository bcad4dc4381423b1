"""Reading, marking, moving, copying and deleting one mail, each of which may be asked for twice.

What an attempt of unknown outcome has done is seen in the mailbox itself: a mail that is gone from its place
and found in its new one was moved, and is not moved again.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import ErrorCode, InputError, MailboxError
from connector.mailbox.imap.fetching import Row
from connector.mailbox.imap.listing import SUMMARIES, summaries_of
from connector.mailbox.imap.session import ImapSession, Opened
from connector.mailbox.port import (
    Change,
    Deletion,
    FiledMail,
    Folder,
    Letter,
    Listing,
    Mark,
    Reference,
    Role,
    Transfer,
)
from connector.mailbox.reading.mail import read_mail
from connector.mailbox.reading.mime import read_message
from connector.mailbox.references import FIELD, ImapName, MessageId, read_name

_SENT = "Sent"  # RFC 6154 gives no names; this is what most servers call it
_PIECE = 4 * 1024 * 1024
_MARKS = {
    Mark.READ: ("+FLAGS", "\\Seen"),
    Mark.UNREAD: ("-FLAGS", "\\Seen"),
    Mark.FLAGGED: ("+FLAGS", "\\Flagged"),
    Mark.UNFLAGGED: ("-FLAGS", "\\Flagged"),
}


@dataclass(frozen=True, slots=True)
class _Found:
    """A mail in the folder that is selected, or what is known of one that is no longer there.

    Attributes:
        row: None where it is gone.
    """

    opened: Opened
    name: ImapName
    row: Row | None


def read(session: ImapSession, reference: Reference, largest: int, *, mark: bool) -> Letter:
    """A mail with its texts and attachments."""
    found = _found(session, reference, readonly=not mark)
    if found.row is None:
        raise _gone(session, found.name)
    if found.row.size > largest:
        raise session.watch.too_large(found.row.size, largest)
    octets = _octets(session, found.row.uid, largest)
    rows = session.rows(str(found.row.uid), SUMMARIES)
    summary = summaries_of(session, found.opened, rows, preview=False)[0]
    letter = Letter(summary, read_mail(read_message(octets)))
    if mark:
        with session.watch.step("store"):
            session.client.store(found.row.uid, *_MARKS[Mark.READ])
    return letter


def _octets(session: ImapSession, uid: int, largest: int) -> bytes:
    """A whole mail, in pieces: its size is an estimate on some servers (Exchange)."""
    pieces: list[bytes] = []
    size = 0
    while True:
        rows = session.rows(str(uid), f"UID BODY.PEEK[]<{size}.{_PIECE}>")
        piece = next((row.body for row in rows if row.uid == uid), b"")
        pieces.append(piece)
        size += len(piece)
        if size > largest:
            raise session.watch.too_large(size, largest)
        if len(piece) < _PIECE:
            return b"".join(pieces)


def file(session: ImapSession, mail: FiledMail) -> ImapName:
    """Put a mail into the folder of sent mails, unless it is there already: an earlier attempt may have."""
    folders = session.folders()
    sent = next((folder for folder in folders if folder.role is Role.SENT), None)
    sent = sent or session.folder(_SENT, create=True)
    wanted = ImapName(sent.path, 0, 0, mail.message_id)
    opened = session.open(sent)
    if opened.exists and (there := session.seek(wanted, opened)) is not None:
        return there
    told = session.append(sent, mail.octets, mail.sent_at)
    if told is not None and session.client.offers("UIDPLUS"):
        return ImapName(sent.path, *told, mail.message_id)
    return session.seek(wanted, session.open(sent)) or wanted


def change(session: ImapSession, reference: Reference, wanted: Change) -> str | None:
    """Mark, move, copy or delete a mail; what names it now."""
    match wanted:
        case Mark():
            return str(_mark(session, reference, wanted))
        case Transfer():
            moved = _transfer(session, reference, wanted)
            return str(moved) if moved else None
        case Deletion():
            found = _found(session, reference, readonly=False)
            if found.row is not None:
                _delete(session, found.row.uid)
            return None


def _mark(session: ImapSession, reference: Reference, mark: Mark) -> ImapName:
    found = _found(session, reference, readonly=False)
    if found.row is None:
        raise _gone(session, found.name)
    with session.watch.step("store"):
        session.client.store(found.row.uid, *_MARKS[mark])
    return found.name


def _transfer(session: ImapSession, reference: Reference, wanted: Transfer) -> ImapName | None:
    target = session.folder(wanted.target, create=wanted.create)
    try:
        found = _found(session, reference, readonly=wanted.copy)
    except MailboxError as error:
        if error.code is not ErrorCode.MESSAGE_NOT_FOUND or not (known := _known(reference)):
            raise
        if (there := session.seek(known, session.open(target))) is None:
            raise
        return there
    if found.opened.folder.path == target.path:
        return found.name
    if found.row is None:
        there = session.seek(found.name, session.open(target))
        if there is None:
            raise _gone(session, found.name)
        return there
    if wanted.copy:
        return _copy(session, found, found.row, target)
    return _move(session, found, found.row, target)


def _known(reference: Reference) -> ImapName | None:
    """What a mail that a Message-ID names is known by."""
    name = read_name(reference.text)
    return ImapName("", 0, 0, name.text) if isinstance(name, MessageId) else None


def _copy(session: ImapSession, found: _Found, row: Row, target: Folder) -> ImapName | None:
    """Copy a mail unless the folder has it already: an earlier attempt may have copied it.

    A sender chooses the Message-ID, so that another mail there may have the same. A copy keeps the moment of
    arrival too (RFC 9051 section 6.4.7).
    """
    opened = session.open(target)
    there = session.seek(found.name, opened)
    if there is not None and _alike(session.row(there.uid), row):
        return there
    session.open(found.opened.folder)
    return _transferred(session, found, target, "COPY")


def _move(session: ImapSession, found: _Found, row: Row, target: Folder) -> ImapName | None:
    if session.client.offers("MOVE"):
        return _transferred(session, found, target, "MOVE")
    there = _copy(session, found, row, target)
    session.open(found.opened.folder, readonly=False)
    _delete(session, row.uid)
    return there


def _alike(one: Row | None, other: Row) -> bool:
    return one is not None and (one.size, one.received_at) == (other.size, other.received_at)


def _transferred(session: ImapSession, found: _Found, target: Folder, command: str) -> ImapName | None:
    with session.watch.step(command.lower()):
        told = session.client.transfer(command, found.name.uid, session.spelled(target))
    name = found.name
    if told is not None and session.client.offers("UIDPLUS"):
        return ImapName(target.path, *told, name.message_id, name.size, name.received)
    return session.seek(name, session.open(target))


def _delete(session: ImapSession, uid: int) -> None:
    """Remove one mail of the folder that is selected, and no other that is marked as deleted."""
    if session.client.offers("UIDPLUS"):
        with session.watch.step("store"):
            session.client.store(uid, "+FLAGS", "\\Deleted")
        with session.watch.step("expunge"):
            session.client.expunge_uid(uid)
        return
    # EXPUNGE removes every mail with the flag: the others lose it for a moment.
    others = [other for other in session.search([b"DELETED"]) if other != uid]
    with session.watch.step("store"):
        for other in others:
            session.client.store(other, "-FLAGS", "\\Deleted")
        session.client.store(uid, "+FLAGS", "\\Deleted")
    with session.watch.step("expunge"):
        session.client.begin()
        session.client.expunge()
    with session.watch.step("store"):
        for other in others:
            session.client.store(other, "+FLAGS", "\\Deleted")


def _found(session: ImapSession, reference: Reference, *, readonly: bool) -> _Found:
    """Find a mail and select its folder.

    Raises:
        MailboxError: ``MESSAGE_NOT_FOUND``: it never was there, as far as the server knows.
    """
    name = read_name(reference.text)
    match name:
        case ImapName():
            return _named(session, name, readonly=readonly)
        case MessageId(text):
            return _by_message_id(session, text, reference.folders, readonly=readonly)
    raise InputError(FIELD, "names a mail of another kind of mailbox (POP3 or Graph), not of this one (IMAP)")


def _named(session: ImapSession, name: ImapName, *, readonly: bool) -> _Found:
    opened = session.open(session.folder(name.folder), readonly=readonly)
    if opened.validity != name.validity:
        # The folder was made anew, and with it every UID (RFC 9051 section 2.3.1.1).
        there = session.seek(name, opened)
        if there is None:
            raise _gone(session, name)
        name = there
    row = session.row(name.uid)
    if row is None and opened.next_uid and name.uid >= opened.next_uid:
        raise _gone(session, name)
    return _Found(opened, name if row is None else session.name(opened, row), row)


def _by_message_id(session: ImapSession, text: str, folders: tuple[str, ...], *, readonly: bool) -> _Found:
    wanted = ImapName("", 0, 0, text)
    for folder in session.chosen(Listing(folders)):
        opened = session.open(folder, readonly=readonly)
        if opened.exists and (name := session.seek(wanted, opened)) is not None:
            row = session.row(name.uid)
            if row is not None:
                return _Found(opened, name, row)
    raise _gone(session, wanted)


def _gone(session: ImapSession, name: ImapName) -> MailboxError:
    where = f"in {name.folder}" if name.folder else "in the folders that were searched"
    text = f"There is no such mail {where}; it was moved or deleted, or the id belongs to another mailbox."
    return MailboxError(ErrorCode.MESSAGE_NOT_FOUND, text, server=session.watch.server, phase="fetch")
