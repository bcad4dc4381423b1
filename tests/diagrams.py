"""Small diagrams for tests of the engine, written as calls: elements inside a process, flows between them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

_HEAD = (
    '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="test">'
)
Pairs = Mapping[str, str]
NONE: Pairs = {}


def attributes(given: Mapping[str, str | None]) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in given.items() if value is not None)


def element(tag: str, element_id: str, *inside: str, **given: str | None) -> str:
    """Any element; the names of attributes are those of BPMN."""
    return f"<bpmn:{tag}{attributes({'id': element_id, **given})}>{''.join(inside)}</bpmn:{tag}>"


def extensions(*inside: str) -> str:
    return f"<bpmn:extensionElements>{''.join(inside)}</bpmn:extensionElements>"


def zeebe(tag: str, *inside: str, **given: str | None) -> str:
    return f"<zeebe:{tag}{attributes(given)}>{''.join(inside)}</zeebe:{tag}>"


def mapped(inputs: Pairs = NONE, outputs: Pairs = NONE) -> str:
    """The mappings, each as target to source."""
    given = [zeebe("input", source=source, target=target) for target, source in inputs.items()]
    given += [zeebe("output", source=source, target=target) for target, source in outputs.items()]
    return zeebe("ioMapping", *given)


def diagram(*inside: str, process_id: str = "p", shared: str = "") -> bytes:
    """A file with one process; ``shared`` holds messages, errors and so on, or further processes."""
    process = element("process", process_id, *inside, isExecutable="true")
    return f"{_HEAD}{process}{shared}</bpmn:definitions>".encode()


def flow(source: str, target: str, condition: str = "", flow_id: str = "") -> str:
    text = f"<bpmn:conditionExpression>{escape(condition)}</bpmn:conditionExpression>" if condition else ""
    return element("sequenceFlow", flow_id or f"{source}_{target}", text, sourceRef=source, targetRef=target)


def path(*elements: str) -> str:
    """Flows from each element to the next."""
    return "".join(flow(source, target) for source, target in pairwise(elements))


def start(element_id: str = "start", *inside: str, interrupting: bool = True) -> str:
    return element("startEvent", element_id, *inside, isInterrupting=None if interrupting else "false")


def end(element_id: str = "end", *inside: str) -> str:
    return element("endEvent", element_id, *inside)


def task(
    element_id: str = "task",
    *inside: str,
    job_type: str = "work",
    retries: str | None = None,
    inputs: Pairs = NONE,
    outputs: Pairs = NONE,
    tag: str = "serviceTask",
) -> str:
    """A task that is a job."""
    definition = zeebe("taskDefinition", type=job_type, retries=retries)
    return element(tag, element_id, extensions(definition, mapped(inputs, outputs)), *inside)


def subprocess(element_id: str, *inside: str, triggered: bool = False) -> str:
    return element("subProcess", element_id, *inside, triggeredByEvent="true" if triggered else None)


def boundary(element_id: str, host: str, *inside: str, interrupting: bool = True) -> str:
    cancel = None if interrupting else "false"
    return element("boundaryEvent", element_id, *inside, attachedToRef=host, cancelActivity=cancel)


def catch(element_id: str, *inside: str) -> str:
    return element("intermediateCatchEvent", element_id, *inside)


def throw(element_id: str, *inside: str) -> str:
    return element("intermediateThrowEvent", element_id, *inside)


def timer(duration: str = "", *, date: str = "", cycle: str = "") -> str:
    given = {"timeDuration": duration, "timeDate": date, "timeCycle": cycle}
    inside = "".join(f"<bpmn:{tag}>{escape(text)}</bpmn:{tag}>" for tag, text in given.items() if text)
    return f"<bpmn:timerEventDefinition>{inside}</bpmn:timerEventDefinition>"


def message(name: str) -> str:
    return f"<bpmn:messageEventDefinition{attributes({'messageRef': name})}/>"


def error(name: str | None = None) -> str:
    return f"<bpmn:errorEventDefinition{attributes({'errorRef': name})}/>"


def escalation(name: str | None = None) -> str:
    return f"<bpmn:escalationEventDefinition{attributes({'escalationRef': name})}/>"


def signal(name: str) -> str:
    return f"<bpmn:signalEventDefinition{attributes({'signalRef': name})}/>"


TERMINATE = "<bpmn:terminateEventDefinition/>"


def a_message(name: str, key: str = "=key") -> str:
    """The message that events refer to by its name."""
    return element("message", name, extensions(zeebe("subscription", correlationKey=key)), name=name)


def an_error(code: str) -> str:
    return element("error", code, errorCode=code)


def an_escalation(code: str) -> str:
    return element("escalation", code, escalationCode=code)


def a_signal(name: str) -> str:
    return element("signal", name, name=name)


def loop(
    collection: str = "=items",
    *,
    sequential: bool = False,
    item: str | None = "item",
    output: str | None = None,
    collect: str | None = None,
    until: str = "",
) -> str:
    """Loop characteristics; ``output`` is the collection and ``collect`` the expression for each instance."""
    given = {
        "inputCollection": collection,
        "inputElement": item,
        "outputCollection": output,
        "outputElement": collect,
    }
    condition = f"<bpmn:completionCondition>{escape(until)}</bpmn:completionCondition>" if until else ""
    inside = extensions(zeebe("loopCharacteristics", **given)) + condition
    sequence = attributes({"isSequential": "true" if sequential else None})
    return (
        f"<bpmn:multiInstanceLoopCharacteristics{sequence}>{inside}</bpmn:multiInstanceLoopCharacteristics>"
    )
