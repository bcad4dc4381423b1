"""What a task gives for an invitation and for leaving a list."""

from __future__ import annotations

import re
from types import MappingProxyType

from connector.model.addresses import Mailbox
from connector.model.mail import Invitation, Unsubscribe
from connector.model.text import check_length, check_text, invisible
from connector.settings.model import MessageSettings
from connector.tasks.inputs import Inputs, Value, boolean, choice, shown, text
from connector.tasks.mail_fields import read_mailbox, read_mailboxes
from connector.tasks.moments import read_moment
from connector.tasks.send_inputs import INVITATION_METHODS

_METHODS = MappingProxyType({method: method for method in INVITATION_METHODS})
_LONGEST = 10_000
_LONGEST_UID = 250
_LONGEST_LINK = 900  # one word of a header, whose lines have at most 998 octets
_HTTPS = re.compile(r"https://[!#-;=?-~]+")
_MAILTO = re.compile(r"mailto:[!#-;=?-~]+@[!#-;=?-~]+")
_MOST_CHANGES = 2**31 - 1


def read_invitation(
    inputs: Inputs, settings: MessageSettings, sender: Mailbox, invited: tuple[Mailbox, ...]
) -> Invitation:
    """Read the keys of ``smtpEmailInvitation``.

    Args:
        inputs: Its keys.
        settings: The zone of moments without one.
        sender: The organizer where none is given.
        invited: The attendees where none are given.

    Raises:
        InputError: A key that is missing or wrong.
    """
    inputs.refuse_unknown()
    method = inputs.get("method")
    chosen = choice(method, _METHODS) if method else INVITATION_METHODS[0]
    start, end = (read_moment(inputs.require(name), settings) for name in ("start", "end"))
    if end <= start:
        raise inputs.require("end").error("is not later than start")
    organizer, attendees = inputs.get("organizer"), inputs.get("attendees")
    return Invitation(
        method=chosen,
        uid=_uid(inputs, needed=chosen == "cancel"),
        sequence=_sequence(inputs, needed=chosen == "cancel"),
        start=start,
        end=end,
        summary=_words(inputs, "summary"),
        location=_words(inputs, "location"),
        description=_words(inputs, "description"),
        organizer=read_mailbox(organizer) if organizer else sender,
        attendees=read_mailboxes(attendees) if attendees else invited,
    )


def read_unsubscribe(inputs: Inputs) -> Unsubscribe:
    """Read the keys of ``smtpEmailUnsubscribe``.

    Raises:
        InputError: A key that is wrong, or neither link.
    """
    inputs.refuse_unknown()
    mailto, url, click = map(inputs.get, ("mailto", "url", "oneClick"))
    one_click = boolean(click) if click else False
    if one_click and url is None:
        inputs.require("url", "oneClick needs an https link")
    if mailto is None and url is None:
        inputs.require("url", "give url, mailto or both")
    links = [*([_mailto(mailto)] if mailto else []), *([_link(url, _HTTPS, "https://…")] if url else [])]
    return Unsubscribe(tuple(links), one_click)


def _mailto(value: Value) -> str:
    if text(value).strip().lower().startswith("mailto:"):
        return _link(value, _MAILTO, "mailto:leave@example.com?subject=leave")
    box = read_mailbox(value)
    return _link(Value(value.field, f"mailto:{box.address}"), _MAILTO, "an address of ASCII characters")


def _link(value: Value, form: re.Pattern[str], example: str) -> str:
    link = check_text(check_length(text(value), value.field, _LONGEST_LINK), value.field).strip()
    if not form.fullmatch(link):
        raise value.error(f"{shown(link)} cannot be used as a link here; write {example}")
    return link


def _uid(inputs: Inputs, *, needed: bool) -> str | None:
    if needed:
        inputs.require("uid", "give the uid of the invitation that is called off")
    value = inputs.get("uid")
    if value is None:
        return None
    uid = check_length(text(value), value.field, _LONGEST_UID).strip()
    if hidden := invisible(uid):
        raise value.error(f"holds {hidden}; remove it")
    return uid


def _sequence(inputs: Inputs, *, needed: bool) -> int:
    if needed:
        inputs.require("sequence", "give one more than the last mail about this meeting had")
    value = inputs.get("sequence")
    if value is None:
        return 0
    number = value.data
    if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number):
        raise value.error("must be a whole number")
    if not 0 <= number <= _MOST_CHANGES:
        raise value.error(f"must be a number from 0 to {_MOST_CHANGES}")
    return int(number)


def _words(inputs: Inputs, name: str) -> str | None:
    value = inputs.get(name)
    if value is None:
        return None
    written = check_length(text(value), value.field, _LONGEST)
    for line in written.splitlines():
        check_text(line.replace("\t", " "), value.field)
    return written.replace("\t", " ")
