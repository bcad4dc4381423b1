"""Right and wrong values for the entries of the panel that mark wrong ones, and the way to each entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.modeler.field import Field
from connector.modeler.fields import FIELDS
from connector.modeler.generate import Element
from connector.modeler.mailbox_fields import FIND, ORGANISE, READ
from tests.modeler.modeler import Modeler


@dataclass(frozen=True, slots=True)
class Case:
    """Values of one entry: what is right, and what the panel marks."""

    right: tuple[str, ...]
    wrong: tuple[str, ...]


_ADDRESSES = Case(("a@x", "a@x, b@x", "Desk <a@x>", "role:desk"), ("desk", "a; b"))
# By the id of the entry.
CASES = {
    "hostname": Case(
        ("smtp.example.com", "10.0.0.1", "[::1]", "{{ secrets.HOST }}"),
        ("smtp.example.com:587", "https://x", "a b"),
    ),
    "port": Case(("587", "1", "65535"), ("65536", "0", "25.5", "-1")),
    "tokenUrl": Case(("https://login.example.com/token",), ("login.example.com", "ftp://x", "https://a b")),
    "from": Case(("a@x", "Desk <a@x>", "secrets.SENDER"), ("desk", "a@x, b@x")),
    "accountFrom": Case(("a@x",), ("desk",)),
    "to": _ADDRESSES,
    "cc": _ADDRESSES,
    "bcc": _ADDRESSES,
    "replyTo": _ADDRESSES,
    "importanceExpression": Case(("high", "normal", "low"), ("urgent", "high, low")),
    "sensitivityExpression": Case(("private", "confidential"), ("secret",)),
    "readReceiptAddress": Case(("a@x", "true"), ("me", "a@x, b@x")),
    "deliveryReceipt": Case(("failure", "failure, delay", "never"), ("always", "failure delay")),
    "followUp": Case(
        ("today", "today 16:30", "tomorrow 09:30", "P3D", "2026-12-24T10:00", "2026-12-24 10:00"),
        ("soon", "9:30", "tomorrow morning"),
    ),
    "idempotencyKey": Case(("order-4711", "k" * 200), ("k" * 201,)),
    "resultVariable": Case(("mail", "mail_2", "größe"), ("my mail", "2mails", "order.mail", "my-mail")),
    "retries": Case(("3", "0"), ("three", "-1", "3.5")),
    "retryBackoff": Case(("PT30S", "P1DT2H", "PT1.5S", "P2W"), ("30s", "30", "P", "PT", "P1M", "PT5")),
    "target": Case(("archive", "Invoices/2026"), ("a*",)),
}


def marked() -> dict[str, Field]:
    """The entries of all templates that mark wrong values, by their id."""
    every = (*FIELDS, *FIND, *READ, *ORGANISE)
    return {field.id: field for field in every if field.pattern}


@dataclass(frozen=True, slots=True)
class Way:
    """Choices that show some of these entries, and hide the others.

    Attributes:
        choices: By the id of the entry, each with the words of the choice.
        hidden: The ids of entries with a pattern that do not show then.
        only: The ids of the entries to fill in; none: all that show.
    """

    choices: Mapping[str, str]
    hidden: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()


WAYS = (
    Way(
        {"labelsFrom": "By FEEL expressions", "readReceipt": "To another address"},
        hidden=frozenset({"tokenUrl", "accountFrom"}),
    ),
    Way({"login": "OAuth2 client credentials", "provider": "Another provider"}, only=frozenset({"tokenUrl"})),
    Way({"mailServer": "Account of the worker"}, only=frozenset({"accountFrom"})),
)


async def chosen(modeler: Modeler, element: Element, way: Way) -> list[Field]:
    """Make the choices of a way; the entries with a pattern that it shows."""
    fields = [field for field in element.form.fields if field.pattern and field.id not in way.hidden]
    by_id = {field.id: field for field in element.form.fields}
    await fill(modeler, element, [by_id[id_] for id_ in way.choices if id_ in by_id], way.choices)
    return [field for field in fields if field.id in way.only or not way.only]


async def fill(modeler: Modeler, element: Element, fields: list[Field], values: Mapping[str, str]) -> None:
    """Fill in entries with values by their ids."""
    for field in fields:
        if field.group:
            await modeler.fill(element.form.groups[field.group], field.label, values[field.id])
