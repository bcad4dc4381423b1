"""What an error of Azure Communication Services means for a mail: our code, and what to change.

A fault, or a send that failed, enters; an error of the job leaves. The service documents no list of its
codes: the status decides first, then the codes that are known from its documentation and issue trackers, and
then its words about a sender or a recipient.
"""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType

from connector.acs.api import NAME, AcsFaultError, Operation
from connector.errors import ErrorCode, Phase, TransportError
from connector.model.server import AcsRoute
from connector.webapi.api import in_words

_LATER = frozenset({408, 409, 423, 425, 500, 502, 503, 504})
Meaning = tuple[ErrorCode, str]

_SENDER_ADVICE = (
    "The sender's address, or its domain, is none of this resource: connect the domain in Azure, add the "
    "sender's user name there, or correct {place}.address."
)
_RECIPIENT_ADVICE = (
    "A recipient's address is not valid, or on the service's list of suppressed ones: correct it, or take it "
    "off that list in Azure."
)
_LOGIN_ADVICE = (
    "Check {place}.acs.access_key, or the role of the application ({place}.oauth), that the endpoint is that "
    "of the same resource, and this machine's clock."
)
_ROLE_ADVICE = (
    "The login does not allow it: give the application the role Communication and Email Service Owner on the "
    "resource, or use one of its access keys."
)
_SENDER: Meaning = ErrorCode.SENDER_REJECTED, _SENDER_ADVICE
_RECIPIENT: Meaning = ErrorCode.RECIPIENT_REJECTED, _RECIPIENT_ADVICE
_TOO_LARGE: Meaning = (
    ErrorCode.MESSAGE_TOO_LARGE,
    "Send less, or have the limit raised by Azure's support ({place}.acs.max_size).",
)
_BY_ERROR = MappingProxyType(
    {
        "DomainNotLinked": _SENDER,
        "InvalidSenderUserName": _SENDER,
        "InvalidEmailAddress": _RECIPIENT,
        "EmailDroppedAllRecipientsSuppressed": _RECIPIENT,
        "RequestEntityTooLarge": _TOO_LARGE,
    }
)
_BY_STATUS = MappingProxyType(
    {
        401: (ErrorCode.AUTH_FAILED, _LOGIN_ADVICE),
        403: (ErrorCode.AUTH_FAILED, _ROLE_ADVICE),
        413: _TOO_LARGE,
        429: (ErrorCode.RATE_LIMITED, "The subscription sends as much as it may; nothing was sent."),
    }
)


def refusal(fault: AcsFaultError, route: AcsRoute, doing: str = "send the mail") -> TransportError:
    """The error for a request that was not served.

    Args:
        fault: What the service answered.
        route: Where it was asked.
        doing: What failed.
    """
    code, advice = _meaning(fault)
    told = fault.told_by(NAME, doing, advice.format(place=f"accounts.{route.account}"))
    error = TransportError(code, told, phase=Phase.MAIL, server=str(route))
    if fault.retry_after is not None:
        error.retry_after = timedelta(seconds=fault.retry_after)
    return error


def failure(operation: Operation, route: AcsRoute) -> TransportError:
    """The error for a send that was accepted and then failed; another one needs another id."""
    said = in_words(operation.error, operation.text) or "without a reason"
    usual = ErrorCode.MESSAGE_REJECTED, "The mail was not sent."
    code, advice = _by_words(operation.error, operation.text) or usual
    error = TransportError(
        code,
        f"{NAME} accepted the mail and then did not send it ({operation.status}, operation {operation.id}): "
        f"{said}. {advice.format(place=f'accounts.{route.account}')}",
        phase=Phase.DOT,
        server=str(route),
    )
    error.ended = True
    return error


def uncertain(lost: str, operation: str, route: AcsRoute) -> TransportError:
    """The error for not knowing whether a send was accepted; a later attempt finds out."""
    error = TransportError(
        ErrorCode.DELIVERY_UNCERTAIN,
        f"{NAME} was asked to send the mail, its answer was lost ({lost}), and it does not tell the state of "
        f"operation {operation}: the mail may or may not have been sent. The next attempt asks for it first, "
        "and uses the same id, so that no second mail is sent.",
        phase=Phase.DOT,
        server=str(route),
    )
    error.retryable = True
    return error


def _meaning(fault: AcsFaultError) -> Meaning:
    status = fault.status
    if status is None:
        return fault.code, "Check {place}.acs.endpoint, the network and the proxy. Nothing was sent."
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in _LATER:
        return ErrorCode.TEMPORARILY_REJECTED, "Nothing was sent; a later attempt may succeed."
    if found := _by_words(fault.error, fault.reason):
        return found
    if status == 404:
        advice = "Check {place}.acs.endpoint and {place}.acs.api_version."
        return ErrorCode.MESSAGE_REJECTED, advice
    return ErrorCode.MESSAGE_REJECTED, "The mail was not sent."


def _by_words(error: str, text: str) -> Meaning | None:
    if error in _BY_ERROR:
        return _BY_ERROR[error]
    words = f"{error} {text}".lower()
    if "sender" in words or "mailfrom" in words:
        return _SENDER
    return _RECIPIENT if "recipient" in words or "format for email address" in words else None
