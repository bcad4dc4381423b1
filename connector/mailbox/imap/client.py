"""IMAPClient on a socket of ours, with what it keeps to itself: raw FETCH responses and COPYUID.

imaplib reads as much as a server sends. Here one command may bring so many octets and no more, since a
server can announce a literal of any size.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from imapclient import IMAPClient  # type: ignore[import-untyped]

MOST_OCTETS = 64 * 1024 * 1024
"""What one command may bring; mails are fetched in pieces that are smaller."""

_FETCH = re.compile(rb"\* (\d+ )FETCH ")
_APPENDED = re.compile(rb"\[APPENDUID (\d+) (\d+)\]")
ENDS_LINE = re.compile(rb"[\r\n\0]")
"""What no string of a command holds: a command of its own would begin behind it."""
_LITERAL = re.compile(rb"\{(\d+)\}\Z")

Fetched = tuple[bytes, ...]
"""The pieces of one FETCH response: text, literal, text, literal … text."""


class _Wire(imaplib.IMAP4):
    """imaplib on a connection that is open already."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = MOST_OCTETS
        self._put_back = b""
        super().__init__()

    def _create_socket(self, timeout: float | None) -> socket.socket:
        del timeout  # set where the connection was made
        return self._connection

    def allow(self, octets: int) -> None:
        """Let the next command bring so much."""
        self._left = octets

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise self.abort("the server sends more than was asked for")
        octets = super().read(size)
        if len(octets) < size:
            raise self.abort("socket error: EOF in a literal")
        return octets

    def readline(self) -> bytes:
        line = super().readline()
        self._left -= len(line)
        return line

    def _get_response(self) -> bytes | None:
        """Read a response; FETCH, of which there are thousands, without the library's six patterns."""
        line = self._get_line()
        if line[:2] != b"* " or not (fetch := _FETCH.match(line)):
            self._put_back = line
            response: bytes | None = super()._get_response()  # type: ignore[misc]  # private to imaplib
            return response
        told = fetch[1] + line[fetch.end() :]
        pieces: list[bytes] = []
        while told[-1:] == b"}" and (literal := _LITERAL.search(told)):
            pieces += (told, self.read(int(literal[1])))
            told = self._get_line()
        # Whole, where imaplib has pairs of pieces: Client.fetch_raw() alone looks at it.
        self.untagged_responses.setdefault("FETCH", []).append((*pieces, told))  # type: ignore[arg-type]
        return line

    def _get_line(self) -> bytes:
        """Read a line; the library's own keeps the representation of each, which doubles a list's time."""
        line, self._put_back = self._put_back, b""
        if line:
            return line
        line = self.readline()
        if self._left < 0:
            raise self.abort("the server sends more than was asked for")
        if line[-2:] != b"\r\n":
            raise self.abort("socket error: EOF")
        return line[:-2]


class SaslRefusedError(imaplib.IMAP4.error):
    """The server refuses a login.

    Args:
        error: What imaplib made of it.
        challenges: What the server said before.
    """

    def __init__(self, error: imaplib.IMAP4.error, challenges: list[bytes]) -> None:
        super().__init__(*error.args)
        self.challenges = challenges


