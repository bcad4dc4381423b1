"""What an error of Microsoft Graph means for a task that reads a mailbox."""

from __future__ import annotations

from datetime import timedelta

from connector.errors import ErrorCode, MailboxError
from connector.graph.api import GraphFaultError
from connector.graph.verdict import NO_MAILBOX
from connector.model.server import GraphRoute


def mailbox_error(fault: GraphFaultError, route: GraphRoute, doing: str) -> MailboxError:
    """The error for a request that was not served.

    Args:
        fault: What the service answered.
        route: Where it was asked.
        doing: What failed, as ``list the folders``.
    """
    code, advice = _meaning(fault, route)
    phase = doing.partition(" ")[0]
    error = MailboxError(code, fault.told(doing, advice), server=str(route), phase=phase)
    if fault.retry_after is not None:
        error.retry_after = timedelta(seconds=fault.retry_after)
    return error


def gone(route: GraphRoute) -> MailboxError:
    """The error for a mail that is not there."""
    text = (
        "There is no such mail; it was moved to another mailbox or deleted, or the id is another mailbox's."
    )
    return MailboxError(ErrorCode.MESSAGE_NOT_FOUND, text, server=str(route), phase="read")


def _meaning(fault: GraphFaultError, route: GraphRoute) -> tuple[ErrorCode, str]:
    place = f"accounts.{route.account}"
    if fault.status is None or fault.code is ErrorCode.MESSAGE_TOO_LARGE:
        return fault.code, "Check the network and http.proxy."
    if fault.status == 401 or fault.error in NO_MAILBOX:
        return ErrorCode.AUTH_FAILED, f"Check {place}.oauth and {place}.graph.user."
    if fault.status == 403:
        advice = "Grant Mail.Read to the application, or Mail.ReadWrite for changes; 'smtp-connector check'"
        return ErrorCode.AUTH_FAILED, f"{advice} shows what the token of {place} allows."
    if fault.status == 429:
        return ErrorCode.RATE_LIMITED, "The mailbox is asked too often."
    if fault.gone:
        return ErrorCode.MESSAGE_NOT_FOUND, ""
    return ErrorCode.MAILBOX_ERROR, "A later attempt may succeed."
