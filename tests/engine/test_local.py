"""The development engine as a process: what ``smtp-connector engine`` and :class:`LocalEngine` start."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from pyzeebe import ZeebeClient

from connector.devengine.local import HOST, LocalEngine, LocalEngineError, engine_for_development
from connector.settings.model import EngineSettings
from tests.engines import until_ready

_EMPTY_PROCESS = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="test">
  <process id="{process_id}" isExecutable="true">
    <startEvent id="start"><outgoing>f</outgoing></startEvent>
    <sequenceFlow id="f" sourceRef="start" targetRef="end" />
    <endEvent id="end"><incoming>f</incoming></endEvent>
  </process>
</definitions>
"""
_STARTS_ONE = """
import asyncio
from connector.devengine.local import LocalEngine

async def main():
    engine = LocalEngine()
    await engine.start()
    print(engine.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
_TIMEOUT = 60


async def test_a_process_runs_through(zeebe: ZeebeClient, process_id: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.bpmn"
    path.write_text(_EMPTY_PROCESS.format(process_id=process_id), encoding="utf-8")
    await zeebe.deploy_resource(path)
    done = await zeebe.run_process_with_result(process_id, {"answer": 42})
    assert done.variables == {"answer": 42}


async def _engine_command(*options: str) -> tuple[Process, dict[str, str]]:
    """Run ``smtp-connector engine`` until it is ready; its lines as an environment."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "connector", "engine", *options), stdout=PIPE, stderr=PIPE
    )
    assert command.stdout is not None
    environ: dict[str, str] = {}
    async with asyncio.timeout(_TIMEOUT):
        for _ in range(3):
            name, _, value = (await command.stdout.readline()).decode().strip().partition("=")
            environ[name] = value
    return command, environ


async def test_the_command_ends_in_good_order_and_leaves_nothing() -> None:
    command, environ = await _engine_command()
    assert list(environ) == ["ZEEBE_ADDRESS", "ZEEBE_REST_ADDRESS", "SMTP_CONNECTOR_ENGINE_NAME"]
    assert environ["ZEEBE_ADDRESS"].startswith(f"{HOST}:")
    running = psutil.Process(command.pid)
    assert running.children() == []
    listening = {connection.laddr.ip for connection in running.net_connections("tcp")}
    assert listening <= {HOST, f"::ffff:{HOST}"}, "nothing but loopback"
    command.send_signal(signal.SIGINT)
    _, notes = await asyncio.wait_for(command.communicate(), _TIMEOUT)
    assert command.returncode == 0
    assert b"Ctrl-C" in notes
    assert b"not for" in notes, "it says what it is for"
    assert b"Traceback" not in notes


async def test_the_command_with_a_journal_keeps_its_name(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        command, environ = await _engine_command("--journal", str(tmp_path / "engine.jsonl"))
        names.append(environ["SMTP_CONNECTOR_ENGINE_NAME"])
        command.send_signal(signal.SIGTERM)
        await asyncio.wait_for(command.communicate(), _TIMEOUT)
    assert names[0] == names[1]


async def test_a_port_that_is_taken_is_told_as_such(shared_light_engine: LocalEngine) -> None:
    port = shared_light_engine.grpc_address.partition(":")[2]
    for options in (["--port", port], ["--rest-port", shared_light_engine.rest_address.rpartition(":")[2]]):
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "connector", "engine", *options), stdout=PIPE, stderr=PIPE
        )
        out, notes = await asyncio.wait_for(command.communicate(), _TIMEOUT)
        assert (command.returncode, out) == (1, b"")
        assert options[1].encode() in notes
        assert b"Traceback" not in notes


@pytest.fixture
async def shared_light_engine() -> AsyncIterator[LocalEngine]:
    async with LocalEngine() as engine:
        yield engine


async def test_kill_9_of_our_process_leaves_no_engine() -> None:
    command = await asyncio.create_subprocess_exec(sys.executable, "-c", _STARTS_ONE, stdout=PIPE)
    assert command.stdout is not None
    started = psutil.Process(int(await asyncio.wait_for(command.stdout.readline(), _TIMEOUT)))
    command.kill()
    await command.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [started], timeout=_TIMEOUT)
    assert alive == []


async def test_an_engine_whose_loop_hangs_ends_with_us_as_well() -> None:
    command = await asyncio.create_subprocess_exec(sys.executable, "-c", _STARTS_ONE, stdout=PIPE)
    assert command.stdout is not None
    started = psutil.Process(int(await asyncio.wait_for(command.stdout.readline(), _TIMEOUT)))
    started.suspend()
    command.kill()
    await command.wait()
    started.resume()
    _, alive = await asyncio.to_thread(psutil.wait_procs, [started], timeout=_TIMEOUT)
    assert alive == []


async def test_sigterm_is_quick_with_a_stream_open(process_id: str) -> None:
    from connector.engine.grpc import GrpcEngine
    from connector.settings.model import WorkerSettings

    async with LocalEngine() as engine:
        settings = EngineSettings(address=engine.grpc_address)
        async with GrpcEngine(settings, WorkerSettings()) as worker:
            reading = asyncio.ensure_future(anext(worker.stream(process_id)))
            await until_ready(engine.grpc_address)
            process = psutil.Process(engine.pid)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 10) == 0
            with pytest.raises(Exception, match=engine.grpc_address):
                await reading


async def test_one_that_does_not_start_says_why_and_is_gone(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text("no journal\n")
    engine = LocalEngine(journal=journal)
    with pytest.raises(LocalEngineError, match="stopped while starting") as raised:
        await engine.start()
    assert "is no journal of this engine" in str(raised.value), "what it said is shown"
    with pytest.raises(LocalEngineError, match="not running"):
        _ = engine.grpc_address


async def test_one_that_takes_too_long_says_so_and_is_gone() -> None:
    engine = LocalEngine(deadline=0.01)
    with pytest.raises(LocalEngineError, match=r"not ready after 0\.01 seconds"):
        await engine.start()
    with pytest.raises(LocalEngineError, match="not running"):
        _ = engine.pid


async def test_one_that_was_killed_comes_back_at_its_address(tmp_path: Path, process_id: str) -> None:
    async with LocalEngine(journal=tmp_path / "journal.jsonl") as engine:
        address = engine.grpc_address
        os.kill(engine.pid, signal.SIGKILL)
        await engine.start()
        assert engine.grpc_address == address
        await until_ready(address)


async def test_an_engine_that_is_named_is_used() -> None:
    named = EngineSettings(address="zeebe.example.com:443", tls=True)
    async with engine_for_development(named) as settings:
        assert settings is named
