"""Searches of the Orchestration Cluster API over what the engine holds: filters, sorting and pages.

Items have the vendor's names; keys are strings, times are RFC 3339 in UTC. Unlike on a cluster, a search sees
everything that has happened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.devengine.arguments import BadRequestError
from connector.devengine.commands import DEFAULT_TENANT
from connector.devengine.process_engine import ProcessEngine
from connector.devengine.views import ElementView, IncidentView, InstanceView, JobView, VariableView

Item = dict[str, Any]

_DEFAULT_LIMIT = 100
_HIGHEST_LIMIT = 10_000
# Longer values are cut, unless the search says otherwise.
_LONGEST_VALUE = 8_191


@dataclass(frozen=True, slots=True)
class Searchable:
    """A kind of thing that can be searched.

    Attributes:
        key: The name of its key.
        items: Gives all items, or those of one process instance, oldest first.
        fields: Every name that a filter or a sort may use.
    """

    key: str
    items: Callable[[ProcessEngine, int | None], Iterator[Item]]
    fields: frozenset[str]


def search(core: ProcessEngine, kind: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a search.

    Args:
        core: What is searched.
        kind: A name of :data:`KINDS`.
        query: ``filter``, ``sort`` and ``page`` of the request.

    Raises:
        BadRequestError: A name is unknown, or a value makes no sense.
    """
    searchable = KINDS[kind]
    wanted = _set(_object(query, "filter"))
    _known(wanted, searchable, "filter")
    _check_operators(wanted)
    found = [item for item in searchable.items(core, _instance_of(wanted)) if _matches(item, wanted)]
    for sort in reversed(query.get("sort") or []):
        _sort(found, sort, searchable)
    return _page(found, _object(query, "page"))


def by_key(core: ProcessEngine, kind: str, key: int) -> Item | None:
    """Find one item."""
    searchable = KINDS[kind]
    text = str(key)
    return next((item for item in searchable.items(core, None) if item[searchable.key] == text), None)


def cut(items: Iterable[Item]) -> None:
    """Cut the long values of variables, as a search does unless ``truncateValues=false``."""
    for item in items:
        if len(item["value"]) > _LONGEST_VALUE:
            item |= {"value": item["value"][:_LONGEST_VALUE], "isTruncated": True}


# What is searched


def _instances(core: ProcessEngine, _instance: int | None) -> Iterator[Item]:
    names = {one.key: one.process.root.name for one in core.definitions()}
    for view in core.instances():
        yield _instance_item(view, names.get(view.process_definition_key, ""))


def _instance_item(view: InstanceView, name: str) -> Item:
    return {
        "processInstanceKey": str(view.key),
        "processDefinitionId": view.bpmn_process_id,
        "processDefinitionName": name or view.bpmn_process_id,
        "processDefinitionVersion": view.version,
        "processDefinitionVersionTag": None,
        "processDefinitionKey": str(view.process_definition_key),
        "parentProcessInstanceKey": _key(view.parent_process_instance_key),
        "parentElementInstanceKey": _key(view.parent_element_instance_key),
        "rootProcessInstanceKey": str(view.key),
        "startDate": _moment(view.started),
        "endDate": _moment(view.ended),
        "state": view.state,
        "hasIncident": view.has_incident,
        "tenantId": DEFAULT_TENANT,
        "tags": [],
        "businessId": None,
    }


def _elements(core: ProcessEngine, instance: int | None) -> Iterator[Item]:
    return map(_element_item, core.elements(instance))


def _element_item(view: ElementView) -> Item:
    return {
        "elementInstanceKey": str(view.key),
        "elementId": view.element_id,
        "elementName": view.name or view.element_id,
        "type": view.type,
        "state": view.state,
        "startDate": _moment(view.started),
        "endDate": _moment(view.ended),
        "hasIncident": view.incident_key is not None,
        "incidentKey": _key(view.incident_key),
        **_place(view.process_instance_key, view.bpmn_process_id, view.process_definition_key),
    }


def _jobs(core: ProcessEngine, instance: int | None) -> Iterator[Item]:
    return map(_job_item, core.jobs(instance))


def _job_item(view: JobView) -> Item:
    return {
        "jobKey": str(view.key),
        "type": view.type,
        # A search tells no more of a job that a worker holds than that it exists.
        "state": "CREATED" if view.state == "ACTIVATED" else view.state,
        "retries": view.retries,
        "worker": view.worker,
        "deadline": _moment(view.deadline),
        "customHeaders": dict(view.custom_headers),
        "errorCode": view.error_code or None,
        "errorMessage": view.error_message or None,
        "hasFailedWithRetriesLeft": view.state == "FAILED" and view.retries > 0,
        "kind": "BPMN_ELEMENT",
        "listenerEventType": "UNSPECIFIED",
        "isDenied": None,
        "deniedReason": None,
        "elementId": view.element_id,
        "elementInstanceKey": str(view.element_instance_key),
        **_place(view.process_instance_key, view.bpmn_process_id, view.process_definition_key),
    }


