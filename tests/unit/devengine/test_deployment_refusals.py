"""Diagrams that are refused: each with the element that is wrong and the text that says why."""

from __future__ import annotations

from typing import Any

import pytest

from connector.devengine.commands import CommandRefusedError, Resource
from tests.diagrams import (
    TERMINATE,
    a_message,
    a_signal,
    an_error,
    an_escalation,
    boundary,
    catch,
    diagram,
    element,
    end,
    error,
    escalation,
    extensions,
    flow,
    loop,
    mapped,
    message,
    path,
    signal,
    start,
    subprocess,
    task,
    throw,
    timer,
    zeebe,
)
from tests.unit.devengine.bench import Bench, refusal

HEAD = (
    "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': "
    "Expected to deploy new resources, but encountered the following errors:\n"
)
AROUND = (start(), end(), path("start", "node", "end"))


def node(text: str, *more: str, shared: str = "") -> bytes:
    """A process with one element, ``node``, between start and end."""
    return diagram(*AROUND, text, *more, shared=shared)


def service(*inside: str) -> str:
    return element("serviceTask", "node", extensions(*inside))


WORK = zeebe("taskDefinition", type="work")
CATCHERS = (start(), task(), path("start", "task"))
TWO = an_error("A") + an_error("B")
DOCTYPE = b'<!DOCTYPE d [<!ENTITY a "b">]>' + diagram(start())
UNSUPPORTED = "are not supported by this engine"

