"""The inputs of Infosys's own test fixtures give the outcomes that our contract promises.

More cases for the same rules are in ``tests/unit/tasks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from connector.model.job import Complete, Fail, Job, Outcome
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.sources import load
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.shared import data_cases

SECRETS = {"SECRET_TOKEN": "TOKEN_VALUE"}
FILES = ("D:/Dump/Banner.bmp", "D:/Dump/Notice.txt")


def at(server: SmtpServer, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the placeholders for host and port."""
    login = dict(variables["authentication"])
    if login["hostname"] == "HOSTNAME":
        login["hostname"] = server.hostname
    if login["port"] == "25":
        login["port"] = str(server.port)
    return {**variables, "authentication": login}


async def handled(one: Job, root: Path) -> Outcome:
    settings = load({}, overrides={"attachments.roots": str(root), "ledger.kind": "memory"}).settings
    async with open_pipeline(settings, Masker(), SECRETS) as pipeline:
        return await pipeline.handle(one)


@pytest.mark.parametrize("case", data_cases("infosys-cases.json"))
async def test_a_case_has_its_outcome(case: dict[str, Any], tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    async with SmtpServer(users={"USER": "TOKEN_VALUE"}) as server:
        variables = at(server, case["variables"])
        outcome = await handled(job(variables, type="com.infosys.camundaconnectors.email:smtp:1"), tmp_path)
        expect = case["expect"]
        if expect["outcome"] == "sent":
            check_sent(outcome, expect, variables, server)
        else:
            assert isinstance(outcome, Fail)
            assert outcome.error is not None
            assert (outcome.retries, outcome.error["code"]) == (expect["retries"], expect["code"])
            assert outcome.error["variables"]["field"] == expect["field"]
            assert server.connections == []


def check_sent(
    outcome: Outcome, expect: Mapping[str, Any], variables: Mapping[str, Any], server: SmtpServer
) -> None:
    assert isinstance(outcome, Complete), outcome
    (mail,) = server.received
    assert mail.username == "USER"
    wanted = [
        address for kind in ("To", "Cc", "Bcc") for address in variables.get(f"smtpEmail{kind}Recipients", ())
    ]
    assert list(mail.recipients) == wanted
    for address in variables.get("smtpEmailBccRecipients", ()):
        assert address.encode() not in mail.data
    message = message_from_bytes(mail.data, policy=policy.default)
    for name, value in expect.get("headers", {}).items():
        assert message[name] is not None
        assert value in {"*", message[name]}
    names = [part.get_filename() for part in message.walk() if part.get_content_disposition() == "attachment"]
    assert names == [name.rpartition("/")[2] for name in variables.get("smtpEmailAttachments", ())]
    assert outcome.variables["response"]["response"] == expect.get(
        "response.response", "Mail sent successfully"
    )
