"""Small processes for the tests: one task between a start and an end, as a modeler's diagram deploys it."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
  </bpmn:process>
</bpmn:definitions>
"""


class Static(str):
    """Text that the diagram holds as it is, without FEEL."""

    __slots__ = ()


def send_process(
    process_id: str,
    task_type: str,
    inputs: Mapping[str, Any],
    headers: Mapping[str, str],
    retries: int = 3,
) -> bytes:
    """Make the BPMN of a process with one send task.

    Args:
        inputs: By dotted target, a JSON value; each becomes an input mapping.
        headers: The task headers.
    """
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
    ).encode()


def _source(value: Any) -> str:
    """Write a JSON value as a FEEL literal, which looks the same."""
    return value if isinstance(value, Static) else "=" + json.dumps(value, ensure_ascii=False)
