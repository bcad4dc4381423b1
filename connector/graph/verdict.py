"""What an error of Microsoft Graph means for a mail: our code, and what to change.

A fault and what was being done enter, an error of the job leaves. The status decides first, since the
service uses one code for many things; its codes tell a sender's fault from a recipient's.
"""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType

from connector.errors import ErrorCode, Phase, TransportError
from connector.graph.api import GraphFaultError
from connector.model.server import GraphRoute

# Exchange's limit of recipients in 24 hours; asking again within the minute is of no use.
_DAILY_PAUSE = timedelta(hours=1)
_DAILY = frozenset({"ErrorExceededMessageLimit", "ErrorQuotaExceeded"})
_LATER = frozenset({404, 408, 409, 423, 425, 500, 502, 503, 504})

NO_MAILBOX = frozenset(
    {"ErrorInvalidUser", "ResourceNotFound", "MailboxNotEnabledForRESTAPI", "ErrorNonExistentMailbox"}
)

_QUOTA = (
    ErrorCode.RATE_LIMITED,
    "The mailbox has sent as much as it may in a day: the quota, not the mail, is the cause.",
)
_NO_MAILBOX = (
    ErrorCode.SENDER_REJECTED,
    "There is no mailbox {mailbox}, or it is disabled or has no licence: check {place}.graph.user.",
)
_TOO_LARGE = (ErrorCode.MESSAGE_TOO_LARGE, "Send less, or have the mailbox's limit raised.")
_LOGIN_REFUSED = (
    "A new token was refused too: check the tenant and the scopes of {place}.oauth, which must be for "
    "Microsoft Graph."
)
_NOT_ALLOWED = (
    "The token does not allow it: grant {needed} to the application, and the mailbox to who uses it. "
    "'smtp-connector check' shows what the token of {place} allows."
)
_BY_ERROR = MappingProxyType(
    {
        **dict.fromkeys(_DAILY, _QUOTA),
        **dict.fromkeys(NO_MAILBOX, _NO_MAILBOX),
        "ErrorMessageSizeExceeded": _TOO_LARGE,
        "ErrorSendAsDenied": (
            ErrorCode.SENDER_REJECTED,
            "The mailbox may not send as this address: grant Send As in Exchange, or change the sender.",
        ),
        "ErrorInvalidRecipients": (
            ErrorCode.RECIPIENT_REJECTED,
            "A recipient's address is not valid: correct it.",
        ),
    }
)
_BY_STATUS = MappingProxyType(
    {
        401: (ErrorCode.AUTH_FAILED, _LOGIN_REFUSED),
        403: (ErrorCode.AUTH_FAILED, _NOT_ALLOWED),
        413: _TOO_LARGE,
        429: (ErrorCode.RATE_LIMITED, "The mailbox is asked too often; nothing was sent."),
    }
)


def refusal(fault: GraphFaultError, phase: Phase, route: GraphRoute, doing: str) -> TransportError:
    """The error for a request that was not served.

    Args:
        fault: What the service answered.
        phase: How far the mail had come.
        route: Where it was asked.
        doing: What failed, as ``make the draft``.
    """
    code, advice = _meaning(fault, route)
    error = TransportError(code, fault.told(doing, advice), phase=phase, server=str(route))
    if fault.retry_after is not None:
        error.retry_after = timedelta(seconds=fault.retry_after)
    if fault.error in _DAILY:
        error.retry_after = max(error.retry_after or _DAILY_PAUSE, _DAILY_PAUSE)
    return error


def uncertain(fault: str, route: GraphRoute, looked: str) -> TransportError:
    """The error for not knowing whether a mail went out."""
    return TransportError(
        ErrorCode.DELIVERY_UNCERTAIN,
        f"Microsoft Graph was told to send the mail, and its answer was lost ({fault}). {looked}",
        phase=Phase.DOT,
        server=str(route),
    )


def _meaning(fault: GraphFaultError, route: GraphRoute) -> tuple[ErrorCode, str]:
    place, status, error = f"accounts.{route.account}", fault.status, fault.error
    if status is None:
        return fault.code, f"Check {place}.graph.base_url, the network and the proxy. Nothing was sent."
    if error in _BY_ERROR:
        code, advice = _BY_ERROR[error]
    else:
        later = ErrorCode.TEMPORARILY_REJECTED, "Nothing was sent; a later attempt may succeed."
        usual = later if status in _LATER else (ErrorCode.MESSAGE_REJECTED, "The mail was not sent.")
        code, advice = _BY_STATUS.get(status, usual)
    return code, advice.format(place=place, needed=_needed(route), mailbox=route.user or "of this person")


def _needed(route: GraphRoute) -> str:
    return "Mail.ReadWrite and Mail.Send" if route.exact else "Mail.Send"
