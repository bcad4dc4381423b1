"""What is counted on the way of a job, and what must never be seen there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connector.ledger import LedgerUnavailableError, open_upkeep
from connector.model.job import Complete, Fail, Job, JobContext, Outcome
from connector.observe.health import Health
from connector.observe.metrics import MeasuredStore, Metrics
from connector.secrets.masker import Masker
from connector.send.assembly import Shared, open_pipeline
from connector.settings.model import SEND_TASK_TYPE
from connector.settings.sources import load
from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.engine import FakeEngine
from connector.testing.smtp import SmtpServer
from connector.worker.job_loop import JobLoop
from tests.jobs import job
from tests.unit.worker.at_work import PATIENCE, worker_settings
from tests.wire.test_health import ask
from tests.wire.test_pipeline import mail

SECRET, RECIPIENT, KEY = "cAnArY-pAssword", "canary.recipient@example.test", "canary-order-4711"


def value(metrics: Metrics, sample: str) -> float:
    """One sample of the text, labels included in its name."""
    found = [line for line in metrics.text().decode().splitlines() if line.startswith(f"{sample} ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def failed_total(account: str, code: str, reason: str = "") -> str:
    return f'smtp_connector_mails_failed_total{{account="{account}",code="{code}",reason="{reason}"}}'


async def handled(server: SmtpServer, metrics: Metrics, jobs: list[Job], **overrides: str) -> list[Outcome]:
    given = {"ledger.kind": "memory", **{k.replace("__", "."): v for k, v in overrides.items()}}
    settings = load({}, overrides=given).settings
    async with (
        open_upkeep(settings.ledger, settings.worker.lease, lambda s: MeasuredStore(s, metrics)) as upkeep,
        open_pipeline(settings, Masker(), {"SECRET_PW": SECRET}, shared=Shared(upkeep, metrics)) as pipeline,
    ):
        outcomes = [await pipeline.handle(one) for one in jobs]
        if server.received:
            assert value(metrics, "smtp_connector_smtp_connections") == 1
    assert value(metrics, "smtp_connector_smtp_connections") == 0
    return outcomes


async def test_a_mail_its_duplicate_and_a_refused_one_are_counted_apart() -> None:
    metrics = Metrics()
    async with SmtpServer() as server:
        server_mail = mail(server)
        await handled(server, metrics, [job(server_mail), job(server_mail)])
    async with SmtpServer(behaviour=Behaviour().on(Verb.RCPT, Say(550, "5.1.1 no"))) as server:
        await handled(server, metrics, [job(mail(server))])
    assert value(metrics, 'smtp_connector_mails_sent_total{account=""}') == 1
    assert value(metrics, "smtp_connector_mails_duplicate_total") == 1
    assert value(metrics, failed_total("", "RECIPIENT_REJECTED")) == 1
    assert value(metrics, "smtp_connector_smtp_seconds_count") == 2
    assert value(metrics, "smtp_connector_ledger_seconds_count") >= 5


async def test_a_ledger_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    metrics = Metrics()
    (tmp_path / "file").touch()
    async with SmtpServer() as server:
        path = str(tmp_path / "file" / "ledger.db")
        (outcome,) = await handled(
            server, metrics, [job(mail(server))], ledger__kind="sqlite", ledger__path=path
        )
    assert isinstance(outcome, Fail)
    assert value(metrics, "smtp_connector_ledger_errors_total") >= 1
    assert value(metrics, failed_total("", "LEDGER_UNAVAILABLE")) == 1


async def test_the_reason_of_a_job_that_is_handed_back_is_a_label() -> None:
    metrics = Metrics()
    async with SmtpServer() as server:
        account = {"host": server.hostname, "port": str(server.port), "rate": "0.01", "max_wait": "0.01"}
        settings = {f"accounts__sales__{name}": value for name, value in account.items()}
        jobs = [
            job({**mail(server), "authentication": None, "account": "sales"}, element_instance_key=number)
            for number in (1, 2)
        ]
        await handled(server, metrics, jobs, **settings)
    assert value(metrics, failed_total("sales", "CANCELLED", "rate")) == 1


async def test_nothing_out_of_a_job_is_ever_a_label() -> None:
    metrics = Metrics()
    async with SmtpServer(users={"connector": SECRET}) as server:
        login = {"hostname": server.hostname, "port": server.port, "username": "connector"}
        canary = {"smtpEmailToRecipients": [RECIPIENT], "smtpEmailIdempotencyKey": KEY}
        good = mail(server, authentication={**login, "password": "secrets.PW"}, **canary)
        wrong = mail(server, authentication={**login, "password": f"not-{SECRET}"})
        lost = mail(server, authentication={**login, "hostname": "canary.invalid", "password": SECRET})
        jobs = [job(good), job(wrong, element_instance_key=2), job(lost, element_instance_key=3)]
        outcomes = await handled(server, metrics, jobs)
    assert [type(outcome) for outcome in outcomes] == [Complete, Fail, Fail]
    text = metrics.text().decode()
    assert 'smtp_connector_mails_sent_total{account=""} 1.0' in text
    for canary_text in (SECRET, "canary", "example.test", 'connector"', server.hostname, str(server.port)):
        assert canary_text not in text


async def test_the_job_loop_counts_jobs_and_outcomes() -> None:
    metrics, engine, stop = Metrics(), FakeEngine(), asyncio.Event()
    in_flight: list[float] = []

    async def handle(_job: Job, _context: JobContext) -> Outcome:
        in_flight.append(value(metrics, "smtp_connector_jobs_in_flight"))
        stop.set()  # what is in hand is finished and reported
        return Complete()

    engine.create_job(SEND_TASK_TYPE)
    async with asyncio.timeout(PATIENCE):
        await JobLoop(engine, worker_settings(), handle, metrics).run(stop)
    assert in_flight == [1]
    assert value(metrics, 'smtp_connector_jobs_reported_total{outcome="complete"}') == 1
    assert value(metrics, f'smtp_connector_jobs_taken_total{{task_type="{SEND_TASK_TYPE}"}}') == 1
    assert value(metrics, "smtp_connector_job_seconds_count") == 1
    assert value(metrics, "smtp_connector_jobs_in_flight") == 0


async def test_metrics_are_served_beside_the_probes() -> None:
    metrics = Metrics()

    async def text() -> bytes:
        return metrics.text()

    async with Health("127.0.0.1:0", {}, str, metrics=text) as health:
        status, headers, body = await ask(health, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, body) == (200, metrics.text())
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_who_has_no_metrics_says_so() -> None:
    async with Health("127.0.0.1:0", {}, str) as health:
        status, _, _ = await ask(health, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 404


async def test_a_worker_that_is_not_live_says_why() -> None:
    async def dead() -> None:
        raise LedgerUnavailableError("process 2 has not answered")

    async with Health("127.0.0.1:0", {}, str, live=dead) as health:
        status, _, body = await ask(health, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 503
    assert b"process 2 has not answered" in body


@pytest.mark.parametrize("begun", [0, 3])
def test_the_text_is_what_prometheus_reads(begun: int) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    metrics = Metrics()
    for _ in range(begun):
        metrics.job_taken(SEND_TASK_TYPE)
    families = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    assert {
        "smtp_connector_jobs_taken",
        "smtp_connector_job_seconds",
        "smtp_connector_build_info",
    } <= families
