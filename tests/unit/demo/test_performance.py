"""What the demo makes of a process instance that does not go as its example wants; the engine is a double."""

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyzeebe import ZeebeClient
from rich.console import Console

from connector.demo.inbox import Inbox
from connector.demo.performance import DemoError, Performance
from connector.demo.scene import Example, Publication, Scene
from connector.demo.story import Story
from connector.model.job import Complete, Fail, Throw
from connector.testing.behaviour import Rule, Say, Verb
from connector.testing.imap import ImapServer
from connector.testing.smtp import ReceivedMail, SmtpServer
from tests.jobs import job

Wrap = Callable[[], ReceivedMail]
MAILS = (("ada@example.com", "audit@example.com"),)


@dataclass
class Engine:
    """An engine whose one process instance waits until the test ends it."""

    ended: asyncio.Future[dict[str, Any]]
    started: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    published: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)

    async def run_process_with_result(self, _: str, variables: dict[str, Any], **__: object) -> object:
        self.started.put_nowait(variables)
        return SimpleNamespace(process_instance_key=1, variables=await self.ended)

    async def publish_message(self, name: str, key: str, *_: object, **__: object) -> None:
        self.published.put_nowait((name, key))


@dataclass
class Show:
    """A performance that is going on."""

    engine: Engine
    performance: Performance
    server: SmtpServer
    mailbox: ImapServer
    inbox: Inbox
    playing: asyncio.Task[Any]
    run: Mapping[str, Any]


async def show(*scenes: Scene) -> Show:
    engine = Engine(asyncio.get_running_loop().create_future())
    inbox, server, mailbox = Inbox(), SmtpServer(), ImapServer()
    performance = Performance(
        Example("notify", "A test", lambda _: scenes),
        story=Story(Console(file=io.StringIO())),
        inbox=inbox,
        server=server,
        mailbox=mailbox,
        client=cast("ZeebeClient", engine),
        tenant_id=None,
    )
    playing = asyncio.create_task(performance.play())
    return Show(engine, performance, server, mailbox, inbox, playing, await engine.started.get())


async def test_a_mail_of_the_mailbox_has_to_be_filed_at_the_end() -> None:
    letter = b"Subject: A question\r\n\r\nWhich tea?\r\n"
    on = await show(Scene("", {}, (), letters=(letter,), filed="Answered"))
    assert [mail.unread for mail in on.mailbox.mails()] == [True]
    on.engine.ended.set_result({})
    with pytest.raises(DemoError, match="not in the folder Answered"):
        await on.playing


async def test_the_mails_of_the_scene_are_given_back(received: Wrap) -> None:
    on = await show(Scene("", {"order": 1}, MAILS, "sent"))
    assert on.run["order"] == 1
    assert on.run["mailServer"] == {"hostname": on.server.hostname, "port": on.server.port}
    mail = on.inbox.add(received())
    on.engine.ended.set_result({"outcome": "sent"})
    assert await on.playing == [mail]


async def test_another_end_than_that_of_the_scene_is_an_error(received: Wrap) -> None:
    on = await show(Scene("", {}, MAILS, "sent"))
    on.inbox.add(received())
    on.engine.ended.set_result({"outcome": "refused"})
    with pytest.raises(DemoError, match="ended with 'refused' instead of 'sent'"):
        await on.playing


async def test_a_mail_that_does_not_come_is_an_error() -> None:
    on = await show(Scene("", {}, MAILS))
    on.engine.ended.set_result({})
    with pytest.raises(DemoError, match=r"not in the inbox: for ada@example\.com, audit@example\.com"):
        await on.playing


async def test_a_mail_too_many_is_an_error(received: Wrap) -> None:
    on = await show(Scene("", {}, MAILS))
    on.inbox.add(received())
    on.inbox.add(received())
    on.engine.ended.set_result({})
    with pytest.raises(DemoError, match="unexpected mail"):
        await on.playing


async def test_a_job_that_waits_for_a_person_is_an_error() -> None:
    on = await show(Scene("", {}, ()))
    on.performance.job_done(job(on.run), Fail("AUTH_FAILED", retries=0))
    with pytest.raises(DemoError, match="waits at its task"):
        await on.playing


async def test_what_the_process_copes_with_is_none_nor_is_what_others_started() -> None:
    on = await show(Scene("", {}, ()))
    on.performance.job_done(job({}), Fail("AUTH_FAILED", retries=0))
    on.performance.job_done(job(on.run), Fail("RATE_LIMITED", retries=2))
    on.performance.job_done(job(on.run), Throw("ADDRESS"))
    on.engine.ended.set_result({})
    assert await on.playing == []


async def test_a_message_is_published_once_enough_jobs_are_completed() -> None:
    on = await show(Scene("", {}, (), messages=(Publication("answer", "T-1", {}, after=2),)))
    on.performance.job_done(job(on.run), Complete())
    on.performance.job_done(job({}), Complete())
    on.performance.job_done(job(on.run), Throw("ADDRESS"))
    await asyncio.sleep(0)
    assert on.engine.published.empty()
    on.performance.job_done(job(on.run), Complete())
    assert await on.engine.published.get() == ("answer", "T-1")
    on.engine.ended.set_result({})
    await on.playing


async def test_each_scene_has_the_server_behave_as_it_says() -> None:
    greylisting = Rule(Verb.RCPT, Say(450, "later"), times=1)
    on = await show(Scene("", {}, (), rules=(greylisting,)), Scene("", {}, ()))
    assert on.server.behaviour.take(Verb.RCPT) is not None
    assert greylisting.times == 1, "the next showing begins anew"
    on.engine.ended.set_result({})
    await on.playing
    assert on.server.behaviour.rules == []
