"""Send each mail once: the ledger around the transport.

A :class:`Dispatch` enters, which knows what is to be sent and how; the response to the task leaves, of this
attempt or of the earlier one that had already sent it. Stands apart because what may be done with a mail
depends on what the ledger says and on nothing else. ::

    begin -> (content, message, transport ... committing ... final dot) -> settle

Whatever fails before the commit was certainly not delivered, and is released for the next attempt. Between
the final dot and the reply nobody can know (RFC 1047), and the policy decides. Afterwards the mail is out,
and no failure changes that: its record is written with patience, behind the job's back where it must be.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from connector.errors import (
    CancelledBeforeSendError,
    ConnectorError,
    ErrorCode,
    HeldElsewhereError,
    InputError,
    LedgerError,
    UncertainError,
    WorkerCrashedError,
)
from connector.ledger import LedgerUnavailableError, Upkeep
from connector.ledger.port import (
    Acknowledged,
    AlreadySent,
    Attempt,
    Decision,
    DifferentRequest,
    Granted,
    HeldElsewhere,
    LeaseLostError,
    Released,
    Sent,
    State,
    Unanswered,
    Uncertain,
)
from connector.model.job import Hold
from connector.model.mail import WhenUncertain
from connector.settings.ledger import LedgerSettings
from connector.transport.port import Committing

# A job whose mail another attempt holds is offered again after so many seconds: soon enough for a mail that
# is sent in the meantime, seldom enough for one that waits ten minutes for its server.
_HELD_PAUSE = 5.0
# One death of a worker says little about the jobs that it had in hand; after so many in a row, each of them
# is tried with no other suspect beside it.
_SUSPECT_AFTER = 2

Response = Mapping[str, Any]


class Dispatch(Protocol):
    """One mail on its way, as the ledger's rules need it."""

    @property
    def key(self) -> str:
        """What names the mail; the same at every attempt."""
        ...

    @property
    def task(self) -> str:
        """The element instance; several may have one key, and each an incident of its own."""
        ...

    async def request_hash(self) -> str:
        """A digest of what the task wants sent, the same at every attempt."""
        ...

    async def policy(self) -> WhenUncertain:
        """What to do when nobody knows whether an earlier attempt has delivered the mail.

        Raises:
            ConnectorError: The task cannot be read.
        """
        ...

    async def send(self, committing: Committing) -> Response:
        """Send it and describe what became of it.

        Raises:
            ConnectorError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
            asyncio.CancelledError: Nothing was delivered.
        """
        ...

    async def assumed(self) -> Response:
        """Describe a mail that is taken for sent although no reply to it is known."""
        ...


