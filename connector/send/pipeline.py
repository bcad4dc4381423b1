"""The order of a send job; see the package for the picture.

A :class:`~connector.model.job.Job` enters and an :class:`~connector.model.job.Outcome` always leaves, also
when the job's task is cancelled: the worker can report what became of the mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from connector.errors import CancelledBeforeSendError, CancelReason, ConnectorError, InputError
from connector.model.job import Fail, Job, JobContext, Outcome, Throw
from connector.secrets.masker import MaskedError, masked
from connector.send import outcome
from connector.send.bulk import Bulk
from connector.send.identity import identify
from connector.send.once import Once
from connector.send.one_mail import OneMail
from connector.send.submission import Response, Stages, Submission
from connector.settings.model import MAILBOX_TASK_TYPE
from connector.tasks import send_task
from connector.tasks.header_advice import header_warnings
from connector.tasks.headers import HEADERS, TaskHeaders, read_task_headers
from connector.tasks.input_advice import misspelling_warnings
from connector.tasks.port import SendTask

if TYPE_CHECKING:
    from connector.send.mailbox_jobs import MailboxJobs

_log = structlog.get_logger(__name__)


class Pipeline:
    """Turns jobs into mails and mails into outcomes.

    Args:
        stages: What does the work on the way.
        once: The ledger around the transport.
        mailboxes: Does what mailbox jobs ask for; made for the first one, since it loads libraries.
    """

    def __init__(self, stages: Stages, once: Once, mailboxes: Callable[[], MailboxJobs]) -> None:
        self._stages = stages
        self._one = OneMail(once, stages.metrics, stages.masks)
        self._bulk = Bulk(self._one, stages)
        self._mailboxes = mailboxes
        self._settings = stages.settings

    @property
    def stages(self) -> Stages:
        """What does the work."""
        return self._stages

    async def handle(self, job: Job, context: JobContext | None = None) -> Outcome:
        """Do what the job asks for and say what became of it; never raises for a job's fault.

        Args:
            job: What to do.
            context: What is told to and heard from the worker that has the job.
        """
        context = context or JobContext()
        if job.type == MAILBOX_TASK_TYPE:
            return await self._mailboxes().handle(job, context)
        headers: TaskHeaders | None = None
        odd = header_warnings(job.headers, HEADERS)
        try:
            headers = self._headers(job, context)
            task, response = await self._sent(job, context)
        except ConnectorError as error:
            told = MaskedError(error, self._stages.masks.mask)
            warnings = (*misspelling_warnings(job.variables, send_task(job.type).variable_names), *odd)
            failed = await outcome.failed(told, job, headers, self._settings.worker, warnings)
            return self._masked(failed, headers)
        except asyncio.CancelledError:
            # Not swallowed: the worker that cancels waits for this very outcome. CancelledError comes here
            # only while nothing can have been delivered.
            cancelled = CancelledBeforeSendError(_reason(context), context.facts.get("sent", 0))
            self._one.note(cancelled, context)
            return await outcome.failed(cancelled, job, headers, self._settings.worker)
        try:
            described = task.response({**response, "warnings": [*response["warnings"], *odd]})
            return self._masked(await outcome.succeeded(described, job, headers), headers)
        except Exception:  # noqa: BLE001 - a fault that left here would spend a retry
            _log.exception("result not made", job_key=job.key, element_id=job.element_id)
            return outcome.broken_after(response)

    async def send(self, job: Job) -> Response:
        """Send the mail that the job asks for, for a program without an engine; its headers do not count.

        Returns:
            The response in the shape of the job's task type.

        Raises:
            ConnectorError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
        """
        try:
            task, response = await self._sent(job, JobContext())
        except MaskedError as masked_error:  # what a process must not read is the program's own
            raise masked_error.__cause__ or masked_error from None
        return task.response(response)

    async def use_mailbox(self, job: Job) -> Mapping[str, Any]:
        """Do what a mailbox job asks for, for a program without an engine; its headers do not count.

        Returns:
            The response.

        Raises:
            ConnectorError: It could not be done.
        """
        return await self._mailboxes().perform(job, JobContext())

    async def _sent(self, job: Job, context: JobContext) -> tuple[SendTask, Response]:
        task, engine = send_task(job.type), self._settings.engine.namespace
        try:
            records = task.records(job.variables)
            if records is not None:
                return task, await self._bulk.send(job, task, records, context)
            mail = await identify(job, task, engine)
        except InputError as error:
            self._one.note(error, context)
            raise
        return task, await self._one.send(mail, Submission(job, task, mail.key, self._stages), context)

    def _headers(self, job: Job, context: JobContext) -> TaskHeaders:
        try:
            return read_task_headers(job.headers)
        except ConnectorError as error:
            self._one.note(error, context)
            raise

    def _masked(self, outcome: Outcome, headers: TaskHeaders | None) -> Outcome:
        """Mask what the task's own expressions wrote; the response under its name was masked when made."""
        mask = self._stages.masks.mask
        kept = headers.result_variable if headers else None
        variables = {
            name: value if name == kept else masked(value, mask) for name, value in outcome.variables.items()
        }
        match outcome:
            case Throw(code, message):
                return replace(outcome, code=mask(code), message=mask(message), variables=variables)
            case Fail(message):
                error = masked(outcome.error, mask)
                return replace(outcome, message=mask(message), variables=variables, error=error)
            case _:
                return replace(outcome, variables=variables)


def _reason(context: JobContext) -> CancelReason:
    """Why a handler was cancelled."""
    return CancelReason.LEASE_LOST if context.lost else CancelReason.SHUTDOWN
