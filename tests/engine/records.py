"""What the engine really did, from its records: incidents, failed attempts, variables, ends of instances.

No search of an engine shows all of it: not the history of a job's attempts, nor the leases that ended.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_INTERVAL = 0.05

Record = dict[str, Any]


@dataclass(slots=True)
class Records:
    """The records of a running engine, oldest first; implements :class:`tests.engine.watch.Watch`.

    Attributes:
        file: Where the engine writes them, one JSON object a line.
    """

    file: Path
    _offset: int = 0
    _seen: list[Record] = field(default_factory=list)

    async def find(self, what: Callable[[Record], bool], deadline: float = 15) -> Record:
        """Wait for a record.

        Raises:
            TimeoutError: It had not come after ``deadline`` seconds.
        """
        checked = 0
        async with asyncio.timeout(deadline):
            while True:
                self._read_on()
                for record in self._seen[checked:]:
                    if what(record):
                        return record
                checked = len(self._seen)
                await asyncio.sleep(_INTERVAL)

    def so_far(self, what: Callable[[Record], bool]) -> list[Record]:
        """Give every record of that kind that is there already."""
        self._read_on()
        return [record for record in self._seen if what(record)]

    def since(self, count: int) -> list[Record]:
        """Give what came after the first ``count`` records."""
        self._read_on()
        return self._seen[count:]

    async def incident(self, instance: int, deadline: float = 15) -> Record:
        """Wait for an incident in the process instance; its ``errorMessage`` is what Operate shows."""
        return await self._value("INCIDENT", "CREATED", instance, deadline)

    async def failure(self, instance: int) -> Record:
        """Wait for a failed attempt in the process instance; it has ``retries`` and ``retryBackoff``."""
        return await self._value("JOB", "FAILED", instance)

    async def completed(self, instance: int, deadline: float = 15) -> Record:
        """Wait until the process instance has ended in order."""
        ended = "PROCESS_INSTANCE", "ELEMENT_COMPLETED", instance, deadline
        return await self._value(*ended, bpmnElementType="PROCESS")

    async def element_completed(self, instance: int, element: str) -> Record:
        """Wait until the process instance has left an element."""
        return await self._value("PROCESS_INSTANCE", "ELEMENT_COMPLETED", instance, elementId=element)

    async def end_events(self, instance: int) -> list[str]:
        """Give the ids of the end events that the process instance has come to."""

        def is_end(record: Record) -> bool:
            value: dict[str, Any] = record["value"]
            return bool(
                record["valueType"] == "PROCESS_INSTANCE"
                and record["intent"] == "ELEMENT_COMPLETED"
                and value["processInstanceKey"] == instance
                and value["bpmnElementType"] == "END_EVENT"
            )

        return [record["value"]["elementId"] for record in self.so_far(is_end)]

    def failures(self, instance: int) -> list[Record]:
        """Give every failed attempt of the process instance so far."""
        return self._values("JOB", "FAILED", instance)

    def escalations(self, instance: int) -> list[Record]:
        """Give every escalation of the process instance that was caught; it has ``escalationCode``."""
        return self._values("ESCALATION", "ESCALATED", instance)

    async def variables(self, instance: int) -> dict[str, Any]:
        """Give the latest value of each variable of the process instance, in whatever scope."""

        def about(record: Record) -> bool:
            value: dict[str, Any] = record["value"]
            return record["valueType"] == "VARIABLE" and bool(value["processInstanceKey"] == instance)

        return {r["value"]["name"]: json.loads(r["value"]["value"]) for r in self.so_far(about)}

    def _values(self, kind: str, intent: str, instance: int) -> list[Record]:
        def matches(record: Record) -> bool:
            value: dict[str, Any] = record["value"]
            return bool(
                record["valueType"] == kind
                and record["intent"] == intent
                and value["processInstanceKey"] == instance
            )

        return [record["value"] for record in self.so_far(matches)]

    async def _value(
        self, kind: str, intent: str, instance: int, deadline: float = 15, **more: str
    ) -> Record:
        def matches(record: Record) -> bool:
            value: dict[str, Any] = record["value"]
            return bool(
                record["valueType"] == kind
                and record["intent"] == intent
                and value["processInstanceKey"] == instance
                and all(value[key] == wanted for key, wanted in more.items())
            )

        found: Record = (await self.find(matches, deadline))["value"]
        return found

    def _read_on(self) -> None:
        with self.file.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._seen.append(json.loads(line.decode("utf-8", "surrogatepass")))
