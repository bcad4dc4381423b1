"""What an error of Microsoft Graph means for a task that reads a mailbox."""

from __future__ import annotations

from datetime import timedelta

from connector.errors import ErrorCode, MailboxError
from connector.graph.api import GraphFaultError
from connector.model.server import GraphRoute

_NO_MAILBOX = frozenset(
    {"ErrorInvalidUser", "ResourceNotFound", "MailboxNotEnabledForRESTAPI", "ErrorNonExistentMailbox"}
)
_GONE = frozenset({"ErrorItemNotFound", "ErrorInvalidIdMalformed", "ErrorMessageNotFound"})


def mailbox_error(fault: GraphFaultError, route: GraphRoute, doing: str) -> MailboxError:
    """The error for a request that was not served.

    Args:
        fault: What the service answered.
        route: Where it was asked.
        doing: What failed, as ``list the folders``.
    """
    code, advice = _meaning(fault, route)
    known = f" (request-id {fault.request_id})" if fault.request_id else ""
    text = f"Microsoft Graph did not {doing}: {fault.reason}{known}. {advice}"
    error = MailboxError(code, text.rstrip(), server=str(route), phase=doing.partition(" ")[0])
    if fault.retry_after is not None:
        error.retry_after = timedelta(seconds=fault.retry_after)
    return error


def is_gone(fault: GraphFaultError) -> bool:
    """Whether there is no such mail."""
    return fault.status in {400, 404} and fault.error in _GONE


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
    if fault.status == 401 or fault.error in _NO_MAILBOX:
        return ErrorCode.AUTH_FAILED, f"Check {place}.oauth and {place}.graph.user."
    if fault.status == 403:
        advice = "Grant Mail.Read to the application, or Mail.ReadWrite for changes; 'smtp-connector check'"
        return ErrorCode.AUTH_FAILED, f"{advice} shows what the token of {place} allows."
    if fault.status == 429:
        return ErrorCode.RATE_LIMITED, "The mailbox is asked too often."
    if is_gone(fault):
        return ErrorCode.MESSAGE_NOT_FOUND, ""
    return ErrorCode.MAILBOX_ERROR, "A later attempt may succeed."
