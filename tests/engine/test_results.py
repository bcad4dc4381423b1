"""What a task's expressions and tables do to the process instance, read back from the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient

from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.engine.records import Record
from tests.engine.service import running_worker, start
from tests.engine.test_mail import mail
from tests.engine.watch import Watch


def refusing(code: int = 550, text: str = "5.1.1 no such user") -> Behaviour:
    return Behaviour().on(Verb.RCPT, Say(code, text))


def throws(code: str) -> str:
    wanted = f'bpmnError("{code}", error.message, {{why: error.code, smtp: error.variables.smtpCode}})'
    return f"if is defined(error) then {wanted} else null"


@dataclass(frozen=True)
class Case:
    """A task and a server, and the state in which the process instance must end.

    Attributes:
        ends: The end events that are reached; none where an incident holds the instance.
        variables: Process variables that it must have, among others.
        incident: What the incident's message must hold, its type first; empty for none.
        boundaries: BPMN error codes that boundary events catch.
        subprocesses: BPMN error codes that event subprocesses catch.
        mails: How many mails the server has accepted.
    """

    headers: Mapping[str, str]
    ends: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    incident: tuple[str, ...] = ()
    mails: int = 1
    behaviour: Behaviour = field(default_factory=Behaviour)
    boundaries: tuple[str, ...] = ()
    subprocesses: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


WHY = {"why": "RECIPIENT_REJECTED", "smtp": 550}
TO_ADDRESS = '{AUTH_FAILED: "LOGIN", RECIPIENT_REJECTED: "ADDRESS"}'
SENT = "The mail was sent"
BOTH = ("LOGIN", "ADDRESS")

CASES: dict[str, Case] = {
    # BPMN errors
    "boundary event, by errorExpression": Case(
        {"errorExpression": f"={throws('ADDRESS')}"},
        ends=("caught_ADDRESS",),
        variables=WHY,
        mails=0,
        behaviour=refusing(),
        boundaries=BOTH,
    ),
    "boundary event, by a plain context": Case(
        {"errorExpression": '{errorType: "bpmnError", errorCode: "LOGIN", variables: {why: error.type}}'},
        ends=("caught_LOGIN",),
        variables={"why": "TransportError"},
        mails=0,
        behaviour=refusing(),
        boundaries=BOTH,
    ),
    "boundary event, by errorMapping": Case(
        {"errorMapping": TO_ADDRESS},
        ends=("caught_ADDRESS",),
        mails=0,
        behaviour=refusing(),
        boundaries=BOTH,
    ),
    "boundary event, by the settings' table": Case(
        {},
        ends=("caught_ADDRESS",),
        mails=0,
        behaviour=refusing(),
        boundaries=BOTH,
        settings={"worker__error_mapping": '{"*": "ADDRESS"}'},
    ),
    "a transient fault that is mapped is not tried again": Case(
        {"errorMapping": '{"*": "ADDRESS"}'},
        ends=("caught_ADDRESS",),
        mails=0,
        behaviour=refusing(450, "4.2.0 later"),
        boundaries=BOTH,
    ),
    "event subprocess": Case(
        {"errorExpression": throws("REFUSED")},
        ends=("caught_REFUSED",),
        variables=WHY,
        mails=0,
        behaviour=refusing(),
        subprocesses=("REFUSED",),
    ),
    "event subprocess, where no boundary event has the code": Case(
        {"errorExpression": throws("REFUSED")},
        ends=("caught_REFUSED",),
        variables=WHY,
        mails=0,
        behaviour=refusing(),
        boundaries=BOTH,
        subprocesses=("REFUSED",),
    ),
    "nobody catches": Case(
        {"errorExpression": throws("OTHER")},
        incident=("UNHANDLED_ERROR_EVENT", "'OTHER'", "no such user"),
        mails=0,
        behaviour=refusing(),
        boundaries=BOTH,
    ),
    "after a success": Case(
        {"errorExpression": 'if status = "SUCCESS" then bpmnError("ADDRESS", "", {id: messageId}) else null'},
        ends=("caught_ADDRESS",),
        boundaries=BOTH,
    ),
    # ignoreError
    "ignoreError": Case(
        {"resultVariable": "mail", "errorExpression": 'ignoreError({note: "not sent: " + error.code})'},
        ends=("end",),
        variables={"note": "not sent: RECIPIENT_REJECTED"},
        mails=0,
        behaviour=refusing(),
    ),
    # Result expressions
    "temporal values, durations, numbers and null": Case(
        {
            "resultExpression": '{year: date and time(response.sentAt).year > 2025, day: @"2026-11-20", '
            'moment: @"2026-11-20T20:50:33@Europe/Berlin", wait: @"PT90M", term: @"P14M", time: @"08:15:00", '
            "later: date and time(response.sentAt) - date and time(response.sentAt), none: response.nothing, "
            "whole: 4 / 2, half: 1 / 2, sum: 0.1 + 0.2, big: 9007199254740993, yes: true}"
        },
        ends=("end",),
        variables={
            "year": True,
            "day": "2026-11-20",
            "moment": "2026-11-20T20:50:33+01:00",
            "wait": "PT1H30M",
            "term": "P1Y2M",
            "time": "08:15:00",
            "later": "PT0S",
            "none": None,
            "whole": 2,
            "half": 0.5,
            "sum": 0.3,
            "big": 9007199254740993,
            "yes": True,
        },
    ),
    "null makes no variables": Case({"resultExpression": "null"}, ends=("end",)),
    # What is no FEEL, or fails
    "a result expression that is not FEEL": Case(
        {"resultExpression": "={id: response.messageId"},
        incident=("JOB_NO_RETRIES", "EXPRESSION_ERROR: resultExpression: ", "line 1, column 25", "^"),
        mails=0,
    ),
    "an error expression that is not FEEL": Case(
        {"errorExpression": "if error then"},
        incident=("JOB_NO_RETRIES", "EXPRESSION_ERROR: errorExpression: ", "if error then", "^"),
        mails=0,
        boundaries=("ADDRESS",),
        settings={"worker__error_mapping": '{"*": "ADDRESS"}'},
    ),
    "a mapping with an unknown code": Case(
        {"errorMapping": '{AUTH_FAIL: "LOGIN"}'},
        incident=("JOB_NO_RETRIES", "EXPRESSION_ERROR: errorMapping: ", "did you mean AUTH_FAILED?"),
        mails=0,
    ),
    "a result expression that fails": Case(
        {"resultExpression": '{a: assert(messageId, false, "my assertion")}'},
        incident=("JOB_NO_RETRIES", "EXPRESSION_ERROR: resultExpression: ", "my assertion", SENT),
    ),
    "a result that is no context": Case(
        {"resultExpression": "messageId"},
        incident=("JOB_NO_RETRIES", "must give a context", "not text", SENT),
    ),
    "an error expression that fails after a success": Case(
        {"errorExpression": "bpmnError(550)"},
        incident=("JOB_NO_RETRIES", "bpmnError takes a string", SENT),
    ),
    "an error expression that fails after a permanent fault": Case(
        {"errorExpression": "bpmnError(error.variables.smtpCode)"},
        incident=("JOB_NO_RETRIES", "RECIPIENT_REJECTED: ", "550 5.1.1", "bpmnError takes a string"),
        mails=0,
        behaviour=refusing(),
    ),
    "a job error after a success": Case(
        {"errorExpression": 'jobError("not good enough", {note: "n"})'},
        variables={"note": "n"},
        incident=("JOB_NO_RETRIES", "not good enough", SENT),
    ),
    "a job error with retries after a success": Case(
        {"errorExpression": 'jobError("not good enough", {note: "n"}, 2)'},
        ends=("end",),
        variables={"note": "n"},
    ),
    "an endless result expression": Case(
        {"resultExpression": "{n: count(for i in 1..1000000000 return i)}"},
        incident=("JOB_NO_RETRIES", "EXPRESSION_ERROR: resultExpression: The expression takes", SENT),
    ),
    # Sizes
    "a result of 2 MB": Case(
        {"resultExpression": f'{{big: string join(for i in 1..2000 return "{"x" * 1000}")}}'},
        ends=("end",),
        variables={"big": "x" * 2_000_000},
    ),
    "a result that the engine's log cannot take": Case(
        {"resultExpression": f'{{big: string join(for i in 1..3000 return "{"x" * 1000}")}}'},
        incident=("JOB_NO_RETRIES", SENT, "larger than the engine accepts"),
    ),
    "a result that the gateway cannot take": Case(
        {"resultExpression": f'{{big: string join(for i in 1..6000 return "{"x" * 1000}")}}'},
        incident=("JOB_NO_RETRIES", SENT, "larger than the engine accepts"),
    ),
    "variables of a BPMN error that the engine cannot take": Case(
        {
            "errorExpression": 'bpmnError("ADDRESS", error.message, '
            f'{{big: string join(for i in 1..6000 return "{"x" * 1000}")}})'
        },
        incident=("JOB_NO_RETRIES", "refused the BPMN error 'ADDRESS'", "no such user"),
        mails=0,
        behaviour=refusing(),
        boundaries=BOTH,
    ),
}


async def run(
    case: Case, zeebe: ZeebeClient, watch: Watch, directory: Path, server: SmtpServer
) -> tuple[int, Record | None]:
    """Let the process instance come to its end or its incident."""
    instance = await start(
        zeebe,
        directory,
        mail(server),
        headers=case.headers,
        boundaries=case.boundaries,
        subprocesses=case.subprocesses,
    )
    if case.incident:
        return instance, await watch.incident(instance)
    await watch.completed(instance)
    return instance, None


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_what_becomes_of_the_process(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path, case: Case
) -> None:
    async with (
        SmtpServer(behaviour=case.behaviour) as smtp,
        running_worker(engine_address, **case.settings),
    ):
        instance, incident = await run(case, zeebe, watch, tmp_path, smtp)
        assert len(smtp.received) == case.mails
    assert await watch.end_events(instance) == list(case.ends)
    variables = await watch.variables(instance)
    assert {name: variables.get(name, "missing") for name in case.variables} == case.variables
    assert (incident is None) == (not case.incident)
    if incident is not None:
        kind, *parts = case.incident
        assert incident["errorType"] == kind
        assert [part for part in parts if part not in incident["errorMessage"]] == []
