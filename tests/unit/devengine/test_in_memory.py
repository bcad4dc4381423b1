"""The engine in the same process: time that a test moves, streams that end, and waits for a change."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import time

import pytest

from connector.devengine.commands import Resource
from connector.devengine.in_memory import InMemoryEngine
from connector.devengine.service import EngineService
from tests.diagrams import diagram, end, path, start, task

LEASE = 60.0
_WORK = Resource("p.bpmn", diagram(start(), task(), end(), path("start", "task", "end")))


@pytest.fixture
def service() -> EngineService:
    service = EngineService()
    service.execute(service.core.deploy, [_WORK])
    return service


def begin(service: EngineService) -> int:
    return service.execute(service.core.create_instance, "p").process_instance_key


def states(service: EngineService) -> list[str]:
    return [job.state for job in service.core.open_jobs()]


@pytest.mark.parametrize("moved", ["not at all", "stopped long ago", "far ahead"])
async def test_a_lease_ends_in_real_time_for_the_worker(service: EngineService, moved: str) -> None:
    if moved == "stopped long ago":
        service.pin(time() - 1_000_000)
    elif moved == "far ahead":
        service.advance(1_000_000)
    begin(service)
    (job,) = await InMemoryEngine(service, "w", LEASE).activate("work", 1, 0)
    assert abs(job.deadline - time() - LEASE) < 30


async def test_a_stream_that_is_ended_gives_what_was_pushed(service: EngineService) -> None:
    engine = InMemoryEngine(service, "w", LEASE)
    async with aclosing(engine.stream("work")) as stream:
        first = asyncio.ensure_future(anext(stream))
        await service.until(lambda: service.core.open_streams() == 1)
        begin(service)
        begin(service)
        engine.end_streams()
        assert service.core.open_streams("work") == 0
        begin(service)
        taken = [await first, *[job async for job in stream]]
    assert len(taken) == 2
    assert states(service) == ["ACTIVATED", "ACTIVATED", "CREATED"]


async def test_the_end_of_a_stream_is_a_change(service: EngineService) -> None:
    stream = InMemoryEngine(service, "w", LEASE).stream("work")
    first = asyncio.ensure_future(anext(stream))
    await service.until(lambda: service.core.open_streams() == 1)
    begin(service)
    await first
    closed = asyncio.create_task(service.until(lambda: service.core.open_streams() == 0))
    await asyncio.sleep(0)
    await stream.aclose()
    await asyncio.wait_for(closed, 5)


@pytest.mark.parametrize(("gives_back", "state"), [(True, "CREATED"), (False, "ACTIVATED")])
async def test_what_was_pushed_and_not_read(service: EngineService, state: str, *, gives_back: bool) -> None:
    stream = InMemoryEngine(service, "w", LEASE, gives_back=gives_back).stream("work")
    first = asyncio.ensure_future(anext(stream))
    await service.until(lambda: service.core.open_streams() == 1)
    begin(service)
    begin(service)
    await first
    await stream.aclose()
    assert states(service) == ["ACTIVATED", state]


async def test_a_wait_looks_again_after_each_change(service: EngineService) -> None:
    looks = list[int]()

    def enough() -> bool:
        looks.append(len(states(service)))
        return looks[-1] == 2

    waiting = asyncio.create_task(service.until(enough))
    await asyncio.sleep(0)
    begin(service)
    await asyncio.sleep(0)
    begin(service)
    await waiting
    assert looks == [0, 1, 2]
