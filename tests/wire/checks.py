"""What the tests of ``smtp-connector check`` share: one account on trial, and what was found."""

from __future__ import annotations

from typing import Any

from connector.check import run
from connector.check.findings import CheckStep, Finding, Report
from connector.secrets.masker import Masker
from connector.settings.model import Settings
from connector.testing.smtp import SmtpServer
from tests.servers.authorization import SECRET
from tests.servers.postfix import PASSWORD
from tests.wire import smtp_submission as given

USERS = {"ada": "correct horse"}
LOGIN: dict[str, Any] = {"username": "ada", "password": "secrets.PW"}
ENVIRON = {"SECRET_PW": "correct horse", "SECRET_POSTFIX": PASSWORD, "SECRET_CLIENT": SECRET}


def order(*accounts: str, **changed: Any) -> run.CheckRequest:
    values: dict[str, Any] = {
        "server": None,
        "secret": None,
        "engine": False,
        "ledger": False,
        "sender": None,
        "recipient": None,
        "seconds": 10.0,
        **changed,
    }
    return run.CheckRequest(accounts, **values)


async def checked(wanted: run.CheckRequest, **settings: Any) -> list[Report]:
    configured = Settings.model_validate({"smtp": {"helo_name": "client.example"}, **settings})
    return [report async for report in run.reports(wanted, configured, Masker(), ENVIRON)]


async def sales(
    server: SmtpServer | None = None, wanted: run.CheckRequest | None = None, **account: Any
) -> Report:
    """Check the account sales, at this server unless told otherwise."""
    where = {"host": "localhost", "port": server.port} if server else {}
    settings = {**where, "ca_file": given.ca_file(), **account}
    if account.get("security") == "none":
        del settings["ca_file"]
    (report,) = await checked(wanted or order("sales"), accounts={"sales": settings})
    return report


def finding(report: Report, step: CheckStep) -> Finding:
    return next(found for found in report.findings if found.step is step)


def statuses(report: Report) -> dict[str, str]:
    return {found.step.value: found.status.value for found in report.findings}
