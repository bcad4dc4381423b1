"""Deployments: all resources or none, with the next version for each process that has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.devengine.commands import (
    CommandRefusedError,
    DeployedProcess,
    Deployment,
    EngineVersion,
    Rejection,
    Resource,
)
from connector.devengine.complaints import Complaints
from connector.devengine.core import Core
from connector.devengine.definitions import Definitions
from connector.devengine.incidents import StepFailedError
from connector.devengine.model import Definition, Process
from connector.devengine.read import read
from connector.devengine.state import Opening
from connector.devengine.waiting import Waiting

_ENCOUNTERED = "Expected to deploy new resources, but encountered the following errors:\n"


@dataclass(frozen=True, slots=True)
class _Found:
    """A process of a resource, with its start events ready to be opened."""

    resource: Resource
    process: Process
    openings: list[Opening]


class Deployments:
    """Deploys resources."""

    def __init__(
        self, core: Core, definitions: Definitions, waiting: Waiting, version: EngineVersion
    ) -> None:
        self._state = core.state
        self._recorder = core.recorder
        self._definitions = definitions
        self._waiting = waiting
        self._version: EngineVersion = version

    def deploy(self, resources: Sequence[Resource]) -> Deployment:
        """Deploy all resources or none.

        Raises:
            CommandRefusedError: A resource has faults; the text lists all of them.
        """
        if not resources:
            raise _refused("Expected to deploy at least one resource, but none given")
        found = self._read(resources)
        key = self._state.next_key()
        return Deployment(key, tuple(self._deploy(one, key) for one in found))

    def _read(self, resources: Sequence[Resource]) -> list[_Found]:
        found: list[_Found] = []
        faults: list[str] = []
        for resource in resources:
            if not resource.name.endswith((".bpmn", ".bpmn20.xml")):
                faults.append(f"'{resource.name}': unknown resource type; this engine knows .bpmn only")
                continue
            processes, complaints = read(resource, self._version)
            if not complaints:
                found += [_Found(resource, one, self._prepare(one, complaints)) for one in processes]
            faults += [str(complaints)] if complaints else []
        faults += _duplicates(found)
        if faults:
            raise _refused(_ENCOUNTERED + "\n".join(faults))
        return found

    def _prepare(self, process: Process, complaints: Complaints) -> list[Opening]:
        try:
            return self._waiting.prepare_starts(process)
        except StepFailedError as fault:
            complaints.add(process.id, fault.text)
            return []

    def _deploy(self, found: _Found, deployment: int) -> DeployedProcess:
        resource, process = found.resource, found.process
        last = self._definitions.latest(process.id)
        if last and (last.resource_name, last.content) == (resource.name, resource.content):
            return _answer(last)
        version, key = last.version + 1 if last else 1, self._state.next_key()
        new = Definition(key, version, deployment, resource.name, resource.content, process)
        self._definitions.add(new)
        self._recorder.process(new)
        self._waiting.replace_starts(new, found.openings)
        return _answer(new)


def _duplicates(found: Sequence[_Found]) -> list[str]:
    by_id: dict[str, list[str]] = {}
    for one in found:
        by_id.setdefault(one.process.id, []).append(one.resource.name)
    return [
        f"Duplicated process id in resources {names}: '{process_id}'"
        for process_id, names in by_id.items()
        if len(names) > 1
    ]


def _answer(definition: Definition) -> DeployedProcess:
    return DeployedProcess(
        definition.process.id, definition.version, definition.key, definition.resource_name
    )


def _refused(sentence: str) -> CommandRefusedError:
    return CommandRefusedError("CREATE", Rejection.INVALID_ARGUMENT, sentence)
