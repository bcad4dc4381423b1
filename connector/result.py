"""From a receipt or an error to the outcome of the job.

A stage's value enters, an :class:`~connector.engine.port.Outcome` leaves. Stands apart because the shapes
are promised to modelers: nothing else decides what a process sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.engine.port import Complete, Fail, Job
from connector.errors import ConnectorError, ErrorCode
from connector.message.envelope import Message
from connector.settings.model import INFOSYS_TASK_TYPE, WorkerSettings
from connector.task.headers import TaskHeaders
from connector.transport.port import Receipt

_SENT = "Mail sent successfully"
_SERVER_ASKED_TO_WAIT = frozenset({ErrorCode.TEMPORARILY_REJECTED, ErrorCode.RATE_LIMITED})


def response(task_type: str, message: Message, receipt: Receipt, now: datetime) -> dict[str, Any]:
    """Describe a mail that was sent, as the contract's section 3 lays it down for the task type."""
    described = {
        "status": "SUCCESS",
        "message": _SENT,
        "messageId": message.message_id,
        "account": None,
        "transport": receipt.transport,
        "accepted": list(receipt.accepted),
        "rejected": [rejection.as_variable() for rejection in receipt.rejected],
        "reply": str(receipt.reply),
        "sentAt": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duplicate": False,
        "warnings": list(receipt.warnings),
    }
    return {"response": _SENT, **described} if task_type == INFOSYS_TASK_TYPE else described


def completed(described: Mapping[str, Any], headers: TaskHeaders) -> Complete:
    """Give the process the response under the name that the task chose, or nothing when it chose none."""
    return Complete({headers.result_variable: described} if headers.result_variable else {})


def failed(error: ConnectorError, job: Job, backoff: timedelta | None, settings: WorkerSettings) -> Fail:
    """Decide what a failed attempt costs.

    A transient error spends one retry and waits; a permanent one raises an incident at once, as trying
    again would only delay it; a cancelled one costs nothing.

    Args:
        error: What went wrong.
        job: The attempt that it happened to.
        settings: The pauses for tasks that set none.
        backoff: The task's own ``retryBackoff``, if it was given and could be read.
    """
    retries, pause = 0, timedelta(0)
    if error.code is ErrorCode.CANCELLED:
        retries = job.retries
    elif error.code.retryable:
        retries = max(job.retries - 1, 0)
        pause = backoff if backoff is not None else _default_backoff(error.code, settings)
    return Fail(f"{error.code}: {error.message}", retries, pause.total_seconds(), describe(error))


def describe(error: ConnectorError) -> dict[str, Any]:
    """Give the error as a process and the command line see it."""
    return {
        "code": error.code.value,
        "type": error.type,
        "message": error.message,
        "variables": error.variables,
    }


def _default_backoff(code: ErrorCode, settings: WorkerSettings) -> timedelta:
    return settings.rejection_backoff if code in _SERVER_ASKED_TO_WAIT else settings.retry_backoff
