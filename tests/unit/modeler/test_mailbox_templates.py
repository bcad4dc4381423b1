"""The element templates of mailbox tasks say what their reader understands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.modeler.field import Target
from connector.modeler.generate import MAILBOX_ELEMENTS, Element, inputs, template
from connector.settings.model import MAILBOX_TASK_TYPE
from connector.tasks.headers import read_task_headers
from connector.tasks.mailbox_inputs import MAILBOX, Operation

each_element = pytest.mark.parametrize("element", MAILBOX_ELEMENTS, ids=lambda element: element.file)


def properties(element: Element, target: Target) -> list[dict[str, Any]]:
    made: Any = json.loads(json.dumps(template(element)))
    return [each for each in made["properties"] if each["binding"]["type"] == target]


def test_together_they_ask_for_every_input() -> None:
    asked = {
        each["binding"]["name"] for element in MAILBOX_ELEMENTS for each in properties(element, Target.INPUT)
    }
    assert asked == inputs(MAILBOX_ELEMENTS[0].form).keys()
    assert len({element.id for element in MAILBOX_ELEMENTS}) == len(MAILBOX_ELEMENTS)


def test_together_they_offer_every_operation() -> None:
    offered: list[str] = []
    for element in MAILBOX_ELEMENTS:
        (operation,) = [each for each in properties(element, Target.INPUT) if each["id"] == "operation"]
        offered += [choice["value"] for choice in operation.get("choices", [operation])]
    assert sorted(offered) == sorted(operation.value for operation in Operation)


@each_element
def test_choices_are_words_that_the_reader_accepts(element: Element) -> None:
    known = inputs(element.form)
    for each in properties(element, Target.INPUT):
        words = [choice["value"] for choice in each.get("choices", [])]
        if each["id"] != "operation" and words:
            assert set(words) == set(known[each["binding"]["name"]].allowed)
        assert each.get("value") in {None, *words} or not words


@each_element
def test_what_may_stay_empty_is_optional(element: Element) -> None:
    """The engine refuses the deployment of an input mapping without a source."""
    for each in properties(element, Target.INPUT):
        must = bool(each.get("constraints", {}).get("notEmpty"))
        always = "value" in each and each["type"] in {"Boolean", "Dropdown", "Hidden"}
        assert each.get("optional", False) is not (must or always), each["id"]


@each_element
def test_conditions_refer_to_choices(element: Element) -> None:
    made: Any = json.loads(json.dumps(template(element)))
    by_id = {each["id"]: each for each in made["properties"] if "id" in each}
    groups = {group["id"] for group in made["groups"]}
    for each in made["properties"]:
        assert each["type"] == "Hidden" or each["group"] in groups
        condition = each.get("condition", {"allMatch": []})
        for one in condition.get("allMatch", [condition]):
            if "isActive" in one:
                assert one["property"] in by_id
                continue
            values = one.get("oneOf") or [one["equals"]]
            assert set(values) <= {choice["value"] for choice in by_id[one["property"]]["choices"]}


@each_element
def test_it_makes_a_job_that_the_worker_takes(element: Element) -> None:
    said = properties(element, Target.TASK_DEFINITION)
    definition = {each["binding"]["property"]: each["value"] for each in said}
    assert definition == {"type": MAILBOX_TASK_TYPE, "retries": "3"}
    headers = {each["binding"]["key"]: each.get("value", "") for each in properties(element, Target.HEADER)}
    assert headers["elementTemplateId"] == element.id
    assert headers["elementTemplateVersion"] == str(element.version) == "1"
    read_task_headers({key: value for key, value in headers.items() if value})


def test_the_forms_are_of_the_mailbox_task() -> None:
    assert {element.form.definitions for element in MAILBOX_ELEMENTS} == {MAILBOX}
