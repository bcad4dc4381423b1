"""Send one mail once, count what became of it, and keep what the log is to say.

The identity of a mail and its submission enter; the response leaves, or the error without secrets. Apart
because a job's mail and each record of a bulk job take this same way.
"""

from __future__ import annotations

from time import monotonic

from connector.errors import ConnectorError
from connector.ledger.upkeep import cancellations
from connector.model.job import JobContext
from connector.observe.job_facts import failed_facts, sent_facts
from connector.observe.metrics import Metrics
from connector.secrets.masker import MaskedError, Masker
from connector.send.identity import Identity
from connector.send.once import Once
from connector.send.submission import Response, Submission


class OneMail:
    """The way of one mail, around the ledger.

    Args:
        once: The ledger around the transport.
        metrics: Counts mails and failures.
        masks: Masks what secret providers gave.
    """

    def __init__(self, once: Once, metrics: Metrics, masks: Masker) -> None:
        self._once = once
        self._metrics = metrics
        self._masks = masks

    async def send(self, mail: Identity, submission: Submission, context: JobContext) -> Response:
        """Send the mail unless it was sent before.

        Raises:
            MaskedError: It was not sent, except under ``DELIVERY_UNCERTAIN``.
            asyncio.CancelledError: Nothing was delivered.
        """
        began, context.cancellations = monotonic(), cancellations()
        try:
            response = await self._once.send(mail, submission, context)
        except ConnectorError as error:
            told = MaskedError(error, submission.mask)
            self.note(told, context, submission, monotonic() - began)
            raise told from error
        context.facts = sent_facts(response, submission.server, monotonic() - began)
        if response["duplicate"]:
            self._metrics.mail_duplicate()
        else:
            self._metrics.mail_sent(response["account"])
        return response

    def note(
        self,
        error: ConnectorError,
        context: JobContext,
        submission: Submission | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Count a failed attempt, and keep what the log is to say of it."""
        account = submission.account if submission else None
        self._metrics.mail_failed(error.code.value, account, error.cancel_reason)
        told = MaskedError(error, self._masks.mask)
        server = submission.server if submission else None
        context.facts = {**context.facts, **failed_facts(told, account, server, seconds)}
