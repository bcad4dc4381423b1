"""A server's replies: octets in, whole :class:`~connector.errors.Reply` values out (RFC 5321 section 4.2).

Pure, so that every way of cutting a stream into packets can be tried without a socket. A reply is written
by whoever runs the server and ends in logs, incidents and process variables, so everything dangerous is
taken out here: control characters, length, and credentials that a server repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connector.errors import Reply

SHOWN_TEXT_LENGTH = 500

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
# RFC 5321 section 4.5.3.1.5 allows 512 octets a line; servers exceed it, an attacker without end.
_LONGEST_LINE = 8_192
_LONGEST_REPLY = 65_536
_CONCEALED = b"[concealed]"


class MalformedReplyError(Exception):
    """What the server sent is no SMTP reply; the connection is of no further use."""


def shortened(reply: Reply) -> Reply:
    """The reply with its text cut to what an incident can show, 500 characters."""
    if len(reply.text) <= SHOWN_TEXT_LENGTH:
        return reply
    return Reply(reply.code, reply.text[: SHOWN_TEXT_LENGTH - 1] + "…")


def _printable(octets: bytes) -> str:
    """Text fit for any log: what Unicode calls not printable (U+2028, bidi marks) is replaced."""
    text = octets.decode("utf-8", "replace").replace("\t", " ").strip()
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


class ReplyParser:
    """Puts replies together from however the network cuts them."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._lines: list[str] = []
        self._octets = 0
        self._secrets: tuple[bytes, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether part of a reply has come and not its end."""
        return bool(self._unread or self._lines)

    def conceal(self, *secrets: bytes) -> None:
        """Take these octets out of every later reply: some servers repeat the command that they refuse."""
        # Longest first: a user name may be part of the encoded pair.
        self._secrets = tuple(sorted(filter(None, {*self._secrets, *secrets}), key=len, reverse=True))

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that these octets complete.

        Raises:
            MalformedReplyError: A line is no reply line, or too long.
        """
        self._unread += data
        while (end := self._unread.find(b"\n")) >= 0:
            line = bytes(self._unread[:end]).rstrip(b"\r")
            del self._unread[: end + 1]
            if (reply := self._line(line)) is not None:
                yield reply
        if len(self._unread) > _LONGEST_LINE:
            raise MalformedReplyError("a line without end")

    def _line(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line)
        self._octets += len(line)
        if match is None or len(line) > _LONGEST_LINE or self._octets > _LONGEST_REPLY:
            raise MalformedReplyError("no SMTP reply" if match is None else "a reply without end")
        self._lines.append(_printable(self._concealed(match[3] or b"")))
        if match[2] == b"-":
            return None
        # A server that changes the code between lines means the last one, as Postfix reads it.
        reply = Reply(int(match[1]), "\n".join(self._lines))
        self._lines, self._octets = [], 0
        return reply

    def _concealed(self, text: bytes) -> bytes:
        for secret in self._secrets:
            text = text.replace(secret, _CONCEALED)
        return text
