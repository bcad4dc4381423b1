"""No mail twice and none lost, over a real socket: what the ledger makes of every way an attempt can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from connector.ledger import Ledger, LedgerUnavailableError, Upkeep
from connector.ledger.memory import MemoryStore
from connector.ledger.port import Answer, Granted, Operation, State
from connector.model.job import Complete, Fail, Job, JobContext, Outcome
from connector.secrets.masker import Masker
from connector.send.assembly import Shared, open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.sources import load
from connector.testing.behaviour import Behaviour, Drop, Hold, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.wire.test_pipeline import mail

KEY = "<default>/instance:12"
LEASE = 60.0


class Store(MemoryStore):
    """Entries in memory, with a clock that a test moves and a disk that it can take away."""

    def __init__(self) -> None:
        self.now = 1_000.0
        super().__init__(lambda: self.now)
        self.down = False
        self.fails_at: int | None = None
        self.groups = 0
        self.refused = asyncio.Event()
        self.sent = asyncio.Event()

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        self.groups += 1
        if self.down or self.groups == self.fails_at:
            self.refused.set()
            raise LedgerUnavailableError("The ledger's disk is gone.")
        answers = await super().apply(operations)
        if await self.entries(key=None, state=State.SENT, limit=1):
            self.sent.set()
        return answers

    async def state(self, key: str = KEY) -> State | None:
        entries = await self.entries(key=key, state=None, limit=1)
        return entries[0].state if entries else None


class Slow(Store):
    """Writes that a mail was sent when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write, self.asked = asyncio.Event(), asyncio.Event()
        self.may_write.set()

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        if await self.state() is State.COMMITTING:
            self.asked.set()
            await self.may_write.wait()
        return await super().apply(operations)


@asynccontextmanager
async def pipeline(store: MemoryStore | None = None, /, **overrides: str) -> AsyncIterator[Pipeline]:
    """Open a pipeline over this store; over the one that the settings describe without."""
    by_path = {name.replace("__", "."): text for name, text in overrides.items()}
    given = {"worker.lease": str(LEASE), **by_path}
    settings = load({}, overrides=given).settings
    async with AsyncExitStack() as stack:
        upkeep = Upkeep(Ledger(store), settings.worker.lease, settings.ledger.retention) if store else None
        if upkeep is not None:
            await stack.enter_async_context(upkeep.running())
        shared = Shared(upkeep) if upkeep is not None else None
        yield await stack.enter_async_context(open_pipeline(settings, Masker(), {}, shared=shared))


def error_code(outcome: Outcome) -> str:
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    return str(outcome.error["code"])


def response(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Complete)
    found: dict[str, Any] = outcome.variables["response"]
    return found


# A mail that was sent


async def test_a_job_that_comes_again_is_answered_with_the_recorded_response() -> None:
    async with SmtpServer() as server, pipeline(Store()) as opened:
        first = response(await opened.handle(job(mail(server))))
        again = response(await opened.handle(job(mail(server))))
        assert len(server.connections) == 1
    assert again == {**first, "duplicate": True}


