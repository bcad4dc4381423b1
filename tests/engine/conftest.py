"""A real Zeebe for the tests, started once: the one that ``ZEEBE_ADDRESS`` names, or our own.

These tests are part of the test command: where the engine cannot be had, they fail and say why.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from pyzeebe import ZeebeClient, create_insecure_channel

from connector.devengine.local import LocalEngine, LocalEngineError
from tests.engine.records import Records


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download the engine before the clock of any test runs; pytest-timeout counts fixtures."""
    wanted = any("local_engine" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly and not os.environ.get("ZEEBE_ADDRESS"):
        with contextlib.suppress(LocalEngineError):  # the fixture says it again, to the tests that need it
            asyncio.run(LocalEngine().install())


@pytest.fixture(scope="session")
def local_engine() -> Iterator[LocalEngine | None]:
    """Our own engine, tied to no event loop; None where ``ZEEBE_ADDRESS`` names another."""
    if os.environ.get("ZEEBE_ADDRESS"):
        yield None
        return
    engine = LocalEngine(records=True)
    asyncio.run(engine.start())
    try:
        yield engine
    finally:
        asyncio.run(engine.stop())


@pytest.fixture(scope="session")
def engine_address(local_engine: LocalEngine | None) -> str:
    """``host:port`` of the gateway's gRPC interface."""
    return local_engine.grpc_address if local_engine else os.environ["ZEEBE_ADDRESS"]


@pytest.fixture
def records(local_engine: LocalEngine | None) -> Records:
    """What the engine did, from its own records."""
    if local_engine is None:
        pytest.skip("the engine that ZEEBE_ADDRESS names does not show us its records")
    return Records(local_engine.log)


@pytest.fixture
async def zeebe(engine_address: str) -> AsyncIterator[ZeebeClient]:
    """A client to deploy and start processes with, on a channel of its own."""
    channel = create_insecure_channel(grpc_address=engine_address)
    try:
        yield ZeebeClient(channel)
    finally:
        await channel.close(None)


@pytest.fixture
def process_id() -> str:
    """A BPMN process id that no other test uses; tests share one engine."""
    return f"test-{uuid4().hex}"
