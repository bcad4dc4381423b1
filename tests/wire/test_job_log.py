"""The one line that the log has for each job: why, and never a recipient, a subject or content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from connector.errors import CancelReason
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.model import SEND_TASK_TYPE
from connector.settings.sources import load
from connector.testing.behaviour import Behaviour, Hold, Say, Verb
from connector.testing.engine import FakeEngine
from connector.testing.smtp import SmtpServer
from connector.worker.job_loop import JobLoop
from tests.unit.worker.at_work import worker_settings
from tests.wording import stumbles

PRIVATE = ("ann@example.test", "Secret subject", "Secret content")


def mail(server: SmtpServer, **changed: Any) -> dict[str, Any]:
    return {
        "authentication": {"hostname": server.hostname, "port": server.port},
        "smtpEmailMailBoxName": "workflow@example.test",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": "Secret subject",
        "smtpEmailContent": "Secret content",
        **changed,
    }


@asynccontextmanager
async def working(engine: FakeEngine, **settings: str) -> AsyncIterator[asyncio.Event]:
    loaded = load({}, overrides={"ledger.kind": "memory", **settings}).settings
    stop = asyncio.Event()
    async with open_pipeline(loaded, Masker(), {}) as pipeline, asyncio.timeout(20):
        loop = JobLoop(engine, worker_settings(grace_period=timedelta(seconds=0.4)), pipeline.handle)
        running = asyncio.create_task(loop.run(stop))
        try:
            yield stop
        finally:
            stop.set()
            await running


async def line_of(
    server: SmtpServer, headers: Mapping[str, str] | None = None, **changed: Any
) -> dict[str, Any]:
    engine = FakeEngine()
    with capture_logs() as logs:
        async with working(engine):
            key = engine.create_job(SEND_TASK_TYPE, mail(server, **changed), headers=headers, retries=1)
            await engine.outcome(key)
    (line,) = [entry for entry in logs if entry["event"] == "job reported"]
    loud = [entry for entry in logs if entry["log_level"] in {"warning", "error"}]
    assert [entry for entry in loud if entry is not line] == []  # nothing is told twice
    assert list(stumbles(str(line.get("message", "")).partition(" replied: ")[0])) == []
    assert all(private not in repr(line) for private in PRIVATE)
    assert (line["job_key"], line["process_id"]) == (key, "test-process")
    assert line["process_instance"] == engine.job(key).process_instance_key
    return dict(line)


async def test_a_mail_that_was_sent() -> None:
    behaviour = Behaviour().on(Verb.DOT, Say(250, "2.0.0 Ok for <ann@example.test>: queued as 4F1"))
    behaviour.on(Verb.RCPT, Say(550, "5.1.1 <joe@example.test> No"), containing="joe")
    async with SmtpServer(behaviour=behaviour) as server:
        line = await line_of(server, smtpEmailCcRecipients="joe@example.test")
    assert (line["log_level"], line["outcome"], line["server"]) == (
        "info",
        "complete",
        f"127.0.0.1:{server.port}",
    )
    assert line["message_id"].endswith("@example.test>")
    assert line["reply"] == "250 2.0.0 Ok for <a…@example.test>: queued as 4F1"
    assert (line["accepted"], line["rejected"]) == (1, 1)
    assert 0 <= line["seconds"] < 20


async def test_an_incident() -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(550, "5.1.1 <ann@example.test>: No such user"))
    async with SmtpServer(behaviour=behaviour) as server:
        line = await line_of(server)
    assert (line["log_level"], line["outcome"], line["code"]) == ("error", "fail", "RECIPIENT_REJECTED")
    assert (line["server"], line["phase"]) == (f"127.0.0.1:{server.port}", "rcpt")
    assert (line["retries"], line["backoff"]) == (0, 0.0)
    assert "550 5.1.1 <a…@example.test>: No such user" in line["message"]


async def test_a_failure_that_is_tried_again() -> None:
    engine, behaviour = FakeEngine(), Behaviour().on(Verb.MAIL, Say(451, "4.3.0 Not now"), times=1)
    async with SmtpServer(behaviour=behaviour) as server:
        with capture_logs() as logs:
            async with working(engine):
                headers = {"retryBackoff": "PT0.1S"}
                key = engine.create_job(SEND_TASK_TYPE, mail(server), headers=headers)
                await engine.outcome(key)
    first, second = (entry for entry in logs if entry["event"] == "job reported")
    assert (first["log_level"], first["code"], first["phase"]) == ("warning", "TEMPORARILY_REJECTED", "mail")
    assert (first["retries"], first["backoff"]) == (2, 0.1)
    assert (second["log_level"], second["outcome"]) == ("info", "complete")


async def test_a_broken_header_and_an_expression_that_fails_after_the_mail() -> None:
    async with SmtpServer() as server:
        broken = await line_of(server, {"resultExpression": "{a: "})
        failed = await line_of(server, {"resultExpression": "1"})
    assert (broken["log_level"], broken["code"]) == ("error", "EXPRESSION_ERROR")
    assert "message_id" not in broken
    assert (failed["log_level"], failed["code"], failed["accepted"]) == ("error", "EXPRESSION_ERROR", 1)
    assert failed["message_id"]


async def test_a_failure_that_the_process_handles() -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.RCPT, Say(550, "5.1.1 No"))) as server:
        line = await line_of(server, {"errorMapping": '{"*": "MAIL"}'})
    assert (line["log_level"], line["outcome"], line["code"]) == ("info", "bpmnError", "RECIPIENT_REJECTED")


async def test_why_a_job_was_handed_back() -> None:
    engine, hold = FakeEngine(), Hold()
    async with SmtpServer(behaviour=Behaviour().on(Verb.MAIL, hold)) as server:
        with capture_logs() as logs:
            async with working(engine) as stop:
                key = engine.create_job(SEND_TASK_TYPE, mail(server))
                await hold.reached.wait()
                stop.set()
                await engine.until(lambda: len(engine.outcomes(key)) == 1)
    (line,) = [entry for entry in logs if entry["event"] == "job reported"]
    assert (line["log_level"], line["code"], line["reason"]) == ("info", "CANCELLED", CancelReason.SHUTDOWN)
