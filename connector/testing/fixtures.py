"""pytest fixtures for the doubles; they need ``pytest`` and ``pytest-asyncio``.

Load this module in the ``conftest.py`` of your tests::

    pytest_plugins = ["connector.testing.fixtures"]
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from connector.settings.sources import load_settings
from connector.testing.engine import FakeEngine
from connector.testing.imap import ImapServer
from connector.testing.smtp import SmtpServer
from connector.worker.worker import Worker

WorkerFactory = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def fake_engine() -> FakeEngine:
    """Return an engine in memory, without jobs."""
    return FakeEngine()


@pytest_asyncio.fixture
async def smtp_server() -> AsyncIterator[SmtpServer]:
    """Start a mail server on a free port of this machine; set its ``behaviour`` to make it misbehave."""
    async with SmtpServer() as server:
        yield server


@pytest_asyncio.fixture
async def imap_server() -> AsyncIterator[ImapServer]:
    """Start a mailbox on a free port of this machine; ``deliver`` puts mails into it."""
    async with ImapServer() as server:
        yield server


@pytest.fixture
def run_worker(fake_engine: FakeEngine) -> WorkerFactory:
    """Return a function that runs a worker on :func:`fake_engine` for the length of an ``async with`` block.

    Its keyword arguments are settings by their dotted path, given as ``**{"worker.max_jobs": "1"}``. The
    worker's ledger is in memory unless ``ledger.kind`` says otherwise, and no environment variable is read.
    """

    def run(**overrides: str) -> Worker:
        settings = load_settings({}, overrides={"ledger.kind": "memory", **overrides})
        return Worker(settings, engine=fake_engine, environ={})

    return run
