"""The paths of the Orchestration Cluster API: the command behind each, and the shape of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from connector.devengine import search, wire
from connector.devengine.arguments import (
    NO_START_INSTRUCTIONS,
    RESULT_SECONDS,
    BadRequestError,
    check_tenant,
    root_object,
    wait_seconds,
)
from connector.devengine.commands import (
    DEFAULT_TENANT,
    ActivatedJob,
    ActivationRequest,
    Failure,
    MessageToPublish,
    StartedInstance,
)
from connector.devengine.multipart import read_form
from connector.devengine.rest import Call, RestError, Route, found

_Json = dict[str, Any]


# The cluster


def _topology(call: Call) -> _Json:
    version = call.service.options.version
    partition = {"partitionId": 1, "role": "leader", "health": "healthy"}
    host, _, port = call.request.headers.get("host", "localhost:0").rpartition(":")
    return {
        "brokers": [
            {
                "nodeId": 0,
                "host": host,
                "port": int(port) if port.isdecimal() else 0,
                "partitions": [partition],
                "version": wire.BROKER,
            }
        ],
        "clusterId": None,
        "clusterSize": 1,
        "partitionsCount": 1,
        "replicationFactor": 1,
        "gatewayVersion": f"{version}.0",
        "lastCompletedChangeId": "0",
    }


def _status(_call: Call) -> None:
    """Say that the engine takes commands; the status alone is the answer."""


def _pin_clock(call: Call) -> None:
    call.service.pin(_number(call.body(), "timestamp", None) / 1000)


def _reset_clock(call: Call) -> None:
    call.service.reset_clock()


def _order_fault(call: Call) -> None:
    body = call.body()
    name, amount = body.get("fault"), body.get("amount", 1)
    if not isinstance(name, str) or not isinstance(amount, int | float):
        raise BadRequestError('Expected {"fault": NAME, "amount": NUMBER}')
    call.service.faults.order(name, amount)


# Processes


def _deploy(call: Call) -> _Json:
    resources, texts = read_form(call.request.headers.get("content-type", ""), call.request.body)
    check_tenant("Deploy resources", texts.get("tenantId", ""))
    deployment = call.service.execute(call.service.core.deploy, resources)
    return {
        "deploymentKey": str(deployment.key),
        "tenantId": DEFAULT_TENANT,
        "deployments": [
            {
                "processDefinition": {
                    "processDefinitionId": one.bpmn_process_id,
                    "processDefinitionVersion": one.version,
                    "processDefinitionKey": str(one.key),
                    "resourceName": one.resource_name,
                    "tenantId": DEFAULT_TENANT,
                }
            }
            for one in deployment.processes
        ],
    }


async def _start(call: Call) -> _Json:
    body = call.body()
    check_tenant("Create process instance", _text(body, "tenantId"))
    if body.get("startInstructions") or body.get("runtimeInstructions"):
        raise RestError(HTTPStatus.NOT_IMPLEMENTED, "UNSUPPORTED", NO_START_INSTRUCTIONS)
    key = _number(body, "processDefinitionKey", 0)
    version = _number(body, "processDefinitionVersion", -1)
    instance = call.service.execute(
        call.service.core.create_instance,
        key or _text(body, "processDefinitionId"),
        version,
        root_object(body.get("variables")),
    )
    variables = await _awaited(call, instance, body) if body.get("awaitCompletion") else {}
    return {
        "processDefinitionId": instance.bpmn_process_id,
        "processDefinitionVersion": instance.version,
        "processDefinitionKey": str(instance.process_definition_key),
        "processInstanceKey": str(instance.process_instance_key),
        "tenantId": DEFAULT_TENANT,
        "variables": variables,
        "tags": [],
    }


async def _awaited(call: Call, instance: StartedInstance, body: Mapping[str, Any]) -> Mapping[str, Any]:
    wait = _number(body, "requestTimeout", 0) / 1000 or RESULT_SECONDS
    try:
        async with asyncio.timeout(wait):
            variables = await call.service.result(instance.process_instance_key)
    except TimeoutError:
        late = f"The process instance {instance.process_instance_key} has not ended within {wait:g} s."
        raise RestError(HTTPStatus.GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED", late) from None
    if variables is None:
        raise RestError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "CANCELLED",
            "The process instance was terminated before its end.",
        )
    return wire.only(variables, body.get("fetchVariables") or ())


def _cancel(call: Call) -> None:
    call.service.execute(call.service.core.cancel_instance, call.key)


def _set_variables(call: Call) -> None:
    body = call.body()
    local = body.get("local") is True
    variables = root_object(body.get("variables"))
    call.service.execute(call.service.core.set_variables, call.key, variables, local=local)


def _resolve(call: Call) -> None:
    call.service.execute(call.service.core.resolve_incident, call.key)


def _publish(call: Call) -> _Json:
    body = call.body()
    check_tenant("Publish message", _text(body, "tenantId"))
    message = MessageToPublish(
        _text(body, "name"),
        _text(body, "correlationKey"),
        _number(body, "timeToLive", 0) / 1000,
        _text(body, "messageId"),
        root_object(body.get("variables")),
    )
    key = call.service.execute(call.service.core.publish_message, message)
    return {"messageKey": str(key), "tenantId": DEFAULT_TENANT}


def _broadcast(call: Call) -> _Json:
    body = call.body()
    check_tenant("Broadcast signal", _text(body, "tenantId"))
    name, variables = _text(body, "signalName"), root_object(body.get("variables"))
    key = call.service.execute(call.service.core.broadcast_signal, name, variables)
    return {"signalKey": str(key), "tenantId": DEFAULT_TENANT}


# Jobs


async def _activate(call: Call) -> _Json:
    body = call.body()
    wanted = ActivationRequest(
        _text(body, "type"),
        _text(body, "worker"),
        _number(body, "timeout", 0) / 1000,
        tuple(body.get("fetchVariable") or ()),
        tuple(body.get("tenantIds") or ()),
    )
    limit, wait = _number(body, "maxJobsToActivate", 0), wait_seconds(_number(body, "requestTimeout", 0))
    return {"jobs": [_job(job) for job in await call.service.activate(wanted, limit, wait)]}


def _job(job: ActivatedJob) -> _Json:
    return {
        "jobKey": str(job.key),
        "type": job.type,
        "processInstanceKey": str(job.process_instance_key),
        "rootProcessInstanceKey": str(job.process_instance_key),
        "processDefinitionId": job.bpmn_process_id,
        "processDefinitionVersion": job.process_definition_version,
        "processDefinitionKey": str(job.process_definition_key),
        "elementId": job.element_id,
        "elementInstanceKey": str(job.element_instance_key),
        "customHeaders": dict(job.custom_headers),
        "worker": job.worker,
        "retries": job.retries,
        "deadline": round(job.deadline * 1000),
        "variables": dict(job.variables),
        "tenantId": job.tenant_id,
        "kind": job.kind,
        "listenerEventType": "UNSPECIFIED",
        "userTask": None,
        "tags": [],
    }


def _complete(call: Call) -> None:
    variables = root_object(call.body().get("variables"))
    call.service.execute(call.service.core.complete_job, call.key, variables)


def _fail(call: Call) -> None:
    body = call.body()
    failure = Failure(
        _number(body, "retries", 0),
        _text(body, "errorMessage"),
        _number(body, "retryBackOff", 0) / 1000,
        root_object(body.get("variables")),
    )
    call.service.execute(call.service.core.fail_job, call.key, failure)


def _throw(call: Call) -> None:
    body = call.body()
    call.service.execute(
        call.service.core.throw_error,
        call.key,
        _text(body, "errorCode"),
        _text(body, "errorMessage"),
        root_object(body.get("variables")),
    )


def _update(call: Call) -> None:
    changes = root_object(call.body().get("changeset"), "changeset")
    if unknown := sorted(changes.keys() - {"retries", "timeout"}):
        raise BadRequestError(f"changeset: {', '.join(unknown)} cannot be changed. Use retries and timeout.")
    if changes.get("retries") is None and changes.get("timeout") is None:
        raise BadRequestError("changeset: expected retries, timeout or both")
    core = call.service.core
    if changes.get("retries") is not None:
        call.service.execute(core.update_job_retries, call.key, _number(changes, "retries", None))
    if changes.get("timeout") is not None:
        call.service.execute(core.update_job_timeout, call.key, _number(changes, "timeout", None) / 1000)


# Searches


def _search(kind: str) -> Route:
    def run(call: Call) -> _Json:
        answer = search.search(call.service.core, kind, call.body())
        if kind == "variables" and call.query.get("truncateValues") != "false":
            search.cut(answer["items"])
        return answer

    return Route("POST", f"/v2/{kind}/search", "Search", run)


def _get(kind: str) -> Route:
    what = kind.removesuffix("s").replace("-", " ")

    def run(call: Call) -> _Json:
        return found(search.by_key(call.service.core, kind, call.key), what, call.key)

    return Route("GET", f"/v2/{kind}/{{key}}", "Search", run)


# Values


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequestError(f"{name}: expected text, not {value!r}")
    return value


def _number(body: Mapping[str, Any], name: str, default: int | None) -> int:
    """Read a whole number, or a key, which is text in JSON."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, str) and name.endswith("Key") and value.isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequestError(f"{name}: expected a whole number, not {value!r}")
    return value