async def test_it_is_remembered_by_the_next_worker(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    async with SmtpServer() as server:
        async with pipeline(ledger__path=path) as opened:
            first = response(await opened.handle(job(mail(server))))
        async with pipeline(ledger__path=path) as opened:
            assert response(await opened.handle(job(mail(server)))) == {**first, "duplicate": True}
        assert len(server.received) == 1


async def test_a_result_that_was_broken_can_be_mended_without_a_second_mail() -> None:
    async with SmtpServer() as server, pipeline(Store()) as opened:
        broken = await opened.handle(job(mail(server), headers={"resultExpression": "messageId"}))
        assert isinstance(broken, Fail)
        assert "does not send it again" in broken.message
        mended = await opened.handle(job(mail(server), headers={"resultExpression": "{id: messageId}"}))
        assert isinstance(mended, Complete)
        assert len(server.received) == 1
        assert mended.variables["id"] == message_from_bytes(server.received[0].data)["Message-ID"]


async def test_the_same_key_with_another_content_is_refused() -> None:
    async with SmtpServer() as server, pipeline(Store()) as opened:
        keyed = mail(server, smtpEmailIdempotencyKey="order-1")
        await opened.handle(job(keyed))
        outcome = await opened.handle(job({**keyed, "smtpEmailSubject": "Another"}, element_instance_key=13))
        assert isinstance(outcome, Fail)
        assert error_code(outcome) == "INVALID_INPUT"
        assert "another mail was sent under this key" in outcome.message
        assert len(server.received) == 1


async def test_a_login_that_was_mended_is_the_same_mail() -> None:
    async with SmtpServer() as server, pipeline(Store()) as opened:
        await opened.handle(job(mail(server)))
        login = {"hostname": server.hostname, "port": server.port, "username": "u", "password": "rotated"}
        assert response(await opened.handle(job(mail(server, authentication=login))))["duplicate"]


async def test_of_two_jobs_with_one_key_at_a_time_one_sends_and_the_other_steps_back() -> None:
    held = Hold(asyncio.Event())
    async with SmtpServer(behaviour=Behaviour().on(Verb.DOT, held)) as server, pipeline(Store()) as opened:
        keyed = mail(server, smtpEmailIdempotencyKey="order-1")
        first = asyncio.create_task(opened.handle(job(keyed)))
        await held.reached.wait()
        second = await opened.handle(job(keyed, element_instance_key=13, retries=2))
        assert isinstance(second, Fail)
        assert (error_code(second), second.retries) == ("CANCELLED", 2)
        assert 0 < second.backoff <= 5
        held.until.set()
        sent = response(await first)
        assert response(await opened.handle(job(keyed, element_instance_key=13))) == {
            **sent,
            "duplicate": True,
        }
        assert len(server.received) == 1


async def test_engines_with_names_of_their_own_share_a_ledger() -> None:
    store = Store()
    async with SmtpServer() as server:
        for name in ("blue", "green"):
            async with pipeline(store, engine__name=name) as opened:
                assert not response(await opened.handle(job(mail(server))))["duplicate"]
        ids = {message_from_bytes(received.data)["Message-ID"] for received in server.received}
    assert len(ids) == 2


# A mail that was not sent


@pytest.mark.parametrize("verb", [Verb.EHLO, Verb.MAIL, Verb.RCPT, Verb.DATA])
async def test_what_breaks_before_the_dot_is_released_and_sent_the_next_time(verb: Verb) -> None:
    store = Store()
    behaviour = Behaviour().on(verb, Drop(), times=1)
    async with SmtpServer(behaviour=behaviour) as server:
        async with pipeline(store) as opened:
            failed = await opened.handle(job(mail(server)))
            assert isinstance(failed, Fail)
            assert (error_code(failed), failed.retries) == ("CONNECTION_FAILED", 2)
            assert not response(await opened.handle(job(mail(server))))["duplicate"]
        assert len(server.received) == 1


async def test_a_refusal_after_the_dot_is_a_plain_refusal() -> None:
    store = Store()
    behaviour = Behaviour().on(Verb.DOT, Say(451, "4.3.0 later"), times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(store) as opened:
        assert error_code(await opened.handle(job(mail(server)))) == "TEMPORARILY_REJECTED"
        assert not response(await opened.handle(job(mail(server))))["duplicate"]


async def test_without_a_ledger_nothing_is_sent_and_no_retry_is_spent() -> None:
    store = Store()
    store.down = True
    async with SmtpServer() as server, pipeline(store) as opened:
        outcome = await opened.handle(job(mail(server), retries=2))
        assert isinstance(outcome, Fail)
        assert (error_code(outcome), outcome.retries, outcome.backoff) == ("LEDGER_UNAVAILABLE", 2, 10)
        assert server.connections == []
        store.down = False
        assert not response(await opened.handle(job(mail(server))))["duplicate"]


async def test_a_ledger_lost_just_before_the_dot_keeps_the_dot_back() -> None:
    store = Store()
    async with SmtpServer() as server, pipeline(store) as opened:
        store.fails_at = store.groups + 2  # begin, then committing
        assert error_code(await opened.handle(job(mail(server)))) == "LEDGER_UNAVAILABLE"
        await server.wait_until_idle()
        assert server.received == []
        assert not response(await opened.handle(job(mail(server))))["duplicate"]
        assert len(server.received) == 1


async def test_a_lease_lost_just_before_the_dot_keeps_the_dot_back() -> None:
    context = JobContext()
    store = Store()
    at_data = Hold(asyncio.Event())
    behaviour = Behaviour().on(Verb.DATA, at_data, times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(store) as opened:
        running = asyncio.create_task(opened.handle(job(mail(server), retries=2), context))
        await at_data.reached.wait()
        context.lost = True
        at_data.until.set()
        outcome = await running
        assert isinstance(outcome, Fail)
        assert (error_code(outcome), outcome.retries, context.committed) == ("CANCELLED", 2, False)
        assert server.received == []


async def test_a_job_that_kills_its_workers_becomes_an_incident_before_anything_is_done() -> None:
    store = Store()
    async with SmtpServer() as server, pipeline(store, ledger__max_crashes="3") as opened:
        dead = Ledger(store, "a worker that was killed")
        for _ in range(3):
            assert isinstance(await dead.begin(KEY, "another hash", LEASE), Granted)
            store.now += LEASE + 1
        outcome = await opened.handle(job(mail(server)))
        assert isinstance(outcome, Fail)
        assert (error_code(outcome), outcome.retries) == ("WORKER_CRASHED", 0)
        assert server.connections == []
        assert not response(await opened.handle(job(mail(server))))["duplicate"]


async def test_mails_whose_workers_died_again_and_again_are_sent_one_at_a_time() -> None:
    """A suspect that waits for its turn is not under way: the worker's death is not counted against it."""
    store, keys = Store(), [f"<default>/instance:{number}" for number in (12, 13)]
    held = Hold()
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.MAIL, held, times=1)) as server,
        pipeline(store) as opened,
    ):
        dead = Ledger(store, "a worker that was killed")
        for _ in range(2):
            await asyncio.gather(*(dead.begin(key, "another hash", LEASE) for key in keys))
            store.now += LEASE + 1
        first = asyncio.create_task(opened.handle(job(mail(server))))
        await held.reached.wait()
        handed_back = await opened.handle(job(mail(server), element_instance_key=13))  # its slot is free
        assert isinstance(handed_back, Fail)
        assert (error_code(handed_back), handed_back.retries) == ("CANCELLED", 3)
        held_back = {entry.key: entry for entry in await dead.entries()}[keys[1]]
        assert (held_back.attempt, held_back.held_until < store.now) == (2, True)
        held.until.set()
        assert isinstance(await first, Complete)
        assert isinstance(await opened.handle(job(mail(server), element_instance_key=13)), Complete)
        assert len(server.received) == 2


