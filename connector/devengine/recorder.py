"""Turns changes of the state into records; without a log it costs next to nothing.

A record is a dict in the form of the exporters' JSON: what it is about (``valueType``), what happened to it
(``intent``), its key and its values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector.devengine.clock import Clock
from connector.devengine.commands import DEFAULT_TENANT
from connector.devengine.model import Definition, Element, Flow, Kind
from connector.devengine.records import RecordLog
from connector.devengine.state import ElementInstance, Incident, Job

_NO_KEY = -1


class Recorder:
    """Writes records of one engine.

    Args:
        log: Takes the records; None for none at all.
        clock: Gives the time of each.
    """

    def __init__(self, log: RecordLog | None, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def element(self, where: ElementInstance, intent: str) -> None:
        """Record a step in the life of an element instance."""
        if self._log is not None:
            value = _place(where) | {"bpmnElementType": where.kind, **_scope(where)}
            self._write("PROCESS_INSTANCE", intent, where.key, value)

    def flow(self, flow: Flow, scope: ElementInstance) -> None:
        """Record that a sequence flow was taken."""
        if self._log is not None:
            value = _place(scope) | {"elementId": flow.id, "bpmnElementType": Kind.SEQUENCE_FLOW}
            self._write("PROCESS_INSTANCE", "SEQUENCE_FLOW_TAKEN", _NO_KEY, value)

    def variable(self, where: ElementInstance, name: str, intent: str) -> None:
        """Record the new value of a variable."""
        if self._log is not None:
            value = _process(where) | {
                "name": name,
                "value": _json(where.variables[name]),
                "scopeKey": where.key,
            }
            self._write("VARIABLE", intent, where.variable_keys[name], value)

    def job(self, job: Job, intent: str, **more: object) -> None:
        """Record a step in the life of a job; ``more`` holds what only this step knows."""
        if self._log is not None:
            value = _place(job.element_instance) | {
                "elementInstanceKey": job.element_instance.key,
                "type": job.type,
                "worker": job.worker,
                "retries": job.retries,
                "retryBackoff": 0,
                "deadline": _milliseconds(job.deadline),
                "customHeaders": job.custom_headers,
                "errorCode": job.error_code,
                "errorMessage": job.error_message,
                "variables": {},
            }
            self._write("JOB", intent, job.key, value | more)

    def incident(self, incident: Incident, intent: str) -> None:
        """Record that an incident was raised or resolved."""
        if self._log is not None:
            value = _place(incident.element_instance) | {
                "elementInstanceKey": incident.element_instance.key,
                "errorType": incident.kind,
                "errorMessage": incident.text,
                "jobKey": incident.job.key if incident.job else _NO_KEY,
            }
            self._write("INCIDENT", intent, incident.key, value)

    def caught(self, host: ElementInstance, catch: Element, variables: Mapping[str, Any]) -> None:
        """Record that an event takes place."""
        if self._log is not None:
            value = _process(host) | {
                "scopeKey": host.key,
                "targetElementId": catch.id,
                "variables": dict(variables),
            }
            self._write("PROCESS_EVENT", "TRIGGERING", _NO_KEY, value)

    def escalation(self, code: str, thrower: ElementInstance, catch: Element | None) -> None:
        """Record an escalation, caught or not."""
        if self._log is not None:
            value = _process(thrower) | {
                "escalationCode": code,
                "throwElementId": thrower.element.id,
                "catchElementId": catch.id if catch else "",
            }
            intent = "ESCALATED" if catch else "NOT_ESCALATED"
            self._write("ESCALATION", intent, _NO_KEY, value)

    def process(self, definition: Definition) -> None:
        """Record that a process was deployed."""
        if self._log is not None:
            value = _definition(definition) | {
                "version": definition.version,
                "resourceName": definition.resource_name,
            }
            self._write("PROCESS", "CREATED", definition.key, value)

    def event(self, kind: str, intent: str, key: int, value: Mapping[str, Any]) -> None:
        """Record what belongs to no process instance: a message, a signal."""
        if self._log is not None:
            self._write(kind, intent, key, {**value, "tenantId": DEFAULT_TENANT})

    def _write(self, kind: str, intent: str, key: int, value: Mapping[str, Any]) -> None:
        assert self._log is not None  # noqa: S101 - asked by each caller, before it makes the value
        self._log.add(
            {
                "valueType": kind,
                "intent": str(intent),
                "recordType": "EVENT",
                "key": key,
                "timestamp": _milliseconds(self._clock.now()),
                "value": value,
            }
        )


def _definition(definition: Definition) -> dict[str, Any]:
    return {
        "bpmnProcessId": definition.process.id,
        "processDefinitionKey": definition.key,
        "tenantId": DEFAULT_TENANT,
    }


def _process(where: ElementInstance) -> dict[str, Any]:
    return {"processInstanceKey": where.instance.key, **_definition(where.instance.definition)}


def _place(where: ElementInstance) -> dict[str, Any]:
    version = {"processDefinitionVersion": where.instance.definition.version}
    return {"elementId": where.element.id, **_process(where), **version}


def _scope(where: ElementInstance) -> dict[str, int]:
    caller = where.instance.caller
    return {
        "flowScopeKey": where.parent.key if where.parent else _NO_KEY,
        "parentProcessInstanceKey": caller.instance.key if caller else _NO_KEY,
        "parentElementInstanceKey": caller.key if caller else _NO_KEY,
    }


def _milliseconds(seconds: float | None) -> int:
    return _NO_KEY if seconds is None else round(seconds * 1000)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
