"""The link to the mail server breaks, or the server refuses, at every verb: what ledger and engine hear.

The server's own record is the truth. Here it is held against the ledger, over a whole worker and an engine in
memory; ``tests/wire`` holds it against the transport's errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ErrorCode
from connector.ledger import open_ledger
from connector.ledger.port import State
from connector.model.job import Complete, Fail, Outcome
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.model import SEND_TASK_TYPE, Settings
from connector.settings.sources import load
from connector.testing.behaviour import Action, Behaviour, Drop, Reset, Say, Silence, Verb
from connector.testing.engine import FakeEngine
from connector.testing.smtp import SmtpServer
from connector.worker.job_loop import JobLoop
from tests.faults.verdicts import Row, Table
from tests.wire.smtp_submission import ca_file, good_context
from tests.wire.test_smtp_faults import CLOSING, PERMANENT, TRANSIENT

VERBS = [verb for verb in PERMANENT if verb is not Verb.CONTENT]
BREAKS: dict[str, Action] = {"drop": Drop(), "reset": Reset(), "silence": Silence()}
BACKOFF = 0.1
RETRIES = 3
_DOT = b"\r\n.\r\n"
# More than two kernels buffer between them: its sender has to wait for a reader.
_BULK = "The quick brown fox jumps over the lazy dog.\n" * 200_000


def settings(directory: Path, **timeouts: float) -> Settings:
    given = {
        "ledger.path": str(directory / "ledger.db"),
        "smtp.ca_file": str(ca_file()),
        "worker.task_types": SEND_TASK_TYPE,
        "worker.retry_backoff": str(BACKOFF),
        "worker.rejection_backoff": str(BACKOFF),
        **{f"smtp.timeouts.{phase}": str(seconds) for phase, seconds in timeouts.items()},
    }
    return load({}, overrides=given).settings


def witness(behaviour: Behaviour) -> SmtpServer:
    return SmtpServer(behaviour=behaviour, tls_context=good_context(), users={"ada": "secret"})


@asynccontextmanager
async def working(chosen: Settings, engine: FakeEngine) -> AsyncIterator[None]:
    """Run a worker on an engine in memory."""
    stop = asyncio.Event()
    async with asyncio.timeout(60), open_pipeline(chosen, Masker(), {}) as pipeline:
        worker = asyncio.create_task(JobLoop(engine, chosen.worker, pipeline.handle).run(stop))
        try:
            yield
        finally:
            stop.set()
            await worker


def mail(server: SmtpServer, **changed: Any) -> dict[str, Any]:
    return {
        "authentication": {
            "hostname": "localhost" if server.hostname == "127.0.0.1" else server.hostname,
            "port": server.port,
            "username": "ada",
            "password": "secret",
            "security": "starttls",
        },
        "smtpEmailMailBoxName": "workflow@example.test",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": "Order",
        "smtpEmailContent": "Thanks.",
        **changed,
    }


async def state_of_the_only_mail(chosen: Settings) -> State:
    async with open_ledger(chosen.ledger) as ledger:
        [entry] = await ledger.entries()
    return entry.state


def code(outcome: Outcome) -> str:
    assert isinstance(outcome, Fail)
    return outcome.message.partition(":")[0]


def attempts_at(server: SmtpServer) -> int:
    """How often a mail was tried: each MAIL is an attempt, and a connection that did not come to one."""
    tried = [
        sum(command.startswith("MAIL") for command in connection.commands)
        for connection in server.connections
    ]
    return sum(max(number, 1) for number in tried)


def judge(row: Row, server: SmtpServer, *, completed: bool, uncertain: bool = False) -> None:
    row.runs += 1
    row.lost += completed and not server.received
    row.twice += len(server.received) > 1
    row.uncertain += uncertain


@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize(
    ("verb", "kept"),
    [pytest.param(verb, False, id=verb) for verb in PERMANENT]
    + [pytest.param(Verb.DOT, True, id="dot, taken")],
)
async def test_a_break(table: Table, tmp_path: Path, verb: Verb, kept: bool, fault: str) -> None:
    """Nothing is in doubt before the dot; afterwards everything that broke is."""
    limits = {"command": 1.0} | {
        Verb.CONNECT: {"greeting": 0.3},
        Verb.AUTH: {"auth": 0.3},
        Verb.CONTENT: {"data": 0.5},
        Verb.DOT: {"dot": 0.3},
    }.get(verb, {"command": 0.3})
    chosen, engine = settings(tmp_path, **limits), FakeEngine()
    with table.row(f"{fault} before the dot" if verb is not Verb.DOT else f"{fault} after the dot") as row:
        async with witness(Behaviour().on(verb, BREAKS[fault], keep=kept)) as server:
            async with working(chosen, engine):
                content = {"smtpEmailContent": _BULK} if verb is Verb.CONTENT else {}
                outcome = await engine.outcome(
                    engine.create_job(SEND_TASK_TYPE, mail(server, **content), retries=1)
                )
            dot_is_out = any(_DOT in connection.received_bytes for connection in server.connections)
            in_doubt = code(outcome) == ErrorCode.DELIVERY_UNCERTAIN
            judge(row, server, completed=False, uncertain=in_doubt)
        assert dot_is_out == (verb is Verb.DOT)
        assert in_doubt == dot_is_out
        # The incident stands, so a person's retry may send again.
        expected = State.ACKNOWLEDGED if dot_is_out else State.RELEASED
        assert await state_of_the_only_mail(chosen) is expected


def _refusals() -> list[Any]:
    replies = {
        "4xx": (451, TRANSIENT),
        "421": (421, CLOSING),
        "454": (454, TRANSIENT),
        "450 greylisted": (450, TRANSIENT),
        "5xx": (554, PERMANENT),
    }
    cases = [(verb, name) for verb in VERBS for name in ("4xx", "421", "5xx")]
    cases += [(Verb.STARTTLS, "454"), (Verb.AUTH, "454"), (Verb.RCPT, "450 greylisted")]
    # A security code at RCPT whose words do not speak of the recipient is about this worker.
    of_the_worker = {("5xx", Verb.RCPT, "enhanced"): ErrorCode.CLIENT_REJECTED}
    return [
        pytest.param(
            verb,
            replies[name][0],
            of_the_worker.get((name, verb, kind), replies[name][1][verb]),
            text,
            id=f"{name} {verb} {kind}",
        )
        for verb, name in cases
        for kind, text in (
            ("enhanced", f"{str(replies[name][0])[0]}.7.0 Not this one"),
            ("bare", "Not this one"),
        )
    ]


@pytest.mark.parametrize(("verb", "reply", "expected", "text"), _refusals())
async def test_a_refusal(  # noqa: PLR0917 - one row of a table of cases
    table: Table, tmp_path: Path, verb: Verb, reply: int, expected: ErrorCode, text: str
) -> None:
    """A 5xx is attempted once; a 4xx comes again after the back-off and is delivered in the end."""
    chosen, engine = settings(tmp_path), FakeEngine()
    refusing = Behaviour().on(verb, Say(reply, text, close=reply == 421), times=2)
    with table.row(f"{reply // 100}xx at each verb") as row:
        async with witness(refusing) as server:
            async with working(chosen, engine):
                key = engine.create_job(SEND_TASK_TYPE, mail(server), retries=RETRIES)
                last = await engine.outcome(key)
            judge(row, server, completed=isinstance(last, Complete))
            copies, attempts = len(server.received), attempts_at(server)
        failures = [outcome for outcome in engine.outcomes(key) if isinstance(outcome, Fail)]
        assert {code(failure) for failure in failures} == {expected}
        if reply < 500:
            assert [(f.retries, f.backoff) for f in failures] == [(2, BACKOFF), (1, BACKOFF)]
            assert (type(last), copies, attempts) == (Complete, 1, 3)
        else:
            assert [(f.retries, f.backoff) for f in failures] == [(0, 0.0)]
            assert (copies, attempts) == (0, 1)
        expected_state = State.SENT if reply < 500 else State.RELEASED
        assert await state_of_the_only_mail(chosen) is expected_state