class Client(IMAPClient):  # type: ignore[misc]  # the library has no type hints
    """A connection that has been greeted.

    Args:
        connection: Open, and encrypted already where security is ``tls``.
        host: For the error messages of the library.
        disabled: Extensions that count as not offered.
    """

    def __init__(self, connection: socket.socket, host: str, disabled: Iterable[str] = ()) -> None:
        self._connection = connection
        self._disabled = frozenset(name.upper() for name in disabled)
        super().__init__(host, ssl=False)
        # The library makes imaplib write every line down, logged or not: a third of the CPU of a list.
        self._imap.debug = 0
        self.folder_encode = False  # names are kept as the server spells them

    def _create_IMAP4(self) -> _Wire:  # noqa: N802 - the library's name
        return _Wire(self._connection)

    def _set_read_timeout(self) -> None:
        """Leave the time limit as it was set with the connection."""

    @property
    def preauthenticated(self) -> bool:
        """Whether the server greeted with PREAUTH."""
        return bool(self._imap.state == "AUTH")

    def offers(self, extension: str) -> bool:
        """Whether the server offers an extension and it may be used."""
        return extension not in self._disabled and bool(self.has_capability(extension))

    def begin(self, octets: int = MOST_OCTETS) -> None:
        """Forget what earlier commands have left behind; the next may bring so many octets."""
        self._imap.allow(octets)
        self._imap.untagged_responses.clear()

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Say STARTTLS and shake hands; what came in clear is forgotten."""
        self._imap.host = host  # what imaplib verifies
        self.starttls(context)

    def open_folder(self, name: bytes, *, readonly: bool) -> dict[bytes, Any]:
        """Select a folder by its name as the server spells it."""
        self.begin()
        typ, data = self._imap.select(name.decode("ascii"), readonly)
        self._checkok("select", typ, data)
        answer: dict[bytes, Any] = self._process_select_response(self._imap.untagged_responses)
        return answer

    def fetch_raw(self, messages: str, items: str, *, uid: bool, octets: int = MOST_OCTETS) -> list[Fetched]:
        """Fetch without reading the responses; :mod:`~connector.mailbox.imap.fetching` does."""
        self.begin(octets)
        typ, data = self._raw_command(b"FETCH", [messages.encode(), items.encode()], uid=uid)
        typ, data = self._imap._untagged_response(typ, data, "FETCH")  # noqa: SLF001 - as the library does
        self._checkok("FETCH", typ, data)
        # What is no FETCH with something in it is the library's to read, which leaves octets.
        return [response for response in data if isinstance(response, tuple)]

    def search_raw(self, criteria: Sequence[bytes], *, uid: bool = True) -> list[int]:
        """Search; text that is not ASCII is said to be UTF-8."""
        self.begin()
        charset = [] if all(map(bytes.isascii, criteria)) else [b"CHARSET", b"UTF-8"]
        data = self._raw_command_untagged(b"SEARCH", [*charset, *criteria], unpack=True, uid=uid)
        return sorted(map(int, data.split())) if data else []

    def store(self, uid: int, change: str, flag: str) -> None:
        """Set or take away a flag."""
        self.begin()
        typ, data = self._imap.uid("STORE", str(uid), f"{change}.SILENT", f"({flag})")
        self._checkok("STORE", typ, data)

    def transfer(self, command: str, uid: int, folder: bytes) -> tuple[int, int] | None:
        """Copy or move a mail.

        Returns:
            UIDVALIDITY and UID in the new place, where the server tells (RFC 4315).
        """
        self.begin()
        typ, data = self._imap.uid(command, str(uid), folder.decode("ascii"))
        self._checkok(command, typ, data)
        told = self._imap.untagged_responses.get("COPYUID")
        parts = told[-1].split() if told and told[-1] else []
        numbers = [int(part) for part in parts if part.isdigit()]
        return (numbers[0], numbers[2]) if len(numbers) == 3 else None

    def file(self, folder: bytes, octets: bytes, at: datetime) -> tuple[int, int] | None:
        """Put a mail into a folder, as one that was read.

        Returns:
            UIDVALIDITY and UID, where the server tells (RFC 4315).
        """
        self.begin()
        told = _APPENDED.search(self.append(folder, octets, (b"\\Seen",), at))
        return (int(told[1]), int(told[2])) if told else None

    def expunge_uid(self, uid: int) -> None:
        """Remove one mail that is marked as deleted (RFC 4315)."""
        self.begin()
        typ, data = self._imap.uid("EXPUNGE", str(uid))
        self._checkok("EXPUNGE", typ, data)

    def authenticate(self, mechanism: str, *messages: bytes) -> None:
        """Log in by SASL in several steps, since servers limit the length of a line.

        Args:
            mechanism: Its name.
            messages: What the server is told at each of its challenges.

        Raises:
            SaslRefusedError: The server refuses the login.
        """
        answers = iter(messages)
        challenges: list[bytes] = []

        def answer(challenge: bytes) -> bytes:
            challenges.append(challenge)
            return next(answers, b"")

        self.begin()
        try:
            typ, data = self._imap.authenticate(mechanism, answer)
            self._checkok("AUTHENTICATE", typ, data)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            raise SaslRefusedError(error, challenges) from error

    def log_in(self, username: str, password: str) -> None:
        """Log in by LOGIN, for servers without AUTH=PLAIN."""
        self.begin()
        words = (quoted(word.encode("ascii")).decode() for word in (username, password))
        typ, data = self._imap._simple_command("LOGIN", *words)  # noqa: SLF001 - login() quotes one of them only
        self._checkok("LOGIN", typ, data)
        self._imap.state = "AUTH"

    def say_farewell(self) -> None:
        """Log out without looking at the answer."""
        self._imap.logout()

    def close(self) -> None:
        """Close the connection without a word."""
        with suppress(OSError):
            self._imap.shutdown()


def quoted(text: bytes) -> bytes:
    """Write a string for a command; one that is not ASCII is sent as a literal, which is not quoted.

    Raises:
        ValueError: It holds the end of a line, after which a command of its own would begin.
    """
    if ENDS_LINE.search(text):
        raise ValueError("no string of a command holds the end of a line")
    if not text.isascii():
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
