"""The engine in an event loop: real time, parked requests, streams and the journal around the core.

The core runs commands and knows neither files nor loops. Here each command gets one moment as its time, is
written to the journal when it was accepted, and what it made available wakes those who wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbits
from time import time
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from connector.devengine.backlog import Push, Stream
from connector.devengine.clock import Clock
from connector.devengine.commands import ActivatedJob, ActivationRequest, EngineVersion, Variables
from connector.devengine.faults import Faults
from connector.devengine.journal import Entry, Journal, JournalError
from connector.devengine.process_engine import ProcessEngine
from connector.devengine.record_file import RecordFile
from connector.devengine.records import RecordLog

P = ParamSpec("P")
R = TypeVar("R")

# Nothing waits longer than a day for asyncio's timers; a timer of a year is armed again and again.
_LONGEST_SLEEP = 86_400.0
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Options:
    """What an engine is started with.

    Attributes:
        version: The version whose behaviour is imitated where versions differ.
        journal: Where accepted commands are kept; a file of an earlier run is replayed.
        record_file: Where each record is written as a JSON line.
        keep_records: Keep the last records in memory.
        seed: Where random numbers in FEEL begin; a journal has its own.
        history: How many ended process instances can still be read.
    """

    version: EngineVersion = "8.6"
    journal: Path | None = None
    record_file: Path | None = None
    keep_records: bool = False
    seed: int = field(default_factory=lambda: randbits(48))
    history: int = 2_000


class EngineService:
    """One engine for one event loop. Use it as an asynchronous context manager.

    Args:
        options: See :class:`Options`.
        source: The real time, in seconds since the epoch.

    Attributes:
        core: To read from; to change something, hand its method to :meth:`execute`.
        clock: The engine's time; see :meth:`pin`, :meth:`advance` and :meth:`reset_clock`.
        records: The last records, when they are kept.
        seed: Tells this engine from others that started anew; it stays with the journal.

    Raises:
        JournalError: The journal cannot be used.
        OSError: The file of records cannot be opened.
    """

    def __init__(self, options: Options = Options(), source: Callable[[], float] = time) -> None:
        self.options = options
        self.faults = Faults()
        self._time = _HeldTime(source)
        self.clock = Clock(self._time)
        self._file = RecordFile(options.record_file) if options.record_file else None
        self.records = self._record_log()
        self._journal = Journal(options.journal, options.version, options.seed) if options.journal else None
        self.seed = self._journal.seed if self._journal else options.seed
        self.core = ProcessEngine(
            self.clock,
            version=options.version,
            records=self.records,
            seed=self.seed,
            history=options.history,
        )
        self._leases: list[tuple[int, ActivationRequest]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Replay the journal and let time run.

        Raises:
            JournalError: The journal cannot be replayed.
        """
        try:
            self._replay()
        except JournalError:
            self._close()
            raise
        self.faults.on_change = self._arm_anew
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disarm()
        self._close()

    def execute(self, command: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        """Run a command of the core at one moment, and journal it unless it is refused.

        Raises:
            CommandRefusedError: The command is refused; nothing has changed.
            JournalError: It was carried out, but cannot be written down.
        """
        with self._time.held() as at:
            result = command(*arguments, **named)
            self._keep(Entry(at, command.__name__, arguments, named))
        self._arm()
        self.notify()
        return result

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at after every change, and at every :meth:`notify`."""
        while not condition():
            await self._changed.wait()

    def notify(self) -> None:
        """Let those look again who wait in :meth:`until`."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # Jobs

    def take(self, request: ActivationRequest, limit: int) -> list[ActivatedJob]:
        """Take up to ``limit`` jobs that wait now."""
        with self._time.held() as at:
            jobs = self.core.activate(request, limit)
            for job in jobs:
                self._leased(job, request)
            self._keep_leases(at)
        if jobs:
            self._arm()
            self.notify()
        return jobs

    async def activate(self, request: ActivationRequest, limit: int, wait: float) -> list[ActivatedJob]:
        """Take up to ``limit`` waiting jobs; if there are none, wait so many seconds for the first."""
        taken = self.take(request, limit)
        if taken or wait <= 0:
            return taken
        available = asyncio.Event()
        parked = self.core.on_available(request.type, available.set)
        try:
            async with asyncio.timeout(wait):
                while not taken:
                    await available.wait()
                    available.clear()
                    taken = self.take(request, limit)
        except TimeoutError:
            return []
        finally:
            parked.close()
        return taken

    def release(self, jobs: list[ActivatedJob]) -> None:
        """Give back jobs that left the engine but never reached a worker."""
        for job in jobs:
            self.execute(self.core.release_job, job.key)

    def open_stream(self, request: ActivationRequest, push: Push) -> OpenStream:
        """Push jobs as they become available; see :meth:`ProcessEngine.open_stream`."""

        def pushed(job: ActivatedJob) -> bool:
            if not push(job):
                return False
            self._leased(job, request)
            return True

        return OpenStream(self.core.open_stream(request, pushed), self.notify)

    async def result(self, process_instance_key: int) -> Variables | None:
        """Wait until a process instance ends; its variables, or None when it was terminated."""
        ended: asyncio.Future[Variables | None] = asyncio.get_running_loop().create_future()

        def on_ended(variables: Variables | None) -> None:
            if not ended.done():
                ended.set_result(variables)

        watching = self.core.on_ended(process_instance_key, on_ended)
        try:
            return await ended
        finally:
            watching.close()

    # Time. A clock that is set makes what is due due at another real time, so the timer is set anew.

    def pin(self, at: float) -> None:
        """Stop the clock at a moment, in seconds since the epoch; what is due by then happens on the way."""
        self._until(at, lambda moment: self.execute(self.clock.pin, moment))

    def advance(self, seconds: float) -> None:
        """Move the clock forward; what becomes due happens on the way, each thing at its own time.

        Raises:
            ValueError: The number is negative.
        """
        if seconds < 0:
            raise ValueError("A clock can only be advanced; pin it to go back.")
        target = self.clock.now() + seconds
        if self.clock.pinned:
            self.pin(target)
        else:
            self._until(target, self._run_ahead_to)

    def _run_ahead_to(self, at: float) -> None:
        # Rounding must not leave the clock just before the moment.
        ahead = max(0.0, at - self.clock.now()) + _ROUNDING
        self.execute(self.clock.advance, ahead)

    def reset_clock(self) -> None:
        """Return to the real time."""
        self.execute(self.clock.reset)
        self._tick()

    def _until(self, target: float, go_to: Callable[[float], None]) -> None:
        while (due := self.core.due()) is not None and due <= target:
            go_to(max(due, self.clock.now()))
            if self._tick() == 0:
                break  # what is due waits for more than time
        go_to(target)
        self._tick()

    def _tick(self) -> int:
        self._disarm()
        with self._time.held() as at:
            done = self.core.tick()
            if done:
                self._keep(Entry(at, "tick", (), {}))
        self._arm()
        self.notify()
        return done

    def _arm(self) -> None:
        """Set the one timer to when the core has something to do, unless it is set so."""
        due = self.core.due()
        if due == self._armed_for and self._timer is not None:
            return
        self._disarm()
        if due is None or (self.clock.pinned and due > self.clock.now()):
            return
        delay = max(due + self.faults.lag - self.clock.now(), self.faults.leaderless_for, 0.0)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(delay, _LONGEST_SLEEP), self._tick)
        self._armed_for = due

    def _arm_anew(self) -> None:
        self._disarm()
        self._arm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What is written

    def _leased(self, job: ActivatedJob, request: ActivationRequest) -> None:
        self._leases.append((job.key, request))
        if self.faults.doubles():
            asyncio.get_running_loop().call_soon(self.release, [job])

    def _keep(self, entry: Entry) -> None:
        if self._journal is not None:
            self._journal.append(entry)
        self._keep_leases(entry.at)

    def _keep_leases(self, at: float) -> None:
        if self._journal is not None:
            for lease in self._leases:
                self._journal.append(Entry(at, "lease_job", lease, {}))
        self._leases.clear()
        # After the journal: what a killed process had not written yet, its successor makes again.
        if self._file is not None:
            self._file.flush()

    def _close(self) -> None:
        for file in (self._journal, self._file):
            if file is not None:
                file.close()

    def _replay(self) -> None:
        commands = {**_methods(self.core), **_methods(self.clock)}
        for entry in self._journal.entries() if self._journal else ():
            with self._time.held(entry.at):
                try:
                    commands[entry.command](*entry.arguments, **entry.named)
                except Exception as error:
                    raise JournalError(
                        f"{self.options.journal} cannot be replayed: {entry.command} gave {error!r}. Use the "
                        "version of smtp-connector that wrote it, or remove the file."
                    ) from error
        if self._file is not None:
            self._file.flush()

    def _record_log(self) -> RecordLog | None:
        if self._file is not None:
            return RecordLog(100_000 if self.options.keep_records else 0, self._file.add)
        return RecordLog() if self.options.keep_records else None


