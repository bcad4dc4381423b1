"""The calls that a worker needs from an engine.

A :class:`Job` enters the pipeline, and an :class:`Outcome` leaves it. The gRPC adapter implements
:class:`Engine`, and tests replace it. Every call is a single attempt; ``connector.worker`` repeats calls.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from connector.model.job import Job, Outcome


class EngineUnavailableError(Exception):
    """The engine cannot be reached or is not ready; the same call may succeed later."""


class EngineBusyError(EngineUnavailableError):
    """The engine applies back-pressure (RESOURCE_EXHAUSTED); call again, more slowly."""


class EngineDeniedError(EngineUnavailableError):
    """The engine refuses this worker's credentials or permissions, until an operator changes them."""


class LeaseLostError(Exception):
    """The job no longer belongs to this worker: its lease expired, or the process instance is gone."""


class EngineRefusedError(Exception):
    """The engine will never accept this call (invalid argument, unknown tenant, too large)."""


class StreamingUnsupportedError(EngineRefusedError):
    """The engine is older than job streaming (Zeebe 8.4), so jobs are polled."""


class Engine(Protocol):
    """The calls of a worker to an engine.

    Every method raises :class:`EngineUnavailableError` (or a more precise :class:`EngineBusyError`,
    :class:`EngineDeniedError`) when a later attempt may succeed, and :class:`EngineRefusedError` when it
    never will.
    """

    async def version(self) -> str:
        """Return the engine's version, to probe whether it is reachable and accepts this worker."""
        ...

    def stream(self, task_type: str) -> AsyncGenerator[Job, None]:
        """Yield jobs as they become available, until the engine ends the stream (a renewal, not an error).

        Closing the generator ends the stream; a job that was pushed but not read stays leased.
        """
        ...

    async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
        """Take up to ``limit`` waiting jobs; if there are none, wait up to ``wait`` seconds for the first.

        With a ``wait`` of 0 the engine answers at once. A cancelled call may leave jobs leased that no worker
        has.
        """
        ...

    async def extend(self, job: Job, seconds: float) -> None:
        """Extend the lease to ``seconds`` from now; :class:`LeaseLostError` if it has expired."""
        ...

    async def report(self, job: Job, outcome: Outcome) -> None:
        """Report the outcome of the job, once; :class:`LeaseLostError` if the job is not ours."""
        ...
