"""Mailbox tasks in a process test: all of them read the mailbox of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connector import Settings, load_settings
from connector.testing import Bpmn
from tests.diagrams import Pairs, diagram, end, path, start, task

QUESTION = (
    b"From: Ada <ada@example.org>\r\nTo: support@example.com\r\nSubject: Which tea?\r\n"
    b"Message-ID: <question@example.org>\r\n\r\nOur water is hard.\r\n"
)
MAILBOX = "smtp-connector:mailbox:1"
NAMED: Pairs = {
    "authentication.protocol": "pop3",
    "authentication.hostname": "pop.example.com",
    "authentication.port": "995",
    "authentication.username": "support",
    "authentication.password": "secrets.SUPPORT",
}
Save = Callable[[bytes], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def saved(shape: bytes) -> Path:
        file = tmp_path / "process.bpmn"
        file.write_bytes(shape)
        return file

    return saved


@pytest.fixture
def bpmn_settings() -> Settings:
    graph = {
        "transport": "graph",
        "address": "support@example.com",
        "oauth.grant": "client_credentials",
        "oauth.token_url": "https://127.0.0.1:9/token",
        "oauth.client_id": "shop",
        "oauth.client_secret": "secrets.CLIENT",
        "incoming.protocol": "graph",
    }
    return load_settings({}, overrides={f"accounts.support.{name}": value for name, value in graph.items()})


def shape(**inputs: str) -> bytes:
    """A process with one mailbox task, for a mailbox of its own behind POP3."""
    job = task("mailbox", job_type=MAILBOX, inputs={**NAMED, **inputs})
    return diagram(start(), job, end(), path("start", "mailbox", "end"))


async def test_an_example_answers_and_files_a_mail(bpmn: Bpmn) -> None:
    mail = bpmn.mailbox.deliver(QUESTION)
    run = await bpmn.run("bpmn-examples/answer-a-mail.bpmn")
    assert run.ended_at == ["answered"]
    (answer,) = bpmn.inbox
    assert (answer.to, answer.subject) == (["ada@example.org"], "Re: Which tea?")
    assert answer.headers["In-Reply-To"] == "<question@example.org>"
    assert [one.octets for one in bpmn.mailbox.mails("Answered")] == [mail.octets]
    assert (await bpmn.run("bpmn-examples/answer-a-mail.bpmn")).ended_at == ["nothing"]


async def test_a_mailbox_that_a_diagram_names_is_that_of_the_test(bpmn: Bpmn, save: Save) -> None:
    bpmn.mailbox.deliver(QUESTION)
    run = await bpmn.run(save(shape(mailboxOperation="delete", mailboxMessage="<question@example.org>")))
    assert run.ended_at == ["end"]
    assert bpmn.mailbox.mails() == []


async def test_an_error_is_told_as_in_production(bpmn: Bpmn, save: Save) -> None:
    run = await bpmn.run(save(shape(mailboxOperation="read", mailboxMessage="<none@example.org>")))
    assert run.incident is not None
    assert run.incident.text.startswith("MESSAGE_NOT_FOUND: There is no such mail")


async def test_a_handler_may_take_the_place_of_the_mailbox(bpmn: Bpmn, save: Save) -> None:
    bpmn.worker(MAILBOX, lambda job: {"mails": [job.variables["mailboxOperation"]]})
    assert (await bpmn.run(save(shape(mailboxOperation="list")))).variables == {"mails": ["list"]}
