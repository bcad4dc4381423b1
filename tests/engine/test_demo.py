"""``smtp-connector demo`` as a person starts it, on the shared engine."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyzeebe import ZeebeClient

from connector.testing.smtp import SmtpServer

_PLAY = """
import asyncio, sys
from connector.cli.main import _play
from connector.demo import run
from connector.demo.examples import find
{}
sys.exit(asyncio.run(_play(find("notify"), once=sys.argv[1:] == ["--once"])))
"""
_COMMAND = _PLAY.format("")
# The worker dies of a fault of its own, and no process waits for it to come back.
_WORKER_DIES = _PLAY.format("""
async def dies(*_):
    raise RuntimeError("no more of this")

async def forever(*_):
    await asyncio.Event().wait()

run.JobLoop.run, run._perform = dies, forever
""")
_NO_SUCH_PORT: dict[str, Any] = {
    "mailServer": {"hostname": "localhost", "port": 0},
    "customer": {"name": "Ada", "email": "ada@example.com"},
    "order": {"id": "1", "items": "item"},
}
_TIMEOUT = 60
TUTORIAL = Path(__file__).parents[2] / "docs/tutorial/first-mail.md"


async def _demo(*arguments: str, environ: Mapping[str, str], command: str = _COMMAND) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", command, *arguments),
        env={**os.environ, **environ},
        stdout=PIPE,
        stderr=PIPE,
    )


def _seen_in_the_tutorial() -> set[str]:
    """The first lines that the tutorial promises, but the engine's, which is another one here."""
    (shown,) = re.findall(r"^```\n(Send one mail\n.*?)^```$", TUTORIAL.read_text("utf-8"), re.M | re.S)
    return {line for line in _without_numbers(shown) if not line.startswith("✓ Engine ready")}


def _without_numbers(text: str) -> list[str]:
    return re.sub(r"\d+", "N", text).splitlines()


async def _read_until(demo: Process, pattern: str) -> re.Match[str]:
    """Read the demo's lines up to the one that matches."""
    assert demo.stdout is not None
    async with asyncio.timeout(_TIMEOUT):
        async for line in demo.stdout:
            if found := re.search(pattern, line.decode()):
                return found
    raise AssertionError(f"the demo ended without {pattern}: {await demo.communicate()}")


async def test_once_plays_one_example_and_exits(engine_address: str) -> None:
    demo = await _demo("--once", environ={"ZEEBE_ADDRESS": engine_address})
    out, errors = (text.decode() for text in await asyncio.wait_for(demo.communicate(), _TIMEOUT))
    assert demo.returncode == 0, out + errors
    assert errors == ""
    steps = re.findall(r"^✓ (.+?)  ", out, re.MULTILINE)
    assert steps == [
        *("Engine ready", "Inbox ready", "Process deployed", "Worker started", "Process started"),
        *("Job taken", "Mail accepted", "Job completed", "Instance completed"),
    ]
    result = json.loads(out[out.index("{") : out.rindex("}") + 1])
    assert result["mail"]["status"] == "SUCCESS"
    assert result["mail"]["accepted"] == ["zoe@example.com"]
    shown = out[out.rindex("The mail") :]
    assert result["mail"]["messageId"] in shown
    assert "Hello Zoë Ångström," in shown
    assert _seen_in_the_tutorial() <= set(_without_numbers(out))
    assert "order-4711.csv (text/csv)" in shown
    assert "Importance      high" in shown


async def test_it_continues_until_interrupted(engine_address: str) -> None:
    demo = await _demo(environ={"ZEEBE_ADDRESS": engine_address})
    page = urlsplit((await _read_until(demo, r"Inbox ready +(http://\S+/)"))[1])
    await _read_until(demo, r"continues until Ctrl-C")
    answer = await _press_the_button(str(page.hostname), int(page.port or 0))
    assert answer.startswith(b"HTTP/1.0 303")
    await _read_until(demo, r"Look at it +http://\S+/mail/2$")
    demo.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(demo.communicate(), _TIMEOUT)
    assert (demo.returncode, errors) == (0, b"")


async def test_the_failure_of_another_instance_does_not_spoil_the_next(
    engine_address: str, zeebe: ZeebeClient
) -> None:
    demo = await _demo(environ={"ZEEBE_ADDRESS": engine_address})
    page = urlsplit((await _read_until(demo, r"Inbox ready +(http://\S+/)"))[1])
    await _read_until(demo, r"continues until Ctrl-C")
    foreign = await zeebe.run_process("smtp-connector-notify", _NO_SUCH_PORT)
    await _read_until(demo, r"The job failed: .*port")
    await zeebe.cancel_process_instance(foreign.process_instance_key)
    await _press_the_button(str(page.hostname), int(page.port or 0))
    await _read_until(demo, r"Look at it +http://\S+/mail/2$")
    demo.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(demo.communicate(), _TIMEOUT)
    assert errors == b"", "the story has told it"


async def test_a_worker_that_ends_is_reported(engine_address: str) -> None:
    demo = await _demo(environ={"ZEEBE_ADDRESS": engine_address}, command=_WORKER_DIES)
    out, errors = await asyncio.wait_for(demo.communicate(), _TIMEOUT)
    assert (demo.returncode, errors) == (1, b"")
    assert "✗ The worker has ended unexpectedly: RuntimeError('no more of this')" in out.decode()


async def _press_the_button(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    address = f"{host}:{port}"
    writer.write(f"POST /start HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_an_engine_that_cannot_be_reached_is_reported() -> None:
    async with SmtpServer() as no_engine:
        demo = await _demo("--once", environ={"ZEEBE_ADDRESS": f"127.0.0.1:{no_engine.port}"})
        out, errors = await asyncio.wait_for(demo.communicate(), _TIMEOUT)
    assert demo.returncode == 1
    assert "✗ Unexpected answer of the engine" in out.decode()
    assert b"Traceback" not in out + errors


async def test_settings_that_cannot_be_used_are_reported() -> None:
    demo = await _demo("--once", environ={"SMTP_CONNECTOR_WORKER_MAX_JOBS": "many"})
    out, errors = await asyncio.wait_for(demo.communicate(), _TIMEOUT)
    assert demo.returncode == 1
    assert "SMTP_CONNECTOR_WORKER_MAX_JOBS" in out.decode()
    assert b"Traceback" not in out + errors
