"""What a job worker needs of an engine, whatever protocol it speaks.

A :class:`Job` enters the pipeline, an :class:`Outcome` leaves it; :class:`Engine` is the seam that the
gRPC adapter implements and that tests replace. Every call is one attempt: patience lives in
``worker`` and ``commit``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from connector.model.job import Job, Outcome


class EngineUnavailableError(Exception):
    """The engine cannot be reached or is not ready; the same call may go through later."""


class EngineBusyError(EngineUnavailableError):
    """The engine pushes back (RESOURCE_EXHAUSTED); ask again, more slowly."""


class EngineDeniedError(EngineUnavailableError):
    """The engine does not let this worker in (credentials, permission), until an operator changes that."""


class LeaseLostError(Exception):
    """The job is no longer this worker's: its lease ended, or the process instance is gone."""


class EngineRefusedError(Exception):
    """The engine will never take this call as it is (wrong argument, unknown tenant, too large)."""


class StreamingUnsupportedError(EngineRefusedError):
    """The engine is older than job streaming (Zeebe 8.4): its jobs are polled."""


class Engine(Protocol):
    """The engine as a worker sees it.

    Every method raises :class:`EngineUnavailableError` (or a more precise :class:`EngineBusyError`,
    :class:`EngineDeniedError`) when a later attempt may succeed, and :class:`EngineRefusedError` when it
    never will.
    """

    async def version(self) -> str:
        """Return the engine's version, as a probe whether it can be reached and lets this worker in."""
        ...

    def stream(self, task_type: str) -> AsyncGenerator[Job, None]:
        """Yield jobs as they become available, until the engine ends the stream (a renewal, not an error).

        Closing the generator ends the stream; a job that was pushed and not yet read stays leased.
        """
        ...

    async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
        """Take up to ``limit`` waiting jobs; none waiting, stay up to ``wait`` seconds for the first.

        With a ``wait`` of 0 the answer comes at once. A cancelled call may leave jobs leased to nobody.
        """
        ...

    async def extend(self, job: Job, seconds: float) -> None:
        """Move the end of the lease to ``seconds`` from now; :class:`LeaseLostError` when it is over."""
        ...

    async def report(self, job: Job, outcome: Outcome) -> None:
        """Tell the engine what became of the job, once; :class:`LeaseLostError` when it is not ours."""
        ...
