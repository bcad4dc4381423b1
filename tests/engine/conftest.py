"""A real Zeebe for the tests, started once: the one that ``ZEEBE_ADDRESS`` names, or our own.

These tests are part of the test command: where the engine cannot be had, they fail and say why.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from pyzeebe import ZeebeClient, create_insecure_channel

from connector.engine.local import LocalEngine


@pytest.fixture(scope="session")
def engine_address() -> Iterator[str]:
    """``host:port`` of the gateway's gRPC interface; the engine itself is tied to no event loop."""
    if running := os.environ.get("ZEEBE_ADDRESS"):
        yield running
        return
    engine = LocalEngine()
    asyncio.run(engine.start())
    try:
        yield engine.grpc_address
    finally:
        asyncio.run(engine.stop())


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
