"""A supervisor and its workers: small programs that speak the link's language, and real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connector.model.backoff import Backoff
from connector.observe.health import Health
from connector.observe.metrics import Metrics
from connector.settings.model import HealthSettings, Settings, WorkerSettings
from connector.worker.processes import supervisor as supervisor_module
from connector.worker.processes.control import Control, answer
from connector.worker.processes.supervisor import Supervisor, WorkerProcess
from tests.wire.test_health import ask

PATIENCE = 30

# Answers what it is asked with its pid, and ends on SIGTERM with the code that it is given.
CHILD = """
import json, os, signal, socket, sys
code, link = int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
reasons = [str(os.getpid())]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(code))
signal.signal(signal.SIGHUP, lambda *_: reasons.append("reloaded"))
link.sendall(b"[0, null]\\n")
for line in link.makefile():
    kind, number = line.split()
    text = "# TYPE smtp_connector_x counter\\nsmtp_connector_x_total 2.0\\n"
    answer = [int(number), text if kind == "metrics" else reasons]
    link.sendall(json.dumps(answer).encode() + b"\\n")
"""


def child(code: int = 0) -> list[str]:
    return [sys.executable, "-c", CHILD, str(code)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start anew without a pause."""
    monkeypatch.setattr(Backoff, "next", lambda _: 0.0)


@asynccontextmanager
async def kept(command: list[str]) -> AsyncIterator[tuple[WorkerProcess, asyncio.Task[int]]]:
    worker = WorkerProcess(1, command, lambda _: None)
    async with asyncio.timeout(PATIENCE):
        keeping = asyncio.create_task(worker.keep())
        try:
            yield worker, keeping
        finally:
            worker.stop()
            await keeping


async def reasons(worker: WorkerProcess, *, beside: int = 0) -> list[str]:
    """What the process says, once there is one, and one that is not this."""
    while True:  # asks again and again, as a probe does
        try:
            await worker.ready()
        except ConnectionError as error:
            said = str(error).split("; ")
            if said[0].isdigit() and int(said[0]) != beside:
                return said
        await asyncio.sleep(0.01)


async def test_sigterm_goes_on_to_the_process_and_its_exit_code_comes_back() -> None:
    async with kept(child(1)) as (worker, keeping):
        await reasons(worker)
        worker.stop()
        assert await keeping == 1


async def test_a_process_that_is_stopped_while_it_starts_has_left_nothing_behind() -> None:
    async with kept([sys.executable, "-c", "import time; time.sleep(600)"]) as (worker, keeping):
        while worker._process is None:  # noqa: ASYNC110 - a process that says nothing gives no event
            await asyncio.sleep(0)
        worker.stop()
        assert await keeping == 0


async def test_a_process_that_dies_is_started_again() -> None:
    async with kept(child()) as (worker, keeping):
        (first,) = await reasons(worker)
        os.kill(int(first), signal.SIGKILL)
        (second,) = await reasons(worker, beside=int(first))
        worker.stop()
        assert await keeping == 0
        assert first != second


async def test_a_process_that_is_killed_while_it_drains_has_left_jobs_behind() -> None:
    async with kept(child()) as (worker, keeping):
        (pid,) = await reasons(worker)
        os.kill(int(pid), signal.SIGSTOP)  # it will not answer SIGTERM
        worker.stop()
        os.kill(int(pid), signal.SIGKILL)
        assert await keeping == 1


async def test_a_process_that_cannot_be_had_is_tried_again(tmp_path: Path) -> None:
    tried: list[int] = []

    def ended(number: int) -> None:
        tried.append(number)
        if len(tried) == 3:
            worker.stop()

    worker = WorkerProcess(1, [str(tmp_path / "nothing")], ended)
    async with asyncio.timeout(PATIENCE):
        assert await worker.keep() == 1
    assert tried == [1, 1, 1]


async def test_sighup_goes_on_to_the_process() -> None:
    async with kept(child()) as (worker, _):
        await reasons(worker)
        worker.reload()
        while "reloaded" not in await reasons(worker):  # noqa: ASYNC110 - asks again, as a probe does
            await asyncio.sleep(0.01)


