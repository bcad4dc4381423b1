"""The element templates say what the task reader understands, in the form that modelers accept."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from connector.errors import ExpressionError, InputError
from connector.modeler.field import NOT_GIVEN, Target
from connector.modeler.fields import FIELDS
from connector.modeler.generate import ELEMENTS, MAILBOX_ELEMENTS, inputs, pages
from connector.settings.model import MAILBOX_TASK_TYPE, SEND_TASK_TYPE
from connector.tasks.definitions import Definition, Kind
from connector.tasks.headers import read_task_headers
from connector.tasks.mailbox_inputs import MAILBOX
from connector.tasks.send_inputs import NATIVE
from tests.modeler.wrong_values import CASES, marked
from tests.unit.tasks import task_inputs

_ROOT = Path(__file__).parents[3]
_DIRECTORY = _ROOT / "element-templates"
_PATHS = [_DIRECTORY / element.file for element in ELEMENTS]
_DIAGRAMS = sorted((_ROOT / "bpmn-examples").glob("*.bpmn"))
_ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"
# What the reader also takes, beside the word that a person is offered.
_SYNONYMS = {"txt", "htm", "true", "false"}

Template = dict[str, Any]


@pytest.fixture(params=_PATHS, ids=lambda path: str(path.name))
def template(request: pytest.FixtureRequest) -> Template:
    read: Template = json.loads(request.param.read_text(encoding="utf-8"))
    by_id = {each["id"]: each for each in read["properties"] if "id" in each}
    for each in read["properties"]:
        for one in _parts(each):
            if one.get("isActive") is False:
                one.update(_opposite(by_id, one["property"]))
    return read


# The inputs that the reader of a request checks; the key is read before, with the ledger.
_READ_AS_INPUTS = [
    id_ for id_, field in marked().items() if field.name.startswith("smtpEmail") and id_ != "idempotencyKey"
]


def _opposite(by_id: dict[str, Template], hidden: str) -> Template:
    """The condition, as a value, that an entry of a choice between two does not show."""
    chooser, shown_for = list(_conditions(by_id[hidden]).items())[-1]
    (other,) = [each["value"] for each in by_id[chooser]["choices"] if each["value"] != shown_for]
    return {"property": chooser, "equals": other}


def _parts(each: Template) -> list[Template]:
    condition = each.get("condition", {"allMatch": []})
    return list(condition.get("allMatch", [condition]))


def _conditions(each: Template) -> dict[str, str]:
    """The value that an entry shows for, or the first of several, by the id of the other entry."""
    return {one["property"]: one["equals"] if "equals" in one else one["oneOf"][0] for one in _parts(each)}


def _bound(template: Template, target: Target) -> list[dict[str, Any]]:
    return [each for each in template["properties"] if each["binding"]["type"] == target]


def test_the_files_are_what_the_generator_writes() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in _DIRECTORY.glob("*.json")}
    assert written == pages(), "run: smtp-connector templates"


def test_every_definition_is_asked_for() -> None:
    asked = {field.name for field in FIELDS if field.target is Target.INPUT}
    assert asked == inputs().keys()
    assert [name for name in asked if not inputs()[name].available] == []


def test_the_four_elements_differ_in_name_and_id() -> None:
    """An id that changed would cut the diagrams that have it off from every later version."""
    templates = [json.loads(path.read_text(encoding="utf-8")) for path in _PATHS]
    message = "bpmn:MessageEventDefinition"
    assert {each["id"]: (each["appliesTo"], each["elementType"]) for each in templates} == {
        "io.smtp-connector.send": (["bpmn:Task"], {"value": "bpmn:ServiceTask"}),
        "io.smtp-connector.send-task": (["bpmn:Task"], {"value": "bpmn:SendTask"}),
        "io.smtp-connector.throw-event": (
            ["bpmn:IntermediateThrowEvent"],
            {"value": "bpmn:IntermediateThrowEvent", "eventDefinition": message},
        ),
        "io.smtp-connector.end-event": (
            ["bpmn:EndEvent"],
            {"value": "bpmn:EndEvent", "eventDefinition": message},
        ),
    }
    assert len({each["name"] for each in templates}) == len(templates)


def test_an_input_that_can_be_given_in_two_ways_is_given_in_one(template: Template) -> None:
    """Two entries for the same variable show only under conditions that exclude each other."""
    shown: dict[str, list[dict[str, str]]] = {}
    for each in _bound(template, Target.INPUT):
        shown.setdefault(each["binding"]["name"], []).append(_conditions(each))
    for conditions in shown.values():
        for one, other in combinations(conditions, 2):
            assert any(one[id_] != other[id_] for id_ in one.keys() & other.keys())


def test_choices_are_words_that_the_reader_accepts(template: Template) -> None:
    for each in _bound(template, Target.INPUT):
        definition = inputs()[each["binding"]["name"]]
        values = [choice["value"] for choice in each.get("choices", [])]
        if values:
            words = (
                {"true", "false"} if definition.kind is Kind.BOOLEAN else set(definition.allowed) - _SYNONYMS
            )
            assert set(values) - {NOT_GIVEN} == words
        assert each.get("value") in {None, *values} or not values


def test_what_is_required_is_marked_and_the_rest_may_stay_empty(template: Template) -> None:
    """The engine refuses the deployment of an input mapping without a source."""
    for each in _bound(template, Target.INPUT):
        always_set = "value" in each and each["type"] in {"Boolean", "Dropdown", "Hidden"}
        mandatory = _must(each)
        assert [each.get("optional", False), mandatory, always_set].count(True) == 1, each["id"]
        if inputs()[each["binding"]["name"]].required:
            assert mandatory


def test_without_an_account_the_server_and_the_sender_are_mandatory(template: Template) -> None:
    mandatory = {
        each["binding"]["name"]
        for each in _bound(template, Target.INPUT)
        if _conditions(each) == {"mailServer": "connection"} and _must(each)
    }
    assert mandatory == {"authentication.hostname", "authentication.port", "smtpEmailMailBoxName"}


@pytest.mark.parametrize(
    ("chosen", "mandatory"),
    [
        ({"login": "password"}, set()),
        (
            {"login": "oauth", "provider": "microsoft"},
            {"username", "oauth.tenant", "oauth.clientId", "oauth.clientSecret"},
        ),
        (
            {"login": "oauth", "provider": "custom"},
            {"username", "oauth.tokenUrl", "oauth.clientId", "oauth.clientSecret"},
        ),
    ],
)
def test_each_login_asks_for_what_it_needs(
    template: Template, chosen: dict[str, str], mandatory: set[str]
) -> None:
    chosen = {"mailServer": "connection", **chosen}
    asked = {
        each["binding"]["name"]
        for each in _bound(template, Target.INPUT)
        if "login" in _conditions(each) and _conditions(each).items() <= chosen.items() and _must(each)
    }
    assert asked == {f"authentication.{name}" for name in mandatory}


def test_headers_are_those_that_the_worker_reads(template: Template) -> None:
    headers = {
        each["binding"]["key"]: each.get("value", "={}" if each.get("feel") else "result")
        for each in _bound(template, Target.HEADER)
    } | {"retryBackoff": "PT5S"}
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


def test_it_makes_a_job_that_the_worker_takes(template: Template) -> None:
    definition = {
        each["binding"]["property"]: each["value"] for each in _bound(template, Target.TASK_DEFINITION)
    }
    assert definition == {"type": SEND_TASK_TYPE, "retries": "3"}


def test_what_refers_to_something_finds_it(template: Template) -> None:
    groups = [group["id"] for group in template["groups"]]
    by_id = {each["id"]: each for each in template["properties"] if "id" in each}
    assert len(by_id) == len([each for each in template["properties"] if "id" in each])
    assert len(groups) == len(set(groups))
    for each in template["properties"]:
        assert each["type"] == "Hidden" or each["group"] in groups
        for other, value in _conditions(each).items():
            assert value in [choice["value"] for choice in by_id[other]["choices"]]
            assert _conditions(by_id[other]).items() <= _conditions(each).items()


def _must(entry: Template) -> bool:
    return bool(entry.get("constraints", {}).get("notEmpty"))


@pytest.mark.parametrize("id_", CASES)
def test_a_wrong_value_is_marked_in_the_panel(id_: str) -> None:
    entries = [each for each in _every_entry() if each.get("id") == id_]
    assert entries
    for entry in entries:
        pattern = re.compile(entry["constraints"]["pattern"]["value"], re.ASCII)
        assert re.fullmatch(r"must (be|have) .+\.", entry["constraints"]["pattern"]["message"])
        accepted = [*CASES[id_].right, "", "=anything at all", " = x"]
        assert [value for value in accepted if not pattern.search(value)] == []
        assert [value for value in CASES[id_].wrong if pattern.search(value)] == []


@pytest.mark.parametrize("id_", _READ_AS_INPUTS)
def test_the_worker_takes_what_the_panel_does_not_mark(id_: str) -> None:
    name = marked()[id_].name
    for value in CASES[id_].right:
        if "secrets." not in value:
            task_inputs.read(**_with(name, value))
    for value in CASES[id_].wrong:
        with pytest.raises(InputError):
            task_inputs.read(**_with(name, value))


def _with(name: str, value: str) -> dict[str, Any]:
    people = {"smtpEmailParticipants": {"desk": "desk@x"}}
    return people | {name: value}


@pytest.mark.parametrize("name", ["resultVariable", "retryBackoff"])
def test_the_worker_takes_headers_that_the_panel_does_not_mark(name: str) -> None:
    for value in CASES[name].right:
        read_task_headers({name: value})
    for value in CASES[name].wrong:
        with pytest.raises(ExpressionError):
            read_task_headers({name: value})


def test_every_pattern_has_values() -> None:
    assert marked().keys() == CASES.keys()
    assert {
        each["id"] for each in _every_entry() if each.get("constraints", {}).get("pattern")
    } == CASES.keys()


def test_every_entry_that_shows_has_a_tooltip() -> None:
    assert [each["label"] for each in _every_entry() if "label" in each and not each.get("tooltip")] == []


def _every_entry() -> Iterator[Template]:
    for text in pages().values():
        yield from json.loads(text)["properties"]


def test_a_pause_is_the_workers_unless_the_modeler_writes_one(template: Template) -> None:
    """Thirty seconds in every diagram would defeat the five minutes that greylisting needs."""
    (entry,) = [each for each in template["properties"] if each.get("id") == "retryBackoff"]
    assert entry["value"] == ""


def test_a_published_template_stays_as_it_was() -> None:
    published = sorted((_ROOT / "element-templates" / "versioned").glob("*.json"))
    assert len(published) == 4
    assert all(json.loads(file.read_text("utf-8"))["version"] == 1 for file in published)


def test_a_closed_group_hides_nothing_that_must_be_filled_in(template: Template) -> None:
    mandatory = {each["group"] for each in template["properties"] if _must(each) and "value" not in each}
    always = {each["group"] for each in template["properties"] if _must(each) and "condition" not in each}
    opened = {group["id"] for group in template["groups"] if group["openByDefault"]}
    assert always <= opened
    # The receipt's address is asked for by a choice in the same group, which is open by then.
    assert mandatory - opened <= {"importance"}


def test_its_icon_fits_every_modeler(template: Template) -> None:
    icon = template["icon"]["contents"]
    assert len(icon) <= 8 * 1024
    scheme, _, svg = unquote(icon).partition(",")
    assert scheme == "data:image/svg+xml"
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_page_of_documentation_is_linked_where_one_is_named() -> None:
    plain, linked = pages(), pages("https://docs.example.com/mail")
    for name, text in linked.items():
        template = json.loads(text)
        assert template.pop("documentationRef") == "https://docs.example.com/mail"
        assert template == json.loads(plain[name])


def _known(job_type: str) -> set[str]:
    """What a diagram may set, aliases included, dots leading into contexts."""
    return set(_names(MAILBOX if job_type == MAILBOX_TASK_TYPE else NATIVE, ""))


def _names(definitions: tuple[Definition, ...], prefix: str) -> Iterator[str]:
    for definition in definitions:
        yield from (f"{prefix}{name}" for name in definition.names)
        yield from _names(definition.members, f"{prefix}{definition.name}.")


@pytest.mark.parametrize("path", _DIAGRAMS, ids=lambda path: str(path.name))
def test_the_tasks_of_the_examples_are_read_in_full(path: Path) -> None:
    paths = [_DIRECTORY / element.file for element in (*ELEMENTS, *MAILBOX_ELEMENTS)]
    templates = [json.loads(each.read_text(encoding="utf-8")) for each in paths]
    versions = {each["id"]: str(each["version"]) for each in templates}
    tasks = [task for task in ET.parse(path).iter() if task.find(f".//{_ZEEBE}taskDefinition") is not None]
    own = [task for task in tasks if f"{_ZEEBE}modelerTemplate" in task.attrib]
    assert own
    for task in own:
        names = {each.attrib["target"] for each in task.iter(f"{_ZEEBE}input")}
        definition = task.find(f".//{_ZEEBE}taskDefinition")
        assert definition is not None
        assert names <= _known(definition.attrib["type"])
        headers = {each.attrib["key"]: each.attrib["value"] for each in task.iter(f"{_ZEEBE}header")}
        read = read_task_headers(headers)
        assert read.result_variable or read.result_expression
        assert versions[task.attrib[f"{_ZEEBE}modelerTemplate"]] == headers["elementTemplateVersion"]
