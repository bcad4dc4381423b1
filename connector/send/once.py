"""Send each mail once: the ledger around the transport.

The identity of a mail and a submission enter; the response to the task leaves, of this attempt or of the
earlier one that had already sent the mail. Apart from the rest because what may be done with a mail depends
on what the ledger says and on nothing else. ::

    begin ─► submission (… committing … final dot …) ─► settle

What fails before the commit was certainly not delivered, and is released for the next attempt. Between the
final dot and the reply it cannot be known (RFC 1047), and the policy decides. Afterwards the mail is out, and
no failure changes that: its record is written with patience, behind the job's back where it must be.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import partial

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
    OvertakenError,
    Released,
    Sent,
    State,
    Unanswered,
    Uncertain,
)
from connector.model.job import JobContext
from connector.model.mail import WhenUncertain
from connector.model.receipt import Delivery
from connector.send.identity import Identity
from connector.send.submission import Response, Submission
from connector.settings.ledger import LedgerSettings
from connector.transport.port import Committing

# A job whose mail another attempt holds is offered again after so many seconds: soon enough for a mail that
# is sent in the meantime, seldom enough for one that waits ten minutes for its server.
_HELD_PAUSE = 5.0
# One death of a worker says little about the jobs that it had in hand; after so many in a row, each of them
# is tried with no other suspect beside it.
_SUSPECT_AFTER = 2


class Once:
    """Every mail that this worker is sending, and what the ledger has to hear of each.

    Args:
        upkeep: Where mails are remembered.
        settings: The policies.
    """

    def __init__(self, upkeep: Upkeep, settings: LedgerSettings) -> None:
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
        decision = await self._begin(mail, resend=resend)
        if not isinstance(decision, Granted):
            return await self._not_granted(decision, mail, submission, context)
        if not alone and _SUSPECT_AFTER <= decision.crashes < self._settings.max_crashes:
            return await self._alone(decision, mail, submission, context)
        attempt = decision.attempt
        if decision.crashes >= self._settings.max_crashes:
            await self._upkeep.recorded(attempt, Released())  # counted anew: a person looks at it now
            raise WorkerCrashedError(decision.crashes)
        self._upkeep.hold(attempt)
        try:
            response = await submission.submit(self._committing(attempt, context))
        except BaseException as error:
            if isinstance(error, ConnectorError) and error.code is ErrorCode.DELIVERY_UNCERTAIN:
                return await self._unanswered(attempt, error, submission, context, mail.task)
            await self._not_sent(attempt, error, context)
            raise
        await self._upkeep.recorded(attempt, _sent(response))
        return response

    # Before the attempt

    async def _begin(self, mail: Identity, *, resend: bool) -> Decision:
        try:
            return await self._ledger.begin(
                mail.key, mail.request_hash, self._upkeep.lease, resend=resend, task=mail.task
            )
        except LedgerUnavailableError as error:
            raise LedgerError(str(error)) from error

    async def _not_granted(
        self,
        decision: AlreadySent | HeldElsewhere | DifferentRequest | Uncertain,
        mail: Identity,
        submission: Submission,
        context: JobContext,
    ) -> Response:
        match decision:
            case AlreadySent(response):
                return {**json.loads(response), "duplicate": True}
            case HeldElsewhere(remaining):
                raise HeldElsewhereError(timedelta(seconds=min(remaining, _HELD_PAUSE)))
            case DifferentRequest(state):
                raise _different(state)
            case Uncertain():
                return await self._in_doubt(decision, mail, submission, context)

    async def _alone(
        self, granted: Granted, mail: Identity, submission: Submission, context: JobContext
    ) -> Response:
        """Try a suspect when no other one is under way: a poisonous job must not take those beside it along.

        While it waits it is not begun, so that the death of the worker is not counted against it.
        """
        await self._upkeep.recorded(granted.attempt, Released(granted.crashes))
        async with self._one_suspect:
            return await self.send(mail, submission, context, alone=True)

    def _committing(self, attempt: Attempt, context: JobContext) -> Committing:
        marked = False

        async def committing(_: Delivery) -> None:
            nonlocal marked
            if marked:  # the ledger has one mark for a mail, at its first delivery
                return
            marked = True
            try:
                await self._ledger.committing(attempt)
            except LedgerUnavailableError as error:
                raise LedgerError(str(error)) from error
            except OvertakenError as error:
                raise CancelledBeforeSendError from error
            if context.lost:  # since the mark was asked for
                raise CancelledBeforeSendError
            context.committed = True

        return committing

    # After an attempt that failed

    async def _not_sent(self, attempt: Attempt, error: BaseException, context: JobContext) -> None:
        """Let go of a mail that was certainly not delivered; of one in doubt only where a fault is ours."""
        if isinstance(error, LedgerError):
            self._upkeep.record(attempt, Released())  # not waited for: the ledger is down
        elif isinstance(error, ConnectorError | asyncio.CancelledError):
            # Waited for, or the job might come again before its mail is free.
            await self._upkeep.recorded(attempt, Released())
        elif context.committed:
            # A fault of ours. Once the dot may be out, the end of the lease says rightly what is in doubt.
            self._upkeep.let_go(attempt)
        else:
            self._upkeep.record(attempt, Released())

    async def _unanswered(
        self, attempt: Attempt, error: ConnectorError, submission: Submission, context: JobContext, task: str
    ) -> Response:
        """Deal with a mail whose final dot has just gone out, with no reply."""
        policy = await submission.policy()
        if policy is WhenUncertain.ASSUME_SENT:
            return await self._assume(attempt, submission)
        await self._upkeep.recorded(attempt, Unanswered())
        self._apply(policy, attempt, error, context, task)
        raise error

    async def _in_doubt(
        self, doubt: Uncertain, mail: Identity, submission: Submission, context: JobContext
    ) -> Response:
        """Deal with a mail whose earlier attempt ended between the final dot and the reply."""
        policy = await submission.policy()
        if policy is WhenUncertain.ASSUME_SENT:
            return await self._assume(doubt.attempt, submission)
        if policy is WhenUncertain.RESEND:
            return await self.send(mail, submission, context, resend=True, alone=True)
        error = UncertainError(f"{datetime.fromtimestamp(doubt.since, UTC):%Y-%m-%dT%H:%M:%SZ}")
        self._apply(policy, doubt.attempt, error, context, mail.task)
        raise error

    def _apply(
        self, policy: WhenUncertain, attempt: Attempt, error: ConnectorError, context: JobContext, task: str
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
        acknowledged = Acknowledged(self._upkeep.lease, task)
        context.when_taken = partial(self._upkeep.record, attempt, acknowledged)

    async def _assume(self, attempt: Attempt, submission: Submission) -> Response:
        response = await submission.assumed()
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
