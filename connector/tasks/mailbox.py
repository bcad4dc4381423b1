"""The mailbox task: its variables into one :class:`MailboxRequest`, and what it read into a result.

Variables enter, secrets already resolved; a checked request leaves, or the error of the first variable that
is wrong. An input that the operation does not use is refused where it would change what a modeler expects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from connector.accounts.accounts import Account
from connector.errors import AccountError, InputError
from connector.mailbox.criteria import (
    All,
    Before,
    Contains,
    Criterion,
    Has,
    HeaderContains,
    Not,
    Since,
    Some,
    State,
    Word,
)
from connector.mailbox.port import WHOLE, Change, Deletion, Listing, Reference, Role, Transfer
from connector.mailbox.references import MessageId, read_name
from connector.model.hosts import parse_host
from connector.model.incoming import Incoming, MailProtocol, ReadFrom
from connector.model.server import Security, Server
from connector.model.text import check_text
from connector.tasks.definitions import SECURITY
from connector.tasks.inputs import Inputs, Value, boolean, choice, items, mapping, shown, text, unquoted
from connector.tasks.mailbox_inputs import (
    CONTENTS,
    INCLUDED,
    MAILBOX,
    MARKS,
    ORDERS,
    PROTOCOLS,
    SEARCH,
    Content,
    Operation,
)
from connector.tasks.port import ReadContext
from connector.tasks.route import check_listed, is_loopback, read_credentials, read_port
from connector.tasks.token_login import with_token

VARIABLE_NAMES = tuple(definition.name for definition in MAILBOX)
_FILL_IN_SERVER = "fill in authentication with hostname, port, username and password"
_SERVER = ("hostname", "port", "username", "password")
_IMPLICIT_TLS = frozenset({993, 995})
_MOST_MAILS, _USUAL_MAILS = 1_000, 50
_DEEPEST_SEARCH, _MOST_CONDITIONS = 10, 100
_LONGEST_WORDS = 1_000
_MOST_NAMES, _LONGEST_NAME, _NEAR = 1_000, 60, 0.8
_IN_THE_STORE = "documents"
_LISTS = frozenset({Operation.LIST, Operation.SEARCH})


@dataclass(frozen=True, slots=True)
class MailboxRequest:
    """What a task wants of a mailbox.

    Attributes:
        incoming: The mailbox.
        account: The account that it belongs to; None where the task names the server.
        listing: Of a list or a search.
        reference: The mail, of every operation on one.
        change: What to do with it.
        content: What to read of its attachments.
        mark_read: Whether reading marks it.
        warnings: What the modeler should know.
    """

    operation: Operation
    incoming: ReadFrom
    account: str | None
    listing: Listing | None = None
    reference: Reference | None = None
    change: Change | None = None
    content: Content = Content.METADATA
    mark_read: bool = False
    warnings: tuple[str, ...] = ()


def read_mailbox_task(variables: Mapping[str, Any], context: ReadContext) -> MailboxRequest:
    """Read a job's variables.

    Args:
        variables: All variables that the task sees.
        context: What reading depends on beside them.

    Raises:
        InputError: A variable that is missing or wrong.
        AccountError: No mailbox is named, or an account that has none.
    """
    inputs = Inputs(variables, MAILBOX)
    operation = _operation(inputs.require("mailboxOperation", "choose one"))
    incoming, account = _read_route(inputs, context)
    task = _Task(inputs, operation, context)
    return MailboxRequest(
        operation,
        incoming,
        account,
        listing=task.listing() if operation in _LISTS else None,
        reference=task.reference() if operation not in {*_LISTS, Operation.LIST_FOLDERS} else None,
        change=task.change(),
        content=task.content(),
        mark_read=task.flag("mailboxMarkRead"),
        warnings=misspelt_inputs(variables),
    )


def misspelt_inputs(names: Iterable[str]) -> tuple[str, ...]:
    """Warn of variables that are nearly called as an input, and so have no effect."""
    return tuple(
        f"{name!r} is no input of this task and was ignored; did you mean {near[0]}?"
        for name in islice(names, _MOST_NAMES)
        if name not in VARIABLE_NAMES
        and name[:4].lower() == "mail"
        and (near := get_close_matches(name[:_LONGEST_NAME], VARIABLE_NAMES, n=1, cutoff=_NEAR))
    )


def _operation(value: Value) -> Operation:
    named = {operation.value.lower(): operation for operation in Operation}
    word = unquoted(text(value)).lower()
    if word not in named:
        allowed = tuple(operation.value for operation in Operation)
        message = f"{shown(value.data)} is not allowed; use one of {', '.join(allowed)}"
        raise value.error(message, allowed=allowed)
    return named[word]


# The mailbox


def _read_route(inputs: Inputs, context: ReadContext) -> tuple[ReadFrom, str | None]:
    named, authentication = inputs.get("account"), inputs.inside("authentication")
    own = authentication is not None and authentication.given(*_SERVER)
    if named and own:
        raise named.error("cannot be given together with authentication; remove one of them")
    if authentication is not None and own:
        return _read_server(authentication, context), None
    account = _account(text(named).strip() if named else None, context)
    if account.incoming is None:
        raise AccountError(
            f"The account {account.name} has no mailbox; an operator adds accounts.{account.name}.incoming"
        )
    return account.incoming, account.name


def _account(name: str | None, context: ReadContext) -> Account:
    if name is not None:
        return context.accounts.named(name, context.origin)
    account = context.accounts.usual(context.origin)
    if account is None:
        raise AccountError(
            "The task names no mailbox, and there is no default account for it; "
            f"{_FILL_IN_SERVER}, or account"
        )
    return account


def _read_server(inputs: Inputs, context: ReadContext) -> Incoming:
    inputs.refuse_unknown()
    inputs.refuse_unavailable()
    named = inputs.require("hostname", "fill in the server's name")
    hostname = parse_host(text(named), named.field)
    port = read_port(inputs.require("port", "fill in the server's port, such as 993"))
    check_listed(named, hostname, port, context.hosts)
    username, password = read_credentials(inputs)
    protocol, security = inputs.get("protocol"), inputs.get("security")
    chosen = choice(security, SECURITY) if security else None
    server = Server(hostname, port, chosen or _automatic(hostname, port), username, password)
    return Incoming(
        choice(protocol, PROTOCOLS) if protocol else MailProtocol.IMAP,
        with_token(server, inputs, context.token_hosts),
    )


def _automatic(hostname: str, port: int) -> Security:
    if port in _IMPLICIT_TLS:
        return Security.TLS
    return Security.STARTTLS_OPTIONAL if is_loopback(hostname) else Security.STARTTLS


# What to do


@dataclass(frozen=True, slots=True)
class _Task:
    """The inputs of one task, read one by one."""

    inputs: Inputs
    operation: Operation
    context: ReadContext

    def listing(self) -> Listing:
        page, order = self.inputs.get("mailboxPage"), self.inputs.get("mailboxOrder")
        return Listing(
            self.folders() or (Role.INBOX,),
            self.included(),
            self.criterion(),
            self.limit(),
            newest_first=choice(order, ORDERS) if order else True,
            page=text(page) if page else None,
            preview=self.flag("mailboxPreview"),
        )

    def folders(self) -> tuple[str, ...]:
        value = self.inputs.get("mailboxFolder")
        return tuple(_folder(item) for item in items(value)) if value else ()

    def included(self) -> frozenset[Role]:
        value = self.inputs.get("mailboxInclude")
        return frozenset(choice(item, INCLUDED) for item in items(value)) if value else frozenset()

    def limit(self) -> int:
        value = self.inputs.get("mailboxLimit")
        if value is None:
            return _USUAL_MAILS
        number = value.data
        if isinstance(number, str) and number.strip().isdecimal():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number):
            raise value.error(f"must be a whole number, not {shown(value.data)}")
        if not 1 <= number <= _MOST_MAILS:
            raise value.error(f"is outside 1 to {_MOST_MAILS}; use mailboxPage for more mails")
        return int(number)

    def criterion(self) -> Criterion | None:
        wanted: list[Criterion] = []
        if self.flag("mailboxUnreadOnly"):
            wanted.append(Has(State.UNREAD, wanted=True))
        search = self.inputs.get("mailboxSearch")
        if self.operation is Operation.SEARCH:
            wanted.append(
                _read_search(self.inputs.require("mailboxSearch", "say what to look for"), self.context)
            )
        elif search is not None:
            raise search.error("needs the operation search; list takes mailboxUnreadOnly")
        return wanted[0] if len(wanted) == 1 else All(tuple(wanted)) if wanted else None

    def reference(self) -> Reference:
        value = self.inputs.require("mailboxMessage", "name the mail by its id, or by its Message-ID")
        folders = self.folders()
        if folders and not isinstance(read_name(text(value)), MessageId):
            raise InputError("mailboxFolder", "is for a Message-ID; an id knows its folder: leave it out")
        return Reference(text(value), folders or (WHOLE,))

    def change(self) -> Change | None:
        match self.operation:
            case Operation.MARK:
                return choice(self.inputs.require("mailboxMark", "choose one"), MARKS)
            case Operation.MOVE | Operation.COPY:
                target = _folder(self.inputs.require("mailboxTargetFolder", "name the folder"))
                if target == WHOLE:
                    raise InputError("mailboxTargetFolder", "must be one folder, not *")
                copy = self.operation is Operation.COPY
                return Transfer(target, copy=copy, create=self.flag("mailboxCreateFolder"))
            case Operation.DELETE:
                return Deletion()
        return None

    def content(self) -> Content:
        value = self.inputs.get("mailboxAttachments")
        if value is None:
            return Content.METADATA
        if text(value).strip().lower() == _IN_THE_STORE:
            raise value.error(f"{_IN_THE_STORE} is not available in this version; write inline or metadata")
        return choice(value, CONTENTS)

    def flag(self, name: str) -> bool:
        value = self.inputs.get(name)
        return boolean(value) if value else False


def _folder(value: Value) -> str:
    return check_text(text(value), value.field).strip()


# Searches


def _read_search(value: Value, context: ReadContext) -> Criterion:
    reader = _Search(ZoneInfo(context.settings.time_zone))
    criterion = reader.read(value, 0)
    if reader.conditions > _MOST_CONDITIONS:
        raise value.error(f"has more than {_MOST_CONDITIONS} conditions; split the search")
    return criterion


class _Search:
    """Reads a search; counts its conditions."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.conditions = 0

    def read(self, value: Value, depth: int) -> Criterion:
        if depth > _DEEPEST_SEARCH:
            raise value.error("is nested too deeply; make it flat")
        inputs = Inputs(mapping(value), SEARCH, value.field)
        inputs.refuse_unknown()
        found = list(self._conditions(inputs, depth))
        self.conditions += len(found)
        if not found:
            raise value.error('asks for nothing; write what to look for, as {subject: "invoice"}')
        return found[0] if len(found) == 1 else All(tuple(found))

    def _conditions(self, inputs: Inputs, depth: int) -> Iterator[Criterion]:
        for place in Word:
            if value := inputs.get(place.value):
                yield Contains(place, _words(value))
        for state in State:
            if value := inputs.get(state.value):
                yield Has(state, boolean(value))
        yield from self._times(inputs, nested=depth > 0)
        if value := inputs.get("header"):
            yield from _header(value)
        if value := inputs.get("any"):
            if not (searches := items(value)):
                raise value.error("holds no search; write a list of searches, or leave it out")
            yield Some(tuple(self.read(item, depth + 1) for item in searches))
        if value := inputs.get("not"):
            yield Not(self.read(value, depth + 1))

    def _times(self, inputs: Inputs, *, nested: bool) -> Iterator[Criterion]:
        if value := inputs.get("since"):
            yield Since(self._moment(value, nested=nested))
        if value := inputs.get("before"):
            yield Before(self._moment(value, nested=nested))

    def _moment(self, value: Value, *, nested: bool) -> datetime:
        """A moment; a day begins in the operator's zone."""
        written = text(value).strip().partition("[")[0].partition("@")[0]
        try:
            if "T" not in written:
                return datetime.combine(date.fromisoformat(written), time(), self._zone)
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise value.error(f"{shown(value.data)} is no date or date-time, as 2026-11-20") from None
        if nested:
            raise value.error("must be a date without a time inside any and not")
        return moment if moment.tzinfo else moment.replace(tzinfo=self._zone)


def _header(value: Value) -> Iterable[Criterion]:
    for name, words in mapping(value).items():
        item = Value(f"{value.field}.{name}", words)
        if not name.isascii() or not name.replace("-", "").isalnum():
            raise (item if name else value).error(
                f"{shown(name)} is no name of a header field; use letters, digits and -"
            )
        yield HeaderContains(name, _words(item) if words else "")


def _words(value: Value) -> str:
    words = check_text(text(value), value.field).strip()
    if len(words) > _LONGEST_WORDS:
        raise value.error(f"is longer than {_LONGEST_WORDS:,} characters; shorten it")
    return words
