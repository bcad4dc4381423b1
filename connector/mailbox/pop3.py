"""Mailboxes over POP3 (RFC 1939, RFC 2449, RFC 2595, RFC 5034).

Not poplib: it refuses a line of more than 2,048 octets, and mails have longer ones. A session sees the
mailbox as it was when it began and locks it, so that each operation has one of its own. POP3 knows one folder
and no flags; what needs more is refused by name.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from connector.auth.bearer import BEARER_MECHANISMS, BearerLogin, TokenRefusal
from connector.errors import ErrorCode, InputError, MailboxError, Phase
from connector.mailbox.connection import Door, EndedError, Limits, RefusedError, Watch
from connector.mailbox.criteria import Candidate, Criterion, Has, matches, mentions, needs_text
from connector.mailbox.paging import FIELD as PAGE
from connector.mailbox.paging import read_page, write_page
from connector.mailbox.port import WHOLE, Change, Deletion, Folder, Letter, Listing, Page, Reference, Role
from connector.mailbox.reading.fields import values_of
from connector.mailbox.reading.mail import read_mail
from connector.mailbox.reading.mime import read_message
from connector.mailbox.reading.summary import Summary, first_message_id, summarize, with_preview
from connector.mailbox.references import FIELD as MESSAGE
from connector.mailbox.references import MessageId, Pop3Name, read_name
from connector.model.incoming import Incoming
from connector.model.server import Security

_INBOX = Folder("INBOX", "INBOX", Role.INBOX, None, None, ("INBOX",))
# How many mails are looked at for one page; a page may have fewer than were wanted, and go on all the same.
MOST_LOOKED_AT = 1_000
_PREVIEW_LINES = 60
_HEADER_OCTETS = 4 * 1024 * 1024
_LONGEST_LINE = 16 * 1024 * 1024
_WITH_PASSWORD = ("PLAIN", "USER")
# RFC 2449, RFC 3206: the mailbox is in use, or the server has trouble of its own, now.
_LATER = re.compile(r"\[(?:IN-USE|LOGIN-DELAY|SYS/TEMP)\]|\block|too many|try again", re.IGNORECASE)


class _Wire:
    """Commands and answers."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._file = connection.makefile("rb")

    def answer(self) -> str:
        """Read one line; the words after ``+OK``.

        Raises:
            RefusedError: It begins with ``-ERR``.
            EndedError: The server has closed the connection.
        """
        line = self._line()
        if line.startswith(b"+OK"):
            return line[3:].strip().decode("utf-8", "replace")
        if line.startswith(b"-ERR"):
            raise RefusedError(line[4:].strip().decode("utf-8", "replace"))
        raise ValueError("no POP3 answer")

    def ask(self, command: str) -> str:
        """Say a command and read its answer."""
        self._socket.sendall(command.encode() + b"\r\n")
        return self.answer()

    def lines(self, command: str, most: int) -> list[bytes]:
        """Say a command and read its answer of many lines, with their ends, at most so many octets."""
        self.ask(command)
        found: list[bytes] = []
        while (line := self._line()) != b".\r\n":
            found.append(line[1:] if line.startswith(b".") else line)
            most -= len(line)
            if most < 0:
                raise _TooLargeError
        return found

    def authenticate(self, mechanism: str, *messages: bytes) -> None:
        """Log in by SASL in several steps (RFC 5034), since servers limit the length of a line."""
        self._socket.sendall(f"AUTH {mechanism}\r\n".encode())
        line = self._line()
        said = b""
        for message in messages:
            if not line.startswith(b"+ ") and line.strip() != b"+":
                break
            said = line[2:]
            self._socket.sendall(base64.b64encode(message) + b"\r\n")
            line = self._line()
        if not line.startswith(b"+OK"):
            raise _SaslRefusedError(line.removeprefix(b"-ERR").strip().decode("utf-8", "replace"), said)

    def close(self) -> None:
        """Close the connection without a word."""
        self._file.close()
        self._socket.close()

    def replaced(self, connection: socket.socket) -> None:
        """Go on over TLS; what came in clear is forgotten."""
        self._file.close()
        self._socket = connection
        self._file = connection.makefile("rb")

    def _line(self) -> bytes:
        line = self._file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise EndedError("")
        return line


