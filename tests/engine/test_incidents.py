"""Wrong input and refusing servers: the incident or the retry that an operator finds in the engine.

Every permanent fault must be an incident whose message begins with its code and names what to change, and
nothing may have reached the server.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from pyzeebe import ZeebeClient

from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.engine.records import Records
from tests.engine.service import INFOSYS, NATIVE, RESULT, running_worker, start
from tests.engine.test_mail import mail
from tests.engine.watch import Watch

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no recipients": ({"smtpEmailToRecipients": None}, "INVALID_INPUT", "smtpEmailToRecipients"),
    "null recipients": ({"smtpEmailToRecipients": [None]}, "INVALID_INPUT", "smtpEmailToRecipients"),
    "no address": ({"smtpEmailToRecipients": ["ann"]}, "INVALID_INPUT", "smtpEmailToRecipients"),
    "no sender": ({"smtpEmailMailBoxName": None}, "INVALID_INPUT", "smtpEmailMailBoxName"),
    "no subject": ({"smtpEmailSubject": None}, "INVALID_INPUT", "smtpEmailSubject"),
    "no body": ({"smtpEmailContent": ""}, "INVALID_INPUT", "smtpEmailContent"),
    "line break in the subject": (
        {"smtpEmailSubject": "Hi\r\nBcc: eve@example.test"},
        "INVALID_INPUT",
        "smtpEmailSubject",
    ),
    "line break in an address": (
        {"smtpEmailToRecipients": ["ann@example.test\nRCPT TO:<eve@example.test>"]},
        "INVALID_INPUT",
        "smtpEmailToRecipients",
    ),
    "line separator in a name": (
        {"smtpEmailMailBoxName": "A\u2028B <a@example.test>"},
        "INVALID_INPUT",
        "smtpEmailMailBoxName",
    ),
    "unknown content type": (
        {"smtpEmailContentType": "jpg"},
        "INVALID_INPUT",
        "text, txt, html, htm, multipart",
    ),
    "unknown importance": ({"smtpEmailImportance": "urgent"}, "INVALID_INPUT", "high, normal, low"),
    "unknown sensitivity": ({"smtpEmailSensitivity": "secret"}, "INVALID_INPUT", "confidential"),
    "a day that is none": ({"smtpEmailFollowUp": "someday"}, "INVALID_INPUT", "smtpEmailFollowUp"),
    "a day in the past": ({"smtpEmailFollowUp": "2020-01-01"}, "INVALID_INPUT", "smtpEmailFollowUp"),
    "a header that is ours": ({"smtpEmailHeaders": {"Bcc": "eve@example.test"}}, "INVALID_INPUT", "Bcc"),
    "two follow-ups": (
        {"smtpEmailFollowUp": "today", "smtpFollowUp": "tomorrow"},
        "INVALID_INPUT",
        "smtpFollowUp",
    ),
    "no server": ({"authentication": None}, "ACCOUNT_NOT_FOUND", "authentication"),
    "no such account": ({"authentication": None, "account": "sales"}, "ACCOUNT_NOT_FOUND", "sales"),
    "account and server": ({"account": "sales"}, "INVALID_INPUT", "account"),
    "unknown secret": (
        {
            "authentication": {
                "hostname": "127.0.0.1",
                "port": 25,
                "username": "u",
                "password": "secrets.NONE",
            }
        },
        "SECRET_NOT_FOUND",
        "NONE",
    ),
    "bad port": ({"authentication": {"hostname": "127.0.0.1", "port": 99999}}, "INVALID_INPUT", "port"),
    "a file of the worker": (
        {"smtpEmailAttachments": ["/etc/passwd"]},
        "ATTACHMENT_NOT_ALLOWED",
        "attachments.roots",
    ),
    "a process file": (
        {"smtpEmailAttachments": ["/proc/self/environ"]},
        "ATTACHMENT_NOT_ALLOWED",
        "smtpEmailAttachments",
    ),
    "a way out": (
        {"smtpEmailAttachments": ["../secret.txt"]},
        "ATTACHMENT_NOT_ALLOWED",
        "smtpEmailAttachments",
    ),
    "a link out": ({"smtpEmailAttachments": ["link.txt"]}, "ATTACHMENT_NOT_ALLOWED", "smtpEmailAttachments"),
    "a missing file": ({"smtpEmailAttachments": ["none.txt"]}, "ATTACHMENT_NOT_FOUND", "none.txt"),
    "a metadata address": (
        {"smtpEmailAttachments": [{"url": "http://169.254.169.254/latest/meta-data"}]},
        "ATTACHMENT_NOT_ALLOWED",
        "attachments.urls",
    ),
    "a loopback address": (
        {"smtpEmailAttachments": [{"url": "http://127.0.0.1:9600/actuator"}]},
        "ATTACHMENT_NOT_ALLOWED",
        "attachments.urls",
    ),
    "broken base64": (
        {"smtpEmailAttachments": [{"name": "a.bin", "base64": "%%%"}]},
        "INVALID_INPUT",
        "smtpEmailAttachments",
    ),
    "too large an attachment": (
        {"smtpEmailAttachments": [{"name": "a.bin", "base64": base64.b64encode(bytes(5000)).decode()}]},
        "MESSAGE_TOO_LARGE",
        "attachments.max_size",
    ),
    "a file for a body": (
        {"smtpEmailContentType": "html", "smtpEmailContent": "/etc/hostname.html"},
        "ATTACHMENT_NOT_ALLOWED",
        "smtpEmailContent",
    ),
    "a template and a body": ({"smtpEmailTemplate": "welcome"}, "INVALID_INPUT", "smtpEmailContent"),
}

# The Infosys type has no accounts, wants all of `authentication`, and takes a bare local part for an address.
NATIVE_ONLY = {
    "no address",
    "no server",
    "no such account",
    "account and server",
    "unknown secret",
    "bad port",
}


def _wrong_on_both_types() -> Iterator[ParameterSet]:
    for name, case in WRONG.items():
        yield pytest.param(NATIVE, *case, id=name)
        if name not in NATIVE_ONLY:
            yield pytest.param(INFOSYS, *case, id=f"{name}, Infosys")


HEADERS = {
    "a result variable that is none": ({"resultVariable": "my mail"}, "EXPRESSION_ERROR", "resultVariable"),
    "a back-off that is none": ({"retryBackoff": "soon"}, "EXPRESSION_ERROR", "retryBackoff"),
}

REFUSALS: dict[str, tuple[Verb, Say, str]] = {
    "sender": (Verb.MAIL, Say(550, "5.7.1 not you"), "SENDER_REJECTED"),
    "recipient": (Verb.RCPT, Say(550, "5.1.1 no such user"), "RECIPIENT_REJECTED"),
    "message": (Verb.DOT, Say(554, "5.6.0 no"), "MESSAGE_REJECTED"),
    "data": (Verb.DATA, Say(554, "5.3.0 no"), "MESSAGE_REJECTED"),
}


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


@pytest.fixture
async def worker(engine_address: str, tmp_path: Path) -> AsyncIterator[None]:
    root = tmp_path / "files"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("not for mailing")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    limits = {"attachments__roots": str(root), "attachments__max_size": "4000"}
    async with running_worker(engine_address, **limits):
        yield


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("task_type", "inputs", "code", "names"), list(_wrong_on_both_types()))
async def test_wrong_input_is_an_incident_that_names_it(  # noqa: PLR0917 - fixtures and a case
    zeebe: ZeebeClient,
    smtp: SmtpServer,
    watch: Watch,
    tmp_path: Path,
    task_type: str,
    inputs: dict[str, Any],
    code: str,
    names: str,
) -> None:
    if task_type == INFOSYS:
        inputs = {
            "authentication": mail(smtp)["authentication"] | {"username": "u", "password": "p"}
        } | inputs
    instance = await start(zeebe, tmp_path, mail(smtp, **inputs), task_type=task_type)
    incident = await watch.incident(instance)
    assert incident["errorType"] == "JOB_NO_RETRIES"
    assert incident["errorMessage"].startswith(f"{code}: ")
    assert names in incident["errorMessage"]
    assert smtp.connections == []


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("headers", "code", "names"), HEADERS.values(), ids=HEADERS)
async def test_a_wrong_header_is_an_incident_and_nothing_is_sent(  # noqa: PLR0917 - fixtures and a case
    zeebe: ZeebeClient,
    smtp: SmtpServer,
    watch: Watch,
    tmp_path: Path,
    headers: dict[str, str],
    code: str,
    names: str,
) -> None:
    instance = await start(zeebe, tmp_path, mail(smtp), headers=headers)
    incident = await watch.incident(instance)
    assert incident["errorMessage"].startswith(f"{code}: {names}")
    assert smtp.connections == []


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("verb", "reply", "code"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_is_tried_once_and_quoted(  # noqa: PLR0917 - fixtures and a case
    zeebe: ZeebeClient, watch: Watch, tmp_path: Path, verb: Verb, reply: Say, code: str
) -> None:
    async with SmtpServer(behaviour=Behaviour().on(verb, reply)) as smtp:
        instance = await start(zeebe, tmp_path, mail(smtp))
        incident = await watch.incident(instance)
        assert incident["errorMessage"].startswith(f"{code}: ")
        assert f"{reply.code} {reply.lines[0]}" in incident["errorMessage"]
        assert (len(smtp.connections), smtp.received) == (1, [])


@pytest.mark.usefixtures("worker")
async def test_greylisting_spends_a_retry_waits_as_the_task_says_and_delivers(
    zeebe: ZeebeClient, records: Records, tmp_path: Path
) -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(450, "4.2.0 Greylisted"), times=1)
    async with SmtpServer(behaviour=behaviour) as smtp:
        instance = await start(zeebe, tmp_path, mail(smtp), headers={**RESULT, "retryBackoff": "PT0.3S"})
        failure = await records.failure(instance)
        assert failure["errorMessage"].startswith("TEMPORARILY_REJECTED: ")
        assert (failure["retries"], failure["retryBackoff"]) == (2, 300)
        await records.completed(instance)
        assert len(smtp.received) == 1
    assert (await records.variables(instance))["mail"]["status"] == "SUCCESS"


async def test_without_a_pause_of_its_own_a_task_waits_as_the_worker_says(
    engine_address: str, zeebe: ZeebeClient, records: Records, tmp_path: Path
) -> None:
    closed = {"hostname": "127.0.0.1", "port": 1, "security": "none"}
    async with SmtpServer() as smtp, running_worker(engine_address, worker__retry_backoff="0.2"):
        instance = await start(zeebe, tmp_path, mail(smtp, authentication=closed), retries=2)
        failure = await records.failure(instance)
        assert (failure["retries"], failure["retryBackoff"]) == (1, 200)
        incident = await records.incident(instance)
    assert incident["errorMessage"].startswith("CONNECTION_FAILED: ")
    assert "127.0.0.1:1" in incident["errorMessage"]
