"""What a person does first: draws a plain process, applies a template; and the scripts that check a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from connector.modeler.generate import ELEMENTS, MAILBOX_ELEMENTS, Element
from tests.modeler.diagram import ELEMENT, Plain, diagram
from tests.modeler.modeler import HERE, Modeler

ROOT = Path(__file__).parents[2]
TEMPLATES = [ROOT / "element-templates" / element.file for element in (*ELEMENTS, *MAILBOX_ELEMENTS)]
_PLAIN = {
    "bpmn:Task": Plain("task"),
    "bpmn:IntermediateThrowEvent": Plain("intermediateThrowEvent"),
    "bpmn:EndEvent": Plain("endEvent"),
}


async def opened(modeler: Modeler, xml: str) -> None:
    """Open a diagram, with all templates at hand, and select the element that sends."""
    assert await modeler.open(xml, TEMPLATES) == []
    await modeler.select(ELEMENT)


async def drawn(modeler: Modeler, element: Element, process_id: str) -> None:
    """Draw the process and select the plain element."""
    await opened(modeler, diagram(_PLAIN[element.applies_to], process_id))


async def applied(modeler: Modeler, element: Element, process_id: str) -> None:
    """Draw the process and apply the template."""
    await drawn(modeler, element, process_id)
    await modeler.apply(element.name)


async def run_node(script: str, file: Path) -> list[str]:
    """Run one of the scripts beside this file; the lines that it prints."""
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / script), str(file), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert errors == b""
    return output.decode().splitlines()
