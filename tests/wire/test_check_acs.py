"""``check`` of accounts with ``transport: acs``: login, sender, test mail."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from connector.check.findings import CheckStep, Report
from connector.errors import ErrorCode
from connector.model.addresses import Mailbox
from tests.servers.acs import Acs, acs_server
from tests.wire.checks import checked, finding, order, statuses

TO = Mailbox("me@example.com")


@pytest.fixture
def acs() -> Iterator[Acs]:
    with acs_server("example.test") as running:
        yield running


async def report(
    acs: Acs, recipient: Mailbox | None = None, own: dict[str, Any] | None = None, **account: Any
) -> Report:
    usual = {"endpoint": acs.endpoint, "access_key": acs.key, "poll_interval": 0.01}
    resource = {**usual, **(own or {})}
    values = {"transport": "acs", "address": "flow@example.test", "acs": resource, **account}
    (found,) = await checked(order("sales", recipient=recipient), accounts={"sales": values})
    return found


async def test_a_key_is_tried_and_nothing_is_sent(acs: Acs) -> None:
    found = await report(acs)
    named = {"auth": "ok", "sender": "skipped", "mail": "skipped"}
    assert named.items() <= statuses(found).items()
    assert finding(found, CheckStep.AUTH).facts == {"mechanism": "access key"}
    assert acs.asked == ["state"]


async def test_a_test_mail_shows_the_sender(acs: Acs) -> None:
    assert statuses(await report(acs, TO))["mail"] == "ok"
    assert len(acs.delivered) == 1
    stranger = await report(acs, TO, address="flow@elsewhere.example")
    mail = finding(stranger, CheckStep.MAIL)
    assert mail.code is ErrorCode.SENDER_REJECTED
    assert "Connect the domain" in (mail.fix or "")


async def test_an_application_needs_a_token(acs: Acs) -> None:
    acs.token()
    oauth = {
        "grant": "client_credentials",
        "client_id": "connector",
        "client_secret": "secrets.PW",
        "token_url": acs.token_url,
    }
    found = await report(acs, TO, own={"access_key": None}, oauth=oauth)
    named = {"grant": "ok", "token": "ok", "auth": "ok", "sender": "skipped", "mail": "ok"}
    assert named.items() <= statuses(found).items()
    assert finding(found, CheckStep.AUTH).facts == {"mechanism": "token"}


async def test_a_wrong_key_is_told_and_not_shown(acs: Acs) -> None:
    other = base64.b64encode(b"the key of another resource").decode()
    found = await report(acs, TO, own={"access_key": other})
    auth = finding(found, CheckStep.AUTH)
    assert auth.code is ErrorCode.AUTH_FAILED
    assert other not in f"{auth}"
    assert acs.asked == ["state", "state"]


async def test_a_resource_that_is_not_there(acs: Acs) -> None:
    found = await report(acs, own={"endpoint": "http://127.0.0.1:1"})
    assert finding(found, CheckStep.AUTH).code is ErrorCode.CONNECTION_FAILED


async def test_a_secret_that_is_missing_is_named(acs: Acs) -> None:
    found = await report(acs, own={"access_key": "secrets.NONE"})
    assert any(one.code is ErrorCode.SECRET_NOT_FOUND for one in found.findings)
