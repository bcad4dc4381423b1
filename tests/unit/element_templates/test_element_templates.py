"""The element templates say what the task reader understands, in the form that modelers accept."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from connector.settings.model import SEND_TASK_TYPE
from connector.task.definitions import NATIVE, Definition, Kind
from connector.task.headers import read_task_headers

_ROOT = Path(__file__).parents[3]
_PATHS = sorted((_ROOT / "element-templates").glob("*.json"))
_DIAGRAMS = sorted((_ROOT / "bpmn-examples").glob("*.bpmn"))
_ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"
# No account can be configured yet; an input that cannot be honoured is not offered.
_NOT_OFFERED = {"account", "smtpEmailWhenUncertain"}

Template = dict[str, Any]


@pytest.fixture(params=_PATHS, ids=lambda path: str(path.name))
def template(request: pytest.FixtureRequest) -> Template:
    return dict(json.loads(request.param.read_text(encoding="utf-8")))


def _inputs(template: Template) -> list[dict[str, Any]]:
    return [each for each in template["properties"] if each["binding"]["type"] == "zeebe:input"]


def _known() -> dict[str, Definition]:
    """What a diagram may set, dots leading into contexts."""
    return dict(_flat(NATIVE, ""))


def _flat(definitions: tuple[Definition, ...], prefix: str) -> Iterator[tuple[str, Definition]]:
    for definition in definitions:
        for name in definition.names:
            yield f"{prefix}{name}", definition
        if definition.kind is Kind.CONTEXT:
            yield from _flat(definition.members, f"{definition.name}.")


def test_there_are_templates_and_diagrams() -> None:
    assert _PATHS
    assert _DIAGRAMS


def test_every_input_is_a_variable_of_the_reader(template: Template) -> None:
    names = [each["binding"]["name"] for each in _inputs(template)]
    assert len(names) == len(set(names))
    unknown = [name for name in names if name not in _known() or not _known()[name].available]
    assert unknown == []


def test_every_variable_that_is_available_is_offered(template: Template) -> None:
    offered = {each["binding"]["name"] for each in _inputs(template)}
    wanted = {
        name
        for name, definition in _known().items()
        if definition.available
        and definition.kind is not Kind.CONTEXT
        and name.rpartition(".")[2] == definition.name
        and not name.startswith("smtpEmailFollowUp.")
    }
    assert wanted - offered == _NOT_OFFERED


def test_choices_are_words_that_the_reader_accepts(template: Template) -> None:
    for each in _inputs(template):
        allowed = _known()[each["binding"]["name"]].allowed
        values = [choice["value"] for choice in each.get("choices", [])]
        assert set(values) <= set(allowed)
        assert each.get("value") in {None, *values} or not values


def test_what_is_required_is_marked_and_the_rest_may_stay_empty(template: Template) -> None:
    """The engine refuses the deployment of an input mapping without a source."""
    for each in _inputs(template):
        if _known()[each["binding"]["name"]].required:
            assert each["constraints"] == {"notEmpty": True}
            assert "optional" not in each
        else:
            always_set = "value" in each and each["type"] in {"Boolean", "Dropdown"}
            assert each.get("optional", False) is not always_set
            assert each.get("constraints", {"notEmpty": False})["notEmpty"] is False


def test_headers_are_those_that_the_worker_reads(template: Template) -> None:
    headers = {
        each["binding"]["key"]: each.get("value", "={}" if each.get("feel") else "result")
        for each in template["properties"]
        if each["binding"]["type"] == "zeebe:taskHeader"
    }
    assert headers.keys() == {
        *("resultVariable", "resultExpression"),
        *("errorExpression", "errorMapping", "retryBackoff"),
        *("elementTemplateId", "elementTemplateVersion"),
    }
    assert headers["elementTemplateId"] == template["id"]
    assert headers["elementTemplateVersion"] == str(template["version"])
    read = read_task_headers(headers)
    assert read.result_variable == "result"
    assert read.retry_backoff is not None
    assert (read.result_expression, read.error_expression) != (None, None)


def test_it_makes_a_task_that_the_worker_serves(template: Template) -> None:
    """A plain task passes silently, without a job."""
    assert template["elementType"]["value"] == "bpmn:ServiceTask"
    definition = {
        each["binding"]["property"]: each["value"]
        for each in template["properties"]
        if each["binding"]["type"] == "zeebe:taskDefinition"
    }
    assert definition == {"type": SEND_TASK_TYPE, "retries": "3"}


def test_what_refers_to_something_finds_it(template: Template) -> None:
    groups = [group["id"] for group in template["groups"]]
    ids = [each["id"] for each in template["properties"] if "id" in each]
    assert len(ids) == len(set(ids))
    assert len(groups) == len(set(groups))
    for each in template["properties"]:
        assert each["type"] == "Hidden" or each["group"] in groups
        assert each.get("condition", {}).get("property", ids[0]) in ids
    required = {each["group"] for each in template["properties"] if "constraints" in each}
    opened = {group["id"] for group in template["groups"] if group["openByDefault"]}
    assert required <= opened, "a closed group would hide what must be filled in"


def test_its_icon_fits_every_modeler(template: Template) -> None:
    icon = template["icon"]["contents"]
    assert len(icon) <= 8 * 1024
    scheme, _, svg = unquote(icon).partition(",")
    assert scheme == "data:image/svg+xml"
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("path", _DIAGRAMS, ids=lambda path: str(path.name))
def test_the_tasks_of_the_examples_are_read_in_full(path: Path) -> None:
    templates = [json.loads(each.read_text(encoding="utf-8")) for each in _PATHS]
    versions = {each["id"]: str(each["version"]) for each in templates}
    tasks = [task for task in ET.parse(path).iter() if task.find(f".//{_ZEEBE}taskDefinition") is not None]
    own = [task for task in tasks if task.tag.endswith("Task")]
    assert own
    for task in own:
        names = {each.attrib["target"] for each in task.iter(f"{_ZEEBE}input")}
        assert names <= _known().keys()
        headers = {each.attrib["key"]: each.attrib["value"] for each in task.iter(f"{_ZEEBE}header")}
        read = read_task_headers(headers)
        assert read.result_variable or read.result_expression
        assert versions[task.attrib[f"{_ZEEBE}modelerTemplate"]] == headers["elementTemplateVersion"]
