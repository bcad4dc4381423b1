"""Telling the engine what became of a job, until it has heard it.

A lease with an outcome enters; afterwards the engine knows the outcome, or says that the job is gone. It
stands apart because an outcome that is dropped is a mail sent twice: the engine offers the job again.
Zeebe lets Complete and Fail through even under back-pressure, and takes a Complete after the lease ended.
"""

from __future__ import annotations

import asyncio

import structlog

from connector.engine.port import Engine, EngineRefusedError, EngineUnavailableError, LeaseLostError
from connector.model.job import Complete, Fail, Outcome, Throw
from connector.worker.leases import Lease
from connector.worker.patience import Backoff, Outage

_log = structlog.get_logger(__name__)

# Shorter than for a connection: a mail that was sent waits, and its job may be given to another worker.
_LONGEST_PAUSE = 3.0
_NAMES = {Complete: "complete", Throw: "bpmnError", Fail: "fail"}


class Reporter:
    """Reports outcomes with patience.

    While it tries, ``Leases`` goes on extending the lease, so that a mail that was sent is not handed out
    for a second time behind our back. There is no limit of time: the worker's shutdown sets one.

    Args:
        engine: Whom to tell.
        outage: Where trouble is noted.
    """

    def __init__(self, engine: Engine, outage: Outage) -> None:
        self._engine = engine
        self._outage = outage

    async def report(self, lease: Lease, outcome: Outcome) -> None:
        """Return when the engine has taken the outcome, or when telling it has become pointless."""
        lease.outcome = outcome
        backoff = Backoff(most=_LONGEST_PAUSE)
        try:
            while not await self._attempt(lease):  # noqa: ASYNC110 - not polling: each turn is a new attempt
                await asyncio.sleep(backoff.next())
        finally:
            self._outage.over(lease.job.key)

    async def _attempt(self, lease: Lease) -> bool:
        """Try once; whether there is nothing left to do."""
        outcome = lease.outcome
        assert outcome is not None  # noqa: S101 - `report` has set it
        if lease.context.lost and _comes_again(outcome):
            _log.warning(
                "outcome not reported: the lease ended, the engine offers the job again",
                **_fields(lease, outcome),
            )
            return True
        try:
            await self._engine.report(lease.job, outcome)
        except LeaseLostError as error:
            _log.warning(
                "outcome not taken: the job is gone or done", **_fields(lease, outcome), reason=str(error)
            )
        except EngineRefusedError as error:
            _log.error("engine refused the outcome", **_fields(lease, outcome), reason=str(error))
            lease.outcome = _instead_of(outcome, error, in_doubt=lease.context.when_taken is not None)
            return lease.outcome is None
        except EngineUnavailableError as error:
            self._outage.failed(lease.job.key, error)
            return False
        else:
            _log.info("job reported", **_fields(lease, outcome))
            if lease.context.when_taken is not None and not _comes_again(outcome):
                lease.context.when_taken()
        return True


def _fields(lease: Lease, outcome: Outcome) -> dict[str, str | int]:
    job = lease.job
    return {
        "job_key": job.key,
        "element_id": job.element_id,
        "process_id": job.bpmn_process_id,
        "outcome": _NAMES[type(outcome)],
    }


def _comes_again(outcome: Outcome) -> bool:
    """Whether the job is simply tried again, and so when nobody hears of the outcome.

    Such a Fail is not sent once the lease has ended: the engine would take it, and take the job from the
    worker that has it by then. Nor does it make of a doubt an incident that a person decides about.
    """
    return isinstance(outcome, Fail) and outcome.retries > 0


def _instead_of(outcome: Outcome, error: EngineRefusedError, *, in_doubt: bool) -> Outcome | None:
    """What to report in place of an outcome that the engine will never take; None when there is nothing."""
    if isinstance(outcome, Fail):
        return Fail(outcome.message, outcome.retries, outcome.backoff) if outcome.variables else None
    if isinstance(outcome, Throw):
        refused = f"The engine refused the BPMN error {outcome.code!r}: {error}. {outcome.message}".rstrip()
    else:
        refused = f"The engine refused the result variables, so the process cannot go on: {error}"
    if in_doubt:
        refused = f"The mail was perhaps delivered; retrying this job sends it again. {refused}"
    elif outcome.mail_sent:
        refused = f"The mail was sent; retrying this job does not send it again. {refused}"
    return Fail(refused, retries=0)
