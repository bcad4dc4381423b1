"""Every diagram of ``bpmn-examples`` deploys to an engine and comes to the end that its page says.

What the mails of the longer ones look like is in ``test_example_mails``.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient

from connector.demo.examples import EXAMPLES
from connector.demo.scene import Example
from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.engine.records import Records
from tests.engine.service import running_worker
from tests.engine.watch import Watch

_EXAMPLES = Path(__file__).parents[2] / "bpmn-examples"

JANE = "jane@example.org"
VARIABLES: dict[str, Any] = {
    "customer": {"name": "Jane", "email": JANE},
    "recipients": [JANE, "joe@example.org"],
    "order": {"id": "4711", "items": "article;pieces\nlamp;2\n"},
    "orderDesk": "desk@example.com",
}
UNKNOWN = Say(550, "5.1.1 no such user")


def refusing(reply: Say, times: int | None = None) -> Behaviour:
    return Behaviour().on(Verb.RCPT, reply, containing=JANE, times=times)


@dataclass(frozen=True)
class Run:
    """A diagram, a server, and what must come of them."""

    file: str
    end: str
    recipients: tuple[str, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    behaviour: Behaviour = field(default_factory=Behaviour)
    failures: tuple[tuple[int, int], ...] = ()
    changed: Mapping[str, Any] = field(default_factory=dict)


RUNS: dict[str, Run] = {
    "notify": Run("notify.bpmn", "customer_notified", (JANE,)),
    "everybody reached": Run(
        "result-expression.bpmn", "all_told", (JANE, "joe@example.org"), {"everybodyReached": True}
    ),
    "somebody refused": Run(
        "result-expression.bpmn",
        "some_to_call",
        ("joe@example.org",),
        {"everybodyReached": False},
        refusing(UNKNOWN),
    ),
    "good address": Run("error-boundary.bpmn", "customer_notified", (JANE,)),
    "wrong address": Run(
        "error-boundary.bpmn",
        "desk_told",
        ("desk@example.com",),
        {"refusal": {"smtpCode": 550, "server": "SERVER", "why": "5.1.1 no such user"}},
        refusing(UNKNOWN),
    ),
    "mapped, sent": Run("error-mapping.bpmn", "customer_notified", (JANE,)),
    "mapped, refused": Run("error-mapping.bpmn", "address_to_be_asked", (), {}, refusing(UNKNOWN)),
    "mapped, no address at all": Run(
        "error-mapping.bpmn", "address_to_be_asked", (), changed={"customer": {"name": "Jane"}}
    ),
    "mapped, any other": Run(
        "error-mapping.bpmn",
        "to_be_told_later",
        (),
        {"whyNot": "TEMPORARILY_REJECTED"},
        refusing(Say(450, "4.2.0")),
    ),
    "reminded": Run("ignore-error.bpmn", "customer_reminded", (JANE,), {"reminded": True}),
    "not reminded": Run(
        "ignore-error.bpmn",
        "no_reminder",
        (),
        {"reminded": False, "reason": "RECIPIENT_REJECTED"},
        refusing(UNKNOWN),
    ),
    "at once": Run("retry-backoff.bpmn", "customer_notified", (JANE,)),
    "greylisted": Run(
        "retry-backoff.bpmn",
        "customer_notified",
        (JANE,),
        {"attemptsLeft": 3},
        refusing(Say(450, "4.2.0 Greylisted"), times=2),
        ((4, 1000), (3, 2000)),
    ),
}


# The end events of each process instance that the demo starts.
ENDS: dict[str, list[list[str]]] = {
    "notify": [["customer_notified"]],
    "error-boundary": [["customer_notified"], ["desk_told"]],
    "approval-reminder": [["applicant_told"], ["applicant_told", "approver_reminded"]],
    "mail-per-record": [["customers_reminded"]] * 2,
    "mail-for-list": [["desk_told"]],
    "weekly-report": [["report_sent"]],
    "attachments": [["report_sent"]],
    "reply-and-threading": [["question_answered"]],
    "beside-the-flow": [["customer_told", "goods_ordered"]],
    "escalation": [["all_told", "contacts_told"], ["contacts_told", "manager_told", "somebody_refused"]],
    "result-expression": [["all_told"], ["some_to_call"]],
    "error-mapping": [["customer_notified"], ["address_to_be_asked"], ["to_be_told_later"]],
    "ignore-error": [["customer_reminded"], ["no_reminder"]],
    "retry-backoff": [["customer_notified"]],
    "answer-a-mail": [["answered"], ["nothing"]],
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
async def test_the_demo_plays_it(engine_address: str, watch: Watch, example: Example) -> None:
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "connector", "demo", "--example", example.name, "--once"),
        env={**os.environ, "ZEEBE_ADDRESS": engine_address},
        stdout=PIPE,
        stderr=PIPE,
    )
    out, errors = (text.decode() for text in await asyncio.wait_for(demo.communicate(), 60))
    assert (demo.returncode, errors) == (0, ""), out
    instances = [int(key) for key in re.findall(r"^✓ Instance completed +(\d+);", out, re.MULTILINE)]
    assert [sorted(await watch.end_events(instance)) for instance in instances] == ENDS[example.name]
    mails = sum(len(scene.mails) for scene in example.scenes("any"))
    assert out.count("─ The mail ─") == out.count("✓ Mail accepted") == mails
    assert "✗" not in out


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
async def test_an_example_does_what_it_shows(
    engine_address: str, zeebe: ZeebeClient, records: Records, run: Run
) -> None:
    async with SmtpServer(behaviour=run.behaviour) as smtp, running_worker(engine_address):
        deployed = await zeebe.deploy_resource(str(_EXAMPLES / run.file))
        server: dict[str, Any] = {"hostname": smtp.hostname, "port": smtp.port}
        started = await zeebe.run_process(
            deployed.deployments[0].bpmn_process_id,  # type: ignore[union-attr]
            variables={**VARIABLES, "mailServer": server, **run.changed},
        )
        instance = started.process_instance_key
        await records.completed(instance)
        assert tuple(address for mail in smtp.received for address in mail.recipients) == run.recipients
        name = f"{smtp.hostname}:{smtp.port}"
    assert await records.end_events(instance) == [run.end]
    variables = await records.variables(instance)
    if "refusal" in variables:
        assert variables["refusal"].pop("server") == name
        variables["refusal"]["server"] = "SERVER"
    assert {key: variables.get(key, "missing") for key in run.variables} == run.variables
    assert (
        tuple((each["retries"], each["retryBackoff"]) for each in records.failures(instance)) == run.failures
    )
