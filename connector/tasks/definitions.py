"""What an input's definition says, and the parts that the tables of several task types share.

A table is one for readers, element templates and reference. No value is read here: a reader asks for a
variable by the name that stands in its table, so that an input without a definition cannot exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Self

from connector.model.server import Security


class Kind(StrEnum):
    """How a value is written."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    LIST = "list"
    CONTEXT = "context"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Definition:
    """One input variable, or one key of a context.

    Attributes:
        name: As a diagram writes it.
        meaning: What it does, in one line.
        required: A task without it is refused; a condition is told by the meaning.
        allowed: The words that are accepted, in any case; empty when there is no such set.
        default: What holds when it is not given, as the reference shows it.
        aliases: Other names for the same thing.
        members: The keys of a context, or of the contexts in a list.
        available: Whether this version can honour it; otherwise it is refused, never ignored.
    """

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    default: str | None = None
    aliases: tuple[str, ...] = ()
    members: Definitions = field(default_factory=lambda: NO_DEFINITIONS)
    available: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)


class Definitions(tuple[Definition, ...]):
    """A table of inputs, made once and asked for every job."""

    def __new__(cls, *definitions: Definition) -> Self:
        """Make a table of these."""
        return super().__new__(cls, definitions)

    @cached_property
    def by_name(self) -> Mapping[str, Definition]:
        """The definitions by name, without aliases."""
        return {definition.name: definition for definition in self}

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """The name that each alias stands for."""
        return {alias: definition.name for definition in self for alias in definition.aliases}

    @cached_property
    def unavailable(self) -> tuple[str, ...]:
        """The names of those that this version cannot honour."""
        return tuple(definition.name for definition in self if not definition.available)


NO_DEFINITIONS: Definitions = Definitions()

# None is `auto`, which is settled by port and host name.
SECURITY: MappingProxyType[str, Security | None] = MappingProxyType(
    {"auto": None, **{way.value: way for way in Security}}
)

_OAUTH_MEMBERS = Definitions(
    Definition(
        "provider",
        Kind.CHOICE,
        "`microsoft`, whose addresses and scope are known, or `custom`.",
        allowed=("microsoft", "custom"),
        default="custom",
    ),
    Definition("tenant", Kind.TEXT, "Microsoft's tenant: its id, or a domain of it."),
    Definition("tokenUrl", Kind.TEXT, "Token endpoint of a custom provider."),
    Definition("clientId", Kind.TEXT, "The application's id.", required=True),
    Definition("clientSecret", Kind.TEXT, "Its secret, best as secrets.NAME.", required=True),
    Definition("scopes", Kind.LIST, "What is asked for, where the provider does not fix it."),
    Definition("parameters", Kind.CONTEXT, "Further parameters of the request, as {audience: …}."),
)

OAUTH = Definition(
    "oauth",
    Kind.CONTEXT,
    "OAuth client credentials in place of a password; username is the mailbox.",
    members=_OAUTH_MEMBERS,
)
