"""``smtp-connector demo``: an engine, an inbox, the worker and an example, and what they do together.

The worker is that of ``smtp-connector run``, the engine that of ``smtp-connector engine``, and the mail
crosses a socket. Only the mail servers are doubles: one keeps all mails in the inbox, and where an example
reads a mailbox, one has the mails that wait there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.resources import as_file
from typing import Any
from uuid import uuid4

import grpc
import structlog
from pyzeebe import ZeebeClient
from pyzeebe.errors import PyZeebeError
from rich.console import Console

from connector.demo.inbox import Inbox, Mail
from connector.demo.page import InboxPage
from connector.demo.performance import DemoError, Performance
from connector.demo.scene import Example
from connector.demo.story import Story
from connector.devengine.local import LocalEngineError, engine_for_development
from connector.engine.connect import connect, gateway_address
from connector.engine.grpc import GrpcEngine
from connector.engine.port import EngineRefusedError
from connector.model.job import Job, JobContext, Outcome
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.accounts import AccountSettings
from connector.settings.ledger import LedgerSettings
from connector.settings.model import (
    MAILBOX_TASK_TYPE,
    SEND_TASK_TYPE,
    EngineSettings,
    LogSettings,
    Settings,
)
from connector.settings.sources import SettingsError, load
from connector.testing.imap import ImapServer
from connector.testing.smtp import ReceivedMail, SmtpServer
from connector.worker.job_loop import JobLoop


@dataclass(frozen=True, slots=True)
class _Stage:
    """The parts of one demo."""

    example: Example
    story: Story
    settings: Settings
    environ: Mapping[str, str]
    once: bool
    played: asyncio.Event  # the whole example once, without errors
    inbox: Inbox = field(default_factory=Inbox)
    encores: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    @property
    def tenant_id(self) -> str | None:
        """Return the tenant to deploy for, if the engine has tenants."""
        return next(iter(self.settings.engine.tenant_ids), None)


async def demo(
    example: Example,
    played: asyncio.Event,
    *,
    once: bool,
    environ: Mapping[str, str] = os.environ,
    page_port: int = 0,
) -> None:
    """Run the demo; a failure is printed.

    Args:
        example: The example to play.
        played: Set when the example's mails have arrived and each process instance has reached its expected
            end.
        once: End after the example; otherwise continue until cancelled.
        environ: The environment of the settings; the demo uses an engine that it names (``ZEEBE_ADDRESS``).
        page_port: Port of the inbox page; 0 takes a free one.
    """
    story = Story(Console(highlight=False))
    try:
        stage = _Stage(example, story, _settings(environ), environ, once, played)
        await _play(stage, page_port)
    except (DemoError, LocalEngineError, EngineRefusedError, SettingsError) as error:
        story.trouble(str(error))
    except (PyZeebeError, grpc.aio.AioRpcError) as error:
        story.trouble(f"Unexpected answer of the engine ({type(error).__name__}): {error}")
    except OSError as error:
        story.trouble(f"A part of the demo cannot be started: {error}")


def _settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings; by default with a new name of the engine and a ledger in memory.

    The engine's keys identify mails, and a new engine starts with the same keys again.
    """
    loaded = load(environ)
    settings = loaded.settings
    if settings.engine.name is None:
        engine = settings.engine.model_copy(update={"name": uuid4().hex})
        settings = settings.model_copy(update={"engine": engine})
    if not any(path.startswith("ledger.") for path in loaded.sources):
        settings = settings.model_copy(update={"ledger": LedgerSettings(kind="memory")})
    return settings


async def _play(stage: _Stage, page_port: int) -> None:
    story = stage.story
    story.title(stage.example.title)
    async with AsyncExitStack() as stack:
        found = engine_for_development(stage.settings.engine)
        engine = await stack.enter_async_context(found)
        own = engine is not stage.settings.engine
        where = "the development engine, started for this demo" if own else "the configured one"
        story.step("Engine ready", f"{gateway_address(engine)}, {where}")
        server = await stack.enter_async_context(SmtpServer(on_received=lambda mail: _keep(stage, mail)))
        page = stack.enter_context(_page(stage, f"{server.hostname}:{server.port}", page_port))
        story.step("Inbox ready", f"{page.url}, accepting mail at {server.hostname}:{server.port}")
        mailbox = await stack.enter_async_context(ImapServer())
        stage = _with_account(stage, server, mailbox)
        client = await stack.enter_async_context(_client(engine))
        await _deploy(client, stage.example, stage.tenant_id, story)
        performance = Performance(
            stage.example,
            story=story,
            inbox=stage.inbox,
            server=server,
            mailbox=mailbox,
            client=client,
            tenant_id=stage.tenant_id,
        )
        worker = await stack.enter_async_context(_worker(stage, engine, performance))
        await _while_working(worker, _perform(stage, performance, page))


