"""A diagram made with version 1 of a template, updated to the newest: what was filled in stays."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from connector.modeler.field import NOT_GIVEN
from connector.modeler.generate import ELEMENTS, VERSION
from tests.modeler.diagram import ELEMENT, Plain, diagram
from tests.modeler.modeler import Modeler
from tests.modeler.steps import ROOT, TEMPLATES

_FIRST = ROOT / "element-templates" / "versioned" / "smtp-connector-send-1.json"
_ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"
_OPTIONS = "Options"
_FILLED: dict[tuple[str, str], str | bool] = {
    ("Mail server", "Host"): "smtp.example.com",
    ("Mail server", "Username"): "workflow@example.com",
    ("Sender and recipients", "From"): "orders@example.com",
    ("Sender and recipients", "To"): "=customer.email",
    ("Content", "Subject"): "Your order",
    ("Content", "Format"): "HTML",
    ("Content", "Body"): "=text",
    (_OPTIONS, "Importance"): "High",
    (_OPTIONS, "Sensitivity"): "Private",
    (_OPTIONS, "Read receipt"): "To another address",
    (_OPTIONS, "Read receipt to"): "receipts@example.com",
    (_OPTIONS, "All recipients or none"): True,
    ("Error handling", "When delivery is uncertain"): "Send again, with the same Message-ID",
}
# What version 2 writes where nothing was chosen.
_NEW = {"smtpEmailCopy": NOT_GIVEN}


async def first(modeler: Modeler, entries: dict[tuple[str, str], str | bool]) -> str:
    """Make a diagram with version 1; its XML."""
    assert await modeler.open(diagram(Plain("task"), "order"), [_FIRST]) == []
    await modeler.select(ELEMENT)
    await modeler.apply(ELEMENTS[0].name)
    for (group, label), value in entries.items():
        await modeler.fill(group, label, value)
    return await modeler.save()


def sources(xml: str) -> dict[str, str]:
    """The inputs of the task, each with what it is read from."""
    return {
        each.attrib["target"]: each.get("source", "") for each in ET.fromstring(xml).iter(f"{_ZEEBE}input")
    }


@pytest.mark.parametrize("at_hand", [[*TEMPLATES, _FIRST], TEMPLATES], ids=["both", "new"])
async def test_what_was_filled_in_stays(modeler: Modeler, at_hand: list[Path]) -> None:
    old = await first(modeler, _FILLED)
    assert await modeler.open(old, at_hand) == []
    assert await modeler.update() == [(ELEMENT, VERSION)]
    new = await modeler.save()
    # Where version 1 is not at hand, the modeler gives a checkbox its first value; the how-to says so.
    unticked = {} if _FIRST in at_hand else {"smtpEmailRequireAllRecipients": "=false"}
    assert sources(new) == sources(old) | _NEW | unticked
    await modeler.select(ELEMENT)
    assert await modeler.lasting_errors() == []


async def test_the_pause_of_version_1_goes_where_it_is_at_hand(modeler: Modeler) -> None:
    old = await first(modeler, _FILLED)
    await modeler.open(old, [*TEMPLATES, _FIRST])
    await modeler.update()
    assert "PT30S" in old
    assert "PT30S" not in await modeler.save()


async def test_what_was_left_empty_is_left_to_the_settings(modeler: Modeler) -> None:
    old = await first(modeler, {})
    assert await modeler.open(old, TEMPLATES) == []
    await modeler.update()
    new = sources(await modeler.save())
    assert {name for name in new.keys() - sources(old).keys() if new[name] != NOT_GIVEN} == set()
    assert new["smtpEmailImportance"] == new["smtpEmailWhenUncertain"] == NOT_GIVEN