# A mail of which nobody knows


async def test_in_doubt_an_incident_stands_until_a_person_retries() -> None:
    store = Store()
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.DOT, Drop(), times=1)) as server,
        pipeline(store) as opened,
    ):
        context = JobContext()
        first = await opened.handle(job(mail(server)), context)
        assert isinstance(first, Fail)
        assert (error_code(first), first.retries) == ("DELIVERY_UNCERTAIN", 0)
        assert "retrying this job sends it again" in first.message
        # The worker died before the engine had heard of it: the job comes again by itself.
        context = JobContext()
        again = await opened.handle(job(mail(server)), context)
        assert isinstance(again, Fail)
        assert (error_code(again), again.retries) == ("DELIVERY_UNCERTAIN", 0)
        # The engine has the incident. Whoever comes at once is another worker with the same job.
        assert context.when_taken is not None
        context.when_taken()
        await asyncio.sleep(0)
        assert error_code(await opened.handle(job(mail(server)))) == "CANCELLED"
        assert server.received == []
        store.now += LEASE + 1
        assert not response(await opened.handle(job(mail(server))))["duplicate"]


@pytest.mark.parametrize("by", ["settings", "task"])
async def test_in_doubt_it_can_be_sent_again_under_the_same_message_id(by: str) -> None:
    settings = {"ledger__uncertain": "resend"} if by == "settings" else {}
    inputs = {"smtpEmailWhenUncertain": "resend"} if by == "task" else {}
    behaviour = Behaviour().on(Verb.DOT, Drop(), times=1, keep=True)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store(), **settings) as opened:
        first = await opened.handle(job(mail(server, **inputs)))
        assert isinstance(first, Fail)
        assert (error_code(first), first.retries) == ("DELIVERY_UNCERTAIN", 2)
        assert first.backoff > 0
        assert first.error is not None
        assert first.error["variables"]["retryable"] is True
        assert not response(await opened.handle(job(mail(server, **inputs))))["duplicate"]
        ids = {message_from_bytes(received.data)["Message-ID"] for received in server.received}
        assert (len(server.received), len(ids)) == (2, 1)


@pytest.mark.parametrize("by", ["settings", "task"])
async def test_in_doubt_it_can_be_taken_for_sent(by: str) -> None:
    settings = {"ledger__uncertain": "assume-sent"} if by == "settings" else {}
    inputs = {"smtpEmailWhenUncertain": "assume-sent"} if by == "task" else {}
    behaviour = Behaviour().on(Verb.DOT, Drop(), keep=True)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store(), **settings) as opened:
        assumed = response(await opened.handle(job(mail(server, **inputs))))
        assert assumed["reply"] is None
        assert assumed["accepted"] == ["ann@example.test"]
        assert assumed["warnings"][0].startswith("uncertain: ")
        assert assumed["messageId"] == message_from_bytes(server.received[0].data)["Message-ID"]
        assert response(await opened.handle(job(mail(server, **inputs))))["duplicate"] is True
        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("policy", "mails", "status"),
    [
        ("incident", 0, "DELIVERY_UNCERTAIN"),
        ("resend", 1, "SUCCESS"),
        ("assume-sent", 0, "SUCCESS"),
    ],
)
async def test_a_worker_that_died_after_the_dot_leaves_a_doubt(policy: str, mails: int, status: str) -> None:
    store = Store()
    async with SmtpServer() as server:
        await _die_after_the_dot(store, job(mail(server)))
        store.now += LEASE + 1
        async with pipeline(store, ledger__uncertain=policy) as opened:
            outcome = await opened.handle(job(mail(server)))
        assert len(server.received) == mails
    assert (error_code(outcome) if isinstance(outcome, Fail) else response(outcome)["status"]) == status