class Deliveries:
    """Every mail that this worker is sending, and what the ledger has to hear of each.

    Args:
        upkeep: Where it is remembered.
        settings: The policies.
    """

    def __init__(self, upkeep: Upkeep, settings: LedgerSettings) -> None:
        self._ledger = upkeep.ledger
        self._upkeep = upkeep
        self._settings = settings
        self._one_suspect = asyncio.Lock()

    async def deliver(self, dispatch: Dispatch, hold: Hold) -> Response:
        """Send the mail unless it was sent before.

        Args:
            dispatch: The mail.
            hold: What the worker and this attempt tell each other about the job.

        Returns:
            The response; the recorded one, with ``duplicate`` true, when an earlier attempt had sent it.

        Raises:
            ConnectorError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
            asyncio.CancelledError: Nothing was delivered.
        """
        decision = await self._begin(dispatch, resend=False)
        if isinstance(decision, Granted) and _SUSPECT_AFTER <= decision.crashes < self._settings.max_crashes:
            return await self._in_turn(decision, dispatch, hold)
        return await self._decided(decision, dispatch, hold)

    async def _in_turn(self, granted: Granted, dispatch: Dispatch, hold: Hold) -> Response:
        """Try a suspect when no other one is under way: a poisonous job must not take those beside it along.

        While it waits it is not begun, so that the death of the worker is not counted against it.
        """
        await self._upkeep.recorded(granted.attempt, Released(granted.crashes))
        async with self._one_suspect:
            return await self._decided(await self._begin(dispatch, resend=False), dispatch, hold)

    async def _decided(self, decision: Decision, dispatch: Dispatch, hold: Hold) -> Response:
        match decision:
            case Granted():
                return await self._attempt(decision, dispatch, hold)
            case AlreadySent(response):
                return {**json.loads(response), "duplicate": True}
            case HeldElsewhere(remaining):
                raise HeldElsewhereError(timedelta(seconds=min(remaining, _HELD_PAUSE)))
            case DifferentRequest(state):
                raise _different(state)
            case Uncertain():
                return await self._in_doubt(decision, dispatch, hold)

    # The way of one attempt

    async def _begin(self, dispatch: Dispatch, *, resend: bool) -> Decision:
        request_hash = await dispatch.request_hash()
        try:
            return await self._ledger.begin(
                dispatch.key, request_hash, self._upkeep.lease, resend=resend, task=dispatch.task
            )
        except LedgerUnavailableError as error:
            raise LedgerError(str(error)) from error

    async def _attempt(self, granted: Granted, dispatch: Dispatch, hold: Hold) -> Response:
        attempt = granted.attempt
        if granted.crashes >= self._settings.max_crashes:
            await self._upkeep.recorded(attempt, Released())  # counted anew: a person looks at it now
            raise WorkerCrashedError(granted.crashes)
        self._upkeep.hold(attempt)
        try:
            response = await dispatch.send(self._commit(attempt, hold))
        except (ConnectorError, asyncio.CancelledError) as error:
            if isinstance(error, ConnectorError) and error.code is ErrorCode.DELIVERY_UNCERTAIN:
                return await self._unanswered(attempt, error, dispatch, hold)
            # Waited for, or the job might come again before its mail is free; a ledger that is down is not.
            if isinstance(error, LedgerError):
                self._upkeep.record(attempt, Released())
            else:
                await self._upkeep.recorded(attempt, Released())
            raise
        except BaseException:
            # A fault of ours. Once the dot may be out, the end of the lease says rightly what is in doubt.
            if hold.committed:
                self._upkeep.let_go(attempt)
            else:
                self._upkeep.record(attempt, Released())
            raise
        await self._upkeep.recorded(attempt, _sent(response))
        return response

    def _commit(self, attempt: Attempt, hold: Hold) -> Committing:
        async def committing() -> None:
            try:
                await self._ledger.committing(attempt)
            except LedgerUnavailableError as error:
                raise LedgerError(str(error)) from error
            except LeaseLostError as error:
                raise CancelledBeforeSendError from error
            if hold.lost:  # since the mark was asked for
                raise CancelledBeforeSendError
            hold.committed = True

        return committing

    # What nobody knows

    async def _unanswered(
        self, attempt: Attempt, error: ConnectorError, dispatch: Dispatch, hold: Hold
    ) -> Response:
        """Deal with a mail whose final dot has just gone out, with no reply."""
        policy = await dispatch.policy()
        if policy is WhenUncertain.ASSUME_SENT:
            return await self._assume(attempt, dispatch)
        await self._upkeep.recorded(attempt, Unanswered())
        self._apply(policy, attempt, error, dispatch, hold)
        raise error

    async def _in_doubt(self, doubt: Uncertain, dispatch: Dispatch, hold: Hold) -> Response:
        """Deal with a mail whose earlier attempt ended between the final dot and the reply."""
        policy = await dispatch.policy()
        if policy is WhenUncertain.ASSUME_SENT:
            return await self._assume(doubt.attempt, dispatch)
        if policy is WhenUncertain.RESEND:
            return await self._decided(await self._begin(dispatch, resend=True), dispatch, hold)
        error = UncertainError(f"{datetime.fromtimestamp(doubt.since, UTC):%Y-%m-%dT%H:%M:%SZ}")
        self._apply(policy, doubt.attempt, error, dispatch, hold)
        raise error

    def _apply(
        self, policy: WhenUncertain, attempt: Attempt, error: ConnectorError, dispatch: Dispatch, hold: Hold
    ) -> None:
        if policy is WhenUncertain.RESEND:
            error.retryable = True
            return
        error.add(
            "Ask the recipient, or look for its Message-ID in the server's log; retrying this job sends it "
            "again."
        )
        # Once the incident stands, the next attempt of this task is the decision of a person. Not at once:
        # another worker to whom the engine gave the same job meanwhile must not be taken for that person.
        acknowledged = Acknowledged(self._upkeep.lease, dispatch.task)
        hold.when_taken = partial(self._upkeep.record, attempt, acknowledged)

    async def _assume(self, attempt: Attempt, dispatch: Dispatch) -> Response:
        response = await dispatch.assumed()
        await self._upkeep.recorded(attempt, _sent(response))
        return response


def _sent(response: Response) -> Sent:
    return Sent(json.dumps(response))


def _different(state: State) -> InputError:
    sent = "was sent" if state is State.SENT else "may have been sent"
    return InputError(
        "smtpEmailIdempotencyKey",
        f"another mail {sent} under this key, or by this task before its inputs were changed; nothing was "
        "sent now. Give each mail a key of its own; give an engine that was set up anew another engine.name, "
        "or a new ledger.",
    )
