"""Each diagram of ``bpmn-examples`` as a person opens it: nothing to update, missing or wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.modeler.modeler import Modeler
from tests.modeler.steps import ROOT, TEMPLATES, run_node

DIAGRAMS = sorted((ROOT / "bpmn-examples").glob("*.bpmn"))

each_diagram = pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda path: str(path.name))


@each_diagram
async def test_it_is_as_the_modeler_would_write_it_now(modeler: Modeler, diagram: Path) -> None:
    xml = await asyncio.to_thread(diagram.read_text, encoding="utf-8")
    assert await modeler.open(xml, TEMPLATES) == []
    elements = await modeler.reapply()
    assert elements
    assert await modeler.save() == xml
    for element in elements:
        await modeler.select(element)
        assert (element, await modeler.state_of_template()) == (element, "Applied")
        assert await modeler.lasting_errors() == []


@pytest.mark.usefixtures("modeler_library")
@each_diagram
async def test_the_linter_has_nothing_against_it(diagram: Path) -> None:
    assert await run_node("lint.mjs", diagram) == []
