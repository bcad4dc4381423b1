"""Small processes for the tests: one task between a start and an end, as a modeler's diagram deploys it.

Where a test wants it, BPMN errors are caught: by boundary events of the task, or by an event subprocess.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

_PROCESS = """\
<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
                  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="test">
  <bpmn:process id={process_id} isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="in" sourceRef="start" targetRef="send"/>
    <bpmn:serviceTask id="send">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type={task_type} retries={retries}/>
        <zeebe:ioMapping>
{inputs}
        </zeebe:ioMapping>
        <zeebe:taskHeaders>
{headers}
        </zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="out" sourceRef="send" targetRef="end"/>
    <bpmn:endEvent id="end"/>
{catching}
  </bpmn:process>
{errors}
</bpmn:definitions>
"""
_BOUNDARY = """\
    <bpmn:boundaryEvent id="boundary_{code}" attachedToRef="send">
      <bpmn:outgoing>to_{code}</bpmn:outgoing>
      <bpmn:errorEventDefinition errorRef="error_{code}"/>
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="to_{code}" sourceRef="boundary_{code}" targetRef="caught_{code}"/>
    <bpmn:endEvent id="caught_{code}"/>"""
_SUBPROCESS = """\
    <bpmn:subProcess id="subprocess_{code}" triggeredByEvent="true">
      <bpmn:startEvent id="on_{code}">
        <bpmn:outgoing>to_{code}</bpmn:outgoing>
        <bpmn:errorEventDefinition errorRef="error_{code}"/>
      </bpmn:startEvent>
      <bpmn:sequenceFlow id="to_{code}" sourceRef="on_{code}" targetRef="caught_{code}"/>
      <bpmn:endEvent id="caught_{code}"/>
    </bpmn:subProcess>"""
_ERROR = '  <bpmn:error id="error_{code}" errorCode="{code}"/>'


class Static(str):
    """Text that the diagram holds as it is, without FEEL."""

    __slots__ = ()


def send_process(
    process_id: str,
    task_type: str,
    inputs: Mapping[str, Any],
    headers: Mapping[str, str],
    retries: int = 3,
    *,
    boundaries: Iterable[str] = (),
    subprocesses: Iterable[str] = (),
) -> bytes:
    """Make the BPMN of a process with one send task.

    Args:
        inputs: By dotted target, a JSON value; each becomes an input mapping.
        headers: The task headers.
        boundaries: BPMN error codes that a boundary event of the task catches; its path ends at
            ``caught_CODE``.
        subprocesses: Codes that an event subprocess catches; it ends at ``caught_CODE`` as well.
    """
    boundaries, subprocesses = tuple(boundaries), tuple(subprocesses)
    mappings = "\n".join(
        f"<zeebe:input source={quoteattr(_source(value))} target={quoteattr(target)}/>"
        for target, value in inputs.items()
    )
    lines = "\n".join(
        f"<zeebe:header key={quoteattr(key)} value={quoteattr(value)}/>" for key, value in headers.items()
    )
    return _PROCESS.format(
        process_id=quoteattr(process_id),
        task_type=quoteattr(task_type),
        retries=quoteattr(str(retries)),
        inputs=mappings,
        headers=lines,
        catching="\n".join(
            [_BOUNDARY.format(code=code) for code in boundaries]
            + [_SUBPROCESS.format(code=code) for code in subprocesses]
        ),
        errors="\n".join(_ERROR.format(code=code) for code in (*boundaries, *subprocesses)),
    ).encode()


def _source(value: Any) -> str:
    """Write a JSON value as a FEEL literal, which looks the same."""
    return value if isinstance(value, Static) else "=" + json.dumps(value, ensure_ascii=False)
