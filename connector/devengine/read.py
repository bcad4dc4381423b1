"""Reads a BPMN file into processes that the engine can run, or says all that is wrong with it.

Flows alone define the graph: what a node says about its ``incoming`` and ``outgoing`` is not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Xml
from xml.parsers import expat

from connector.devengine.check import check
from connector.devengine.commands import EngineVersion, Resource
from connector.devengine.complaints import Complaints
from connector.devengine.event_definitions import EventDefinitions
from connector.devengine.extensions import BPMN, Extensions
from connector.devengine.model import (
    Element,
    Event,
    Flow,
    Kind,
    Loop,
    MessageEvent,
    Process,
    Script,
    SignalEvent,
    Task,
    TimerEvent,
)

_KINDS = {
    "subProcess": Kind.SUB_PROCESS,
    "callActivity": Kind.CALL_ACTIVITY,
    "task": Kind.TASK,
    "manualTask": Kind.MANUAL_TASK,
    "serviceTask": Kind.SERVICE_TASK,
    "sendTask": Kind.SEND_TASK,
    "scriptTask": Kind.SCRIPT_TASK,
    "businessRuleTask": Kind.BUSINESS_RULE_TASK,
    "userTask": Kind.USER_TASK,
    "receiveTask": Kind.RECEIVE_TASK,
    "startEvent": Kind.START_EVENT,
    "intermediateCatchEvent": Kind.INTERMEDIATE_CATCH_EVENT,
    "intermediateThrowEvent": Kind.INTERMEDIATE_THROW_EVENT,
    "boundaryEvent": Kind.BOUNDARY_EVENT,
    "endEvent": Kind.END_EVENT,
    "exclusiveGateway": Kind.EXCLUSIVE_GATEWAY,
    "inclusiveGateway": Kind.INCLUSIVE_GATEWAY,
    "parallelGateway": Kind.PARALLEL_GATEWAY,
    "eventBasedGateway": Kind.EVENT_BASED_GATEWAY,
}
# What a process may hold and no engine executes.
_DECORATION = {
    "association",
    "dataObject",
    "dataObjectReference",
    "dataStoreReference",
    "documentation",
    "extensionElements",
    "group",
    "incoming",
    "ioSpecification",
    "laneSet",
    "multiInstanceLoopCharacteristics",
    "outgoing",
    "property",
    "textAnnotation",
}
_EVENTS = {
    Kind.START_EVENT,
    Kind.BOUNDARY_EVENT,
    Kind.END_EVENT,
    Kind.INTERMEDIATE_CATCH_EVENT,
    Kind.INTERMEDIATE_THROW_EVENT,
    Kind.RECEIVE_TASK,
}
_SCOPES = {Kind.PROCESS, Kind.SUB_PROCESS, Kind.EVENT_SUB_PROCESS}
_JOBS = {Kind.SERVICE_TASK, Kind.SEND_TASK, Kind.BUSINESS_RULE_TASK}
_SUBSCRIBED = (MessageEvent, SignalEvent, TimerEvent)


@dataclass(frozen=True, slots=True)
class _Node:
    """An element as the diagram has it, and where it stands."""

    xml: Xml
    id: str
    kind: Kind
    scope: str


def read(resource: Resource, version: EngineVersion) -> tuple[list[Process], Complaints]:
    """Read the executable processes of a BPMN file; they can be run only if there are no complaints."""
    complaints = Complaints(resource.name)
    root = parse(resource.content, complaints)
    if root is None:
        return [], complaints
    nodes = [node for node in root.findall(f"{BPMN}process") if node.get("isExecutable") == "true"]
    if not nodes:
        complaints.add(root.get("id", "definitions"), "Must contain at least one executable process")
    events = EventDefinitions(root, complaints)
    processes = [_ProcessReader(node, events, version, complaints).read() for node in nodes]
    for process in processes:
        check(process, complaints)
    return processes, complaints


def parse(content: bytes, complaints: Complaints) -> Xml | None:
    """Parse a file; one that is no BPMN is complained about, and gives None."""
    try:
        _refuse_doctype(content)
        root = ET.fromstring(content)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except (ET.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        complaints.add("definitions", f"The resource is not BPMN: {error}")
        return None
    if root.tag != f"{BPMN}definitions":
        complaints.add("definitions", "The resource is not BPMN: its root element is not 'bpmn:definitions'")
        return None
    return root


class _RootReachedError(Exception):
    """The part in which a DOCTYPE can stand is over."""


def _refuse_doctype(content: bytes) -> None:
    """Read as far as the root element, in any encoding that the parser knows.

    Raises:
        ValueError: There is a DOCTYPE.
        ExpatError: It is not XML.
    """

    def refuse(*_: object) -> None:
        raise ValueError("it has a DOCTYPE, which is not allowed")

    def stop(*_: object) -> None:
        raise _RootReachedError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = stop
    try:
        parser.Parse(content, True)
    except _RootReachedError:
        return


class _ProcessReader:
    """Reads one process: first all nodes and flows at any depth, then what each node is."""

    def __init__(
        self, xml: Xml, events: EventDefinitions, version: EngineVersion, complaints: Complaints
    ) -> None:
        self._definitions = events
        self._version: EngineVersion = version
        self._complaints = complaints
        self._nodes: dict[str, _Node] = {}
        self._flows: dict[str, list[Flow]] = defaultdict(list)
        self._incoming: dict[str, int] = defaultdict(int)
        self._inside: dict[str, list[_Node]] = defaultdict(list)
        self._attached: dict[str, list[str]] = defaultdict(list)
        self._id = xml.get("id", "")
        self._collect(_Node(xml, self._id, Kind.PROCESS, ""))
        self._events = {
            node.id: event for node in self._nodes.values() if (event := self._event(node)) is not None
        }

    def read(self) -> Process:
        """Return the process."""
        elements = {node.id: self._element(node) for node in self._nodes.values()}
        starts = tuple(node.id for node in self._starts(self._id) if node.id in self._events)
        return Process(self._id, elements[self._id], elements, starts)

    # What there is

    def _collect(self, node: _Node) -> None:
        if node.id in self._nodes:
            self._complaints.add(node.id, "Must have an id that no other element has")
        self._nodes[node.id] = node
        if node.scope:
            self._inside[node.scope].append(node)
        self._attached[node.xml.get("attachedToRef", "")].append(node.id)
        if node.kind in _SCOPES:
            for child in node.xml:
                self._collect_child(child, node.id)

    def _collect_child(self, xml: Xml, scope: str) -> None:
        tag, element = xml.tag.removeprefix(BPMN), xml.get("id", "")
        if tag == "sequenceFlow":
            self._collect_flow(xml, element)
        elif tag in _KINDS:
            if not element:
                self._complaints.add(scope, f"Must not contain a '{tag}' without an id")
                return
            kind = Kind.EVENT_SUB_PROCESS if xml.get("triggeredByEvent") == "true" else _KINDS[tag]
            self._collect(_Node(xml, element, kind, scope))
        elif tag not in _DECORATION:
            self._complaints.add(element or tag, f"Elements of type '{tag}' are not supported by this engine")

    def _collect_flow(self, xml: Xml, element: str) -> None:
        source, target = xml.get("sourceRef", ""), xml.get("targetRef", "")
        found = xml.find(f"{BPMN}conditionExpression")
        text = "" if found is None else (found.text or "").strip()
        condition = self._complaints.formula(element, text) if text else None
        self._flows[source].append(Flow(element, source, target, condition))
        self._incoming[target] += 1

    def _event(self, node: _Node) -> Event | None:
        if node.kind not in _EVENTS:
            return None
        starts_process = node.kind is Kind.START_EVENT and node.scope == self._id
        return self._definitions.read(node.xml, node.id, node.kind, starts_process=starts_process)

    # What each node is

    def _element(self, node: _Node) -> Element:
        xml, extensions = node.xml, Extensions(node.xml, node.id, self._complaints)
        extensions.check_known()
        self._check_loops(node)
        boundaries = tuple(self._attached[node.id])
        return Element(
            id=node.id,
            kind=node.kind,
            scope=node.scope,
            name=xml.get("name", ""),
            event=self._events.get(node.id),
            interrupting=xml.get("cancelActivity", xml.get("isInterrupting", "true")) == "true",
            inputs=extensions.mappings("input", self._version),
            outputs=extensions.mappings("output", self._version),
            task=self._task(node, extensions),
            script=self._script(node, extensions),
            call=extensions.call() if node.kind is Kind.CALL_ACTIVITY else None,
            loop=self._loop(node),
            outgoing=tuple(self._flows.get(node.id, ())),
            incoming=self._incoming.get(node.id, 0),
            default=xml.get("default", ""),
            start=self._start(node),
            event_starts=tuple(self._event_starts(node)),
            boundaries=boundaries,
            attached_to=xml.get("attachedToRef", ""),
            waits_for=tuple(self._subscribed(self._own_events(node))),
            guarded_by=tuple(self._subscribed(boundaries)),
        )

    def _check_loops(self, node: _Node) -> None:
        if node.xml.find(f"{BPMN}standardLoopCharacteristics") is not None:
            self._complaints.add(node.id, "Standard loops are not supported by this engine")
        if node.xml.get("isForCompensation") == "true":
            self._complaints.add(node.id, "Compensation is not supported by this engine")

    def _task(self, node: _Node, extensions: Extensions) -> Task | None:
        if node.kind is Kind.USER_TASK:
            return extensions.user_task()
        throws_message = (
            node.kind in {Kind.INTERMEDIATE_THROW_EVENT, Kind.END_EVENT}
            and node.xml.find(f"{BPMN}messageEventDefinition") is not None
        )
        scripted = node.kind is Kind.SCRIPT_TASK and extensions.has_task()
        return extensions.task() if node.kind in _JOBS or throws_message or scripted else None

    def _script(self, node: _Node, extensions: Extensions) -> Script | None:
        return extensions.script() if node.kind is Kind.SCRIPT_TASK and not extensions.has_task() else None

    def _loop(self, node: _Node) -> Loop | None:
        xml = node.xml.find(f"{BPMN}multiInstanceLoopCharacteristics")
        if xml is None:
            return None
        found = xml.find(f"{BPMN}completionCondition")
        text = "" if found is None else (found.text or "").strip()
        completion = self._complaints.formula(node.id, text) if text else None
        sequential = xml.get("isSequential") == "true"
        return Extensions(xml, node.id, self._complaints).loop(sequential=sequential, completion=completion)

    def _starts(self, scope: str) -> Iterator[_Node]:
        return (node for node in self._inside[scope] if node.kind is Kind.START_EVENT)

    def _start(self, node: _Node) -> str:
        """Return the start event that is entered with a scope: the one without an event."""
        return next((start.id for start in self._starts(node.id) if start.id not in self._events), "")

    def _event_starts(self, node: _Node) -> Iterator[str]:
        for child in self._inside[node.id]:
            if child.kind is Kind.EVENT_SUB_PROCESS:
                yield from (start.id for start in self._starts(child.id))

    def _own_events(self, node: _Node) -> Iterator[str]:
        if node.kind in {Kind.INTERMEDIATE_CATCH_EVENT, Kind.RECEIVE_TASK}:
            yield node.id
        elif node.kind is Kind.EVENT_BASED_GATEWAY:
            yield from (flow.target for flow in self._flows.get(node.id, ()))
        elif node.kind in _SCOPES:
            yield from self._event_starts(node)

    def _subscribed(self, events: Iterable[str]) -> Iterator[str]:
        return (event for event in events if isinstance(self._events.get(event), _SUBSCRIBED))
