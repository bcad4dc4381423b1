"""What the panel says of wrong values, and that it takes right ones: the templates in the modeler itself."""

from __future__ import annotations

import pytest

from connector.modeler.field import Field
from connector.modeler.generate import ELEMENTS, MAILBOX_ELEMENTS, Element
from tests.modeler.modeler import Modeler
from tests.modeler.steps import applied
from tests.modeler.wrong_values import CASES, WAYS, chosen, fill

# The four send templates have the same entries; those of the other mailbox templates are among these.
_ELEMENTS = (ELEMENTS[0], MAILBOX_ELEMENTS[-1])


@pytest.mark.parametrize("element", _ELEMENTS, ids=[element.file for element in _ELEMENTS])
async def test_wrong_values_are_marked_and_right_ones_are_not(modeler: Modeler, element: Element) -> None:
    await applied(modeler, element, "p")
    seen: set[str] = set()
    for way in WAYS:
        fields = await chosen(modeler, element, way)
        await fill(modeler, element, fields, {id_: case.wrong[0] for id_, case in CASES.items()})
        assert _marked(fields) - set(await modeler.errors()) == set()
        await fill(modeler, element, fields, {id_: case.right[0] for id_, case in CASES.items()})
        assert _marked(fields) & set(await modeler.errors()) == set()
        seen |= {field.id for field in fields}
    assert seen == {field.id for field in element.form.fields if field.pattern}


def _marked(fields: list[Field]) -> set[str]:
    return {f"{field.label} {field.pattern.message}" for field in fields if field.pattern}