CASES: dict[str, tuple[bytes, str, str]] = {
    # The file
    "not XML": (b"no <xml", "definitions", "The resource is not BPMN: syntax error"),
    "a DOCTYPE": (DOCTYPE, "definitions", "it has a DOCTYPE, which is not allowed"),
    "a DOCTYPE in UTF-16": (DOCTYPE.decode().encode("utf-16"), "definitions", "it has a DOCTYPE"),
    "another root": (b"<a/>", "definitions", "its root element is not 'bpmn:definitions'"),
    "nothing to execute": (
        diagram(start()).replace(b'isExecutable="true"', b""),
        "d",
        "Must contain at least one executable process",
    ),
    # Starts and ends
    "no start event": (diagram(task()), "p", "Must have at least one start event"),
    "two none start events": (
        diagram(start("a"), start("b")),
        "p",
        "Must have at most one none start event",
    ),
    "an error that starts a process": (
        diagram(start("start", error("A")), shared=TWO),
        "start",
        "must be a none, message, timer or signal start event",
    ),
    "two starts for one message": (
        diagram(start("a", message("m")), start("b", message("m")), shared=a_message("m")),
        "p",
        "Must have at most one start event for the message 'm'",
    ),
    "a duration that starts a process": (
        diagram(start("start", timer("PT1H"))),
        "start",
        "A timer start event must not have a duration",
    ),
    "a flow into a start event": (
        diagram(start(), task(), path("task", "start")),
        "start",
        "Must not have incoming sequence flows",
    ),
    "a flow out of an end event": (
        diagram(start(), end(), task(), path("start", "end", "task")),
        "end",
        "Must not have outgoing sequence flows",
    ),
    "a subprocess that a message starts": (
        node(subprocess("node", start("in", message("m"))), shared=a_message("m")),
        "node",
        "Must have exactly one start event, and that must be a none start event",
    ),
    "a subprocess without a start": (node(subprocess("node")), "node", "Must have exactly one start event"),
    "an event subprocess with a none start event": (
        diagram(start(), subprocess("on", start("in"), triggered=True)),
        "on",
        "for a message, a timer, an error, an escalation or a signal",
    ),
    "an event subprocess in the flow": (
        node(subprocess("node", start("in", signal("s")), triggered=True), shared=a_signal("s")),
        "node",
        "Must not have sequence flows",
    ),
    # Flows and gateways
    "a flow to nowhere": (
        diagram(start(), flow("start", "none")),
        "start_none",
        "Must lead to an element in the scope of 'start'",
    ),
    "a flow out of a subprocess": (
        diagram(start(), subprocess("sub", start("in"), path("in", "end")), end()),
        "in_end",
        "Must lead to an element in the scope of 'in'",
    ),
    "a condition behind a task": (
        diagram(start(), task(), end(), path("start", "task"), flow("task", "end", "=true")),
        "task_end",
        "only supported behind an exclusive or an inclusive gateway",
    ),
    "a flow without a condition": (
        node(element("exclusiveGateway", "node"), end("other"), flow("node", "other", "=true")),
        "node_end",
        "Must have a condition or be default flow",
    ),
    "a default flow of another": (
        node(element("exclusiveGateway", "node", default="start_node")),
        "node",
        "The default flow must start here",
    ),
    "a condition that is no expression": (
        node(element("exclusiveGateway", "node"), end("other"), flow("node", "other", "yes")),
        "node_other",
        "Expected expression but found static value 'yes'. An expression must start with '=' (e.g. '=x').",
    ),
    "an inclusive join": (
        node(element("inclusiveGateway", "node"), task("t"), path("t", "node")),
        "node",
        "An inclusive gateway that joins is not supported",
    ),
    "an event-based gateway with one flow": (
        node(element("eventBasedGateway", "node")),
        "node",
        "Must have at least 2 outgoing sequence flows",
    ),
    "an event-based gateway before a task": (
        node(element("eventBasedGateway", "node"), task("t"), flow("node", "t")),
        "node",
        "Must be followed by intermediate catch events only",
    ),
    "another way to an event of a gateway": (
        diagram(
            start(),
            element("eventBasedGateway", "node"),
            catch("a", timer("PT1S")),
            catch("b", timer("PT2S")),
            path("start", "node", "a", "b"),
            path("node", "b"),
        ),
        "node",
        "Must be the only way to the events behind it",
    ),
    # Tasks
    "a task without a definition": (
        node(service()),
        "node > extensionElements",
        "Must have exactly one 'zeebe:taskDefinition' extension element",
    ),
    "a task without a type": (
        node(service(zeebe("taskDefinition", type=" "))),
        "node > extensionElements > taskDefinition",
        "Task type must be present and not empty",
    ),
    "a decision": (
        node(element("businessRuleTask", "node", extensions(zeebe("calledDecision", decisionId="d")))),
        "node > extensionElements > calledDecision",
        f"Extension elements of type 'calledDecision' {UNSUPPORTED}",
    ),
    "a user task of the user-task API": (
        node(element("userTask", "node", extensions(zeebe("userTask")))),
        "node > extensionElements > userTask",
        UNSUPPORTED,
    ),
    "a linked form": (
        node(element("userTask", "node", extensions(zeebe("formDefinition", formId="f")))),
        "node > extensionElements > formDefinition",
        "Linked forms are not supported by this engine",
    ),
    "execution listeners": (
        node(service(WORK, zeebe("executionListeners"))),
        "node > extensionElements > executionListeners",
        UNSUPPORTED,
    ),
    "a thrown message without a definition": (
        node(throw("node", message("m")), shared=a_message("m")),
        "node > extensionElements",
        "Must have exactly one 'zeebe:taskDefinition'",
    ),
    "a script task with nothing": (
        node(element("scriptTask", "node")),
        "node > extensionElements",
        "Must have either a 'zeebe:script' or a 'zeebe:taskDefinition' extension element",
    ),
    "a script without a variable": (
        node(element("scriptTask", "node", extensions(zeebe("script", expression="=1")))),
        "node > extensionElements > script",
        "Attribute 'resultVariable' must be present and not empty",
    ),
    "a call to nowhere": (
        node(element("callActivity", "node")),
        "node > extensionElements > calledElement",
        "Attribute 'processId' must be present and not empty",
    ),
    "a call with a binding": (
        node(
            element(
                "callActivity",
                "node",
                extensions(zeebe("calledElement", processId="q", bindingType="deployment")),
            )
        ),
        "node > extensionElements > calledElement",
        "The binding 'deployment' is not supported by this engine",
    ),
    # Mappings and expressions
    "an input without a source": (
        node(service(WORK, mapped({"to": ""}))),
        "node > extensionElements > ioMapping > input",
        "Attribute 'source' must be present and not empty",
    ),
    "an output without a source": (
        node(service(WORK, mapped(outputs={"to": ""}))),
        "node > extensionElements > ioMapping > output",
        "Attribute 'source' must be present and not empty",
    ),
    "a target without a name": (
        node(service(WORK, mapped({"a..b": "x"}))),
        "node > extensionElements > ioMapping > input",
        "Attribute 'target' must be the name of a variable, but is 'a..b'",
    ),
    "an expression that is none": (
        node(service(WORK, mapped({"to": "=1 +"}))),
        "node > extensionElements > ioMapping > input",
        "failed to parse expression '1 +': ",
    ),
    # Multi-instance
    "a loop without a list": (
        node(task("node", loop(""))),
        "node > extensionElements > loopCharacteristics",
        "Attribute 'inputCollection' must be present and not empty",
    ),
    "a loop with half an output": (
        node(task("node", loop(output="results"))),
        "node > extensionElements > loopCharacteristics",
        "must be given both or not at all",
    ),
    "a loop around an event": (
        node(throw("node", loop())),
        "node",
        "Must not be a multi-instance",
    ),
    "a standard loop": (
        node(task("node", "<bpmn:standardLoopCharacteristics/>")),
        "node",
        "Standard loops are not supported by this engine",
    ),
    "compensation": (
        node(element("task", "node", isForCompensation="true")),
        "node",
        "Compensation is not supported by this engine",
    ),
    # Events
    "a catching event for nothing": (
        node(catch("node")),
        "node",
        "Must wait for a message, a timer or a signal",
    ),
    "a message without a name": (
        node(catch("node", message("m")), shared=element("message", "m")),
        "node",
        "Must refer to a message with a name",
    ),
    "a message without a key": (
        node(catch("node", message("m")), shared=element("message", "m", name="m")),
        "m > extensionElements",
        "Must have exactly one 'zeebe:subscription' extension element with a correlation key",
    ),
    "a receive task without a message": (
        node(element("receiveTask", "node")),
        "node",
        "Must refer to a message with a name",
    ),
    "a signal without a name": (
        node(catch("node", signal("s"))),
        "node",
        "Must refer to a signal with a name",
    ),
    "a link": (
        node(throw("node", "<bpmn:linkEventDefinition name='a'/>")),
        "node",
        f"Events of type 'link' {UNSUPPORTED}",
    ),
    "two events in one": (
        node(catch("node", timer("PT1S"), signal("s")), shared=a_signal("s")),
        "node",
        "Must have at most one event definition",
    ),
    "a timer without a time": (
        node(catch("node", timer())),
        "node",
        "Must have exactly one of a duration, a date and a cycle",
    ),
    "a timer that is none": (
        node(catch("node", timer("soon"))),
        "node",
        "Invalid duration 'soon': write an ISO 8601 duration",
    ),
    "an intermediate cycle": (
        node(catch("node", timer(cycle="R3/PT1H"))),
        "node",
        "An intermediate timer must not have a cycle",
    ),
    "an error that is thrown without a code": (
        diagram(start(), end("end", error()), path("start", "end")),
        "end",
        "Must refer to an error with a code",
    ),
    "an escalation that is thrown without a code": (
        node(throw("node", escalation("X")), shared=element("escalation", "X")),
        "node",
        "Must refer to an escalation with a code",
    ),
    "an error in the middle": (
        node(throw("node", error("A")), shared=TWO),
        "node",
        "An event of this kind must not be thrown here",
    ),
    "terminate in the middle": (node(throw("node", TERMINATE)), "node", "must not be thrown here"),
    "an error code that is an expression": (
        diagram(
            *CATCHERS,
            boundary("caught", "task", error("E")),
            shared=element("error", "E", errorCode="=code"),
        ),
        "caught",
        "The error code of a catching event must not be an expression",
    ),
    # Boundary events
    "a boundary event of nothing": (
        diagram(*CATCHERS, boundary("caught", "start", error())),
        "caught",
        "Must be attached to an activity",
    ),
    "a boundary event without a definition": (
        diagram(*CATCHERS, boundary("caught", "task")),
        "caught",
        "Must have exactly one event definition: a message, timer, error, escalation or signal",
    ),
    "a flow into a boundary event": (
        diagram(*CATCHERS, boundary("caught", "task", error()), path("task", "caught")),
        "caught",
        "Must not have incoming sequence flows",
    ),
    "an error that does not interrupt": (
        diagram(*CATCHERS, boundary("caught", "task", error(), interrupting=False)),
        "caught",
        "An error event must be interrupting",
    ),
    "a cycle that interrupts": (
        diagram(*CATCHERS, boundary("late", "task", timer(cycle="R3/PT1H"))),
        "late",
        "An interrupting timer must not have a cycle",
    ),
    "two boundary events for one error": (
        diagram(
            *CATCHERS,
            boundary("a", "task", error("A")),
            boundary("b", "task", error("A")),
            shared=TWO,
        ),
        "task",
        "Must have at most one event that catches the error code 'A'",
    ),
    "two boundary events for every error": (
        diagram(*CATCHERS, boundary("a", "task", error()), boundary("b", "task", error())),
        "task",
        "Must have at most one event that catches every error",
    ),
    "two event subprocesses for one escalation": (
        diagram(
            start(),
            subprocess("x", start("x_start", escalation("A")), triggered=True),
            subprocess("y", start("y_start", escalation("A")), triggered=True),
            shared=an_escalation("A"),
        ),
        "p",
        "Must have at most one event that catches the escalation code 'A'",
    ),
    "two boundary events for one message": (
        diagram(
            *CATCHERS,
            boundary("a", "task", message("m")),
            boundary("b", "task", message("m")),
            shared=a_message("m"),
        ),
        "task",
        "Must have at most one event that catches the message 'm'",
    ),
    # What the engine does not know
    "a complex gateway": (
        node(element("complexGateway", "node")),
        "node",
        f"Elements of type 'complexGateway' {UNSUPPORTED}",
    ),
    "an ad-hoc subprocess": (node(element("adHocSubProcess", "node")), "node", "'adHocSubProcess'"),
    "a transaction": (node(element("transaction", "node")), "node", "'transaction'"),
    "the same id twice": (
        node(task("node"), element("task", "node")),
        "node",
        "Must have an id that no other element has",
    ),
    "no id": (node(task("node"), "<bpmn:task/>"), "p", "Must not contain a 'task' without an id"),
}


