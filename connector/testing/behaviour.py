"""Define how a test server misbehaves: rules name a verb and the action that replaces the good reply.

The rules are separate from the server, so that a test reads as a table of verbs and faults::

    Behaviour().on(Verb.RCPT, Say(450, "4.2.0 Greylisted"), times=1).on(Verb.DOT, Drop())
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum


class Verb(StrEnum):
    """A point in the dialogue at which the server replies, or could."""

    CONNECT = "connect"
    EHLO = "ehlo"
    HELO = "helo"
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"
    AUTH = "auth"
    CREDENTIALS = "credentials"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    DOT = "dot"
    RSET = "rset"
    NOOP = "noop"
    QUIT = "quit"


@dataclass(frozen=True, slots=True, init=False)
class Say:
    """Reply with this code and text instead of the good reply.

    Args:
        code: Three digits; a 354 at ``DATA`` opens the content, a 2xx at ``DOT`` keeps the mail.
        lines: The text; several lines make a multi-line reply.
        close: Close the connection after the reply.
    """

    code: int
    lines: tuple[str, ...]
    close: bool

    def __init__(self, code: int, *lines: str, close: bool = False) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "lines", lines or ("",))
        object.__setattr__(self, "close", close)


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without a reply."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection (TCP RST) without a reply."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Stay connected without reading or replying until the server is closed."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait for an event, then continue normally.

    Attributes:
        until: Set it to let the server continue.
        reached: The server sets it when it starts to wait.
    """

    until: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait for this number of seconds, then continue normally."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Garbage:
    """Send these octets unchanged instead of a reply; then, optionally, stay silent."""

    data: bytes = b"\x16\x03\x01 what is this?\r\n"
    then_silent: bool = False


@dataclass(frozen=True, slots=True)
class Bytewise:
    """Give the good reply in packets of one octet each."""


@dataclass(frozen=True, slots=True)
class Append:
    """Give the good reply, followed by these octets in the same packet (RFC 3207 section 6: injection)."""

    data: bytes


Action = Say | Drop | Reset | Silence | Hold | Delay | Garbage | Bytewise | Append


@dataclass(slots=True)
class Rule:
    """One action at one verb.

    Attributes:
        containing: Applies only to commands whose line contains this text, such as a recipient's address.
        times: How often it applies before the server behaves well; ``None`` means always.
        after: At ``CONTENT``, the number of octets of content to read first.
        keep: At ``DOT``, keep the mail although the reply does not say so; at ``CONTENT``, reply to the dot
            and keep the mail although it was refused before. Without it, a refusal at ``CONTENT`` is final,
            and the dot gets no second reply.
    """

    verb: Verb
    action: Action
    containing: str = ""
    times: int | None = None
    after: int = 1
    keep: bool = False

    def applies(self, verb: Verb, line: str) -> bool:
        """Return whether this rule applies to the command."""
        return self.verb is verb and self.times != 0 and self.containing in line

    @property
    def keeps_mail(self) -> bool:
        """Return whether a mail may count as received if this rule applies to its content or dot."""
        match self.action:
            case Say(code=code):
                return self.keep or 200 <= code < 300
            case Hold() | Delay() | Bytewise() | Append():
                return True
        return self.keep


@dataclass(slots=True)
class Behaviour:
    """An ordered list of rules; the first one that applies decides. Without one the server behaves well."""

    rules: list[Rule] = field(default_factory=list)

    def on(  # noqa: PLR0913 - each is one condition of a rule, always given by name
        self,
        verb: Verb,
        action: Action,
        *,
        containing: str = "",
        times: int | None = None,
        after: int = 1,
        keep: bool = False,
    ) -> Behaviour:
        """Add a rule with the conditions of :class:`Rule`, and return this behaviour for chaining."""
        self.rules.append(Rule(verb, action, containing, times, after, keep))
        return self

    def take(self, verb: Verb, line: str = "") -> Rule | None:
        """Return the rule for this command, and count its use."""
        rule = next((rule for rule in self.rules if rule.applies(verb, line)), None)
        if rule is not None and rule.times is not None:
            rule.times -= 1
        return rule


@dataclass(frozen=True, slots=True)
class Offer:
    """The extensions that EHLO announces; STARTTLS also needs a context, AUTH also needs users.

    Attributes:
        size: The enforced SIZE limit in octets (RFC 1870); 0 announces no limit, ``None`` no SIZE.
        auth: The AUTH mechanisms; the server implements PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER.
        recipients: The limit of one transaction, enforced with 452 and not announced.
    """

    pipelining: bool = True
    size: int | None = 52_428_800
    eight_bit: bool = True
    smtputf8: bool = True
    dsn: bool = True
    enhanced_status_codes: bool = True
    starttls: bool = True
    auth: tuple[str, ...] = ("PLAIN", "LOGIN")
    recipients: int | None = None

    def lines(self, *, starttls: bool, auth: bool) -> list[str]:
        """Return the keyword lines of an EHLO reply."""
        announced = {
            "PIPELINING": self.pipelining,
            f"SIZE {self.size}": self.size is not None,
            "8BITMIME": self.eight_bit,
            "SMTPUTF8": self.smtputf8,
            "DSN": self.dsn,
            "ENHANCEDSTATUSCODES": self.enhanced_status_codes,
            "STARTTLS": self.starttls and starttls,
            f"AUTH {' '.join(self.auth)}": bool(self.auth) and auth,
        }
        return [line for line, offered in announced.items() if offered]

    def mail_parameters(self) -> set[str]:
        """Return the parameters that MAIL may have."""
        by_extension = {
            "SIZE": self.size is not None,
            "BODY": self.eight_bit,
            "SMTPUTF8": self.smtputf8,
            "RET": self.dsn,
            "ENVID": self.dsn,
        }
        return {name for name, offered in by_extension.items() if offered}

    def rcpt_parameters(self) -> set[str]:
        """Return the parameters that RCPT may have."""
        return {"NOTIFY", "ORCPT"} if self.dsn else set()
