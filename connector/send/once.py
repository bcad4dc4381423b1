"""Send each mail once: the ledger around the transport.

The identity of a mail and a submission enter; the response to the task leaves, of this attempt or of the
earlier one that had already sent the mail. Apart from the rest because what may be done with a mail depends
on what the ledger says and on nothing else. ::

    begin ─► submission (… committing … final dot … delivered …) ─► settle ─► copy

A mail takes one delivery or several, each to some of its recipients. What fails before the commit of a
delivery was certainly not delivered, and is released for the next attempt, which serves those who are left.
Between a final dot and its reply it cannot be known (RFC 1047), and the policy decides about the recipients
of that delivery. Afterwards they have the mail, and no failure changes that: its record is written with
patience, behind the job's back where it must be.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from connector.errors import (
    CancelledBeforeSendError,
    CancelReason,
    ConnectorError,
    ErrorCode,
    HeldElsewhereError,
    InputError,
    LedgerError,
    PostponedError,
    Reply,
    TransportError,
    UncertainError,
    WorkerCrashedError,
)
from connector.ledger import LedgerUnavailableError, Upkeep
from connector.ledger.port import (
    Acknowledged,
    AlreadySent,
    Assumed,
    Attempt,
    Copied,
    CopyOwed,
    Decision,
    DifferentRequest,
    Granted,
    HeldElsewhere,
    OvertakenError,
    Released,
    Sent,
    State,
    Suspect,
    Unanswered,
    Uncertain,
    damaged,
)
from connector.ledger.progress import NO_PROGRESS, Delivered, Mark
from connector.ledger.upkeep import heed_cancellation
from connector.model.job import JobContext
from connector.model.mail import WhenUncertain
from connector.send.identity import Identity
from connector.send.submission import Response, Submission
from connector.settings.ledger import LedgerSettings
from connector.transport.port import Fate

# A job whose mail another attempt holds is offered again after so many seconds: soon enough for a mail that
# is sent in the meantime, seldom enough for one that waits ten minutes for its server.
_HELD_PAUSE = 5.0
# One death of a worker says little about the jobs that it had in hand; after so many in a row, each of them
# is tried with no other suspect beside it.
_SUSPECT_AFTER = 2


Copy = Callable[[Response, Submission], Awaitable[Response]]


class Once:
    """Every mail that this worker is sending, and what the ledger has to hear of each.

    Args:
        upkeep: Where mails are remembered.
        settings: The policies.
        copy: Makes the copy of a mail that was sent, and adds its place to the response.
    """

    def __init__(self, upkeep: Upkeep, settings: LedgerSettings, copy: Copy) -> None:
        self._copy = copy
        self._ledger = upkeep.ledger
        self._upkeep = upkeep
        self._settings = settings
        self._one_suspect = asyncio.Lock()

    async def send(
        self,
        mail: Identity,
        submission: Submission,
        context: JobContext,
        *,
        resend: bool = False,
        alone: bool = False,
    ) -> Response:
        """Send the mail unless it was sent before.

        Args:
            mail: Names it.
            submission: Sends it.
            context: What the worker and this attempt tell each other about the job.
            resend: Send also what an earlier attempt may have sent.
            alone: No other suspect of having ended a worker is under way.

        Returns:
            The response; the recorded one, with ``duplicate`` true, when an earlier attempt had sent it.

        Raises:
            ConnectorError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
            asyncio.CancelledError: Nothing was delivered.
        """
        decision = await self._begin(mail, resend=resend, alone=alone)
        if not isinstance(decision, Granted):
            return await self._not_granted(decision, mail, submission, context)
        attempt = decision.attempt
        if decision.crashes >= self._settings.max_crashes:
            await self._upkeep.recorded(attempt, Released())  # counted anew: a person looks at it now
            raise WorkerCrashedError(decision.crashes)
        self._upkeep.hold(attempt)
        record = _Record(self._upkeep, attempt, context)
        try:
            response = await submission.submit(decision.progress, record)
        except BaseException as error:
            if isinstance(error, ConnectorError) and error.code is ErrorCode.DELIVERY_UNCERTAIN:
                return await self._unanswered(attempt, error, mail, submission, context)
            await self._not_sent(attempt, error, context)
            raise
        sent = Sent(json.dumps(response), submission.owes_copy)
        if submission.owes_copy:
            await self._upkeep.recorded(attempt, sent)
            return await self._copied(attempt, response, submission)
        self._upkeep.record(attempt, sent)  # while the engine hears of it
        return response

    async def _copied(self, attempt: Attempt, response: Response, submission: Submission) -> Response:
        """Make the copy that is owed, and add it to the recorded response; the mail is out in any case."""
        try:
            completed = await self._copy(response, submission)
        except BaseException:
            await self._upkeep.recorded(attempt, CopyOwed())
            raise
        await self._upkeep.recorded(attempt, Copied(json.dumps({**completed, "duplicate": False})))
        return completed

    # Before the attempt

    async def _begin(self, mail: Identity, *, resend: bool, alone: bool) -> Decision:
        try:
            return await self._ledger.begin(
                mail.key,
                mail.request_hash,
                self._upkeep.lease,
                resend=resend,
                suspect_after=None if alone else _SUSPECT_AFTER,
                task=mail.task,
            )
        except LedgerUnavailableError as error:
            raise LedgerError(str(error)) from error

    async def _not_granted(
        self,
        decision: Suspect | AlreadySent | HeldElsewhere | DifferentRequest | Uncertain,
        mail: Identity,
        submission: Submission,
        context: JobContext,
    ) -> Response:
        match decision:
            case Suspect():
                return await self._alone(mail, submission, context)
            case AlreadySent(response, copying):
                recorded = {**_recorded(response, mail.key), "duplicate": True}
                if copying is None:
                    return recorded
                self._upkeep.hold(copying)
                return await self._copied(copying, recorded, submission)
            case HeldElsewhere(remaining):
                raise HeldElsewhereError(timedelta(seconds=min(remaining, _HELD_PAUSE)))
            case DifferentRequest(state):
                raise _different(state, mail.field)
            case Uncertain():
                return await self._in_doubt(decision, mail, submission, context)

    async def _alone(self, mail: Identity, submission: Submission, context: JobContext) -> Response:
        """Try a suspect when no other one is under way: a poisonous job must not take those beside it along.

        Another suspect is not waited for: its server may be silent, and the slot serves others meanwhile.
        """
        if self._one_suspect.locked():
            reason = "After the worker died several times, the jobs that it had are tried one at a time."
            raise PostponedError(reason, timedelta(seconds=_HELD_PAUSE), CancelReason.AFTER_CRASHES)
        heed_cancellation(context.cancellations)
        async with self._one_suspect:
            return await self.send(mail, submission, context, alone=True)

    # After an attempt that failed

    async def _not_sent(self, attempt: Attempt, error: BaseException, context: JobContext) -> None:
        """Let go of what was certainly not delivered; of what is in doubt only where a fault is ours."""
        if isinstance(error, LedgerError):
            self._upkeep.record(attempt, Released())  # not waited for: the ledger is down
        elif isinstance(error, ConnectorError | asyncio.CancelledError):
            # Waited for, or the job might come again before its mail is free.
            ended = isinstance(error, TransportError) and error.ended
            await self._upkeep.recorded(attempt, Released(_refused(error), ended))
        elif context.committed:
            # A fault of ours. Once the dot may be out, the end of the lease says rightly what is in doubt.
            self._upkeep.let_go(attempt)
        else:
            self._upkeep.record(attempt, Released())

    async def _unanswered(
        self,
        attempt: Attempt,
        error: ConnectorError,
        mail: Identity,
        submission: Submission,
        context: JobContext,
    ) -> Response:
        """Deal with a delivery whose final dot has just gone out, with no reply."""
        await self._upkeep.recorded(attempt, Unanswered())
        policy = await submission.policy(NO_PROGRESS)
        if policy is WhenUncertain.ASSUME_SENT:
            return await self._assume(attempt, mail, submission, context)
        self._apply(policy, attempt, error, context, mail.task)
        raise error

    async def _in_doubt(
        self, doubt: Uncertain, mail: Identity, submission: Submission, context: JobContext
    ) -> Response:
        """Deal with a delivery whose attempt ended between the final dot and the reply."""
        found = await submission.found(doubt.progress)
        if isinstance(found, Reply):
            return await self._found(doubt, str(found), mail, submission, context)
        if found is Fate.FAILED:
            await self._upkeep.recorded(doubt.attempt, Released(ended=True))
            return await self.send(mail, submission, context, alone=True)
        policy = await submission.policy(doubt.progress)
        if found is Fate.REPEATABLE or policy is WhenUncertain.RESEND:
            return await self.send(mail, submission, context, resend=True, alone=True)
        if policy is WhenUncertain.ASSUME_SENT:
            return await self._assume(doubt.attempt, mail, submission, context)
        error = UncertainError(f"{datetime.fromtimestamp(doubt.since, UTC):%Y-%m-%dT%H:%M:%SZ}")
        error.retryable = found is Fate.LATER
        error.reached(doubt.progress.delivered, len(doubt.progress.recipients))
        self._apply(policy, doubt.attempt, error, context, mail.task)
        raise error

    async def _found(
        self, doubt: Uncertain, reply: str, mail: Identity, submission: Submission, context: JobContext
    ) -> Response:
        """Record a delivery that the transport has found, and send to those who are left."""
        now = datetime.now(UTC).isoformat()
        await self._upkeep.recorded(doubt.attempt, Delivered(doubt.progress.pending, reply, now))
        heed_cancellation(context.cancellations)
        return await self.send(mail, submission, context, alone=True)

    async def _assume(
        self, attempt: Attempt, mail: Identity, submission: Submission, context: JobContext
    ) -> Response:
        """Take a delivery for done, and send to those who are left."""
        await self._upkeep.recorded(attempt, Assumed())
        heed_cancellation(context.cancellations)
        return await self.send(mail, submission, context, alone=True)

    def _apply(
        self, policy: WhenUncertain, attempt: Attempt, error: ConnectorError, context: JobContext, task: str
    ) -> None:
        if policy is WhenUncertain.RESEND or error.retryable:  # the next attempt finds out
            error.retryable = True
            return
        error.add(
            "Ask the recipient, or look for its Message-ID in the server's log; retrying this job sends it "
            "again."
        )
        # Once the incident stands, the next attempt of this task is the decision of a person. Not at once:
        # another worker to whom the engine gave the same job meanwhile must not be taken for that person.
        acknowledged = Acknowledged(self._upkeep.lease, task)
        context.when_taken = partial(self._upkeep.record, attempt, acknowledged)


class _Record:
    """What the ledger hears of one attempt while it is under way.

    Args:
        upkeep: The ledger, and patience with it.
        attempt: Which one.
        context: Hears when there is no way back.
    """

    def __init__(self, upkeep: Upkeep, attempt: Attempt, context: JobContext) -> None:
        self._upkeep = upkeep
        self._attempt = attempt
        self._context = context

    @property
    def repeated(self) -> bool:
        """Whether this is not the first attempt at the mail."""
        return self._attempt.number > 1

    async def committing(self, mark: Mark) -> None:
        """Record, durably, that the last octets of a delivery are about to leave.

        Raises:
            LedgerError: They must not leave: the ledger is down.
            CancelledBeforeSendError: They must not leave: another attempt has the mail.
        """
        try:
            await self._upkeep.ledger.committing(self._attempt, mark)
        except LedgerUnavailableError as error:
            raise LedgerError(str(error)) from error
        except OvertakenError as error:
            raise CancelledBeforeSendError(CancelReason.OTHER_WORKER) from error
        if self._context.lost:  # since the mark was asked for
            raise CancelledBeforeSendError(CancelReason.LEASE_LOST)
        self._context.committed = True

    async def delivered(self, delivery: Delivered) -> None:
        """Record the reply to a delivery that is not the last; until the next one there is a way back."""
        await self._upkeep.recorded(self._attempt, delivery)
        self._context.committed = False
        heed_cancellation(self._context.cancellations)


def _recorded(response: str, key: str) -> Response:
    try:
        recorded: Response = json.loads(response)
    except ValueError:
        raise LedgerError(str(damaged(key))) from None
    return recorded


def _refused(error: BaseException) -> tuple[Mapping[str, Any], ...]:
    """The recipients that the next attempt leaves out: refused for good while others have the mail."""
    if not isinstance(error, TransportError) or not error.accepted:
        return ()
    return tuple(one.as_variable() for one in error.rejected if not one.reply.transient)


def _different(state: State, field: str) -> InputError:
    sent = "was sent" if state is State.SENT else "may have been sent"
    return InputError(
        field,
        f"another mail {sent} under this key, or by this task before its inputs were changed; nothing was "
        "sent now. Give each mail a key of its own; give an engine that was set up anew another engine.name, "
        "or a new ledger.",
    )