@pytest.mark.parametrize(("content", "where", "text"), CASES.values(), ids=CASES)
def test_it_is_refused_and_says_where_and_why(content: bytes, where: str, text: str) -> None:
    told = refusal(content)
    assert told.startswith(f"{HEAD}'0.bpmn': - Element: ")
    places = told.partition("'0.bpmn': ")[2].split("- Element: ")
    assert any(place.startswith(f"{where}\n    - ERROR: ") and text in place for place in places), told


def test_every_fault_of_every_file_is_told_at_once() -> None:
    bench = Bench()
    with pytest.raises(CommandRefusedError) as caught:
        bench.engine.deploy(
            [
                Resource("a.bpmn", node(service())),
                Resource("b.bpmn", diagram(task("t", job_type=""), process_id="q")),
                Resource("c.dmn", b""),
            ]
        )
    assert caught.value.text == (
        f"{HEAD}'a.bpmn': - Element: node > extensionElements\n"
        "    - ERROR: Must have exactly one 'zeebe:taskDefinition' extension element\n"
        "\n'b.bpmn': - Element: t > extensionElements > taskDefinition\n"
        "    - ERROR: Task type must be present and not empty\n"
        "- Element: q\n"
        "    - ERROR: Must have at least one start event\n"
        "\n'c.dmn': unknown resource type; this engine knows .bpmn only"
    )


