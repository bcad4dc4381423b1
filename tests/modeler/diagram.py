"""A process as a person has drawn it before any template: a start, one plain element, an end."""

from __future__ import annotations

from dataclasses import dataclass

ELEMENT = "send"

_DEFINITIONS = """\
<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
                  xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
                  xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"
                  xmlns:di="http://www.omg.org/spec/DD/20100524/DI"
                  xmlns:modeler="http://camunda.org/schema/modeler/1.0" id="Definitions"
                  targetNamespace="http://bpmn.io/schema/bpmn"
                  modeler:executionPlatform="Camunda Cloud" modeler:executionPlatformVersion="8.6.0">
  <bpmn:process id="{process_id}" isExecutable="true">
    <bpmn:startEvent id="start" name="Order shipped"><bpmn:outgoing>in</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="in" sourceRef="start" targetRef="send"/>
{elements}
  </bpmn:process>
  <bpmndi:BPMNDiagram id="Diagram">
    <bpmndi:BPMNPlane id="Plane" bpmnElement="{process_id}">
      <bpmndi:BPMNShape id="start_di" bpmnElement="start">
        <dc:Bounds x="160" y="102" width="36" height="36"/>
        <bpmndi:BPMNLabel><dc:Bounds x="143" y="145" width="70" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
{shapes}
      <bpmndi:BPMNEdge id="in_di" bpmnElement="in">
        <di:waypoint x="196" y="120"/><di:waypoint x="{left}" y="120"/>
      </bpmndi:BPMNEdge>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</bpmn:definitions>
"""
_ON_TO_THE_END = """
    <bpmn:sequenceFlow id="out" sourceRef="send" targetRef="end"/>
    <bpmn:endEvent id="end" name="Customer notified"><bpmn:incoming>out</bpmn:incoming></bpmn:endEvent>"""
_END = """
      <bpmndi:BPMNShape id="end_di" bpmnElement="end">
        <dc:Bounds x="422" y="102" width="36" height="36"/>
        <bpmndi:BPMNLabel><dc:Bounds x="395" y="145" width="90" height="14"/></bpmndi:BPMNLabel>
      </bpmndi:BPMNShape>
      <bpmndi:BPMNEdge id="out_di" bpmnElement="out">
        <di:waypoint x="{right}" y="120"/><di:waypoint x="422" y="120"/>
      </bpmndi:BPMNEdge>"""


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain BPMN element, such as a ``task``, to which a template is then applied."""

    tag: str

    @property
    def is_task(self) -> bool:
        """A rectangle; the others are circles."""
        return self.tag == "task"

    @property
    def is_last(self) -> bool:
        """The process ends with it."""
        return self.tag == "endEvent"


def diagram(plain: Plain, process_id: str) -> str:
    """Draw the process with such an element, with the id ``send``, in the middle or at the end."""
    left, width = (260, 100) if plain.is_task else (292, 36)
    top, height = (80, 80) if plain.is_task else (102, 36)
    outgoing = "" if plain.is_last else "<bpmn:outgoing>out</bpmn:outgoing>"
    element = (
        f'    <bpmn:{plain.tag} id="send" name="Notify customer">'
        f"<bpmn:incoming>in</bpmn:incoming>{outgoing}</bpmn:{plain.tag}>"
    )
    label = f'<dc:Bounds x="{left - 25}" y="145" width="86" height="14"/>'
    shape = (
        f'      <bpmndi:BPMNShape id="send_di" bpmnElement="send">'
        f'<dc:Bounds x="{left}" y="{top}" width="{width}" height="{height}"/>'
        f"{'' if plain.is_task else f'<bpmndi:BPMNLabel>{label}</bpmndi:BPMNLabel>'}</bpmndi:BPMNShape>"
    )
    return _DEFINITIONS.format(
        process_id=process_id,
        elements=element + ("" if plain.is_last else _ON_TO_THE_END),
        shapes=shape + ("" if plain.is_last else _END.format(right=left + width)),
        left=left,
    )
