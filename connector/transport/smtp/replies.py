"""What a server says: replies out of octets (RFC 5321 section 4.2), its extensions, what may be shown.

Pure, so that every way of cutting a stream into packets can be tried without a socket. A reply is written by
the operator of a server and ends in logs, incidents and process variables: control characters and endless
text are dealt with when it is read, credentials that a server repeats when it is shown. Between the two it is
what it was, because what a reply means is decided on the original: a password such as ``1`` must not turn
``5.1.1`` into something else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from connector.errors import Reply

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
# RFC 5321 section 4.5.3.1.5 allows 512 octets a line; servers exceed it, an attacker without end.
_LONGEST_LINE = 8_192
_LONGEST_REPLY = 65_536
_USUAL_LINE = 128

# RFC 1870 section 3: 20 digits at most. Other text in its place is no limit that could be kept, and int()
# raises an error of its own for more than 4300 digits.
_SIZE_VALUE = re.compile(r"[0-9]{1,20}")
_OLD_AUTH = re.compile("^auth=", re.IGNORECASE)

SHOWN_TEXT_LENGTH = 500

_MARK = "[concealed]"
_ENHANCED = r"[245]\.\d{1,3}\.\d{1,3}(?!\S)"  # RFC 3463; says nothing of a credential that looks like it
# Shorter ones are found by chance in half of all replies, and a hole where they stood would give them away.
_SHORTEST_INSIDE = 4


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
    """Puts replies together from however the network cuts them.

    Attributes:
        pending: Part of a reply has come and not its end.
    """

    def __init__(self) -> None:
        self.pending = False
        self._unread = b""
        self._lines: list[str] = []
        self._octets = 0

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that these octets complete.

        Raises:
            MalformedReplyError: A line is no reply line, or too long.
        """
        *lines, self._unread = (self._unread + data).split(b"\n")
        for text in lines:
            line = text.rstrip(b"\r")
            reply = _usual(line) if not self._lines and len(line) <= _USUAL_LINE else None
            reply = reply or self._line(line)
            if reply is not None:
                yield reply
        self.pending = bool(self._unread or self._lines)
        if len(self._unread) > _LONGEST_LINE:
            raise MalformedReplyError("a line without end")

    def _line(self, line: bytes) -> Reply | None:
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


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The extensions of one server; none after HELO.

    Attributes:
        extensions: Parameters by keyword, in lower case.
        auth: The AUTH mechanisms, in lower case.
    """

    extensions: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, ...] = ()

    @classmethod
    def announced(cls, text: str) -> Capabilities:
        """Read the text of a positive EHLO reply (RFC 5321 section 4.1.1.1); its first line is a greeting."""
        extensions: dict[str, str] = {}
        auth: list[str] = []
        for line in filter(None, map(str.strip, text.split("\n")[1:])):
            # Some servers write AUTH=PLAIN too, or only that, from before RFC 4954.
            keyword, _, parameters = _OLD_AUTH.sub("auth ", line).partition(" ")
            extensions[keyword.lower()] = parameters
            if keyword.lower() == "auth":
                auth += parameters.lower().split()
        return cls(extensions, tuple(dict.fromkeys(auth)))

    def without(self, disabled: frozenset[str]) -> Capabilities:
        """Take away the extensions that are not to be used, named in upper case."""
        if not disabled:
            return self
        kept = {name: value for name, value in self.extensions.items() if name.upper() not in disabled}
        return Capabilities(kept, self.auth)

    @property
    def starttls(self) -> bool:
        """RFC 3207."""
        return "starttls" in self.extensions

    @property
    def pipelining(self) -> bool:
        """RFC 2920."""
        return "pipelining" in self.extensions

    @property
    def smtputf8(self) -> bool:
        """RFC 6531."""
        return "smtputf8" in self.extensions

    @property
    def eight_bit(self) -> bool:
        """RFC 6152."""
        return "8bitmime" in self.extensions

    @property
    def dsn(self) -> bool:
        """RFC 3461."""
        return "dsn" in self.extensions

    @property
    def size(self) -> bool:
        """Whether MAIL may tell the size (RFC 1870)."""
        return "size" in self.extensions

    @property
    def size_limit(self) -> int | None:
        """The largest message in octets; ``None`` where the server names no limit (RFC 1870 section 3)."""
        limit = self.extensions.get("size", "")
        return (int(limit) or None) if _SIZE_VALUE.fullmatch(limit) else None


def shortened(text: str) -> str:
    """The text, cut to what an incident can show, 500 characters; conceal first, or half a secret is left."""
    return text if len(text) <= SHOWN_TEXT_LENGTH else text[: SHOWN_TEXT_LENGTH - 1] + "…"


class Concealment:
    """Takes the credentials of a session out of what its server says; some repeat what they refuse.

    Not the user name: "not owned by user ann" is what its reader has to know. A password of less than four
    characters is concealed only where it is a whole line.

    Args:
        username: As it is sent; empty where there is no login.
        password: Likewise; or an access token.
        sent: A longer text, in base64, in which both of them go out.
    """

    def __init__(self, username: str = "", password: str = "", sent: str = "") -> None:
        found = {*_forms(username, password), *filter(None, (sent.rstrip("="),))}
        forms = sorted(found, key=len, reverse=True)  # a name may be part of a pair
        self._needed = bool(forms)
        inside = "|".join(re.escape(form) for form in forms if len(form) >= _SHORTEST_INSIDE) or "(?!)"
        alone = "|".join(map(re.escape, forms)) or "(?!)"
        # What a group has matched stays.
        self._pattern = re.compile(
            rf"^({_ENHANCED} *)(?:{alone})$|^({_ENHANCED})|^(?:{alone})$|{inside}",
            re.IGNORECASE | re.MULTILINE,
        )

    def shown(self, reply: Reply) -> Reply:
        """The reply as every reader may see it."""
        return Reply(reply.code, self.shown_text(reply.text))

    def shown_text(self, text: str) -> str:
        """Text of the server as every reader may see it, 500 characters at most."""
        return shortened(self._pattern.sub(_without, text) if self._needed else text)


def _without(match: re.Match[str]) -> str:
    return match[2] or f"{match[1] or ''}{_MARK}"


def _forms(username: str, password: str) -> set[str]:
    """The credentials in every form in which they go out, spelt as a reply that repeats them is read."""
    raw = password.splitlines()  # a reply cannot hold a line end
    encoded = [_base64(password), _base64(f"\0{username}\0{password}")] if password else []
    spelt = (printable(text.encode("utf-8", "surrogatepass")) for text in raw)
    return {form for form in (*spelt, *encoded) if form}


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii").rstrip("=")
