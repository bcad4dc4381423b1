"""Commands and answers of the engine as frozen values, and the exception of a refused command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

DEFAULT_TENANT = "<default>"
EngineVersion = Literal["8.6", "8.8"]
Variables = Mapping[str, Any]

# A gRPC status travels in the trailers, for which clients allow 8 or 16 KB; a longer text turns every refusal
# into RESOURCE_EXHAUSTED, which a worker takes for "busy, try again".
_LONGEST_TEXT = 4_096


class Rejection(StrEnum):
    """Why a command is refused; the names are those in the text of the refusal."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    INVALID_STATE = "INVALID_STATE"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    EXCEEDED_BATCH_RECORD_SIZE = "EXCEEDED_BATCH_RECORD_SIZE"
    UNSUPPORTED = "UNSUPPORTED"


class CommandRefusedError(Exception):
    """The engine does not carry out a command, and nothing has changed.

    Args:
        intent: The command, for example ``COMPLETE``.
        rejection: Why.
        sentence: What was expected and what is the case.
    """

    def __init__(self, intent: str, rejection: Rejection, sentence: str) -> None:
        self.rejection = rejection
        self.text = shortened(f"Command '{intent}' rejected with code '{rejection}': {sentence}")
        super().__init__(self.text)


def shortened(text: str) -> str:
    """Cut a text to what a gRPC status can hold: 4 KB of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _LONGEST_TEXT:
        return text
    return encoded[: _LONGEST_TEXT - 3].decode("utf-8", "ignore") + "…"


@dataclass(frozen=True, slots=True)
class Resource:
    """A file to deploy; its name ends with ``.bpmn``."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class DeployedProcess:
    """One process of a deployment."""

    bpmn_process_id: str
    version: int
    key: int
    resource_name: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The answer to a deployment."""

    key: int
    processes: tuple[DeployedProcess, ...]


@dataclass(frozen=True, slots=True)
class StartedInstance:
    """The answer to the creation of a process instance."""

    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int


@dataclass(frozen=True, slots=True)
class MessageToPublish:
    """A message for the processes that wait for it.

    Args:
        correlation_key: What a subscription's key has to equal; empty to start processes only.
        ttl: Seconds for which the message is kept for later subscriptions; 0 discards it at once.
        message_id: While it is kept, another message with this name, key and id is refused;
            empty for no check.
    """

    name: str
    correlation_key: str = ""
    ttl: float = 0.0
    message_id: str = ""
    variables: Variables = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt, as a worker reports it.

    Args:
        retries: Attempts that are left; 0 or less raises an incident.
        backoff: Seconds until the job is offered again.
        variables: For the scope of the task.
    """

    retries: int
    message: str = ""
    backoff: float = 0.0
    variables: Variables = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActivationRequest:
    """A worker asks for jobs, by a poll or by a stream.

    Args:
        timeout: How long a job stays reserved, in seconds.
        fetch_variables: The variables that the job brings; empty for all that the task sees.
    """

    type: str
    worker: str
    timeout: float
    fetch_variables: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActivatedJob:
    """A job in the hands of a worker.

    Args:
        deadline: When the lease ends, in seconds since the epoch.
        variables: Shared with the engine's state: the reader must not change what is inside.
        kind: What the job is for; the engine has jobs of elements only.
    """

    key: int
    type: str
    process_instance_key: int
    bpmn_process_id: str
    process_definition_version: int
    process_definition_key: int
    element_id: str
    element_instance_key: int
    custom_headers: Mapping[str, str]
    worker: str
    retries: int
    deadline: float
    variables: Variables
    tenant_id: str = DEFAULT_TENANT
    kind: str = "BPMN_ELEMENT"
