"""What the pool's tests share: a transport that must leave nothing behind, and a second mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.model.envelope import Envelope, Message
from connector.settings.model import PoolSettings
from connector.transport.smtp.transport import SmtpTransport
from tests.wire.smtp_submission import settings


@asynccontextmanager
async def pooling(
    *, timeouts: dict[str, float] | None = None, **limits: float
) -> AsyncIterator[SmtpTransport]:
    """A transport that is proven to leave nothing behind: no connection is counted, no task is left."""
    pool = PoolSettings.model_validate(limits)
    smtp = SmtpTransport(settings(**timeouts or {}).model_copy(update={"pool": pool}))
    before = asyncio.all_tasks()
    try:
        yield smtp
    finally:
        await smtp.aclose()
    assert smtp._pool._lanes == {}
    ours = {task for task in asyncio.all_tasks() - before if "Dialogue" not in repr(task)}
    assert not ours


def second(*recipients: str) -> Message:
    """A mail that rules can tell from the first by its sender."""
    envelope = Envelope("second@example.com", recipients or ("bob@example.com",))
    return Message(
        envelope, b"Subject: test\r\n\r\nHello.\r\n", "<2@example.com>", require_all_recipients=False
    )


async def turn(times: int = 20) -> None:
    """Let everything that can go on do so."""
    for _ in range(times):
        await asyncio.sleep(0)
