"""The table of examples is that of the diagrams, and each has its page and its picture."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from connector.demo.examples import DEFAULT, EXAMPLES, UnknownExampleError, find, listing
from connector.demo.scene import Example

_ROOT = Path(__file__).parents[3]
_PROCESS = "{http://www.omg.org/spec/BPMN/20100524/MODEL}process"

each_example = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)


def test_every_diagram_is_an_example() -> None:
    assert {path.stem for path in (_ROOT / "bpmn-examples").glob("*.bpmn")} == EXAMPLES.keys()


@each_example
def test_its_process_is_that_of_the_diagram(example: Example) -> None:
    process = ET.fromstring(example.diagram.read_text(encoding="utf-8")).find(_PROCESS)
    assert process is not None
    assert process.attrib["id"] == example.process_id


@each_example
def test_its_page_shows_the_picture_and_says_how_to_run_it(example: Example) -> None:
    page = (_ROOT / "docs" / "examples" / f"{example.name}.md").read_text(encoding="utf-8")
    picture = f"images/examples/{example.name}.png"
    assert f"](../{picture})" in page
    assert (_ROOT / "docs" / picture).is_file()
    run = "smtp-connector demo" + ("" if example.name == DEFAULT else f" --example {example.name}")
    assert re.search(rf"^{run}$", page, re.MULTILINE)
    assert f"](../../bpmn-examples/{example.file})" in page


def test_every_page_is_of_an_example() -> None:
    pages = {path.stem for path in (_ROOT / "docs" / "examples").glob("*.md")}
    assert pages == EXAMPLES.keys() | {"index"}


def test_no_two_showings_share_a_key_of_the_engine_or_of_the_ledger() -> None:
    for example in EXAMPLES.values():
        first, second = (
            {m.correlation_key for s in example.scenes(token) for m in s.messages} for token in "ab"
        )
        assert first.isdisjoint(second)
    runs = [find("mail-per-record").scenes(token)[0].variables["reminderRun"] for token in "ab"]
    assert runs[0] != runs[1]


def test_a_name_that_is_none_is_told_with_the_nearest_and_the_list() -> None:
    with pytest.raises(UnknownExampleError) as unknown:
        find("Escalate")
    assert "did you mean escalation?" in str(unknown.value)
    assert all(name in str(unknown.value) for name in EXAMPLES)


def test_the_list_names_each_with_what_it_shows() -> None:
    lines = listing().splitlines()
    assert len(lines) == len(EXAMPLES)
    assert lines[0].split("  ")[0] == DEFAULT
    assert all(example.title in line for example, line in zip(EXAMPLES.values(), lines, strict=True))


@each_example
def test_the_feel_of_its_page_is_that_of_the_diagram(example: Example) -> None:
    page = (_ROOT / "docs" / "examples" / f"{example.name}.md").read_text(encoding="utf-8")
    diagram = ET.fromstring(example.diagram.read_text(encoding="utf-8"))
    values = {value for element in diagram.iter() for value in element.attrib.values()}
    for expression in re.findall(r"```feel\n(.*?)\n```", page, re.DOTALL):
        assert f"={expression}" in values