class OpenStream:
    """A worker's open stream.

    Args:
        stream: The core's.
        changed: Called when it is opened and when it is closed.
    """

    def __init__(self, stream: Stream, changed: Callable[[], None]) -> None:
        self._stream = stream
        self._changed = changed
        changed()

    def close(self) -> None:
        """Push no more jobs; what was pushed stays leased."""
        self._stream.close()
        self._changed()


class _HeldTime:
    """The real time, which stands still while a command runs, so that a replay can give it the same."""

    def __init__(self, source: Callable[[], float]) -> None:
        self._source = source
        self._held: float | None = None

    def __call__(self) -> float:
        return self._source() if self._held is None else self._held

    @contextmanager
    def held(self, at: float | None = None) -> Iterator[float]:
        """Hold the time, at this moment or another; one that is held already stays as it is."""
        before = self._held
        self._held = at if at is not None else self()
        try:
            yield self._held
        finally:
            self._held = before


_REPLAYED = (
    *("deploy", "create_instance", "cancel_instance", "set_variables", "lease_job", "release_job"),
    *("complete_job", "fail_job", "throw_error", "update_job_timeout", "update_job_retries"),
    *("mark_oversized", "resolve_incident", "publish_message", "broadcast_signal"),
    *("tick", "pin", "advance", "reset"),
)


def _methods(owner: object) -> dict[str, Callable[..., object]]:
    return {name: getattr(owner, name) for name in _REPLAYED if hasattr(owner, name)}
