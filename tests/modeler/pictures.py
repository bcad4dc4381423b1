"""Takes the pictures of ``docs/images``, but that of the demo's inbox: ``python -m tests.modeler.pictures``.

To be run, and its pictures to be looked at, after a change to the templates or the examples. Nothing
compares them: fonts differ from machine to machine. With a directory as its argument it takes pictures of
each panel filled with wrong values instead, and puts them there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from connector.modeler.fields import GROUPS
from connector.modeler.generate import ELEMENTS, MAILBOX_ELEMENTS, Element
from tests.modeler.modeler import Modeler, modeler
from tests.modeler.steps import ROOT, TEMPLATES, applied, drawn
from tests.modeler.wrong_values import CASES, WAYS, chosen, fill

_IMAGES = ROOT / "docs" / "images"
_EXAMPLE: dict[tuple[str, str], str | bool] = {
    ("Mail server", "Host"): "smtp.example.com",
    ("Mail server", "Username"): "workflow@example.com",
    ("Mail server", "Password"): "{{secrets.MAIL_PASSWORD}}",
    ("Sender and recipients", "From"): "Order desk <orders@example.com>",
    ("Sender and recipients", "To"): "=customer.email",
    ("Content", "Subject"): '="Your order " + order.id + " is on its way"',
    ("Content", "Body"): "Thank you for your order.",
}
# As the tutorial says.
_FIRST_MAIL: dict[tuple[str, str], str | bool] = {
    ("Mail server", "Host"): "127.0.0.1",
    ("Mail server", "Port"): "44375",
    ("Sender and recipients", "From"): "Me <me@example.com>",
    ("Sender and recipients", "To"): "=customer.email",
    ("Content", "Subject"): '="Hello " + customer.name',
    ("Content", "Body"): "My first mail from a process.",
    ("Output mapping", "Result variable"): "mail",
}
_FRONT_PAGE: dict[tuple[str, str], str | bool] = {
    ("Mail server", "Send through"): "Account of the worker",
    ("Mail server", "Account"): "sales",
    ("Sender and recipients", "To"): "=customer.email",
}


_ACCOUNT = {
    ("Mailbox", "Mailbox of"): "Account of the worker",
    ("Mailbox", "Account"): "support",
}
_MAILBOX_EXAMPLES: list[dict[tuple[str, str], str | bool]] = [
    {
        **_ACCOUNT,
        ("Operation", "Operation"): "Search mails",
        ("Operation", "Search"): '={subject: "invoice", since: "2026-11-01"}',
        ("Operation", "Unread only"): True,
        ("Output mapping", "Result variable"): "inbox",
    },
    {
        **_ACCOUNT,
        ("Operation", "Mail"): "=inbox.messages[1].id",
        ("Operation", "Attachments"): "Contents",
        ("Output mapping", "Result variable"): "letter",
    },
    {
        **_ACCOUNT,
        ("Operation", "Mail"): "=inbox.messages[1].id",
        ("Operation", "Target folder"): "archive",
        ("Output mapping", "Result variable"): "moved",
    },
]


async def _take() -> None:
    await _take_panels()
    await _take_examples()


async def _take_panels() -> None:
    _IMAGES.mkdir(exist_ok=True)
    async with modeler() as opened:
        await drawn(opened, ELEMENTS[0], "notify")
        await opened.offered()
        await opened.picture(_IMAGES / "choose-template.png")
    async with modeler() as opened:
        await _filled(opened, ELEMENTS[0], _FRONT_PAGE)
        await opened.picture(_IMAGES / "modeler.png")
    async with modeler() as opened:
        await _filled(opened, ELEMENTS[0], _FIRST_MAIL)
        await opened.picture_of_panel(_IMAGES / "first-mail-panel.png")
    for element in ELEMENTS:
        async with modeler() as opened:
            await _filled(opened, element, _EXAMPLE)
            await opened.picture_of_panel(_IMAGES / Path(element.file).with_suffix(".png"))
    await _take_mailbox_panels()
    async with modeler() as opened:
        await _filled(opened, ELEMENTS[0], _EXAMPLE)
        for title in GROUPS.values():
            await opened.labels(title)
        await opened.picture_of_panel(_IMAGES / "all-entries.png", diagram=False)


async def _take_mailbox_panels() -> None:
    for element, entries in zip(MAILBOX_ELEMENTS, _MAILBOX_EXAMPLES, strict=True):
        async with modeler() as opened:
            await _filled(opened, element, entries)
            await opened.picture_of_panel(_IMAGES / Path(element.file).with_suffix(".png"))


async def _take_examples() -> None:
    (_IMAGES / "examples").mkdir(exist_ok=True)
    for diagram in sorted((ROOT / "bpmn-examples").rglob("*.bpmn")):
        async with modeler() as opened:
            await opened.open(diagram.read_text(encoding="utf-8"), TEMPLATES)
            await opened.picture_of_diagram(_IMAGES / "examples" / f"{diagram.stem}.png")


async def _filled(opened: Modeler, element: Element, entries: Mapping[tuple[str, str], str | bool]) -> None:
    await applied(opened, element, "notify")
    for (group, label), value in entries.items():
        await opened.fill(group, label, value)


async def _take_wrong_values(to: Path) -> None:
    wrong = {id_: case.wrong[0] for id_, case in CASES.items()}
    for element in (*ELEMENTS, *MAILBOX_ELEMENTS):
        for number, way in enumerate(WAYS):
            async with modeler() as opened:
                await applied(opened, element, "notify")
                await fill(opened, element, await chosen(opened, element, way), wrong)
                await opened.picture_of_panel(to / f"{Path(element.file).stem}-{number}.png", diagram=False)


if __name__ == "__main__":
    asyncio.run(_take_wrong_values(Path(sys.argv[1])) if sys.argv[1:] else _take())
