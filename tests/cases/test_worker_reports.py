"""Cases from public bug reports about workers: a worker process, a gateway and a server that misbehave."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from connector.model.job import Complete, Fail
from connector.settings.model import SEND_TASK_TYPE
from connector.testing.engine import FakeEngine
from tests.cases.scripted_smtp import ScriptedServer
from tests.engine.worker_process import run
from tests.servers.gateway import FakeGateway

QUICK = ("--set", "worker.poll_interval=PT1S", "--set", "worker.poll_timeout=PT1S")


def mail(server: ScriptedServer, **changed: Any) -> dict[str, Any]:
    return {
        "authentication": {"hostname": "127.0.0.1", "port": server.port},
        "smtpEmailMailBoxName": "Workflow <workflow@example.com>",
        "smtpEmailToRecipients": ["jane@example.org"],
        "smtpEmailSubject": "Your order",
        "smtpEmailContent": "It is on its way.",
        **changed,
    }


async def test_a_completion_that_is_lost_sends_no_second_mail() -> None:
    """https://github.com/camunda/camunda/issues/5925."""
    engine = FakeEngine(lease=3)
    async with ScriptedServer({}) as server, FakeGateway(engine) as gateway:
        gateway.refuse("CompleteJob", grpc.StatusCode.UNAVAILABLE, "gone for a moment", times=3)
        key = engine.create_job(SEND_TASK_TYPE, mail(server))
        async with run(gateway.address, None, *QUICK, "--set", "worker.lease=PT3S"):
            async with asyncio.timeout(40):
                assert isinstance(await engine.outcome(key), Complete)
        assert len(engine.outcomes(key)) == 1
    assert len(server.mails) == 1


async def test_a_kept_connection_that_the_server_closed_loses_no_mail() -> None:
    """https://github.com/nodemailer/nodemailer/issues/511."""
    engine = FakeEngine()
    async with ScriptedServer({}) as server, FakeGateway(engine) as gateway:
        first = engine.create_job(SEND_TASK_TYPE, mail(server))
        async with run(gateway.address, None, *QUICK, "--set", "smtp.pool.idle=PT5M"), asyncio.timeout(40):
            assert isinstance(await engine.outcome(first), Complete)
            server.talks[0].farewell("421 4.4.2 mx.test.example Error: timeout exceeded")
            second = engine.create_job(SEND_TASK_TYPE, mail(server))
            assert isinstance(await engine.outcome(second), Complete)
    assert len(server.mails) == 2


async def test_a_job_with_large_variables_is_taken() -> None:
    """https://github.com/camunda/camunda/issues/6207, 12778."""
    engine = FakeEngine()
    async with ScriptedServer({}) as server, FakeGateway(engine) as gateway:
        attachment = {"name": "a.bin", "base64": "QUJD" * 500_000}
        variables = mail(server, other={"blob": "x" * 7_000_000}, smtpEmailAttachments=[attachment])
        key = engine.create_job(SEND_TASK_TYPE, variables)
        async with run(gateway.address, None, *QUICK), asyncio.timeout(40):
            assert await engine.outcome(key) == Complete({})
    assert len(server.mails) == 1


async def test_polls_that_are_never_answered_do_not_stop_the_worker() -> None:
    """https://github.com/camunda-community-hub/pyzeebe/pull/325, https://github.com/camunda/camunda/issues/8759."""
    engine = FakeEngine()
    async with ScriptedServer({}) as server, FakeGateway(engine) as gateway:
        gateway.refuse("StreamActivatedJobs", grpc.StatusCode.UNIMPLEMENTED, "no streams here", times=1_000)
        gateway.hang("ActivateJobs", times=1)
        key = engine.create_job(SEND_TASK_TYPE, mail(server))
        async with run(gateway.address, None, *QUICK), asyncio.timeout(70):
            assert isinstance(await engine.outcome(key), Complete)


async def test_a_server_that_never_speaks_is_an_incident_after_pauses() -> None:
    """https://github.com/camunda/camunda/issues/12999, 5171, 5655."""
    engine = FakeEngine()
    async with ScriptedServer({"greeting": None}) as server, FakeGateway(engine) as gateway:
        key = engine.create_job(SEND_TASK_TYPE, mail(server), headers={"retryBackoff": "PT1S"})
        async with run(gateway.address, None, *QUICK, "--set", "smtp.timeouts.greeting=PT1S"):
            async with asyncio.timeout(40):
                last = await engine.outcome(key)
        failures = [each for each in engine.outcomes(key) if isinstance(each, Fail)]
    assert [(failure.retries, failure.backoff) for failure in failures] == [(2, 1.0), (1, 1.0), (0, 1.0)]
    assert isinstance(last, Fail)
    assert "CONNECTION_TIMEOUT" in last.message


async def test_a_mail_slower_than_its_lease_is_sent_once() -> None:
    """https://github.com/camunda-community-hub/pyzeebe/issues/212."""
    engine = FakeEngine(lease=2)
    slow = {"rules": [{"on": "DOT", "delay": 6, "times": 1}]}
    async with ScriptedServer(slow) as server, FakeGateway(engine) as gateway:
        first = engine.create_job(SEND_TASK_TYPE, mail(server))
        async with run(gateway.address, None, *QUICK, "--set", "worker.lease=PT2S"), asyncio.timeout(40):
            assert isinstance(await engine.outcome(first), Complete)
            second = engine.create_job(SEND_TASK_TYPE, mail(server))
            assert isinstance(await engine.outcome(second), Complete)
        assert len(engine.outcomes(first)) == 1
    assert len(server.mails) == 2
