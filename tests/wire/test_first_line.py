"""The first line of a worker's log says which worker it is, and each line which of several processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.settings.sources import load
from connector.testing.engine import FakeEngine
from connector.worker.worker import surroundings
from tests.engine.worker_process import run
from tests.servers.gateway import FakeGateway


async def test_the_first_line_of_each_process_names_its_surroundings(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    environ = {
        "SMTP_CONNECTOR_LOG_FORMAT": "json",
        "SMTP_CONNECTOR_LEDGER_KIND": "sqlite",
        "SMTP_CONNECTOR_LEDGER_PATH": str(ledger),
        "SMTP_CONNECTOR_ACCOUNTS_DEFAULT_HOST": "mail.example.com",
        "SMTP_CONNECTOR_ACCOUNTS_DEFAULT_USERNAME": "sales",
        "SMTP_CONNECTOR_ACCOUNTS_DEFAULT_PASSWORD": "correct horse",
        "SMTP_CONNECTOR_MESSAGE_TIME_ZONE": "Europe/Berlin",
    }
    async with (
        FakeGateway(FakeEngine()) as gateway,
        run(gateway.address, environ, "--processes", "2") as worker,
    ):
        for process in (1, 2):
            await worker.logged(f'"process": {process}}}')
    lines = [json.loads(line) for line in worker.log.splitlines()]
    firsts = {line["process"]: line for line in reversed(lines) if "process" in line}
    assert set(firsts) == {1, 2}
    for line in firsts.values():
        assert (line["event"], line["engine"]) == ("worker starting", gateway.address)
        assert (line["accounts"], line["time_zone"]) == (["default"], "Europe/Berlin")
        assert line["ledger"] == f"sqlite {ledger}"
    assert "correct horse" not in worker.log


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "localhost:26500"),
        (
            {
                "engine.cluster_id": "c1",
                "engine.cluster_region": "bru-2",
                "engine.client_id": "i",
                "engine.client_secret": "s",
            },
            "c1.bru-2.zeebe.camunda.io:443",
        ),
    ],
)
def test_an_engine_without_an_address_is_named_too(settings: dict[str, str], address: str) -> None:
    assert surroundings(load({}, overrides=settings).settings)["engine"] == address


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"kind": "memory"}, "memory"),
        ({"path": "/var/lib/x.db"}, "sqlite /var/lib/x.db"),
        (
            {"kind": "postgres", "url": "postgresql://u:s3cret@db:5433/mails?password=s"},
            "postgres db:5433/mails",
        ),
        ({"kind": "postgres", "url": "postgresql:///mails"}, "postgres /mails"),
    ],
)
def test_a_ledgers_place_has_no_login(settings: dict[str, str], place: str) -> None:
    overrides = {f"ledger.{name}": value for name, value in settings.items()}
    assert load({}, overrides=overrides).settings.ledger.place == place
