"""Cases from public bug reports of mail clients and connectors, each against a server that does what it did.

A case is a file of ``reports/``: the report and its sources, the task's variables and headers, the server's
script, and what should come of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.feel import evaluate
from connector.model.job import Complete
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.model import SEND_TASK_TYPE
from connector.settings.sources import load
from tests.cases.scripted_smtp import ScriptedServer
from tests.cases.seen import described_mail, described_outcome, described_server, differences
from tests.jobs import job

REPORTS = Path(__file__).with_name("reports")


def cases() -> list[Any]:
    return [
        pytest.param(json.loads(file.read_text("utf-8")), id=file.stem)
        for file in sorted(REPORTS.glob("*.json"))
    ]


@pytest.mark.parametrize("case", cases())
async def test_a_report_does_not_come_true(case: dict[str, Any], tmp_path: Path) -> None:
    if "expression" in case:
        value = evaluate(case["expression"], case["context"])
        assert differences({"exit": 0, "out": value}, case["expected"]) == []
        return
    async with ScriptedServer(case["server"]) as server:
        outcome = await replayed(case, server.port, tmp_path / "ledger.db")
        seen = {
            "exit": 0 if isinstance(outcome, Complete) else 1,
            "out": described_outcome(outcome),
            "server": described_server(server),
            "message": described_mail(server.mails[0]) if server.mails else None,
        }
    assert differences(seen, case["expected"]) == []


async def replayed(case: Mapping[str, Any], port: int, ledger: Path) -> Any:
    """Do what the task asks for, as often as the case says; gives the last outcome."""
    text = json.dumps(case["variables"]).replace('"@PORT@"', str(port)).replace("@PORT_TEXT@", str(port))
    variables = json.loads(text)
    if "key" in case:
        variables["smtpEmailIdempotencyKey"] = case["key"]
    overrides = {"ledger.path": str(ledger), **case.get("settings", {})}
    one = job(variables, type=case.get("type", SEND_TASK_TYPE), headers=case.get("headers", {}))
    async with open_pipeline(load({}, overrides=overrides).settings, Masker(), {}) as pipeline:
        for _ in range(case.get("runs", 1)):
            outcome = await pipeline.handle(one)
    return outcome
