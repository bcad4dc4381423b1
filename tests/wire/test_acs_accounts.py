"""A task on an account with ``transport: acs``: settings, ledger, response, errors, secrets."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connector import send_mail
from connector.acs import resources
from connector.errors import ConnectorError, ErrorCode, InputError
from connector.model.job import Fail
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.http import HttpSettings
from connector.webapi.api import Limits
from tests.jobs import job
from tests.servers.acs import Acs, acs_server
from tests.wire.acs_submission import settings
from tests.wire.graph_submission import USER
from tests.wire.smtp_submission import ca_file, good_context

MAIL = {
    "account": "sales",
    "smtpEmailToRecipients": ["ada@example.com"],
    "smtpEmailBccRecipients": ["eve@example.com"],
    "smtpEmailSubject": "Order 7",
    "smtpEmailContent": "Guten Tag",
}


@pytest.fixture
def acs() -> Iterator[Acs]:
    with acs_server("example.test") as running:
        yield running


async def send(acs: Acs, directory: Path, key: str | None = None, **changes: Any) -> Mapping[str, Any]:
    mail = {**MAIL, **changes.pop("mail", {})}
    environ, own = changes.pop("environ", {}), changes.pop("own", {})
    return await send_mail(mail, settings(acs, directory, own, **changes), key=key, environ=environ)


async def failed(acs: Acs, directory: Path, key: str | None = None, **changes: Any) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        await send(acs, directory, key, **changes)
    return caught.value


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(resources, "Limits", lambda: Limits(look=0.05, interval=0.01))
    return monkeypatch


async def test_a_task_sends_and_the_result_names_transport_and_operation(acs: Acs, tmp_path: Path) -> None:
    response = await send(acs, tmp_path)
    assert (response["transport"], response["account"], response["status"]) == ("acs", "sales", "SUCCESS")
    assert response["accepted"] == ["ada@example.com", "eve@example.com"]
    (operation,) = acs.sends
    assert response["reply"] == f"202 Succeeded, operation {operation}"
    assert response["messageId"] == acs.delivered[0]["headers"]["Message-ID"]


async def test_the_ledger_stands_around_it(acs: Acs, tmp_path: Path) -> None:
    first = await send(acs, tmp_path, "order-7")
    second = await send(acs, tmp_path, "order-7")
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert len(acs.delivered) == 1


async def test_a_new_ledger_asks_under_the_same_id(acs: Acs, tmp_path: Path) -> None:
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        await send(acs, directory, "order-7")
    assert (len(acs.delivered), acs.repeated) == (1, 1)


async def test_a_mail_in_doubt_is_found_by_the_next_attempt(
    acs: Acs, tmp_path: Path, impatient: pytest.MonkeyPatch
) -> None:
    acs.fail("send", after=True)
    acs.fail("state", times=999)
    for _ in range(2):
        error = await failed(acs, tmp_path, "order-7")
        assert (error.code, error.retryable) == (ErrorCode.DELIVERY_UNCERTAIN, True)
    acs.faults.clear()
    response = await send(acs, tmp_path, "order-7")
    assert response["status"] == "SUCCESS"
    assert (len(acs.delivered), acs.asked.count("send")) == (1, 1)


async def test_a_mail_in_doubt_that_was_not_sent_is_sent(
    acs: Acs, tmp_path: Path, impatient: pytest.MonkeyPatch
) -> None:
    acs.fail("send")
    acs.fail("state", times=999)
    assert (await failed(acs, tmp_path, "order-7")).code is ErrorCode.DELIVERY_UNCERTAIN
    acs.faults.clear()
    assert (await send(acs, tmp_path, "order-7"))["status"] == "SUCCESS"
    assert len(acs.delivered) == 1


async def test_the_policy_decides_what_the_service_cannot_know_any_more(
    acs: Acs, tmp_path: Path, impatient: pytest.MonkeyPatch
) -> None:
    acs.fail("send")
    acs.fail("state", times=999)
    await failed(acs, tmp_path, "order-7")
    acs.faults.clear()
    late = {"repeat_within": 1e-6}
    error = await failed(acs, tmp_path, "order-7", own=late)
    assert (error.code, error.retryable) == (ErrorCode.DELIVERY_UNCERTAIN, False)
    assert acs.delivered == []
    assumed = await send(acs, tmp_path, "order-7", own=late, uncertain="assume-sent")
    assert assumed["warnings"][0].startswith("uncertain: ")


async def test_after_a_send_that_failed_the_next_attempt_has_an_id_of_its_own(
    acs: Acs, tmp_path: Path
) -> None:
    acs.failure = "EmailDropped"
    assert (await failed(acs, tmp_path, "order-7")).code is ErrorCode.MESSAGE_REJECTED
    assert (await failed(acs, tmp_path, "order-7")).code is ErrorCode.MESSAGE_REJECTED
    acs.failure = None
    corrected = await send(acs, tmp_path, "order-7", mail={"smtpEmailSubject": "Order 7, again"})
    assert corrected["status"] == "SUCCESS"
    assert (len(acs.sends), acs.repeated, len(acs.delivered)) == (3, 0, 1)


async def test_after_a_refusal_the_id_is_the_same(acs: Acs, tmp_path: Path) -> None:
    acs.fail("send", 429, retry_after="60", after=True)
    assert (await failed(acs, tmp_path, "order-7")).code is ErrorCode.RATE_LIMITED
    assert (await send(acs, tmp_path, "order-7"))["status"] == "SUCCESS"
    assert (len(acs.delivered), acs.repeated) == (1, 1)


@pytest.mark.parametrize("field", ["smtpEmailSign", "smtpEmailEncrypt"])
async def test_a_mail_to_sign_or_encrypt_is_refused_by_name(acs: Acs, tmp_path: Path, field: str) -> None:
    error = await failed(acs, tmp_path, mail={field: True})
    assert isinstance(error, InputError)
    assert error.field == field
    assert "use an account with SMTP" in error.message
    assert acs.asked == []


async def test_only_a_resource_that_is_trusted_gets_a_mail(tmp_path: Path) -> None:
    with acs_server("example.test", tls=good_context()) as acs:
        stranger = await failed(acs, tmp_path)
        assert stranger.code is ErrorCode.TLS_FAILED
        assert acs.asked == []
        response = await send(acs, tmp_path, ca_file=str(ca_file()))
        assert response["status"] == "SUCCESS"


async def test_it_is_reached_through_the_proxy(acs: Acs, tmp_path: Path) -> None:
    configured = settings(acs, tmp_path, {"endpoint": "https://contoso.communication.azure.com"})
    proxied = configured.model_copy(update={"http": HttpSettings(proxy="http://127.0.0.1:1")})
    with pytest.raises(ConnectorError) as caught:
        await send_mail(MAIL, proxied, environ={})
    assert caught.value.code is ErrorCode.CONNECTION_FAILED


async def test_an_access_key_may_be_a_secret(acs: Acs, tmp_path: Path) -> None:
    own = {"access_key": "secrets.ACS_KEY"}
    response = await send(acs, tmp_path, environ={"SECRET_ACS_KEY": acs.key}, own=own)
    assert response["status"] == "SUCCESS"


async def test_an_application_asks_with_a_token(acs: Acs, tmp_path: Path) -> None:
    token = acs.token()
    oauth = {
        "grant": "client_credentials",
        "client_id": "connector",
        "client_secret": "s3cret-of-the-app",
        "token_url": acs.token_url,
    }
    own = {"endpoint": acs.endpoint, "access_key": None}
    assert (await send(acs, tmp_path, oauth=oauth, own=own))["status"] == "SUCCESS"
    assert acs.requests[0]["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize("answer", ["refusal", "echo"])
async def test_no_key_is_in_incidents_and_logs(
    acs: Acs, tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    key = acs.key if answer == "echo" else base64.b64encode(b"the key of another resource").decode()
    if answer == "echo":
        acs.fail("send", 400, code=f"Bad{key}")
    configured, masker = settings(acs, tmp_path, {"access_key": "secrets.K"}), Masker()
    async with open_pipeline(configured, masker, {"SECRET_K": key}) as pipeline:
        outcome = await pipeline.handle(job(MAIL, retries=3))
    assert isinstance(outcome, Fail)
    captured = capsys.readouterr()
    assert key not in f"{outcome} {captured.out} {captured.err}"
    assert key not in masker.mask(f"a log line with {key}")


def test_the_sender_of_the_account_is_the_senders_address(acs: Acs, tmp_path: Path) -> None:
    assert settings(acs, tmp_path).accounts["sales"].address == USER
