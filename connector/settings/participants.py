"""Addresses by role: who stands behind ``role:NAME`` where a task does not say.

Apart from the accounts because a role belongs to a process or a tenant, and not to the sending account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from connector.errors import InputError
from connector.model.addresses import parse_mailbox
from connector.settings.process_ids import matches, precedence
from connector.settings.values import Section

ROLE = re.compile(r"[\w.-](?:[\w .-]{0,98}[\w.-])?")


def _listed(addresses: Any) -> Any:
    return [one.strip() for one in addresses.split(",")] if isinstance(addresses, str) else addresses


Addresses = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _named(roles: Any) -> Any:
    """Take a name of digits as text; YAML reads it as a number."""
    return {str(name): given for name, given in roles.items()} if isinstance(roles, dict) else roles


def _roles(roles: dict[str, Addresses]) -> dict[str, Addresses]:
    for name, addresses in roles.items():
        if not ROLE.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is no name of a role; use letters, digits, blanks, . _ and -")
        for address in addresses:
            _check(name, address)
    return roles


def _check(role: str, address: str) -> None:
    try:
        parse_mailbox(address, role)
    except InputError as error:
        raise ValueError(error.message) from None


class ParticipantSettings(Section):
    """The roles of some processes or tenants, or of all."""

    process_ids: tuple[str, ...] = Field(
        (),
        description="BPMN process ids, or patterns such as mortgage-*, that have these roles; empty for all.",
    )
    tenants: tuple[str, ...] = Field((), description="Tenants that have these roles; empty for all.")
    roles: Annotated[dict[str, Addresses], BeforeValidator(_named), AfterValidator(_roles)] = Field(
        min_length=1,
        description="Addresses by role, as {caseManager: anna@example.com, team: [ben@example.com]}.",
    )

    def fit(self, process_id: str, tenant: str) -> tuple[bool, int, bool] | None:
        """How closely a job fits: by its process id, by a pattern, by its tenant; None where it does not."""
        found = [precedence(text) for text in self.process_ids if matches(text, process_id)]
        if (self.process_ids and not found) or (self.tenants and tenant not in self.tenants):
            return None
        exact, length = max(found, default=(False, 0))
        return exact, length, bool(self.tenants)


def participants_of(
    groups: Sequence[ParticipantSettings], process_id: str, tenant: str
) -> Mapping[str, tuple[str, ...]]:
    """Return the addresses of every role that a job may name; the group that fits best goes first.

    Args:
        groups: In the order of the settings; of two that fit alike the first one goes first.
        process_id: Of the job.
        tenant: Of the job.
    """
    roles: dict[str, tuple[str, ...]] = {}
    fitting = [(fit, group) for group in groups if (fit := group.fit(process_id, tenant)) is not None]
    for _, group in sorted(fitting, key=lambda one: one[0], reverse=True):
        roles = {**group.roles, **roles}
    return roles