def _incidents(core: ProcessEngine, instance: int | None) -> Iterator[Item]:
    return map(_incident_item, core.incidents(instance))


def _incident_item(view: IncidentView) -> Item:
    return {
        "incidentKey": str(view.key),
        "errorType": view.kind,
        "errorMessage": view.text,
        "state": view.state,
        "creationTime": _moment(view.created),
        "jobKey": _key(view.job_key),
        "elementId": view.element_id,
        "elementInstanceKey": str(view.element_instance_key),
        **_place(view.process_instance_key, view.bpmn_process_id, view.process_definition_key),
    }


def _variables(core: ProcessEngine, instance: int | None) -> Iterator[Item]:
    return map(_variable_item, core.variables(instance))


def _variable_item(view: VariableView) -> Item:
    return {
        "variableKey": str(view.key),
        "name": view.name,
        "value": json.dumps(view.value, ensure_ascii=False, separators=(",", ":")),
        "isTruncated": False,
        "scopeKey": str(view.scope_key),
        "processInstanceKey": str(view.process_instance_key),
        "rootProcessInstanceKey": str(view.process_instance_key),
        "tenantId": DEFAULT_TENANT,
    }


def _definitions(core: ProcessEngine, _instance: int | None) -> Iterator[Item]:
    for one in core.definitions():
        yield {
            "processDefinitionKey": str(one.key),
            "processDefinitionId": one.process.id,
            "name": one.process.root.name or one.process.id,
            "version": one.version,
            "versionTag": None,
            "resourceName": one.resource_name,
            "hasStartForm": False,
            "tenantId": DEFAULT_TENANT,
        }


def _place(instance: int, process_id: str, definition: int) -> Item:
    return {
        "processInstanceKey": str(instance),
        "rootProcessInstanceKey": str(instance),
        "processDefinitionId": process_id,
        "processDefinitionKey": str(definition),
        "tenantId": DEFAULT_TENANT,
    }


def _key(key: int | None) -> str | None:
    return None if key is None else str(key)