def _with_account(stage: _Stage, server: SmtpServer, mailbox: ImapServer) -> _Stage:
    """Give the settings the account of the example: the inbox, and the mailbox beside it."""
    if (name := stage.example.account) is None:
        return stage
    stage.story.step("Mailbox ready", f"{mailbox.hostname}:{mailbox.port}, IMAP, for the account {name}")
    account = AccountSettings.model_validate(
        {
            "host": server.hostname,
            "port": server.port,
            "security": "none",
            "address": f"{name}@example.com",
            "incoming": {
                "protocol": "imap",
                "host": mailbox.hostname,
                "port": mailbox.port,
                "security": "none",
                "username": name,
                "password": uuid4().hex,  # the mailbox lets any in
            },
        }
    )
    accounts = {**stage.settings.accounts, name: account}
    return replace(stage, settings=stage.settings.model_copy(update={"accounts": accounts}))


async def _perform(stage: _Stage, performance: Performance, page: InboxPage) -> None:
    mails = await performance.play()
    stage.played.set()
    _show(stage.story, mails, None if stage.once else page)
    if not stage.once:
        await _encores(stage, performance, page)


async def _while_working(worker: asyncio.Task[object], performance: Coroutine[Any, Any, None]) -> None:
    """Play the example; raise an error if the worker ends meanwhile."""
    performing = asyncio.create_task(performance)
    try:
        await asyncio.wait({worker, performing}, return_when=asyncio.FIRST_COMPLETED)
        if not performing.done():
            raise DemoError(f"The worker has ended unexpectedly: {worker.exception()!r}")
        performing.result()
    finally:
        performing.cancel()
        await asyncio.gather(performing, return_exceptions=True)


def _keep(stage: _Stage, received: ReceivedMail) -> None:
    stage.story.mail_accepted(stage.inbox.add(received))


def _page(stage: _Stage, smtp_address: str, port: int) -> InboxPage:
    loop = asyncio.get_running_loop()

    def on_start() -> None:
        loop.call_soon_threadsafe(stage.encores.put_nowait, None)

    return InboxPage(stage.inbox, smtp_address=smtp_address, port=port, on_start=on_start)


@asynccontextmanager
async def _client(engine: EngineSettings) -> AsyncIterator[ZeebeClient]:
    channels = connect(engine)
    try:
        yield ZeebeClient(channels.commands)
    finally:
        await channels.close()


async def _deploy(client: ZeebeClient, example: Example, tenant_id: str | None, story: Story) -> None:
    with as_file(example.diagram) as diagram:
        deployed = await client.deploy_resource(diagram, tenant_id=tenant_id)
    version = getattr(deployed.deployments[0], "version", 1)
    story.step("Process deployed", f"{example.file}: {example.process_id}, version {version}")


def _without_outcomes(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop the line of a job, whose outcome the story tells in its own words."""
    if event["event"] == "job reported":
        raise structlog.DropEvent
    return event


@asynccontextmanager
async def _worker(
    stage: _Stage, engine: EngineSettings, performance: Performance
) -> AsyncIterator[asyncio.Task[object]]:
    """Run the worker as ``smtp-connector run`` does, and print what it does.

    The value is its task, which ends early only by a fault of the worker.
    """
    masker = Masker()
    # The story itself tells of failed attempts, which the worker logs as warnings.
    configure_logging(LogSettings(level="error"), masker)
    structlog.configure(processors=[_without_outcomes, *structlog.get_config()["processors"]])
    for credential in stage.settings.confidential:
        masker.remember(credential)
    types = (SEND_TASK_TYPE,) if stage.example.account is None else (SEND_TASK_TYPE, MAILBOX_TASK_TYPE)
    settings = stage.settings.worker.model_copy(update={"task_types": types})
    stop = asyncio.Event()
    async with (
        GrpcEngine(engine, settings) as jobs,
        open_pipeline(stage.settings, masker, stage.environ) as pipeline,
    ):

        async def handle(job: Job, context: JobContext) -> Outcome:
            stage.story.job_taken(job)
            outcome = await pipeline.handle(job, context)
            stage.story.job_done(job, outcome)
            performance.job_done(job, outcome)
            return outcome

        running = asyncio.create_task(JobLoop(jobs, settings, handle).run(stop))
        stage.story.step("Worker started", f"for tasks of type {' and '.join(types)}")
        try:
            yield running
        finally:
            stop.set()
            await asyncio.wait({running})
        running.result()


def _show(story: Story, mails: list[Mail], page: InboxPage | None) -> None:
    for mail in mails:
        if page:
            story.step("Look at it", page.mail_url(mail))
        story.mail(mail)


async def _encores(stage: _Stage, performance: Performance, page: InboxPage) -> None:
    """Play the example again each time the user presses the button on the page."""
    stage.story.note()
    stage.story.note(
        "The demo continues until Ctrl-C. The button on the page starts the process again; so does any "
        f"client of the engine that starts {stage.example.process_id}."
    )
    while True:
        await stage.encores.get()
        stage.story.note()
        try:
            mails = await performance.play()
        except (DemoError, PyZeebeError) as error:
            stage.story.trouble(str(error))
        else:
            _show(stage.story, mails, page)
