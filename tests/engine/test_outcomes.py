"""Retries, shapes of results, and secrets, as the engine sees them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pyzeebe import ZeebeClient

from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.engine.records import Record, Records
from tests.engine.service import INFOSYS, NATIVE, RESULT, running_worker, start
from tests.engine.test_mail import mail
from tests.engine.test_results import SENT, refusing
from tests.engine.watch import Watch

SECRET = "s3cr3t-Pässword"
NESTED = (
    "={mail: {id: response.messageId, to: for a in accepted return "
    '{address: a, parts: split(a, "@")}, none: [], empty: {}, deep: [[[1], [{a: [null]}]]]}}'
)


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


@pytest.fixture
async def worker(engine_address: str) -> AsyncIterator[None]:
    pauses = {"worker__retry_backoff": "0.2", "worker__rejection_backoff": "0.3"}
    async with running_worker(engine_address, **pauses):
        yield


# Retries

LATER = 'jobError("later, " + string(job.retries - 1) + " left", {left: job.retries - 1}, job.retries - 1, '
GREYLISTED = (450, "4.2.0 Greylisted")

RETRIES: dict[str, tuple[dict[str, str], tuple[int, str], list[tuple[int, int]], str]] = {
    "as the task's header says": (
        {"retryBackoff": "PT0.1S"},
        GREYLISTED,
        [(2, 100), (1, 100), (0, 100)],
        "TEMPORARILY_REJECTED: ",
    ),
    "as the settings say after a 4xx": (
        {},
        GREYLISTED,
        [(2, 300), (1, 300), (0, 300)],
        "TEMPORARILY_REJECTED: ",
    ),
    "as jobError says": (
        {"errorExpression": f'{LATER} @"PT0.15S")', "retryBackoff": "PT1H"},
        GREYLISTED,
        [(2, 150), (1, 150), (0, 150)],
        "later, 0 left",
    ),
    "as jobError says of a permanent fault": (
        {"errorExpression": f'{LATER} @"PT0.15S")'},
        (550, "5.1.1 no such user"),
        [(2, 150), (1, 150), (0, 150)],
        "later, 0 left",
    ),
    "as jobError says without retries": (
        {"errorExpression": 'jobError("no more")'},
        GREYLISTED,
        [(0, 0)],
        "no more",
    ),
    "as the original fault says when the expression fails": (
        {"errorExpression": "jobError(5)", "retryBackoff": "PT0.1S"},
        GREYLISTED,
        [(2, 100), (1, 100), (0, 100)],
        "TEMPORARILY_REJECTED: ",
    ),
}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("headers", "reply", "failures", "message"), RETRIES.values(), ids=RETRIES)
async def test_retries_count_down_and_wait(  # noqa: PLR0917 - fixtures and a case
    zeebe: ZeebeClient,
    records: Records,
    tmp_path: Path,
    headers: dict[str, str],
    reply: tuple[int, str],
    failures: list[tuple[int, int]],
    message: str,
) -> None:
    async with SmtpServer(behaviour=refusing(*reply)) as smtp:
        instance = await start(zeebe, tmp_path, mail(smtp), headers=headers)
        incident = await records.incident(instance)
        assert smtp.received == []
    assert incident["errorMessage"].startswith(message)
    if "jobError(5)" in headers.values():
        assert "Beside it, errorExpression: jobError takes a string" in incident["errorMessage"]
    assert [(each["retries"], each["retryBackoff"]) for each in records.failures(instance)] == failures
    if message.startswith("later"):
        assert (await records.variables(instance))["left"] == 0


@pytest.mark.usefixtures("worker")
async def test_a_retry_that_an_expression_asked_for_delivers(
    zeebe: ZeebeClient, watch: Watch, tmp_path: Path
) -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(550, "5.7.1 busy"), times=1)
    expression = 'if is defined(error) then jobError("once more", {}, job.retries - 1, @"PT0.1S") else null'
    async with SmtpServer(behaviour=behaviour) as smtp:
        instance = await start(zeebe, tmp_path, mail(smtp), headers={**RESULT, "errorExpression": expression})
        await watch.completed(instance)
        assert len(smtp.received) == 1
    assert (await watch.variables(instance))["mail"]["status"] == "SUCCESS"


# Shapes


@pytest.mark.usefixtures("worker")
async def test_ignore_error_leaves_the_error_in_the_result(
    zeebe: ZeebeClient, watch: Watch, tmp_path: Path
) -> None:
    async with SmtpServer(behaviour=refusing()) as smtp:
        headers = {**RESULT, "errorExpression": "ignoreError()"}
        instance = await start(zeebe, tmp_path, mail(smtp), headers=headers)
        await watch.completed(instance)
        server = f"{smtp.hostname}:{smtp.port}"
    result = (await watch.variables(instance))["mail"]
    assert result["status"] == "FAIL"
    assert {key: result["error"][key] for key in ("code", "type")} == {
        "code": "RECIPIENT_REJECTED",
        "type": "TransportError",
    }
    assert "550 5.1.1 no such user" in result["error"]["message"]
    assert result["error"]["variables"] == {
        "retryable": False,
        "smtpCode": 550,
        "enhancedCode": "5.1.1",
        "server": server,
        "phase": "rcpt",
        "rejected": [
            {
                "address": "ann@example.test",
                "code": 550,
                "enhancedCode": "5.1.1",
                "text": "5.1.1 no such user",
            }
        ],
    }


@pytest.mark.usefixtures("worker")
async def test_what_a_result_expression_nests_arrives_as_it_is(
    zeebe: ZeebeClient, smtp: SmtpServer, watch: Watch, tmp_path: Path
) -> None:
    instance = await start(zeebe, tmp_path, mail(smtp), headers={"resultExpression": NESTED})
    await watch.completed(instance)
    result = (await watch.variables(instance))["mail"]
    assert result.pop("id").startswith("<")
    assert result == {
        "to": [{"address": "ann@example.test", "parts": ["ann", "example.test"]}],
        "none": [],
        "empty": {},
        "deep": [[[1], [{"a": [None]}]]],
    }


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("task_type", [NATIVE, INFOSYS])
async def test_the_shapes_that_infosys_diagrams_read(
    zeebe: ZeebeClient, watch: Watch, tmp_path: Path, task_type: str
) -> None:
    headers = {
        **RESULT,
        "resultExpression": "{said: response.response, id: response.messageId, status: status}",
    }
    async with SmtpServer(users={"connector": "p"}) as smtp:
        login = {
            "hostname": smtp.hostname,
            "port": str(smtp.port),
            "username": "connector",
            "password": "p",
        }
        instance = await start(
            zeebe, tmp_path, mail(smtp, authentication=login), task_type=task_type, headers=headers
        )
        await watch.completed(instance)
    variables = await watch.variables(instance)
    assert variables["said"] == ("Mail sent successfully" if task_type == INFOSYS else None)
    assert (variables["id"], variables["status"]) == (variables["mail"]["messageId"], "SUCCESS")


# Others, and secrets


@pytest.mark.usefixtures("worker")
async def test_endless_expressions_do_not_keep_other_jobs_from_their_end(
    zeebe: ZeebeClient, smtp: SmtpServer, watch: Watch, tmp_path: Path
) -> None:
    endless = {"resultExpression": "for i in 1..1000000000 return i", "errorExpression": "null"}
    stuck = [await start(zeebe, tmp_path, mail(smtp), headers=endless) for _ in range(3)]
    others = [await start(zeebe, tmp_path, mail(smtp)) for _ in range(5)]
    for instance in others:
        await watch.completed(instance)
    for instance in stuck:
        assert SENT in (await watch.incident(instance))["errorMessage"]
    assert len(smtp.received) == len(stuck) + len(others)


LEAKS: dict[str, tuple[Say, dict[str, str]]] = {
    "result": (Say(250, f"2.0.0 {SECRET}"), {**RESULT, "resultExpression": f'{{a: ["{SECRET}"], r: reply}}'}),
    "BPMN error": (
        Say(554, f"5.6.0 {SECRET}"),
        {"errorExpression": f'bpmnError("ADDRESS", "{SECRET}", {{a: error, b: ["{SECRET}"]}})'},
    ),
    "code": (Say(554, "5.6.0 no"), {"errorExpression": f'bpmnError("{SECRET}", "{SECRET}")'}),
    "job error": (
        Say(554, f"5.6.0 {SECRET}"),
        {"errorExpression": f'jobError("{SECRET} " + error.message, {{a: "{SECRET}"}})'},
    ),
    "a failed expression": (Say(554, "5.6.0 no"), {"errorExpression": f'jobError("{SECRET}", "{SECRET}")'}),
    "no expression": (Say(554, f"5.6.0 {SECRET}"), {}),
}


@pytest.mark.parametrize(("reply", "headers"), LEAKS.values(), ids=LEAKS)
async def test_no_secret_reaches_the_engine(  # noqa: PLR0917 - fixtures and a case
    engine_address: str,
    zeebe: ZeebeClient,
    records: Records,
    tmp_path: Path,
    reply: Say,
    headers: dict[str, str],
) -> None:
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.DOT, reply), users={"u": SECRET}) as smtp,
        running_worker(engine_address, {"SECRET_PW": SECRET}),
    ):
        login = {"hostname": smtp.hostname, "port": smtp.port, "username": "u", "password": "secrets.PW"}
        instance = await start(
            zeebe,
            tmp_path,
            mail(smtp, authentication=login),
            headers=headers,
            boundaries=("ADDRESS",),
        )
        await records.find(lambda record: _is_over(record, instance))
    reported = [json.dumps(r, ensure_ascii=False) for r in records.so_far(lambda r: _came_back(r, instance))]
    assert reported
    assert [text for text in reported if SECRET in text] == []


def _is_over(record: Record, instance: int) -> bool:
    value = record["value"]
    if value.get("processInstanceKey") != instance:
        return False
    ended = record["intent"] == "ELEMENT_COMPLETED" and value.get("bpmnElementType") == "PROCESS"
    return bool(ended or (record["valueType"], record["intent"]) == ("INCIDENT", "CREATED"))


def _came_back(record: Record, instance: int) -> bool:
    """Whether a record holds what the worker reported; the header with the secret is the diagram's own."""
    value = record["value"]
    if value.get("processInstanceKey") != instance:
        return False
    if record["valueType"] == "JOB":
        value.pop("customHeaders", None)
        return True
    return record["valueType"] in {"INCIDENT", "VARIABLE", "PROCESS_EVENT"}