class _SaslRefusedError(RefusedError):
    """A login is refused; the challenge before, in base64, says more."""

    def __init__(self, words: str, challenge: bytes) -> None:
        super().__init__(words)
        self.challenge = challenge


class _TooLargeError(ValueError):
    """An answer is larger than it may be."""


class _Pop3Watch(Watch):
    def refused(self, words: str, phase: str) -> MailboxError:
        if phase != "auth":
            return super().refused(words, phase)
        if _LATER.search(words):
            text = "The mail server cannot open the mailbox now; another session may hold it."
            return self.error(ErrorCode.AUTH_UNAVAILABLE, text, phase, words)
        text = "The mail server refuses the login; check user name and password."
        return self.error(ErrorCode.AUTH_FAILED, text, phase, words)


def open_pop3(
    incoming: Incoming, context: ssl.SSLContext, limits: Limits, door: Door, token: SecretStr | None
) -> Pop3Operations:
    """Connect and log in.

    Raises:
        MailboxError: It failed.
    """
    server = incoming.server
    watch = _Pop3Watch(str(server))
    connection = door.open(server, limits, watch)
    if server.security is Security.TLS:
        connection = door.encrypt(context, server, limits, Phase.TLS)
    wire = _Wire(connection)
    try:
        with watch.step("greeting"):
            wire.answer()
        if server.security in {Security.STARTTLS, Security.STARTTLS_OPTIONAL} and _stls(
            wire, incoming, watch
        ):
            wire.replaced(door.encrypt(context, server, limits, Phase.STARTTLS))
        capabilities = _capabilities(wire, watch)
        with watch.step("auth"):
            _log_in(wire, incoming, token, capabilities, watch)
    except BaseException:
        wire.close()
        raise
    return Pop3Operations(wire, watch)


def _capabilities(wire: _Wire, watch: Watch) -> frozenset[str]:
    """What the server can do, each with its words, in upper case; empty where it does not say."""
    with watch.step("capa"):
        try:
            lines = wire.lines("CAPA", _HEADER_OCTETS)
        except RefusedError:
            return frozenset()
    told = {line.decode("latin-1").strip().upper() for line in lines}
    return frozenset(word for line in told for word in _spread(line))


def _spread(line: str) -> Iterator[str]:
    """``SASL PLAIN LOGIN`` as ``SASL PLAIN`` and ``SASL LOGIN``; the first word of any other."""
    first, *others = line.split() or [""]
    yield first
    if first == "SASL":
        yield from (f"SASL {mechanism}" for mechanism in others)


def _stls(wire: _Wire, incoming: Incoming, watch: Watch) -> bool:
    if "STLS" not in _capabilities(wire, watch):
        if incoming.server.security is Security.STARTTLS_OPTIONAL:
            return False
        text = "The mail server does not offer STLS; use security tls with its port, usually 995."
        raise watch.error(ErrorCode.TLS_NOT_OFFERED, text, "starttls")
    with watch.step("starttls"):
        wire.ask("STLS")
    return True


def _log_in(
    wire: _Wire, incoming: Incoming, token: SecretStr | None, capabilities: frozenset[str], watch: Watch
) -> None:
    username, password = incoming.server.username or "", incoming.server.password
    possible = _WITH_PASSWORD if token is None else BEARER_MECHANISMS
    mechanism = next(
        (
            name
            for name in incoming.mechanisms or possible
            if name in possible and (name == "USER" or f"SASL {name}" in capabilities)
        ),
        None,
    )
    if mechanism is None:
        text = "The mail server offers none of the ways to log in that are allowed here"
        raise watch.impossible(f"{text} ({', '.join(incoming.mechanisms or possible)}).")
    if token is not None:
        server = incoming.server
        login = BearerLogin(mechanism, username, token, server.hostname, server.port)
        try:
            wire.authenticate(mechanism, login.message(), login.acknowledgement)
        except _SaslRefusedError as error:
            raise watch.token_refused(_refusal(error.challenge), str(error)) from error
    elif password is None:
        raise watch.impossible("The mailbox needs a user name with a password, or oauth.")
    elif mechanism == "PLAIN":
        wire.authenticate("PLAIN", f"\0{username}\0{password.get_secret_value()}".encode())
    else:
        wire.ask(f"USER {username}")
        wire.ask(f"PASS {password.get_secret_value()}")


