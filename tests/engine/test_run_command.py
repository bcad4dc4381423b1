"""``smtp-connector run`` as an operator runs it: ready, signals, exit code, and logs without secrets."""

from __future__ import annotations

import asyncio
import base64
import signal
from pathlib import Path

import pytest
from pyzeebe import ZeebeClient

from connector.testing.behaviour import Behaviour, Hold, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.engine.records import Records
from tests.engine.service import RESULT, start
from tests.engine.test_mail import mail
from tests.engine.watch import Watch
from tests.engine.worker_process import probe, run

CANARY = "cAnArY-pÄss/word+1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_worker_at_once_with_exit_code_0(
    engine_address: str, number: signal.Signals
) -> None:
    async with run(engine_address) as worker:
        await worker.logged("worker ready")
        worker.process.send_signal(number)
        assert await worker.ended(5) == 0


async def test_sigterm_lets_a_running_mail_finish(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path
) -> None:
    hold = Hold(asyncio.Event())
    async with SmtpServer(behaviour=Behaviour().on(Verb.DOT, hold)) as smtp, run(engine_address) as worker:
        instance = await start(zeebe, tmp_path, mail(smtp))
        await hold.reached.wait()
        worker.process.terminate()
        await worker.logged("worker stopping")
        hold.until.set()
        assert await worker.ended() == 0
        assert len(smtp.received) == 1
    await watch.completed(instance)


async def test_a_mail_that_cannot_finish_in_time_is_handed_back_with_its_retries(
    engine_address: str, zeebe: ZeebeClient, records: Records, tmp_path: Path
) -> None:
    hold = Hold(asyncio.Event())
    behaviour = Behaviour().on(Verb.MAIL, hold, times=1)
    async with SmtpServer(behaviour=behaviour) as smtp:
        async with run(engine_address, None, "--set", "worker.grace_period=2") as worker:
            instance = await start(zeebe, tmp_path, mail(smtp), retries=2)
            await hold.reached.wait()
            worker.process.terminate()
            assert await worker.ended(10) == 0
        failure = await records.failure(instance)
        assert (failure["retries"], failure["retryBackoff"]) == (2, 0)
        assert smtp.received == []
        async with run(engine_address):
            await records.completed(instance)
        assert len(smtp.received) == 1


async def test_a_killed_worker_loses_nothing(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path
) -> None:
    hold = Hold(asyncio.Event())
    async with SmtpServer(behaviour=Behaviour().on(Verb.RCPT, hold, times=1)) as smtp:
        async with run(engine_address, None, "--set", "worker.lease=1") as worker:
            instance = await start(zeebe, tmp_path, mail(smtp))
            await hold.reached.wait()
            worker.process.kill()
            await worker.ended()
        async with run(engine_address):
            await watch.completed(instance)
        assert len(smtp.received) == 1


async def test_a_worker_that_was_stopped_beyond_its_lease_sends_no_second_copy(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path
) -> None:
    """As a virtual machine that is paused in the middle of a mail, while another worker sends it."""
    hold, lease = Hold(asyncio.Event()), ("--set", "worker.lease=2")
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.MAIL, hold, times=1)) as smtp,
        run(engine_address, None, *lease) as paused,
    ):
        instance = await start(zeebe, tmp_path, mail(smtp))
        await hold.reached.wait()
        paused.process.send_signal(signal.SIGSTOP)
        try:
            async with run(engine_address, None, *lease):
                await watch.completed(instance)
            assert len(smtp.received) == 1
            hold.until.set()
            for _ in range(100):  # the reply is there when the worker wakes up
                await asyncio.sleep(0)
        finally:
            paused.process.send_signal(signal.SIGCONT)
        await paused.logged("outcome not reported: the lease ended")
        paused.process.terminate()
        assert await paused.ended() == 0
        assert len(smtp.received) == 1


async def test_a_secret_is_nowhere_to_be_found_even_in_debug_logs(
    engine_address: str, zeebe: ZeebeClient, records: Records, tmp_path: Path
) -> None:
    plain = base64.b64encode(f"\0connector\0{CANARY}".encode()).decode()
    environ = {"SECRET_PW": CANARY, "GRPC_VERBOSITY": "debug"}
    settings = ("--set", "log.level=debug", "--set", "smtp.pool.max_messages=1")  # a login for each mail
    async with (
        SmtpServer(users={"connector": CANARY}) as smtp,
        run(engine_address, environ, *settings) as worker,
    ):
        login = {"username": "connector", "password": "secrets.PW"}
        inputs = mail(smtp, authentication={"hostname": smtp.hostname, "port": smtp.port, **login})
        sent = await start(zeebe, tmp_path, inputs, headers=RESULT)
        await records.completed(sent)
        smtp.behaviour.on(Verb.AUTH, Say(535, f"5.7.8 {plain} {CANARY}"))
        refused = await start(zeebe, tmp_path, inputs, headers=RESULT)
        incident = await records.incident(refused)
        worker.process.terminate()
        await worker.ended()
        assert smtp.received[0].username == "connector"
    assert incident["errorMessage"].startswith("AUTH_FAILED: ")
    everything = worker.log + str(records.so_far(lambda record: True))
    for shape in (CANARY, plain, repr(CANARY)[1:-1], base64.b64encode(CANARY.encode()).decode()):
        assert shape not in everything
    assert "job reported" in worker.log


async def test_an_engine_that_is_not_there_is_waited_for_and_said_once() -> None:
    async with run("127.0.0.1:1") as worker:
        await worker.logged("127.0.0.1:1")
        assert worker.process.returncode is None
        worker.process.terminate()
        assert await worker.ended(10) == 0


async def test_probes_see_an_engine_that_is_there(engine_address: str) -> None:
    async with run(engine_address, None, "--set", "health.listen=127.0.0.1:0") as worker:
        await worker.logged("worker ready")
        assert await probe(worker, "live") == 200
        assert await probe(worker, "ready") == 200


async def test_an_engine_that_is_away_turns_readiness_red_and_never_liveness() -> None:
    async with run("127.0.0.1:1", None, "--set", "health.listen=127.0.0.1:0") as worker:
        await worker.logged("engine not available")
        assert await probe(worker, "live") == 200
        assert await probe(worker, "ready") == 503


async def test_a_port_that_is_taken_is_said_with_exit_code_2() -> None:
    async with (
        SmtpServer() as taken,
        run("127.0.0.1:1", None, "--set", f"health.listen=127.0.0.1:{taken.port}") as worker,
    ):
        assert await worker.ended(10) == 2
        assert f"health.listen 127.0.0.1:{taken.port}" in worker.log
        assert "Traceback" not in worker.log
