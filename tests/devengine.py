"""The development engine in the test's own event loop, with processes that need no more than a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from connector.devengine.commands import Resource
from connector.devengine.gateway import Gateway
from connector.devengine.http_server import HttpServer
from connector.devengine.rest import RestApi
from connector.devengine.rest_paths import ROUTES
from connector.devengine.service import EngineService, Options
from tests.engine.processes import send_process


@dataclass(frozen=True, slots=True)
class Running:
    """An engine with its two doors.

    Attributes:
        address: The gateway's ``host:port``.
        rest: The base URL of the REST API.
    """

    service: EngineService
    address: str
    rest: str

    def deploy(self, process_id: str = "p", **catching: Any) -> None:
        """Deploy a process with one task, whose type is the process's id."""
        diagram = send_process(process_id, process_id, {"m": 1}, {"resultVariable": "=mail"}, **catching)
        self.service.execute(self.service.core.deploy, [Resource(f"{process_id}.bpmn", diagram)])

    def start(self, process_id: str = "p", variables: Mapping[str, Any] | None = None) -> int:
        """Start an instance; its key."""
        started = self.service.execute(self.service.core.create_instance, process_id, -1, variables or {})
        return started.process_instance_key

    def states(self) -> list[str]:
        """The states of all jobs, oldest first."""
        return [job.state for job in self.service.core.jobs()]


@asynccontextmanager
async def running(options: Options | None = None) -> AsyncIterator[Running]:
    """Run an engine until the block ends."""
    async with (
        EngineService(options or Options()) as service,
        Gateway(service) as gateway,
        HttpServer(RestApi(service, ROUTES).handle) as rest,
    ):
        yield Running(service, f"127.0.0.1:{gateway.port}", f"http://127.0.0.1:{rest.port}")


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds; it is looked at at each turn of the loop."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it may depend on anything
            await asyncio.sleep(0.005)