async def _die_after_the_dot(store: Store, one: Job) -> None:
    """Leave the ledger as a worker does that is killed between the final dot and the reply."""
    before, store.down = Store(), False
    held = Hold(asyncio.Event())
    behaviour = Behaviour().on(Verb.DOT, held, times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(before) as opened:
        login = {"hostname": server.hostname, "port": server.port}
        running = asyncio.create_task(
            opened.handle(replace(one, variables={**one.variables, "authentication": login}))
        )
        await held.reached.wait()
        (entry,) = await before.entries(key=KEY, state=State.COMMITTING, limit=1)
        held.until.set()
        await running
    store._entries[KEY] = entry


# What comes after the mail


@asynccontextmanager
async def answered_without_its_ledger(store: Store) -> AsyncIterator[asyncio.Task[Outcome]]:
    """A job whose ledger goes down between the final dot and the reply."""
    at_dot = Hold(asyncio.Event())
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.DOT, at_dot)) as server,
        pipeline(store) as opened,
    ):
        running = asyncio.create_task(opened.handle(job(mail(server))))
        await at_dot.reached.wait()
        store.down = True
        at_dot.until.set()
        yield running


async def test_a_ledger_lost_after_the_dot_does_not_keep_the_engine_from_hearing() -> None:
    store = Store()
    async with answered_without_its_ledger(store) as running:
        assert response(await running)["status"] == "SUCCESS"
        assert await store.state() is State.COMMITTING
        store.down = False
        await asyncio.wait_for(store.sent.wait(), 10)


async def test_the_engine_hears_of_a_mail_while_the_ledger_writes_it_down() -> None:
    store = Slow()
    async with SmtpServer() as server, pipeline(store) as opened:
        store.may_write.clear()
        assert not response(await opened.handle(job(mail(server))))["duplicate"]
        assert await store.state() is State.COMMITTING
        # A job that comes again meanwhile finds what is being written.
        again = asyncio.create_task(opened.handle(job(mail(server))))
        await asyncio.wait_for(store.asked.wait(), 10)
        store.may_write.set()
        assert response(await again)["duplicate"]
        assert len(server.received) == 1


async def test_cancelling_a_job_whose_mail_is_being_recorded_loses_nothing() -> None:
    store = Store()
    async with answered_without_its_ledger(store) as running:
        await store.refused.wait()
        running.cancel()
        assert response(await running)["status"] == "SUCCESS"
        store.down = False
    assert await store.state() is State.SENT


async def test_the_hold_says_when_there_is_no_way_back() -> None:
    context = JobContext()
    at_dot = Hold(asyncio.Event())
    async with SmtpServer(behaviour=Behaviour().on(Verb.DOT, at_dot)) as server, pipeline(Store()) as opened:
        running = asyncio.create_task(opened.handle(job(mail(server)), context))
        await at_dot.reached.wait()
        assert context.committed
        at_dot.until.set()
        await running


async def test_new_settings_do_not_begin_an_accounts_rate_anew() -> None:
    async with SmtpServer() as server, AsyncExitStack() as stack:
        account = {"host": server.hostname, "port": server.port, "security": "none"}
        account |= {"address": "desk@x.example", "rate": 0.1, "max_wait": "0.1"}
        settings = load({}, overrides={"ledger.kind": "memory"}).settings
        settings = type(settings).model_validate(
            settings.model_dump(exclude_unset=True) | {"accounts": {"default": account}}
        )
        upkeep = Upkeep(Ledger(Store()), settings.worker.lease, settings.ledger.retention)
        shared = Shared(await stack.enter_async_context(upkeep.running()))
        outcomes = []
        for instance in (1, 2):
            async with open_pipeline(settings, Masker(), {}, shared=shared) as opened:
                inputs = {name: v for name, v in mail(server).items() if name != "authentication"}
                outcomes.append(await opened.handle(job(inputs, element_instance_key=instance)))
        assert isinstance(outcomes[0], Complete)
        assert error_code(outcomes[1]) == "CANCELLED"
        assert len(server.received) == 1