async def test_a_process_that_is_silent_for_too_long_is_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept([sys.executable, "-c", "import time; time.sleep(600)"]) as (worker, _):
        await worker.live()
        monkeypatch.setattr(supervisor_module, "_SILENT", -1.0)
        with pytest.raises(ConnectionError, match="process 1 has not answered for 0 s"):
            await worker.live()


def settings(**changed: object) -> Settings:
    health = HealthSettings(listen="127.0.0.1:0")
    return Settings(worker=WorkerSettings(processes=2), health=health.model_copy(update=changed))


@asynccontextmanager
async def supervising(supervisor: Supervisor) -> AsyncIterator[asyncio.Task[int]]:
    async with asyncio.timeout(PATIENCE):
        running = asyncio.create_task(supervisor.run())
        try:
            yield running
        finally:
            supervisor._stop()
            await running


async def test_the_worst_exit_code_is_the_supervisors(tmp_path: Path) -> None:
    # The first that makes the directory ends with 0, the other with 1.
    each_its_own = CHILD.replace("code,", "import pathlib\ncode,", 1).replace(
        "reasons =",
        f"try: pathlib.Path({str(tmp_path / 'first')!r}).mkdir()\nexcept OSError: code = 1\nreasons =",
        1,
    )
    supervisor = Supervisor(settings(listen=None), [sys.executable, "-c", each_its_own, "0"])
    async with supervising(supervisor) as running:
        for worker in supervisor._workers:
            await reasons(worker)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 1


async def test_workers_that_cannot_start_end_the_supervisor() -> None:
    async with supervising(Supervisor(settings(), [sys.executable, "-c", "raise SystemExit(2)"])) as running:
        assert await running == 2


async def test_probes_and_metrics_speak_for_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = CHILD.replace("reasons = [str(os.getpid())]", "reasons = []")
    supervisor = Supervisor(settings(), [sys.executable, "-c", healthy, "0"])
    listening: asyncio.Future[Health] = asyncio.get_running_loop().create_future()

    class Told(Health):
        async def start(self) -> None:
            await super().start()
            listening.set_result(self)

    monkeypatch.setattr(supervisor_module, "Health", Told)
    async with supervising(supervisor):
        health = await listening
        status, body = 0, b""
        while status != 200:
            await asyncio.sleep(1.01 if status else 0)  # what a probe has found is good for a second
            status, _, body = await ask(health, b"GET /health/ready HTTP/1.1\r\n\r\n")
        assert b'"process 1": {"ok": true}, "process 2": {"ok": true}' in body
        assert (await ask(health, b"GET /health/live HTTP/1.1\r\n\r\n"))[0] == 200
        _, _, text = await ask(health, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert b"smtp_connector_x_total 4.0\n" in text


async def holds() -> None:
    """Hold."""


async def broken() -> None:
    raise ConnectionError("away")


async def test_a_worker_answers_its_supervisor_and_learns_of_its_end() -> None:
    link, orphaned = Control(), asyncio.Event()
    checks = {"engine": broken, "ledger": holds}
    answering = asyncio.create_task(answer(os.dup(link.descriptor), checks, Metrics(), orphaned))
    async with asyncio.timeout(PATIENCE):
        await link.open()
        await link.up.wait()
        assert await link.ask("checks") == ["engine: away"]
        assert str(await link.ask("metrics")).startswith("# HELP smtp_connector_")
        assert not orphaned.is_set()
        await link.close()
        await orphaned.wait()
        await answering
        with pytest.raises(TimeoutError):
            await link.ask("checks")


async def test_a_process_that_hangs_at_the_end_is_killed() -> None:
    worker = WorkerProcess(1, child(), lambda _: None, 0.2)
    async with asyncio.timeout(PATIENCE):
        keeping = asyncio.create_task(worker.keep())
        (pid,) = await reasons(worker)
        os.kill(int(pid), signal.SIGSTOP)  # it will not answer SIGTERM
        worker.stop()
        assert await keeping == 1