ROUTES = (
    Route("GET", "/v2/topology", "Topology", _topology),
    Route("GET", "/v2/status", "Status", _status),
    Route("PUT", "/v2/clock", "Clock", _pin_clock),
    Route("POST", "/v2/clock/reset", "Clock", _reset_clock),
    Route("POST", "/v2/deployments", "DeployResource", _deploy),
    Route("POST", "/v2/process-instances", "CreateProcessInstance", _start),
    Route("POST", "/v2/process-instances/{key}/cancellation", "CancelProcessInstance", _cancel),
    Route("PUT", "/v2/element-instances/{key}/variables", "SetVariables", _set_variables),
    Route("POST", "/v2/incidents/{key}/resolution", "ResolveIncident", _resolve),
    Route("POST", "/v2/messages/publication", "PublishMessage", _publish),
    Route("POST", "/v2/signals/broadcast", "BroadcastSignal", _broadcast),
    Route("POST", "/v2/jobs/activation", "ActivateJobs", _activate),
    Route("POST", "/v2/jobs/{key}/completion", "CompleteJob", _complete),
    Route("POST", "/v2/jobs/{key}/failure", "FailJob", _fail),
    Route("POST", "/v2/jobs/{key}/error", "ThrowError", _throw),
    Route("PATCH", "/v2/jobs/{key}", "UpdateJob", _update),
    Route("POST", "/development/faults", "Faults", _order_fault),
    *map(_search, search.KINDS),
    *(_get(kind) for kind in search.KINDS if kind != "jobs"),
)
