"""The extension elements of a diagram: jobs, mappings, scripts, calls and loops."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element as Xml

from connector.devengine.commands import EngineVersion
from connector.devengine.complaints import Complaints
from connector.devengine.model import Call, Expression, IoMapping, Loop, Script, Task

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"

USER_TASK_TYPE = "io.camunda.zeebe:userTask"
_USER_TASK_HEADERS = {
    "assignmentDefinition": ("assignee", "candidateGroups", "candidateUsers"),
    "taskSchedule": ("dueDate", "followUpDate"),
    "formDefinition": ("formKey",),
}
_LISTS = {"candidateGroups", "candidateUsers"}
# What is read here, and what says nothing about the execution.
_KNOWN = {
    "calledElement",
    "ioMapping",
    "loopCharacteristics",
    "properties",
    "script",
    "subscription",
    "taskDefinition",
    "taskHeaders",
    "userTaskForm",
    "versionTag",
    *_USER_TASK_HEADERS,
}


class Extensions:
    """Reads the extension elements of one element of the diagram.

    Args:
        node: The element.
        path: Its id.
        complaints: Takes what is wrong.
    """

    def __init__(self, node: Xml, path: str, complaints: Complaints) -> None:
        self._path = f"{path} > extensionElements"
        self._complaints = complaints
        found = node.find(f"{BPMN}extensionElements")
        self._nodes = [] if found is None else list(found)

    def check_known(self) -> None:
        """Complain about extension elements that would be executed, and are not here."""
        for node in self._nodes:
            name = node.tag.removeprefix(ZEEBE)
            if node.tag.startswith(ZEEBE) and name not in _KNOWN:
                self._complain(name, f"Extension elements of type '{name}' are not supported by this engine")

    def task(self) -> Task | None:
        """Read what makes the element a job."""
        node = self._find("taskDefinition")
        if node is None:
            self._complaints.add(self._path, "Must have exactly one 'zeebe:taskDefinition' extension element")
            return None
        job_type = node.get("type", "").strip()
        if not job_type:
            self._complain("taskDefinition", "Task type must be present and not empty")
        return Task(
            self._expression("taskDefinition", job_type),
            self._expression("taskDefinition", node.get("retries", "3")),
            self._headers(),
        )

    def user_task(self) -> Task:
        """Read a user task that is a job; what its forms and assignments say goes into headers."""
        given: dict[str, Expression] = {}
        for name, attributes in _USER_TASK_HEADERS.items():
            node = self._find(name)
            for attribute in attributes if node is not None else ():
                if node is not None and (text := node.get(attribute)):
                    given[f"io.camunda.zeebe:{attribute}"] = self._expression(name, _listed(attribute, text))
        if (form := self._find("formDefinition")) is not None and form.get("formId"):
            self._complain("formDefinition", "Linked forms are not supported by this engine; give a form key")
        return Task(Expression(USER_TASK_TYPE), Expression("1"), self._headers(), given)

    def has_task(self) -> bool:
        """Tell whether there is a task definition."""
        return self._find("taskDefinition") is not None

    def mappings(self, direction: str, version: EngineVersion) -> tuple[IoMapping, ...]:
        """Read the mappings of a direction, ``input`` or ``output``."""
        mapping = self._find("ioMapping")
        nodes = [] if mapping is None else mapping.findall(f"{ZEEBE}{direction}")
        return tuple(self._mapping(node, direction, version) for node in nodes)

    def _mapping(self, node: Xml, direction: str, version: EngineVersion) -> IoMapping:
        path = f"ioMapping > {direction}"
        source, target = node.get("source", ""), node.get("target", "").strip()
        if not source and direction == "input" and version != "8.6":
            source = "=null"
        if not source:
            self._complain(path, "Attribute 'source' must be present and not empty")
        if not all(target.split(".")):
            self._complain(path, f"Attribute 'target' must be the name of a variable, but is '{target}'")
        return IoMapping(self._expression(path, source), tuple(target.split(".")))

    def script(self) -> Script | None:
        """Read the script of a script task."""
        node = self._find("script")
        if node is None:
            text = "Must have either a 'zeebe:script' or a 'zeebe:taskDefinition' extension element"
            self._complaints.add(self._path, text)
            return None
        expression, variable = node.get("expression", ""), node.get("resultVariable", "").strip()
        if not variable:
            self._complain("script", "Attribute 'resultVariable' must be present and not empty")
        return Script(self._formula("script", expression), variable)

    def call(self) -> Call:
        """Read what a call activity calls."""
        node = self._find("calledElement")
        attributes: Mapping[str, str] = {} if node is None else node.attrib
        process_id, binding = attributes.get("processId", "").strip(), attributes.get("bindingType", "latest")
        if not process_id:
            self._complain("calledElement", "Attribute 'processId' must be present and not empty")
        if binding != "latest":
            self._complain("calledElement", f"The binding '{binding}' is not supported by this engine")
        return Call(
            self._expression("calledElement", process_id),
            attributes.get("propagateAllParentVariables", "true") == "true",
            attributes.get("propagateAllChildVariables", "true") == "true",
        )

    def correlation_key(self) -> Expression | None:
        """Read the correlation key of a message."""
        node = self._find("subscription")
        key = "" if node is None else node.get("correlationKey", "")
        if not key.strip():
            text = "Must have exactly one 'zeebe:subscription' extension element with a correlation key"
            self._complaints.add(self._path, text)
            return None
        return self._formula("subscription", key)

    def loop(self, *, sequential: bool, completion: Expression | None) -> Loop | None:
        """Read loop characteristics."""
        node = self._find("loopCharacteristics")
        if node is None or not node.get("inputCollection", "").strip():
            self._complain("loopCharacteristics", "Attribute 'inputCollection' must be present and not empty")
            return None
        collection, output = node.get("outputCollection", "").strip(), node.get("outputElement", "").strip()
        if bool(collection) != bool(output):
            self._complain(
                "loopCharacteristics",
                "Attributes 'outputCollection' and 'outputElement' must be given both or not at all",
            )
        return Loop(
            self._formula("loopCharacteristics", node.get("inputCollection", "")),
            sequential,
            node.get("inputElement", "").strip(),
            collection,
            self._formula("loopCharacteristics", output) if output else None,
            completion,
        )

    def _headers(self) -> dict[str, str]:
        headers = self._find("taskHeaders")
        nodes: Iterator[Xml] = iter(()) if headers is None else headers.iter(f"{ZEEBE}header")
        return {node.get("key", ""): node.get("value", "") for node in nodes}

    def _find(self, name: str) -> Xml | None:
        return next((node for node in self._nodes if node.tag == f"{ZEEBE}{name}"), None)

    def _complain(self, name: str, text: str) -> None:
        self._complaints.add(f"{self._path} > {name}", text)

    def _expression(self, name: str, text: str) -> Expression:
        return self._complaints.expression(f"{self._path} > {name}", text)

    def _formula(self, name: str, text: str) -> Expression:
        return self._complaints.formula(f"{self._path} > {name}", text)


def _listed(attribute: str, text: str) -> str:
    """Return a static list, which a diagram writes with commas, as the header holds it."""
    if attribute not in _LISTS or text.lstrip().startswith("="):
        return text
    return json.dumps([name.strip() for name in text.split(",")], ensure_ascii=False)
