"""What a server said it can do: an EHLO reply (RFC 5321 section 4.1.1.1) in, answers to questions out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiosmtplib.esmtp import parse_esmtp_extensions

# RFC 1870 section 3: 20 digits at most. Whatever else a server writes there is no limit that could be kept,
# and int() raises an error of its own for more than 4300 digits.
_SIZE_VALUE = re.compile(r"[0-9]{1,20}")


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
        """Read the text of a positive EHLO reply."""
        extensions, auth = parse_esmtp_extensions(text)
        return cls(extensions, tuple(dict.fromkeys(auth)))

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
