"""What ``smtp-connector check`` says of passwords that work and should be changed."""

from __future__ import annotations

from typing import Any

import pytest

from connector.check import run
from connector.check.findings import CheckStep, Finding, Report, Status
from connector.secrets.masker import Masker
from connector.settings.model import Settings
from connector.testing.smtp import SmtpServer
from tests.wire.checks import order

GOOD = "correct horse"
AWAY = {"host": "localhost", "port": 9, "security": "none"}


async def warned(secret: str, **account: Any) -> tuple[Finding | None, Report]:
    """The warning, for each answer of the mail server."""
    settings = Settings.model_validate({"accounts": {"sales": {**AWAY, **account}}})
    environ = {"SECRET_PW": secret}
    (report,) = [found async for found in run.reports(order("sales"), settings, Masker(), environ)]
    return next((found for found in report.findings if found.step is CheckStep.SETTINGS), None), report


async def test_a_secret_of_good_form_is_no_matter() -> None:
    found, _ = await warned(GOOD, username="ada", password="secrets.PW")
    assert found is None


async def test_a_password_written_in_the_settings() -> None:
    found, report = await warned("", username="ada", password=GOOD)
    assert found is not None
    assert found.status is Status.WARNING
    assert found.message == "accounts.sales.password is written in the settings as it is"
    assert "write password: secrets.NAME" in (found.fix or "")
    assert GOOD not in str(report.as_json())


async def test_a_secret_of_fewer_than_eight_characters() -> None:
    found, report = await warned("sevench", username="ada", password="secrets.PW")
    assert found is not None
    assert "accounts.sales.password has fewer than 8 characters" in found.message
    assert "sevench" not in str(report.as_json())
    enough, _ = await warned("eightcha", username="ada", password="secrets.PW")
    assert enough is None


@pytest.mark.parametrize("end", [" ", "\t", "\n\n", "\N{NO-BREAK SPACE}"])
async def test_white_space_at_the_end_of_a_secret(end: str) -> None:
    found, _ = await warned(GOOD + end, username="ada", password="secrets.PW")
    assert found is not None
    assert found.message == "accounts.sales.password ends in white space"


async def test_the_password_of_a_mailbox_is_looked_at_too() -> None:
    incoming = {"protocol": "imap", "host": "localhost", "username": "ada", "password": "plainly written"}
    found, _ = await warned(GOOD, username="ada", password="secrets.PW", incoming=incoming)
    assert found is not None
    assert found.message == "accounts.sales.incoming.password is written in the settings as it is"


async def test_all_that_is_to_be_said_of_a_password_is_one_warning() -> None:
    async with SmtpServer(users={"ada": "short "}) as server:
        found, report = await warned("", port=server.port, username="ada", password="short ")
    assert found is not None
    assert len(found.message.split("; ")) == 3
    assert report.status is Status.WARNING
