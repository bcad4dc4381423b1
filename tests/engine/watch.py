"""What became of a process instance, whatever engine runs it: by our engine's records, or over REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import httpx2

T = TypeVar("T")
_INTERVAL = 0.2


class Watch(Protocol):
    """Sees what an engine did. :class:`tests.engine.records.Records` and :class:`RestWatch` implement it."""

    async def completed(self, instance: int) -> object:
        """Wait until the process instance has ended in order."""
        ...

    async def element_completed(self, instance: int, element: str) -> object:
        """Wait until the process instance has left an element."""
        ...

    async def incident(self, instance: int) -> dict[str, Any]:
        """Wait for an incident: ``errorType``, ``errorMessage`` and ``jobKey``."""
        ...

    async def end_events(self, instance: int) -> list[str]:
        """Give the ids of the end events that the process instance has come to, in order."""
        ...

    async def variables(self, instance: int) -> dict[str, Any]:
        """Give the latest value of each variable of the process instance, in whatever scope."""
        ...


class RestWatch:
    """Asks the searches of the Orchestration Cluster API, which on a cluster lag behind: it always waits.

    Args:
        address: Base URL of the API.
        deadline: Seconds until what is waited for must be there.
    """

    def __init__(self, address: str, deadline: float = 30) -> None:
        self._address = address
        self._deadline = deadline

    async def completed(self, instance: int) -> object:
        return await self._first(
            "process-instances", {"processInstanceKey": str(instance), "state": "COMPLETED"}
        )

    async def element_completed(self, instance: int, element: str) -> object:
        wanted = {"processInstanceKey": str(instance), "elementId": element, "state": "COMPLETED"}
        return await self._first("element-instances", wanted)

    async def incident(self, instance: int) -> dict[str, Any]:
        found = await self._first("incidents", {"processInstanceKey": str(instance)})
        return {**found, "jobKey": int(found["jobKey"] or -1)}

    async def end_events(self, instance: int) -> list[str]:
        wanted = {"processInstanceKey": str(instance), "type": "END_EVENT", "state": "COMPLETED"}
        found = await self._settled(lambda: self._search("element-instances", wanted))
        return [item["elementId"] for item in sorted(found, key=lambda item: str(item["endDate"]))]

    async def variables(self, instance: int) -> dict[str, Any]:
        wanted = {"processInstanceKey": str(instance)}
        found = await self._settled(lambda: self._search("variables", wanted))
        # Of a name in several scopes, the process's own value counts.
        found.sort(key=lambda item: item["scopeKey"] == str(instance))
        return {item["name"]: json.loads(item["value"]) for item in found}

    async def _first(self, kind: str, wanted: dict[str, str]) -> dict[str, Any]:
        async with asyncio.timeout(self._deadline):
            while not (found := await self._search(kind, wanted)):  # noqa: ASYNC110 - each turn asks anew
                await asyncio.sleep(_INTERVAL)
        return found[0]

    async def _settled(self, read: Callable[[], Awaitable[list[T]]]) -> list[T]:
        """Read until two answers agree: what a search shows may still grow."""
        before: list[T] | None = None
        async with asyncio.timeout(self._deadline):
            while (found := await read()) != before:
                before = found
                await asyncio.sleep(_INTERVAL)
        return found

    async def _search(self, kind: str, wanted: dict[str, str]) -> list[dict[str, Any]]:
        query = {"filter": wanted, "page": {"limit": 1000}}
        parameters = {"truncateValues": "false"} if kind == "variables" else {}
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self._address}/v2/{kind}/search", json=query, params=parameters)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items
