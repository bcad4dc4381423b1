"""The engine for development against the real thing."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import psutil
import pytest
from pyzeebe import ZeebeClient

from connector.devengine.broker import HOST
from connector.devengine.local import LocalEngine, LocalEngineError, engine_for_development
from connector.settings.model import EngineSettings

_EMPTY_PROCESS = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="test">
  <process id="{process_id}" isExecutable="true">
    <startEvent id="start"><outgoing>f</outgoing></startEvent>
    <sequenceFlow id="f" sourceRef="start" targetRef="end" />
    <endEvent id="end"><incoming>f</incoming></endEvent>
  </process>
</definitions>
"""
_COMMAND = "import sys; from connector.devengine.local import run_engine; sys.exit(run_engine())"
_TIMEOUT = 60


async def test_a_process_runs_through(zeebe: ZeebeClient, process_id: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.bpmn"
    path.write_text(_EMPTY_PROCESS.format(process_id=process_id), encoding="utf-8")
    await zeebe.deploy_resource(path)
    done = await zeebe.run_process_with_result(process_id, {"answer": 42})
    assert done.variables == {"answer": 42}


async def _engine_command() -> Process:
    """Run ``smtp-connector engine`` until it is ready."""
    command = await asyncio.create_subprocess_exec(sys.executable, "-c", _COMMAND, stdout=PIPE, stderr=PIPE)
    assert command.stdout is not None
    first = await asyncio.wait_for(command.stdout.readline(), _TIMEOUT)
    assert first.startswith(f"ZEEBE_ADDRESS={HOST}:".encode())
    return command


def _descendants(command: Process) -> list[psutil.Process]:
    """The warden and the JVM."""
    return list(psutil.Process(command.pid).children(recursive=True))


def _exists(path: Path) -> bool:
    return path.exists()


def _names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_the_command_ends_in_good_order_and_leaves_nothing() -> None:
    command = await _engine_command()
    started = _descendants(command)
    assert [process.name() for process in started][-1] == "java"
    listening = {connection.laddr.ip for process in started for connection in process.net_connections("tcp")}
    assert listening <= {HOST, f"::ffff:{HOST}"}, "nothing but loopback"
    data = Path(started[-1].cwd())
    command.send_signal(signal.SIGINT)
    _, notes = await asyncio.wait_for(command.communicate(), _TIMEOUT)
    assert command.returncode == 0
    assert b"Ctrl-C" in notes
    assert b"Traceback" not in notes
    assert psutil.wait_procs(started, timeout=0)[1] == []
    assert not _exists(data)


async def test_kill_9_of_our_process_leaves_no_engine() -> None:
    command = await _engine_command()
    started = _descendants(command)
    data = Path(started[-1].cwd())
    command.kill()
    await command.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, started, timeout=_TIMEOUT)
    assert alive == []
    assert not _exists(data)


async def test_one_that_does_not_start_says_why_and_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("connector.devengine.broker._MAIN_CLASS", "io.camunda.NoSuchClass")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = LocalEngine()
    with pytest.raises(LocalEngineError, match="stopped while starting") as raised:
        await engine.start()
    assert "NoSuchClass" in str(raised.value), "the end of the log is shown"
    assert _names(tmp_path) == []
    with pytest.raises(LocalEngineError, match="not running"):
        _ = engine.grpc_address


async def test_one_that_takes_too_long_says_so_and_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(LocalEngineError, match=r"not ready after 0\.1 seconds"):
        await LocalEngine(deadline=0.1).start()
    assert _names(tmp_path) == []


async def test_an_engine_that_is_named_is_used() -> None:
    named = EngineSettings(address="zeebe.example.com:443", tls=True)
    async with engine_for_development(named) as settings:
        assert settings is named
