"""What became of each process instance, by the engine's own records.

The log of the engine enters; ends, incidents, failed attempts and variables leave, by process instance.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.engine.records import Record, Records

_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident that nobody has resolved yet."""

    key: int
    job_key: int
    message: str

    @property
    def code(self) -> str:
        """Our error code, which the message begins with."""
        return self.message.partition(":")[0]


@dataclass(slots=True)
class Instance:
    """One process instance.

    Attributes:
        end: The end event that it came to.
        incident: What a person has to look at now.
        incidents: The codes of all that there ever were.
        job_key: Of its send task.
        leases_ended: How often the engine took its job from a worker.
        failures: Failed attempts: retries left, back-off in milliseconds, message.
    """

    end: str | None = None
    incident: Incident | None = None
    incidents: list[str] = field(default_factory=list)
    job_key: int | None = None
    leases_ended: int = 0
    failures: list[tuple[int, int, str]] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it has ended, or waits for a person."""
        return self.end is not None or self.incident is not None


class Outcomes:
    """Follows the log of one engine, from its present end on."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._taken = 0
        self._instances: dict[int, Instance] = defaultdict(Instance)

    def of(self, instance: int) -> Instance:
        """What is known of a process instance by now."""
        self._read()
        return self._instances[instance]

    async def until(self, condition: Callable[[], bool], deadline: float) -> None:
        """Wait until a condition holds; it is looked at whenever there are new records, or time has passed.

        Raises:
            TimeoutError: It did not within ``deadline`` seconds.
        """
        async with asyncio.timeout(deadline):
            while True:
                self._read()
                if condition():
                    return
                await asyncio.sleep(_INTERVAL)

    async def over(self, instances: Iterable[int], deadline: float = 30) -> None:
        """Wait until every one of them is over.

        Raises:
            AssertionError: Some are not after ``deadline`` seconds; it says which.
        """
        instances = list(instances)
        try:
            await self.until(lambda: all(self._instances[key].over for key in instances), deadline)
        except TimeoutError:
            left = {key: self._instances[key] for key in instances if not self._instances[key].over}
            raise AssertionError(f"{len(left)} of {len(instances)} are not over: {left}") from None

    def _read(self) -> None:
        news = self._records.since(self._taken)
        for record in news:
            self._note(record)
        self._taken += len(news)

    def _note(self, record: Record) -> None:
        value: dict[str, Any] = record["value"]
        instance = self._instances[value.get("processInstanceKey", 0)]
        match record["valueType"], record["intent"]:
            case "PROCESS_INSTANCE", "ELEMENT_COMPLETED" if value["bpmnElementType"] == "END_EVENT":
                instance.end = value["elementId"]
            case "INCIDENT", "CREATED":
                instance.incident = Incident(record["key"], value["jobKey"], value["errorMessage"])
                instance.incidents.append(instance.incident.code)
            case "INCIDENT", "RESOLVED":
                instance.incident = None
            case "JOB", "CREATED":
                instance.job_key = record["key"]
            case "JOB", "FAILED":
                failure = (value["retries"], value["retryBackoff"], value["errorMessage"])
                instance.failures.append(failure)
            case "JOB", "TIMED_OUT":
                instance.leases_ended += 1
            case "VARIABLE", "CREATED" | "UPDATED":
                instance.variables[value["name"]] = json.loads(value["value"])
