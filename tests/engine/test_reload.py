"""A running worker takes new settings: from a changed file and on SIGHUP, with a mail under way."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from pyzeebe import ZeebeClient

from connector.testing.behaviour import Behaviour, Hold, Verb
from connector.testing.smtp import SmtpServer
from tests.engine.service import start
from tests.engine.test_mail import mail
from tests.engine.watch import Watch
from tests.engine.worker_process import Running, run


def account(server: SmtpServer) -> str:
    return (
        "accounts:\n  default:\n    address: desk@example.test\n"
        f"    host: {server.hostname}\n    port: {server.port}\n    security: none\n"
    )


async def told(worker: Running, by: str) -> None:
    if by == "signal":
        worker.process.send_signal(signal.SIGHUP)
    await worker.logged("settings reloaded")


@pytest.mark.parametrize("by", ["signal", "file"])
async def test_later_mails_follow_the_new_settings_and_the_one_under_way_is_finished(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path, by: str
) -> None:
    settings = tmp_path / "worker.yaml"
    hold = Hold(asyncio.Event())
    async with SmtpServer(behaviour=Behaviour().on(Verb.DOT, hold)) as former, SmtpServer() as latter:
        settings.write_text(account(former), "utf-8")
        async with run(engine_address, None, "--config", str(settings)) as worker:
            inputs = mail(former, authentication=None)
            first = await start(zeebe, tmp_path, inputs)
            await hold.reached.wait()
            settings.write_text(account(latter), "utf-8")
            await told(worker, by)
            second = await start(zeebe, tmp_path, inputs)
            await watch.completed(second)
            hold.until.set()
            await watch.completed(first)
            worker.process.terminate()
            assert await worker.ended() == 0
        assert (len(former.received), len(latter.received)) == (1, 1)
    assert "Traceback" not in worker.log


async def test_settings_that_cannot_be_used_change_nothing(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path
) -> None:
    settings = tmp_path / "worker.yaml"
    async with SmtpServer() as server:
        settings.write_text(account(server), "utf-8")
        async with run(engine_address, None, "--config", str(settings)) as worker:
            await worker.logged("worker ready")
            settings.write_text("accounts:\n  default:\n    hots: nowhere\n", "utf-8")
            worker.process.send_signal(signal.SIGHUP)
            await worker.logged("settings not reloaded")
            assert "did you mean" in worker.log
            await watch.completed(await start(zeebe, tmp_path, mail(server, authentication=None)))
            worker.process.terminate()
            assert await worker.ended() == 0
        assert len(server.received) == 1
