"""The end of the worker's process: within the grace period, whatever blocks."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from pyzeebe import ZeebeClient

from tests.engine.service import start
from tests.engine.worker_process import run

# A name server that is silent: the look-up hangs in the system's call, in a thread that cannot be stopped.
HANGING = """
import socket, sys, time
from connector.cli.main import main
real = socket.getaddrinfo
def hanging(host, *more, **named):
    if "hangs" in str(host):
        print("look-up hangs", file=sys.stderr, flush=True)
        time.sleep(3600)
    return real(host, *more, **named)
socket.getaddrinfo = hanging
main()
"""


async def test_a_look_up_that_hangs_does_not_hold_up_the_end(
    zeebe: ZeebeClient, engine_address: str, tmp_path: Path
) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    inputs = {
        "authentication.hostname": "hangs.example",
        "authentication.port": "25",
        "smtpEmailMailBoxName": "a@x.example",
        "smtpEmailToRecipients": "b@x.example",
        "smtpEmailSubject": "Hello",
        "smtpEmailContent": "Hello.",
    }
    environ = {"PYTHONPATH": f"{tmp_path}:{':'.join(filter(None, sys.path))}"}
    options = ("--set", "worker.grace_period=2")
    async with run(engine_address, environ, *options, program=("hanging",)) as worker:
        await worker.logged("worker ready")
        await start(zeebe, tmp_path, inputs)
        await worker.logged("look-up hangs")
        worker.process.send_signal(signal.SIGTERM)
        code = await worker.ended()
    assert code in {0, 1}


# A worker that takes its time to read its settings.
SLOW = """
import sys, time
from connector.cli import main
read = main.overrides
def slow(*given):
    print("reading settings", file=sys.stderr, flush=True)
    time.sleep(20)
    return read(*given)
main.overrides = slow
main.main()
"""


async def test_a_signal_before_the_worker_listens_to_it_ends_it_in_order(
    engine_address: str, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    environ = {"PYTHONPATH": f"{tmp_path}:{':'.join(filter(None, sys.path))}"}
    async with run(engine_address, environ, program=("slow",)) as worker:
        await worker.logged("reading settings")
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.ended() == 0