def test_a_process_id_may_not_be_there_twice() -> None:
    with pytest.raises(
        CommandRefusedError, match=r"Duplicated process id in resources \['a.bpmn', 'b.bpmn'\]: 'p'"
    ):
        Bench().engine.deploy([Resource("a.bpmn", diagram(start())), Resource("b.bpmn", diagram(start()))])


def test_nothing_to_deploy_is_refused() -> None:
    with pytest.raises(CommandRefusedError, match="Expected to deploy at least one resource, but none given"):
        Bench().engine.deploy([])


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        (
            timer(cycle="=missing"),
            "Expected result of the expression 'missing' to be 'STRING', but was 'NULL'.",
        ),
        (timer(date='="soon"'), "Invalid date 'soon'"),
    ],
)
def test_a_start_event_that_cannot_be_evaluated_is_refused(definition: str, text: str) -> None:
    assert f"- Element: p\n    - ERROR: {text}" in refusal(diagram(start("start", definition)))


def test_a_refused_deployment_takes_no_key() -> None:
    bench = Bench()
    with pytest.raises(CommandRefusedError):
        bench.deploy(diagram(start("start", timer(cycle="=missing"))))
    assert bench.deploy(diagram(start())) == 2251799813685250


IGNORED: dict[str, str] = {
    "lanes": '<bpmn:laneSet id="l"><bpmn:lane id="x"/></bpmn:laneSet>',
    "annotations": '<bpmn:textAnnotation id="t"><bpmn:text>Note</bpmn:text></bpmn:textAnnotation>'
    '<bpmn:association id="a" sourceRef="start" targetRef="t"/>',
    "data": '<bpmn:dataObject id="o"/><bpmn:dataObjectReference id="r" dataObjectRef="o"/>',
    "a version tag": extensions(zeebe("versionTag", value="v1")),
    "extensions of others": '<bpmn:extensionElements><x:y xmlns:x="urn:x"/></bpmn:extensionElements>',
}


@pytest.mark.parametrize("text", IGNORED.values(), ids=IGNORED)
def test_what_says_nothing_about_the_execution_is_ignored(text: str) -> None:
    bench = Bench(diagram(text, start(), end(), path("start", "end")))
    assert bench.ended_in(bench.start()) == ["end"]


def test_processes_that_are_not_executable_are_ignored() -> None:
    pool = element("process", "q", task("t", job_type=""))
    collaboration = element("collaboration", "c", element("participant", "x", processRef="p"))
    bench = Bench(diagram(start(), shared=pool + collaboration))
    assert [definition.process.id for definition in bench.engine.definitions()] == ["p"]


def test_references_may_have_a_prefix() -> None:
    nodes = (start(), catch("node", message("x:m")), end(), path("start", "node", "end"))
    bench = Bench(diagram(*nodes, shared=a_message("m")))
    instance: Any = bench.start(key="1")
    bench.publish("m", "1")
    assert bench.ended_in(instance) == ["end"]