def _moment(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_PLACE = (
    "processInstanceKey",
    "rootProcessInstanceKey",
    "processDefinitionId",
    "processDefinitionKey",
    "tenantId",
)
KINDS = {
    "process-instances": Searchable(
        "processInstanceKey",
        _instances,
        frozenset(
            (
                *_PLACE,
                *("processDefinitionName", "processDefinitionVersion", "processDefinitionVersionTag"),
                *("parentProcessInstanceKey", "parentElementInstanceKey", "startDate", "endDate", "state"),
                *("hasIncident", "businessId"),
            )
        ),
    ),
    "element-instances": Searchable(
        "elementInstanceKey",
        _elements,
        frozenset(
            (
                *_PLACE,
                *("elementInstanceKey", "elementId", "elementName", "type", "state", "startDate", "endDate"),
                *("hasIncident", "incidentKey"),
            )
        ),
    ),
    "jobs": Searchable(
        "jobKey",
        _jobs,
        frozenset(
            (
                *_PLACE,
                *("jobKey", "type", "state", "retries", "worker", "deadline", "errorCode", "errorMessage"),
                *("hasFailedWithRetriesLeft", "kind", "listenerEventType", "isDenied", "deniedReason"),
                *("elementId", "elementInstanceKey"),
            )
        ),
    ),
    "incidents": Searchable(
        "incidentKey",
        _incidents,
        frozenset(
            (
                *_PLACE,
                *("incidentKey", "errorType", "errorMessage", "state", "creationTime", "jobKey"),
                *("elementId", "elementInstanceKey"),
            )
        ),
    ),
    "variables": Searchable(
        "variableKey",
        _variables,
        frozenset(
            ("variableKey", "name", "value", "isTruncated", "scopeKey", "processInstanceKey", "tenantId")
        ),
    ),
    "process-definitions": Searchable(
        "processDefinitionKey",
        _definitions,
        frozenset(
            (
                *("processDefinitionKey", "processDefinitionId", "name", "version", "versionTag"),
                *("resourceName", "hasStartForm", "tenantId"),
            )
        ),
    ),
}


# Filters, sorting, pages


def _object(query: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = query.get(name) or {}
    if not isinstance(value, dict):
        raise BadRequestError(f"{name}: expected a JSON object")
    return value


def _known(names: Iterable[str], searchable: Searchable, where: str) -> None:
    if unknown := sorted(set(names) - searchable.fields):
        raise BadRequestError(
            f"{where}: {', '.join(unknown)} cannot be used here. Use {', '.join(sorted(searchable.fields))}."
        )


def _set(conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is null or empty, as Camunda's Java client sends each condition that is not set."""
    inner = {name: _set(one) if isinstance(one, dict) else one for name, one in conditions.items()}
    return {name: one for name, one in inner.items() if one not in (None, [], {})}


def _check_operators(wanted: Mapping[str, Any]) -> None:
    for name, condition in wanted.items():
        for operator in condition if isinstance(condition, dict) else ():
            if operator not in _OPERATORS:
                there_are = ", ".join(_OPERATORS)
                raise BadRequestError(f"filter: {name}: there is no operator {operator}. Use {there_are}.")


def _instance_of(wanted: Mapping[str, Any]) -> int | None:
    """The one process instance that a filter asks for: looking at the others can be spared."""
    given = wanted.get("processInstanceKey")
    given = given.get("$eq") if isinstance(given, dict) else given
    return int(given) if isinstance(given, str | int) and str(given).isdecimal() else None


def _matches(item: Item, wanted: Mapping[str, Any]) -> bool:
    return all(_fits(item[name], condition, name) for name, condition in wanted.items())


def _fits(value: Any, condition: Any, name: str) -> bool:
    if not isinstance(condition, dict):
        return _same(value, condition)
    for operator, operand in condition.items():
        try:
            if not _OPERATORS[operator](value, operand):
                return False
        except TypeError as error:
            raise BadRequestError(f"filter: {name}: {operator} cannot take {operand!r}") from error
    return True


def _same(value: Any, operand: Any) -> bool:
    """Compare; a key may be given as a number, and a moment in another zone."""
    if isinstance(value, str) and isinstance(operand, int) and not isinstance(operand, bool):
        return value == str(operand)
    return bool(_comparable(value) == _comparable(operand))


def _comparable(value: Any) -> Any:
    """A moment as such: times are compared as times, in any zone."""
    if isinstance(value, str) and _MOMENT.match(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value


def _like(value: Any, operand: str) -> bool:
    """Match ``*`` for any text and ``?`` for one character."""
    pattern = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in operand)
    return isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _same,
    "$neq": lambda value, operand: not _same(value, operand),
    "$exists": lambda value, operand: (value is not None) is operand,
    "$in": lambda value, operand: any(_same(value, one) for one in operand),
    "$notIn": lambda value, operand: not any(_same(value, one) for one in operand),
    "$like": _like,
    "$gt": lambda value, operand: value is not None and _comparable(value) > _comparable(operand),
    "$gte": lambda value, operand: value is not None and _comparable(value) >= _comparable(operand),
    "$lt": lambda value, operand: value is not None and _comparable(value) < _comparable(operand),
    "$lte": lambda value, operand: value is not None and _comparable(value) <= _comparable(operand),
}


def _sort(found: list[Item], sort: Any, searchable: Searchable) -> None:
    if not isinstance(sort, dict) or not isinstance(sort.get("field"), str):
        raise BadRequestError('sort: expected a list of {"field": NAME, "order": "ASC" or "DESC"}')
    field, order = sort["field"], str(sort.get("order", "ASC")).upper()
    _known([field], searchable, "sort")
    if order not in {"ASC", "DESC"}:
        raise BadRequestError(f"sort: {order} is no order. Use ASC or DESC.")
    # What is null comes first, like the least value.
    found.sort(key=lambda item: (item[field] is not None, item[field]), reverse=order == "DESC")


def _page(found: list[Item], page: Mapping[str, Any]) -> dict[str, Any]:
    limit = _number(page, "limit", _DEFAULT_LIMIT, _HIGHEST_LIMIT)
    first = _number(page, "from", 0, len(found))
    if page.get("after"):
        first = _number(page, "after", 0, len(found)) + 1
    elif page.get("before"):
        end = _number(page, "before", 0, len(found))
        first, limit = max(0, end - limit), min(limit, end)
    items = found[first : first + limit]
    return {
        "items": items,
        "page": {
            "totalItems": len(found),
            "hasMoreTotalItems": False,
            "startCursor": str(first) if items else None,
            "endCursor": str(first + len(items) - 1) if items else None,
        },
    }


def _number(page: Mapping[str, Any], name: str, default: int, most: int) -> int:
    given = page.get(name)
    if given is None:
        return default
    if not str(given).isdecimal():
        raise BadRequestError(f"page: {name}: {given!r} is no number")
    return min(int(given), most)
