"""One suite for all that carries mails: the same task has the same result, the same trouble the same code.

Each test goes the whole way of a job, with a ledger, so that a transport that is added has to keep the same
promises as the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connector import send_mail
from connector.acs import resources
from connector.errors import ConnectorError, ErrorCode, InputError
from connector.graph import mailboxes
from connector.settings.model import Settings
from connector.webapi.api import Limits
from tests.contract.carriers import BEYOND, CARRIERS, Carrier, Trouble

MAIL = {
    "account": "sales",
    "smtpEmailToRecipients": ["ada@example.com"],
    "smtpEmailCcRecipients": ["carl@example.com"],
    "smtpEmailBccRecipients": ["eve@example.com"],
    "smtpEmailSubject": "Order 7 – größer",
    "smtpEmailContent": "<p>Guten Tag</p>",
    "smtpEmailContentType": "multipart",
    "smtpEmailImportance": "high",
    "smtpEmailHeaders": {"X-Case": "7"},
}
ALL = ("ada@example.com", "carl@example.com", "eve@example.com")

# The code of each trouble, and whether a later attempt may succeed.
CODES: dict[Trouble, tuple[ErrorCode, bool]] = {
    Trouble.RECIPIENT_REFUSED: (ErrorCode.RECIPIENT_REJECTED, False),
    Trouble.SENDER_REFUSED: (ErrorCode.SENDER_REJECTED, False),
    Trouble.THROTTLED: (ErrorCode.RATE_LIMITED, True),
    Trouble.SERVER_ERROR: (ErrorCode.TEMPORARILY_REJECTED, True),
    Trouble.CUT_BEFORE: (ErrorCode.CONNECTION_FAILED, True),
    Trouble.TOO_LARGE: (ErrorCode.MESSAGE_TOO_LARGE, False),
    Trouble.LOGIN_REFUSED: (ErrorCode.AUTH_FAILED, False),
}


@pytest.fixture(params=CARRIERS)
async def carrier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Carrier]:
    for module in (mailboxes, resources):
        monkeypatch.setattr(module, "Limits", lambda: Limits(look=0.1, interval=0.01))
    async with CARRIERS[request.param]() as running:
        yield running


async def send(carrier: Carrier, directory: Path, **changes: Any) -> Mapping[str, Any]:
    account = {**carrier.account(), **changes.pop("account", {})}
    values = {"accounts": {"sales": account}, "ledger": {"path": str(directory / "ledger.db")}}
    mail = {**MAIL, **changes}
    return await send_mail(mail, Settings.model_validate(values), key="order-7", environ={})


async def failed(carrier: Carrier, directory: Path, **changes: Any) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        await send(carrier, directory, **changes)
    return caught.value


async def test_a_result_has_the_same_shape(carrier: Carrier, tmp_path: Path) -> None:
    response = dict(await send(carrier, tmp_path))
    told = {name: response.pop(name) for name in ("messageId", "reply", "sentAt")}
    assert response == {
        "status": "SUCCESS",
        "message": "Mail sent successfully",
        "account": "sales",
        "transport": carrier.name,
        "accepted": list(ALL),
        "rejected": [],
        "partial": False,
        "duplicate": False,
        "warnings": [],
    }
    assert told["messageId"].startswith("<")
    assert told["reply"][:4] in {"250 ", "202 "}
    assert told["sentAt"].endswith("Z")
    assert carrier.delivered == [ALL]


async def test_a_mail_is_sent_once(carrier: Carrier, tmp_path: Path) -> None:
    first, second = await send(carrier, tmp_path), await send(carrier, tmp_path)
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert {**second, "duplicate": False} == dict(first)
    assert carrier.delivered == [ALL]


@pytest.mark.parametrize("trouble", CODES, ids=lambda trouble: trouble.name.lower())
async def test_trouble_has_the_same_code(carrier: Carrier, tmp_path: Path, trouble: Trouble) -> None:
    carrier.fail(trouble)
    large = {"smtpEmailContent": "<p>many words</p>" * 20_000} if trouble is Trouble.TOO_LARGE else {}
    error = await failed(carrier, tmp_path, **large)
    assert (error.code, error.retryable) == CODES[trouble]
    assert error.variables["server"].startswith("127.0.0.1:")
    assert {"smtpCode", "enhancedCode", "phase", "rejected", "retryable"} <= error.variables.keys()
    assert carrier.delivered == []
    for secret in ("a-password-of-ada", "a-secret-of-the-application", "Bearer"):
        assert secret not in f"{error}"


@pytest.mark.parametrize(
    "trouble", [Trouble.THROTTLED, Trouble.SERVER_ERROR, Trouble.CUT_BEFORE], ids=lambda one: one.name.lower()
)
async def test_the_next_attempt_sends_what_was_not_sent(
    carrier: Carrier, tmp_path: Path, trouble: Trouble
) -> None:
    carrier.fail(trouble)
    await failed(carrier, tmp_path)
    carrier.heal()
    assert (await send(carrier, tmp_path))["duplicate"] is False
    assert carrier.delivered == [ALL]


async def test_a_pause_that_is_asked_for_is_told(carrier: Carrier, tmp_path: Path) -> None:
    carrier.fail(Trouble.THROTTLED)
    error = await failed(carrier, tmp_path)
    assert error.retry_after == (timedelta(seconds=90) if carrier.told_pause else None)


async def test_a_lost_answer_is_found_out_or_left_in_doubt(carrier: Carrier, tmp_path: Path) -> None:
    carrier.fail(Trouble.CUT_AFTER)
    if carrier.finds:
        assert (await send(carrier, tmp_path))["status"] == "SUCCESS"
    else:
        assert (await failed(carrier, tmp_path)).code is ErrorCode.DELIVERY_UNCERTAIN
    assert carrier.delivered == [ALL]


@pytest.mark.parametrize("policy", ["incident", "assume-sent"])
async def test_doubt_is_never_a_second_mail(carrier: Carrier, tmp_path: Path, policy: str) -> None:
    own = {"account": {"uncertain": policy}}
    carrier.fail(Trouble.CUT_AFTER, blind=True)
    if policy == "incident":
        error = await failed(carrier, tmp_path, **own)
        assert error.code is ErrorCode.DELIVERY_UNCERTAIN
    else:
        response = await send(carrier, tmp_path, **own)
        assert response["warnings"][0].startswith("uncertain: ")
    carrier.heal()
    if policy == "assume-sent" or carrier.finds:
        assert (await send(carrier, tmp_path, **own))["status"] == "SUCCESS"
    assert carrier.delivered == [ALL]


@pytest.mark.parametrize("field", BEYOND)
async def test_what_it_cannot_do_is_refused_by_name_and_all_else_is_done(
    carrier: Carrier, tmp_path: Path, field: str
) -> None:
    if field not in carrier.refuses:
        assert (await send(carrier, tmp_path, **{field: BEYOND[field]}))["status"] == "SUCCESS"
        return
    error = await failed(carrier, tmp_path, **{field: BEYOND[field]})
    assert isinstance(error, InputError)
    assert (error.code, error.field) == (ErrorCode.INVALID_INPUT, field)
    assert "the account sales sends through" in error.message
    assert "use an account with SMTP" in error.message
    assert carrier.delivered == []


@pytest.mark.parametrize("name", ["smtpEmailSubject", "smtpEmailToRecipients"])
async def test_control_characters_reach_no_carrier(carrier: Carrier, tmp_path: Path, name: str) -> None:
    error = await failed(carrier, tmp_path, **{name: "ada@example.com\r\nBcc: mallory@example.com"})
    assert error.code is ErrorCode.INVALID_INPUT
    assert carrier.delivered == []
