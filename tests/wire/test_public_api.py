"""What programs may import: a worker, one mail without an engine, the errors, and doubles for tests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import connector
import connector.testing
from connector import InputError, Worker, errors, load_settings, send_mail
from connector.testing import Complete, FakeEngine, Say, SmtpServer, Verb
from connector.testing.fixtures import WorkerFactory, fake_engine, run_worker, smtp_server

__all__ = ["fake_engine", "run_worker", "smtp_server"]  # fixtures

TYPE = "smtp-connector:send:1"


def mail(server: SmtpServer, **changed: Any) -> dict[str, Any]:
    return {
        "authentication": {"hostname": server.hostname, "port": server.port},
        "smtpEmailMailBoxName": "Order desk <orders@example.com>",
        "smtpEmailToRecipients": ["ada@example.com"],
        "smtpEmailSubject": "Your order 4711",
        "smtpEmailContent": "It is on its way.",
        **changed,
    }


def sqlite(directory: Path) -> connector.Settings:
    return load_settings({}, overrides={"ledger.path": str(directory / "ledger.db")})


@pytest.mark.parametrize("package", [connector, connector.testing])
def test_every_public_name_exists(package: Any) -> None:
    assert [name for name in package.__all__ if not hasattr(package, name)] == []
    assert set(package.__all__) <= set(dir(package))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'wroker'"):
        getattr(connector, "wroker")  # noqa: B009 - mypy knows that there is none


def test_every_error_of_the_tree_is_public() -> None:
    tree = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.ConnectorError) and not name.startswith("_")
    }
    assert tree <= set(connector.__all__)


def test_the_package_itself_loads_nothing_large() -> None:
    loaded = "import sys, connector; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout
    assert {"connector", "connector.model"} <= set(names.split())
    assert {"pydantic", "grpc", "asyncio", "structlog"}.isdisjoint(names.split())


async def test_send_mail_gives_the_response(smtp_server: SmtpServer, tmp_path: Path) -> None:
    response = await send_mail(mail(smtp_server), sqlite(tmp_path))
    assert (response["status"], response["accepted"]) == ("SUCCESS", ["ada@example.com"])
    assert smtp_server.received[0].recipients == ("ada@example.com",)


async def test_send_mail_sends_once_per_key(smtp_server: SmtpServer, tmp_path: Path) -> None:
    settings = sqlite(tmp_path)
    first = await send_mail(mail(smtp_server), settings, key="order-4711")
    second = await send_mail(mail(smtp_server), settings, key="order-4711")
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["messageId"] == second["messageId"]
    assert len(smtp_server.received) == 1


async def test_send_mail_resolves_secrets_of_its_environment(tmp_path: Path) -> None:
    async with SmtpServer(users={"ada": "correct horse"}) as server:
        login = {"username": "ada", "password": "secrets.PW", "security": "none"}
        variables = mail(server)
        variables["authentication"] |= login
        await send_mail(variables, sqlite(tmp_path), environ={"SECRET_PW": "correct horse"})
    assert server.received[0].username == "ada"


async def test_send_mail_raises_the_error_itself(smtp_server: SmtpServer, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        await send_mail(mail(smtp_server, smtpEmailImportance="urgent"), sqlite(tmp_path))
    assert caught.value.field == "smtpEmailImportance"
    assert {"high", "normal", "low"} <= set(caught.value.allowed)
    assert smtp_server.received == []


async def test_a_task_that_went_on_after_a_cancellation_sends_mails(
    smtp_server: SmtpServer, tmp_path: Path
) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(1)
    try:
        assert task.cancelling() == 1
        response = await send_mail(mail(smtp_server), sqlite(tmp_path))
    finally:
        task.uncancel()
    assert response["status"] == "SUCCESS"


async def test_a_worker_works_for_the_length_of_a_block(
    smtp_server: SmtpServer, fake_engine: FakeEngine, run_worker: WorkerFactory
) -> None:
    async with run_worker():
        key = fake_engine.create_job(TYPE, mail(smtp_server), headers={"resultVariable": "mail"})
        outcome = await fake_engine.outcome(key)
    assert isinstance(outcome, Complete)
    assert outcome.variables["mail"]["accepted"] == ["ada@example.com"]
    assert fake_engine.open_streams == 0


async def test_a_worker_takes_settings_by_path(
    smtp_server: SmtpServer, fake_engine: FakeEngine, run_worker: WorkerFactory
) -> None:
    smtp_server.behaviour.on(Verb.RCPT, Say(450, "4.2.0 come again"), times=1)
    async with run_worker(**{"worker.rejection_backoff": "0"}):
        key = fake_engine.create_job(TYPE, mail(smtp_server))
        assert isinstance(await fake_engine.outcome(key), Complete)
    assert fake_engine.retries(key) == 2


async def test_a_worker_that_cannot_start_says_so_at_once(smtp_server: SmtpServer) -> None:
    taken = f"{smtp_server.hostname}:{smtp_server.port}"
    settings = load_settings({}, overrides={"ledger.kind": "memory", "health.listen": taken})
    with pytest.raises(OSError, match=f"health.listen {taken}"):
        async with Worker(settings, engine=FakeEngine()):
            pytest.fail("it has begun")