def _refusal(challenge: bytes) -> TokenRefusal:
    try:
        return TokenRefusal.read(base64.b64decode(challenge))
    except ValueError:
        return TokenRefusal()


@dataclass(frozen=True, slots=True)
class _Facts:
    """What POP3 knows of a mail: hardly anything."""

    size: int
    has_files: bool
    received_at: datetime | None = None
    unread: bool | None = None
    flagged: bool | None = None


class Pop3Operations:
    """What a task may want of a mailbox; for the thread of its connection."""

    def __init__(self, wire: _Wire, watch: Watch) -> None:
        self._wire = wire
        self._watch = watch

    @property
    def watch(self) -> Watch:
        """Whether the connection can still be used."""
        return self._watch

    def folders(self) -> tuple[Folder, ...]:
        """The one folder that there is."""
        return (Folder("INBOX", "INBOX", Role.INBOX, None, len(self._sizes()), ("INBOX",)),)

    def find(self, listing: Listing) -> Page:
        """A page of mails."""
        self._check(listing)
        ids, sizes = self._ids(), self._sizes()
        numbers = sorted(ids, reverse=listing.newest_first)
        start = _start(numbers, ids, read_page(listing))
        found: list[Summary] = []
        position = start
        while position < len(numbers) and len(found) < listing.limit and position - start < MOST_LOOKED_AT:
            number = numbers[position]
            summary = self._summary(number, ids[number], sizes.get(number, 0), listing)
            if summary is not None:
                found.append(summary)
            position += 1
        if position >= len(numbers):
            return Page(tuple(found), None)
        following = numbers[position]
        return Page(tuple(found), write_page(listing, {_INBOX.path: [ids[following], following]}))

    def read(self, reference: Reference, largest: int, *, mark: bool) -> Letter:
        """A mail with its texts and attachments."""
        if mark:
            raise InputError("mailboxMarkRead", "POP3 knows no flags; leave it out, or use imap")
        number, uidl = self._number(reference)
        size = self._sizes().get(number, 0)
        octets = self._retrieved(number, size, largest)
        message = read_message(octets)
        mail = read_mail(message)
        values = values_of(message.header)
        facts = _Facts(size, any(not file.inline for file in mail.files))
        return Letter(summarize(values, str(Pop3Name(uidl)), _INBOX.path, facts), mail)

    def change(self, reference: Reference, change: Change) -> str | None:
        """Delete a mail: all that POP3 can do."""
        if not isinstance(change, Deletion):
            raise InputError("mailboxOperation", "POP3 can only list, search, read and delete; use imap")
        try:
            number, _ = self._number(reference)
        except MailboxError as error:
            if error.code is ErrorCode.MESSAGE_NOT_FOUND and isinstance(read_name(reference.text), Pop3Name):
                return None  # an earlier attempt has deleted it
            raise
        with self._watch.step("dele"):
            self._wire.ask(f"DELE {number}")
        with self._watch.step("quit"):
            self._watch.broken = True  # nothing else can be said afterwards
            self._wire.ask("QUIT")  # only now it is deleted (RFC 1939 section 6)
        return None

    def leave(self) -> None:
        """End the session."""
        with self._watch.step("quit"):
            self._wire.ask("QUIT")

    def close(self) -> None:
        """Close the connection without a word."""
        self._wire.close()

    # --- mails --------------------------------------------------------------------------------------

    def _check(self, listing: Listing) -> None:
        for folder in listing.folders:
            if folder == WHOLE:
                raise InputError("mailboxFolder", "POP3 has one folder only; leave it out, or use imap")
            if folder.upper() != _INBOX.path:
                text = f"POP3 has no folder {folder[:100]!r}, only INBOX; use imap."
                raise self._watch.error(ErrorCode.FOLDER_NOT_FOUND, text, "list")
        if listing.criterion is not None and mentions(listing.criterion, Has):
            raise InputError("mailboxSearch", "POP3 knows no flags: unread and flagged need imap")

    def _summary(self, number: int, uidl: str, size: int, listing: Listing) -> Summary | None:
        """What a list shows of a mail; None where it is not what the search wants."""
        whole = listing.criterion is not None and needs_text(listing.criterion)
        octets = self._beginning(number, whole=whole, preview=listing.preview)
        message = read_message(octets)
        values = values_of(message.header)
        mixed = values.get("content-type", "").lower().startswith(("multipart/mixed", "application/"))
        summary = summarize(values, str(Pop3Name(uidl)), _INBOX.path, _Facts(size, mixed))
        text = read_mail(message).text if whole or listing.preview else ""
        if not _wanted(listing.criterion, Candidate(summary, values, text)):
            return None
        return with_preview(summary, text) if listing.preview else summary

    def _beginning(self, number: int, *, whole: bool, preview: bool) -> bytes:
        """The header of a mail, and as much of the rest as is needed."""
        with self._watch.step("top"):
            if not whole:
                try:
                    lines = _PREVIEW_LINES if preview else 0
                    return b"".join(self._wire.lines(f"TOP {number} {lines}", _LONGEST_LINE))
                except RefusedError:  # TOP is optional (RFC 1939 section 7)
                    pass
            return b"".join(self._wire.lines(f"RETR {number}", _LONGEST_LINE))

    def _retrieved(self, number: int, size: int, largest: int) -> bytes:
        if size > largest:
            raise self._watch.too_large(size, largest)
        with self._watch.step("retr"):
            try:
                # Line ends and stuffed dots make it a little larger than its size.
                return b"".join(self._wire.lines(f"RETR {number}", largest + largest // 4 + 1_000))
            except _TooLargeError:
                self._watch.broken = True
                raise self._watch.too_large(largest + 1, largest) from None

    def _number(self, reference: Reference) -> tuple[int, str]:
        """The number of a mail in this session, and its unique id."""
        name = read_name(reference.text)
        ids = self._ids()
        if isinstance(name, Pop3Name):
            found = next((number for number, uidl in ids.items() if uidl == name.uidl), None)
        elif isinstance(name, MessageId):
            found = self._by_message_id(name.text, ids)
        else:
            text = "names a mail of another kind of mailbox (IMAP or Graph), not of this one (POP3)"
            raise InputError(MESSAGE, text)
        if found is None:
            text = (
                "There is no such mail in the mailbox; it was deleted, or the id belongs to another mailbox."
            )
            raise self._watch.error(ErrorCode.MESSAGE_NOT_FOUND, text, "uidl")
        return found, ids[found]

    def _by_message_id(self, wanted: str, ids: dict[int, str]) -> int | None:
        for number in sorted(ids, reverse=True)[:MOST_LOOKED_AT]:
            values = values_of(self._beginning(number, whole=False, preview=False))
            if first_message_id(values.get("message-id")) == wanted:
                return number
        return None

    def _ids(self) -> dict[int, str]:
        with self._watch.step("uidl"):
            rows = (line.split() for line in self._wire.lines("UIDL", _LONGEST_LINE))
            return {int(row[0]): row[1].decode("latin-1") for row in rows}

    def _sizes(self) -> dict[int, int]:
        with self._watch.step("list"):
            rows = (line.split() for line in self._wire.lines("LIST", _LONGEST_LINE))
            return {int(row[0]): int(row[1]) for row in rows}


def _wanted(criterion: Criterion | None, candidate: Candidate) -> bool:
    return criterion is None or matches(criterion, candidate)


def _start(numbers: list[int], ids: dict[int, str], places: dict[str, object]) -> int:
    """Where a page begins: at the mail that was to be the next one, else at its former number."""
    if not places:
        return 0
    match places.get(_INBOX.path):
        case [str(uidl), int(number)]:
            known = (place for place, one in enumerate(numbers) if ids[one] == uidl)
            descending = len(numbers) > 1 and numbers[0] > numbers[-1]
            former = (
                place for place, one in enumerate(numbers) if (one <= number if descending else one >= number)
            )
            return next(known, next(former, len(numbers)))
    raise InputError(PAGE, "is not the nextPage of an earlier result; leave it out for the first page")
