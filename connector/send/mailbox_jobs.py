"""The way of a mailbox job, from its variables to its outcome.

Stands beside the pipeline of sends: there is no message to build and no ledger, since an operation on a
mailbox may come twice and its result is what the mailbox shows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic
from typing import Any

from connector.accounts.accounts import Origin
from connector.accounts.secret_values import incoming_with_secrets
from connector.errors import CancelledBeforeSendError, CancelReason, ConnectorError, ErrorCode
from connector.mailbox.pool import Operation
from connector.mailbox.port import Deletion, Mailbox
from connector.model.hosts import listed
from connector.model.incoming import ReadFrom, route_to
from connector.model.job import Job, JobContext, Outcome
from connector.model.server import GraphRoute
from connector.observe.job_facts import failed_facts, mailbox_facts
from connector.secrets.masker import MaskedError
from connector.secrets.resolve import Use
from connector.send import outcome
from connector.send.submission import Stages
from connector.settings.incoming import MailboxSettings
from connector.tasks.header_advice import header_warnings
from connector.tasks.headers import HEADERS, TaskHeaders, read_task_headers
from connector.tasks.mailbox import MailboxRequest, misspelt_inputs, read_mailbox_task
from connector.tasks.mailbox_result import ResultLimit, folders_result, letter_result, page_result
from connector.tasks.port import ReadContext
from connector.tasks.token_login import token_server


class MailboxJobs:
    """Does what mailbox jobs ask for.

    Args:
        stages: What all jobs share: settings, accounts, secrets.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._settings = stages.settings

    async def handle(self, job: Job, context: JobContext) -> Outcome:
        """Do what the job asks for and say what became of it; never raises for a job's fault.

        Args:
            job: What to do.
            context: Where the log finds what it may say.
        """
        headers: TaskHeaders | None = None
        odd = header_warnings(job.headers, HEADERS)
        try:
            headers = read_task_headers(job.headers)
            response = await self.perform(job, context)
        except ConnectorError as error:
            told = MaskedError(error, self._stages.masks.mask)
            warnings = (*misspelt_inputs(job.variables), *odd)
            return await outcome.failed(told, job, headers, self._settings.worker, warnings)
        except asyncio.CancelledError:
            # Not swallowed: the worker that cancels waits for this outcome.
            reason = CancelReason.LEASE_LOST if context.lost else CancelReason.SHUTDOWN
            return await outcome.failed(CancelledBeforeSendError(reason), job, headers, self._settings.worker)
        described = {**response, "warnings": [*response["warnings"], *odd]}
        return await outcome.performed(described, job, headers)

    async def perform(self, job: Job, context: JobContext) -> Mapping[str, Any]:
        """Do what the job asks for; its headers do not count.

        Returns:
            The response.

        Raises:
            ConnectorError: It could not be done; what was done counts as done when it is asked for again.
        """
        task = _Task(job, self._stages)
        began = monotonic()
        try:
            response = await self._performed(task)
        except ConnectorError as error:
            self._stages.metrics.mailbox_operation(task.operation, error.code.value)
            told = MaskedError(error, self._stages.masks.mask)
            context.facts = failed_facts(told, task.account, task.server, monotonic() - began)
            raise
        self._stages.metrics.mailbox_operation(task.operation, "ok")
        context.facts = mailbox_facts(task.operation, task.account, task.server, monotonic() - began)
        return response

    async def _performed(self, task: _Task) -> Mapping[str, Any]:
        """Do it; a refused login is tried once more if the secrets behind it have changed meanwhile."""
        for last in (False, True):
            request = await task.read()

            async def operation(mailbox: Mailbox, request: MailboxRequest = request) -> dict[str, Any]:
                return await _result(mailbox, request, self._settings.mailbox)

            try:
                result = await self.use(request.incoming, operation)
                break
            except ConnectorError as error:
                if last or error.code is not ErrorCode.AUTH_FAILED or not await task.login_changed():
                    raise
        return {
            "status": "SUCCESS",
            "account": request.account,
            **result,
            "warnings": list(request.warnings),
        }

    async def use(self, where: ReadFrom, operation: Operation[dict[str, Any]]) -> dict[str, Any]:
        """Do something with a mailbox, by the protocol that leads to it."""
        stages = self._stages
        if isinstance(where, GraphRoute):
            from connector.mailbox.graph.graph_mailbox import use_graph  # noqa: PLC0415 - loads a library

            seconds = self._settings.mailbox.time_limit.total_seconds()
            return await use_graph(stages.graph(), where, operation, seconds)
        credential = where.server.credential
        tokens = stages.tokens(credential) if credential else None
        return await stages.mailboxes().use(where, operation, tokens)


