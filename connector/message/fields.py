"""The header section of a mail: which fields a request gives it, in which order.

A request enters, folded lines leave, everything but the fields that describe the content. Every text is
checked once more here, so that no request, whoever made it, gets a line break into a header.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from email.utils import format_datetime
from functools import lru_cache

from connector.errors import InputError
from connector.message import headers
from connector.model.addresses import Mailbox
from connector.model.mail import Importance, SendRequest, Sensitivity
from connector.model.text import MAX_VALUE, check_header, check_length, check_name, check_text

_FIELDS_OF_IMPORTANCE = ("Importance", "X-Priority", "X-MSMail-Priority", "Priority")
_IMPORTANCE = {
    Importance.HIGH: ("high", "1", "High", "urgent"),
    Importance.NORMAL: ("normal", "3", "Normal", "normal"),
    Importance.LOW: ("low", "5", "Low", "non-urgent"),
}
# RFC 2156 section 5.3.5, as RFC 4021 section 2.1.55 has it in mail; normal is the absence of the field.
_SENSITIVITY = {
    Sensitivity.PERSONAL: "Personal",
    Sensitivity.PRIVATE: "Private",
    Sensitivity.CONFIDENTIAL: "Company-Confidential",
}
# Extra headers that are free unless the variable is given as well.
_SET_BY = {
    **dict.fromkeys(map(str.lower, _FIELDS_OF_IMPORTANCE), "smtpEmailImportance"),
    "sensitivity": "smtpEmailSensitivity",
    "x-message-flag": "smtpEmailFollowUp",
    "reply-by": "smtpEmailFollowUp",
}


def header_section(request: SendRequest, message_id: str, now: datetime) -> str:
    """Write the fields of a message up to the ones that describe its content.

    Args:
        request: What the task asks for.
        message_id: The Message-ID with its angle brackets.
        now: The moment of origination, with its zone.

    Returns:
        Fields with CRLF, ``MIME-Version`` the last; ASCII unless an address needs SMTPUTF8. Bcc is not
        among them.

    Raises:
        InputError: A text that a header cannot hold, a malformed message id, or an extra header which the
            connector writes itself.
    """
    fields = [
        *_correspondents(request),
        headers.unstructured("Subject", check_subject(request.subject)),
        f"Date: {_date(int(now.timestamp()), now.tzinfo)}\r\n",
        f"Message-ID: {message_id}\r\n",
        *_thread(request),
    ]
    marks = dict(_marks(request))
    fields += [f"{name}: {value}\r\n" for name, value in marks.items()]
    fields += _extra(request, {name.lower() for name in marks})
    return "".join([*fields, "MIME-Version: 1.0\r\n"])


def check_subject(subject: str) -> str:
    """Accept a subject line.

    Returns:
        The subject as it came.

    Raises:
        InputError: More than 10,000 characters, or one that a header cannot hold.
    """
    return check_text(check_length(subject, "smtpEmailSubject", MAX_VALUE), "smtpEmailSubject")


# The mails of one second have the same.
@lru_cache(maxsize=16)
def _date(second: int, zone: tzinfo | None) -> str:
    return format_datetime(datetime.fromtimestamp(second, zone))


def _correspondents(request: SendRequest) -> Iterator[str]:
    yield _addresses("From", (request.sender,), "smtpEmailMailBoxName")
    if request.to:
        yield _addresses("To", request.to, "smtpEmailToRecipients")
    elif not request.cc:
        yield "To: undisclosed-recipients:;\r\n"  # a group without members, RFC 5322 section 3.4
    if request.cc:
        yield _addresses("Cc", request.cc, "smtpEmailCcRecipients")
    if request.reply_to:
        yield _addresses("Reply-To", request.reply_to, "smtpEmailDirectReplyTo")
    if request.read_receipt:
        yield _addresses("Disposition-Notification-To", (request.read_receipt,), "smtpEmailReadReceipt")


def _addresses(name: str, boxes: tuple[Mailbox, ...], field: str) -> str:
    for box in boxes:
        check_name(box.name, field)
        check_name(box.address, field)
    return headers.mailboxes(name, boxes)


def _thread(request: SendRequest) -> Iterator[str]:
    references = [
        headers.message_id(text, f"smtpEmailReferences[{at}]") for at, text in enumerate(request.references)
    ]
    if request.in_reply_to:
        parent = headers.message_id(request.in_reply_to, "smtpEmailInReplyTo")
        yield headers.tokens("In-Reply-To", [parent])
        references = references or [parent]  # RFC 5322 section 3.6.4
    if references:
        yield headers.tokens("References", references)


def _marks(request: SendRequest) -> Iterator[tuple[str, str]]:
    if request.importance:
        yield from zip(_FIELDS_OF_IMPORTANCE, _IMPORTANCE[request.importance], strict=True)
    if request.sensitivity in _SENSITIVITY:
        yield "Sensitivity", _SENSITIVITY[request.sensitivity]
    if request.follow_up:
        yield "X-Message-Flag", "Follow up"
        yield "Reply-By", format_datetime(request.follow_up)


def _extra(request: SendRequest, written: set[str]) -> Iterator[str]:
    for name, value in request.headers:
        field = f"smtpEmailHeaders.{name}"
        check_header(name, value, field)
        lowered = name.lower()
        if lowered in written:
            variable = _SET_BY.get(lowered)
            reason = f"{variable} sets this header already" if variable else "the header is given twice"
            raise InputError(field, f"{reason}; remove one of the two")
        written.add(lowered)
        yield headers.unstructured(name, value)
