"""Run BPMN files in memory, with this project's worker and an inbox: the ``bpmn`` of a process test.

The engine is in this process, and nothing but the inbox and the mailbox has a socket. Time stands still until
a test moves it. Each call returns when nothing moves any more. ::

    async with Bpmn() as bpmn:
        run = await bpmn.run("order.bpmn", customer={"email": "jane@example.org"})
        assert run.ended_at == ["customer_notified"]
        assert [mail.to for mail in bpmn.inbox] == [["jane@example.org"]]
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from connector.devengine.commands import CommandRefusedError, Deployment, MessageToPublish, Resource
from connector.devengine.schedules import Duration
from connector.devengine.service import EngineService
from connector.settings.model import Settings
from connector.settings.sources import load_settings
from connector.testing.course import Course
from connector.testing.imap import ImapServer
from connector.testing.inbox import Inbox
from connector.testing.run import ProcessTestError, Run, as_json
from connector.testing.workers import JobHandler, Workers

P = ParamSpec("P")
R = TypeVar("R")

# As long as Camunda's own clients have a message kept.
_MESSAGE_KEPT = 3_600.0


class Bpmn:
    """An engine in memory with this project's worker and an inbox. Use it as an asynchronous context manager.

    Every mail server that a diagram or an account names is the inbox, which asks for no TLS and no login.
    Every mailbox is ``mailbox``, also one behind POP3 or Microsoft Graph.

    Args:
        settings: The worker's settings, such as accounts, back-offs and error mapping; None means the
            defaults. Those that belong to a worker's environment do not apply: engine, ledger, secret and
            token stores, health, and the rate of an account.
        directories: The directories in which files are searched; by default the working directory.
        limit: The longest wait of one call until nothing moves any more, in seconds of real time.

    Attributes:
        inbox: The mails.
        mailbox: What mailbox tasks read; :meth:`~connector.testing.ImapServer.deliver` puts mails into it.
        limit: As above; it can be changed at any time.
    """

    def __init__(
        self, settings: Settings | None = None, *, directories: Sequence[Path] = (), limit: float = 10.0
    ) -> None:
        self.inbox = Inbox()
        self.mailbox = ImapServer()
        self.limit = limit
        self._directories = tuple(directories) or (Path(),)
        self._service = EngineService()
        self._workers = Workers(self._service, settings or load_settings({}), self.inbox.server, self.mailbox)
        self._stack = AsyncExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            # A whole second, so that a moment that a test reckons from it is met exactly.
            self._service.clock.pin(float(int(self._service.clock.now())))
            for part in (self.inbox.server, self.mailbox, self._service, self._workers.running()):
                await stack.enter_async_context(part)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # Processes

    async def run(self, file: str | Path, process_id: str = "", /, **variables: Any) -> Run:
        """Deploy a file, start its process, and wait until nothing moves any more.

        Args:
            file: The diagram; a relative path is searched in ``directories``.
            process_id: The process to start, where the file has several.
            variables: The variables of the process at its start, as JSON values.

        Raises:
            ProcessTestError: The file does not exist, the engine refuses it, or the process does not come to
                rest within ``limit``.
        """
        deployed = self.deploy(file).processes
        ids = [one.bpmn_process_id for one in deployed]
        if process_id not in ids and (process_id or len(ids) > 1):
            raise ProcessTestError(f"{file} has the processes {', '.join(ids)}; name one of them.")
        key = deployed[ids.index(process_id) if process_id else 0].key
        started = self._execute(self._service.core.create_instance, key, -1, as_json(variables))
        await self._settle()
        return self._run(started.process_instance_key)

    def deploy(self, *files: str | Path) -> Deployment:
        """Deploy files without starting a process, for processes that a call activity or a message starts.

        Raises:
            ProcessTestError: A file does not exist, or the engine refuses it.
        """
        self._on_its_loop()
        resources = [Resource(path.name, path.read_bytes()) for path in map(self._found, files)]
        return self._execute(self._service.core.deploy, resources)

    @property
    def runs(self) -> list[Run]:
        """Return all process instances, oldest first, including those that messages and timers started."""
        return list(map(self._run, self._roots()))

    def _roots(self) -> list[int]:
        instances = self._service.core.instances()
        return [one.key for one in instances if one.parent_process_instance_key is None]

    def _run(self, key: int) -> Run:
        return Run(self._service, self._course(key), self._settle)

    def _course(self, key: int) -> Course:
        return Course(self._service.core, key, self._workers.serves)

    def _found(self, file: str | Path) -> Path:
        paths = [directory / file for directory in self._directories]
        for path in paths:
            if path.is_file():
                return path
        raise ProcessTestError(f"There is no file {' or '.join(map(str, dict.fromkeys(paths)))}.")

    # What happens to them

    def worker(self, job_type: str, handler: JobHandler) -> None:
        """Give the jobs of another type to a function, which stands for the worker of production.

        Args:
            job_type: The task's type.
            handler: Takes the :class:`Job` and returns variables, None, :class:`Complete`, :class:`Throw` or
                :class:`Fail`. It may be a coroutine function. An exception of it fails the test.

        Raises:
            ValueError: Jobs of this type send mails.
        """
        self._on_its_loop()
        self._workers.serve(job_type, handler)

    async def publish(self, name: str, key: str = "", /, **variables: Any) -> None:
        """Publish a message, and wait until nothing moves any more; it is kept for an hour.

        Args:
            name: The message's name in the diagram.
            key: Its correlation key; none for a message that starts a process.
            variables: The variables of the message.
        """
        message = MessageToPublish(name, key, _MESSAGE_KEPT, variables=as_json(variables))
        self._execute(self._service.core.publish_message, message)
        await self._settle()

    async def broadcast(self, name: str, /, **variables: Any) -> None:
        """Broadcast a signal, and wait until nothing moves any more."""
        self._execute(self._service.core.broadcast_signal, name, as_json(variables))
        await self._settle()

    @property
    def now(self) -> datetime:
        """Return the time of the engine and of the mails. It stands still until a test moves it."""
        return datetime.fromtimestamp(self._service.clock.now(), UTC)

    async def advance(self, to: str | timedelta | datetime) -> None:
        """Move the time forward. Timers and retries that become due take place on the way, in their order.

        Args:
            to: An ISO 8601 duration such as ``P2D`` or ``PT15M``, a timedelta, or a moment with a time zone.

        Raises:
            ProcessTestError: It is none of these, or leads back.
        """
        target = self._moment(to)
        await self._settle()
        clock, core = self._service.clock, self._service.core
        while (due := core.due()) is not None and due <= target:
            self._service.pin(max(due, clock.now()))
            await self._settle()
        self._service.pin(target)
        await self._settle()

    def _moment(self, to: str | timedelta | datetime) -> float:
        now = self._service.clock.now()
        try:
            match to:
                case str():
                    target = Duration.of(to).after(now)
                case timedelta():
                    target = now + to.total_seconds()
                case _:
                    target = to.astimezone(UTC).timestamp()
        except ValueError as error:
            raise ProcessTestError(f"{to!r} is no duration: {error}") from None
        if target < now:
            raise ProcessTestError(f"The time cannot go back by {to!r}; it is {self.now:%Y-%m-%dT%H:%M:%SZ}.")
        return target

    # Waiting

    async def _settle(self) -> None:
        self._on_its_loop()
        try:
            await self._workers.settle(self.limit)
        except TimeoutError:
            still = f"Something still moves after {self.limit:g} seconds; set bpmn.limit if it takes longer."
            raise ProcessTestError(f"{still}\n{self.describe()}") from None

    def _execute(self, command: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        self._on_its_loop()
        try:
            return self._service.execute(command, *arguments, **named)
        except CommandRefusedError as error:
            raise ProcessTestError(error.text) from None

    def _on_its_loop(self) -> None:
        running = asyncio.get_running_loop()
        if self._loop is None:
            raise ProcessTestError("Enter it first: async with Bpmn() as bpmn")
        if running is not self._loop:
            raise ProcessTestError(
                "The test runs on another event loop than the fixture bpmn. Give "
                "asyncio_default_fixture_loop_scope and asyncio_default_test_loop_scope the same value, best "
                '"function".'
            )

    def __repr__(self) -> str:
        return f"<Bpmn with {len(self._roots())} process instances and {len(self.inbox)} mails>"

    def describe(self) -> str:
        """Return a text with the path of each process instance and the mails so far."""
        runs = [line for key in self._roots() for line in self._course(key).picture()]
        mails = [f"  to {', '.join(mail.recipients)}: {mail.subject}" for mail in self.inbox]
        count = f"inbox: {len(mails)} mail{'' if len(mails) == 1 else 's'}"
        return "\n".join([*(runs or ["No process was started."]), count, *mails])