class _Task:
    """One mailbox job; each thing is read once."""

    def __init__(self, job: Job, stages: Stages) -> None:
        self._job = job
        self._stages = stages
        self._request: MailboxRequest | None = None
        self._uses: tuple[Use, ...] = ()
        self._looked_up = 0.0

    @property
    def operation(self) -> str:
        """What it does; empty until that is known."""
        return self._request.operation.value if self._request else ""

    @property
    def account(self) -> str | None:
        """The account's name; None until it is known, and where the task names a server."""
        return self._request.account if self._request else None

    @property
    def server(self) -> str:
        """The mailbox's server; empty until it is known."""
        return str(route_to(self._request.incoming)) if self._request else ""

    async def read(self) -> MailboxRequest:
        if self._request is None:
            stages = self._stages
            resolved = await stages.secrets.resolve(self._job.variables)
            request = read_mailbox_task(resolved.value, self._context())
            server = route_to(request.incoming)
            stages.secrets.permit(resolved.uses, server.hostname, server.port)
            if server.credential is not None and server.account is None:
                stages.secrets.permit_tokens(resolved.uses, *token_server(server.credential))
            accounts = stages.settings.accounts
            incoming, uses = await incoming_with_secrets(request.incoming, accounts, stages.secrets)
            self._looked_up = monotonic()
            stages.remember_login(route_to(incoming))
            self._request = replace(request, incoming=incoming)
            self._uses = (*resolved.uses, *uses)
        return self._request

    async def login_changed(self) -> bool:
        """Ask anew for the secrets that the server refused: a password may have been rotated just now."""
        former, self._request = await self.read(), None
        self._stages.secrets.forget(self._uses, self._looked_up)
        try:
            return self._uses != () and (await self.read()).incoming != former.incoming
        except ConnectorError:  # the refusal of the login is what has to be told
            self._request = former
            return False

    def _context(self) -> ReadContext:
        settings = self._stages.settings
        return ReadContext(
            settings.message,
            self._stages.clock(),
            self._stages.accounts,
            Origin(self._job.bpmn_process_id, self._job.tenant_id),
            hosts=listed(settings.smtp.hosts),
            token_hosts=listed(settings.tokens.hosts),
        )


async def _result(mailbox: Mailbox, request: MailboxRequest, settings: MailboxSettings) -> dict[str, Any]:
    """Do the operation; its result in the shape of the contract, no larger than allowed."""
    limit = ResultLimit(settings.max_result, str(route_to(request.incoming)))
    if request.listing is not None:
        page = await mailbox.find(request.listing)
        return await asyncio.to_thread(_limited, page_result(page), limit)
    if request.reference is None:
        return folders_result(await mailbox.folders())
    if request.change is not None:
        changed = await mailbox.change(request.reference, request.change)
        return {"deleted": True} if isinstance(request.change, Deletion) else {"id": changed}
    letter = await mailbox.read(request.reference, settings.max_message, mark=request.mark_read)
    described = await asyncio.to_thread(letter_result, letter, request.content, limit)
    return await asyncio.to_thread(_limited, described, limit)


def _limited(result: dict[str, Any], limit: ResultLimit) -> dict[str, Any]:
    """Give a result if it is not too large as JSON."""
    limit.check(len(json.dumps(result, ensure_ascii=False).encode()))
    return result
