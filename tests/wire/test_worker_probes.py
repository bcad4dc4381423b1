"""The probes of a running worker: which faults they report, over a real socket."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from connector import Worker, load_settings
from connector.testing import FakeEngine

REFUSING = "CREATE TRIGGER full BEFORE INSERT ON probes BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"


@asynccontextmanager
async def probed(engine: FakeEngine, ledger: Path) -> AsyncIterator[int]:
    """Run a worker; give the port of its probes."""
    settings = load_settings({}, overrides={"health.listen": "127.0.0.1:0", "ledger.path": str(ledger)})
    with capture_logs() as logs:
        async with Worker(settings, engine=engine, environ={}):
            yield next(line["port"] for line in logs if line["event"] == "health is answered")


async def get(port: int, path: str) -> tuple[int, dict[str, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), json.loads(body)


async def test_a_worker_with_engine_and_ledger_is_ready(tmp_path: Path) -> None:
    async with probed(FakeEngine(), tmp_path / "ledger.db") as port:
        assert await get(port, "/health/ready") == (
            200,
            {"status": "ok", "checks": {"engine": {"ok": True}, "ledger": {"ok": True}}},
        )


async def test_an_engine_that_is_down_affects_readiness_only(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.go_down()
    async with probed(engine, tmp_path / "ledger.db") as port:
        status, answer = await get(port, "/health/ready")
        assert (status, answer["checks"]["ledger"]) == (503, {"ok": True})
        assert answer["checks"]["engine"] == {"ok": False, "reason": "the fake engine is down"}
        assert await get(port, "/health/live") == (200, {"status": "ok"})
        engine.come_back()


async def test_a_ledger_that_can_only_be_read_affects_readiness_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with probed(FakeEngine(), path) as port:
        with closing(sqlite3.connect(path)) as other:
            other.execute(REFUSING)
        status, answer = await get(port, "/health/ready")
        assert (status, answer["checks"]["engine"]) == (503, {"ok": True})
        assert "the disk is full" in answer["checks"]["ledger"]["reason"]
        assert await get(port, "/health/live") == (200, {"status": "ok"})
