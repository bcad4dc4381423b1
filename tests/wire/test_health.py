"""What probes are answered, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connector.ledger import LedgerUnavailableError
from connector.observe import health as module
from connector.observe.health import Check, Health
from connector.secrets.masker import Masker


async def fine() -> None:
    """Hold."""


async def broken() -> None:
    raise LedgerUnavailableError("The ledger /x cannot be used; the disk is full: make room")


async def silent() -> None:
    raise ConnectionResetError


@asynccontextmanager
async def serving(**checks: Check) -> AsyncIterator[Health]:
    async with Health("127.0.0.1:0", checks, Masker().mask) as health:
        yield health


async def ask(health: Health, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send octets as they are; status, headers and body of what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", health.port)
    try:
        writer.write(request)
        async with asyncio.timeout(20):
            response = await reader.read()
    finally:
        writer.close()
    head, _, body = response.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body


async def get(health: Health, path: str) -> tuple[int, object]:
    status, headers, body = await ask(health, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    return status, json.loads(body)


async def test_a_worker_whose_checks_hold_is_live_and_ready() -> None:
    async with serving(engine=fine, ledger=fine) as health:
        assert await get(health, "/health/live") == (200, {"status": "ok"})
        checks = {"engine": {"ok": True}, "ledger": {"ok": True}}
        assert await get(health, "/health/ready") == (200, {"status": "ok", "checks": checks})


async def test_an_outage_turns_readiness_red_and_never_liveness() -> None:
    async with serving(engine=silent, ledger=broken, secrets=fine) as health:
        status, body = await get(health, "/health/ready?verbose")
        assert status == 503
        reason = "The ledger /x cannot be used; the disk is full: make room"
        assert body == {
            "status": "unavailable",
            "checks": {
                "engine": {"ok": False, "reason": "the connection was closed"},
                "ledger": {"ok": False, "reason": reason},
                "secrets": {"ok": True},
            },
        }
        assert await get(health, "/health/live") == (200, {"status": "ok"})


async def test_a_secret_in_a_reason_is_masked() -> None:
    async def leaking() -> None:
        raise OSError("no login as ann with hush-hush")

    masker = Masker()
    masker.remember("hush-hush")
    async with Health("127.0.0.1:0", {"ledger": leaking}, masker.mask) as health:
        _, _, body = await ask(health, b"GET /health/ready HTTP/1.1\r\n\r\n")
    assert b"no login as ann" in body
    assert b"hush-hush" not in body


async def test_readiness_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FRESH_SECONDS", 0.0)
    down = True

    async def engine() -> None:
        if down:
            raise ConnectionRefusedError("nobody listens")

    async with serving(engine=engine) as health:
        assert (await get(health, "/health/ready"))[0] == 503
        down = False
        assert (await get(health, "/health/ready"))[0] == 200


async def test_many_probes_at_once_are_one_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FRESH_SECONDS", 3600.0)
    runs, begun, go = 0, asyncio.Event(), asyncio.Event()

    async def counting() -> None:
        nonlocal runs
        runs += 1
        begun.set()
        await go.wait()

    async with serving(engine=counting) as health:
        probes = [asyncio.create_task(get(health, "/health/ready")) for _ in range(10)]
        await begun.wait()
        go.set()
        assert {status for status, _ in await asyncio.gather(*probes)} == {200}
        await get(health, "/health/ready")
        assert runs == 1


async def test_a_check_that_hangs_is_red_and_waited_for_not_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CHECK_SECONDS", 0.05)
    runs, go = 0, asyncio.Event()

    async def hanging() -> None:
        nonlocal runs
        runs += 1
        await go.wait()

    async with serving(ledger=hanging) as health:
        for _ in range(2):
            status, body = await get(health, "/health/ready")
            assert status == 503
            assert "no answer within" in str(body)
        go.set()
        assert (await get(health, "/health/ready"))[0] == 200
        assert runs == 1


async def test_leaving_ends_a_check_that_hangs_and_the_connection_that_waits_for_it() -> None:
    begun = asyncio.Event()

    async def hanging() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with serving(ledger=hanging) as health:
        reader, writer = await asyncio.open_connection("127.0.0.1", health.port)
        writer.write(b"GET /health/ready HTTP/1.1\r\n\r\n")
        await begun.wait()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", health.port)


async def test_head_is_get_without_a_body() -> None:
    async with serving(ledger=broken) as health:
        status, headers, body = await ask(health, b"HEAD /health/ready HTTP/1.0\r\n\r\n")
        assert (status, body) == (503, b"")
        assert int(headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["/", "/health", "/health/ready/", "/health/../etc/passwd", "/HEALTH/LIVE"])
async def test_nothing_else_is_there(path: str) -> None:
    async with serving() as health:
        assert (await get(health, path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "get"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with serving() as health:
        status, headers, _ = await ask(health, f"{method} /health/live HTTP/1.1\r\n\r\n".encode())
        assert (status, headers["allow"]) == (405, "get, head")


@pytest.mark.parametrize(
    "line", [b"", b"GET", b"GET /health/live", b"GET / HTTP/2", b"\x16\x03\x01 \xff \x00"]
)
async def test_what_is_no_request_is_refused(line: bytes) -> None:
    async with serving() as health:
        assert (await ask(health, line + b"\r\n\r\n"))[0] == 400


async def test_a_request_without_end_is_cut_off() -> None:
    async with serving() as health:
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(_babble(health), 20)
        assert (await get(health, "/health/live"))[0] == 200


async def _babble(health: Health) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", health.port)
    try:
        while True:
            writer.write(b"x" * 4096)
            await writer.drain()
    finally:
        writer.close()


async def test_who_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REQUEST_SECONDS", 0.05)
    async with serving() as health:
        assert await asyncio.wait_for(_silence(health), 20) == b""


async def _silence(health: Health) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", health.port)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with serving() as health:
        with pytest.raises(OSError, match="in use"):
            await Health(f"127.0.0.1:{health.port}", {}, str).__aenter__()


async def test_half_open_requests_do_not_keep_a_probe_away() -> None:
    async with serving() as health:
        half_open = [await asyncio.open_connection("127.0.0.1", health.port) for _ in range(40)]
        for _, writer in half_open:
            writer.write(b"GET /health/live HTTP/1.1\r\n")
            await writer.drain()
        for _ in range(20):
            assert (await get(health, "/health/live"))[0] == 200
        for _, writer in half_open:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def test_metrics_that_fail_are_an_error_and_not_an_empty_answer() -> None:
    async def failing() -> bytes:
        raise ValueError("a bug")

    async with Health("127.0.0.1:0", {}, Masker().mask, metrics=failing) as health:
        status, _, body = await ask(health, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, b"a bug" in body) == (500, False)
