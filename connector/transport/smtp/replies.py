"""A server's replies: octets in, whole :class:`~connector.errors.Reply` values out (RFC 5321 section 4.2).

Pure, so that every way of cutting a stream into packets can be tried without a socket. A reply is written
by whoever runs the server and ends in logs, incidents and process variables: control characters and endless
text are dealt with here, credentials that a server repeats in :mod:`~connector.transport.smtp.concealment`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from connector.errors import Reply

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
# RFC 5321 section 4.5.3.1.5 allows 512 octets a line; servers exceed it, an attacker without end.
_LONGEST_LINE = 8_192
_LONGEST_REPLY = 65_536
_USUAL_LINE = 128


class MalformedReplyError(Exception):
    """What the server sent is no SMTP reply; the connection is of no further use."""


def printable(octets: bytes) -> str:
    """Text fit for any log: what Unicode calls not printable (U+2028, bidi marks) is replaced."""
    text = octets.decode("utf-8", "replace").replace("\t", " ").strip()
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


@lru_cache(maxsize=256)
def _usual(line: bytes) -> Reply | None:
    """A reply of one short line: a server says the same few again and again, three of four for each mail."""
    match = _LINE.fullmatch(line)
    return Reply(int(match[1]), printable(match[3] or b"")) if match and match[2] != b"-" else None


class ReplyParser:
    """Puts replies together from however the network cuts them."""

    def __init__(self) -> None:
        self._unread = b""
        self._lines: list[str] = []
        self._octets = 0

    @property
    def pending(self) -> bool:
        """Whether part of a reply has come and not its end."""
        return bool(self._unread or self._lines)

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that these octets complete.

        Raises:
            MalformedReplyError: A line is no reply line, or too long.
        """
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            if (reply := self._line(line.rstrip(b"\r"))) is not None:
                yield reply
        if len(self._unread) > _LONGEST_LINE:
            raise MalformedReplyError("a line without end")

    def _line(self, line: bytes) -> Reply | None:
        if not self._lines and len(line) <= _USUAL_LINE and (reply := _usual(line)) is not None:
            return reply
        match = _LINE.fullmatch(line)
        self._octets += len(line)
        if match is None or len(line) > _LONGEST_LINE or self._octets > _LONGEST_REPLY:
            raise MalformedReplyError("no SMTP reply" if match is None else "a reply without end")
        code, separator, octets = match.groups(b"")
        self._lines.append(printable(octets))
        if separator == b"-":
            return None
        # A server that changes the code between lines means the last one, as Postfix reads it.
        reply = Reply(int(code), "\n".join(self._lines))
        self._lines, self._octets = [], 0
        return reply
