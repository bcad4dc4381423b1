"""Between the engine's values and the messages of the Zeebe gateway protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pyzeebe.proto import gateway_pb2 as pb

from connector.devengine.commands import (
    DEFAULT_TENANT,
    ActivatedJob,
    Deployment,
    EngineVersion,
    StartedInstance,
    Variables,
)
from connector.model import VERSION

BROKER = f"smtp-connector {VERSION} development engine"
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def text_of(variables: Mapping[str, Any]) -> str:
    """Write variables as JSON; half of a surrogate pair, which protobuf refuses, as an escape."""
    text = _WRITER.encode(variables)
    return text if text.isascii() or _encodable(text) else json.dumps(variables)


def activated(job: ActivatedJob) -> pb.ActivatedJob:
    """Make the message of a job."""
    return pb.ActivatedJob(
        key=job.key,
        type=job.type,
        processInstanceKey=job.process_instance_key,
        bpmnProcessId=job.bpmn_process_id,
        processDefinitionVersion=job.process_definition_version,
        processDefinitionKey=job.process_definition_key,
        elementId=job.element_id,
        elementInstanceKey=job.element_instance_key,
        customHeaders=text_of(job.custom_headers),
        worker=job.worker,
        retries=job.retries,
        deadline=round(job.deadline * 1000),
        variables=text_of(job.variables),
        tenantId=job.tenant_id,
    )


def deployed(deployment: Deployment) -> pb.DeployResourceResponse:
    """Make the answer to a deployment."""
    processes = (
        pb.ProcessMetadata(
            bpmnProcessId=process.bpmn_process_id,
            version=process.version,
            processDefinitionKey=process.key,
            resourceName=process.resource_name,
            tenantId=DEFAULT_TENANT,
        )
        for process in deployment.processes
    )
    return pb.DeployResourceResponse(
        key=deployment.key,
        deployments=[pb.Deployment(process=process) for process in processes],
        tenantId=DEFAULT_TENANT,
    )


def started(instance: StartedInstance) -> pb.CreateProcessInstanceResponse:
    """Make the answer to a start."""
    return pb.CreateProcessInstanceResponse(
        processDefinitionKey=instance.process_definition_key,
        bpmnProcessId=instance.bpmn_process_id,
        version=instance.version,
        processInstanceKey=instance.process_instance_key,
        tenantId=DEFAULT_TENANT,
    )


def ended(
    instance: StartedInstance, variables: Variables, wanted: Iterable[str]
) -> pb.CreateProcessInstanceWithResultResponse:
    """Make the answer to a start that waited for the end; all variables when none are named."""
    return pb.CreateProcessInstanceWithResultResponse(
        processDefinitionKey=instance.process_definition_key,
        bpmnProcessId=instance.bpmn_process_id,
        version=instance.version,
        processInstanceKey=instance.process_instance_key,
        variables=text_of(only(variables, wanted)),
        tenantId=DEFAULT_TENANT,
    )


def only(variables: Variables, wanted: Iterable[str]) -> Variables:
    """Give the variables that are named, or all when none is."""
    names = set(wanted)
    return {name: value for name, value in variables.items() if name in names} if names else variables


def topology(host: str, port: int, version: EngineVersion) -> pb.TopologyResponse:
    """Describe a cluster of one broker with one partition, whose version says what this engine really is."""
    partition = pb.Partition(partitionId=1, role=pb.Partition.LEADER, health=pb.Partition.HEALTHY)
    node = pb.BrokerInfo(nodeId=0, host=host, port=port, partitions=[partition], version=BROKER)
    return pb.TopologyResponse(
        brokers=[node], clusterSize=1, partitionsCount=1, replicationFactor=1, gatewayVersion=f"{version}.0"
    )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
