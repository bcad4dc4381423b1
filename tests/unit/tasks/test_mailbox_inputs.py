"""The inputs of a mailbox task: what each operation reads, and the error that each wrong value gets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from connector.accounts.accounts import Accounts, Origin
from connector.errors import AccountError, InputError
from connector.mailbox.criteria import (
    All,
    Before,
    Contains,
    Has,
    HeaderContains,
    Not,
    Since,
    Some,
    State,
    Word,
)
from connector.mailbox.port import Deletion, Listing, Mark, Reference, Role, Transfer
from connector.model.hosts import listed
from connector.model.incoming import Incoming, MailProtocol, route_to
from connector.model.server import Security, smtp_server
from connector.settings.model import Settings
from connector.tasks.mailbox import MailboxRequest, read_mailbox_task
from connector.tasks.mailbox_inputs import MAILBOX, Content, Operation
from connector.tasks.port import ReadContext

OAUTH = {"tokenUrl": "https://login.example.com/token", "clientId": "app", "clientSecret": "long enough"}
SERVER = {"hostname": "imap.example.com", "port": 993, "username": "u", "password": "long enough"}
SETTINGS = Settings.model_validate(
    {
        "message": {"time_zone": "Europe/Berlin"},
        "accounts": {
            "default": {
                "host": "mail.example.com",
                "username": "user",
                "password": "secrets.PW",
                "incoming": {"protocol": "imap"},
            },
            "gmail": {
                "preset": "gmail",
                "username": "g@example.com",
                "password": "secrets.G",
                "incoming": {"protocol": "pop3", "username": "other", "password": "secrets.O"},
            },
            "sender": {"host": "smtp.example.com"},
        },
    }
)


def read(hosts: tuple[str, ...] = (), **variables: Any) -> MailboxRequest:
    context = ReadContext(
        SETTINGS.message,
        datetime(2026, 11, 20, 12, tzinfo=UTC),
        Accounts(SETTINGS),
        Origin("process", "<default>"),
        hosts=listed(hosts),
    )
    return read_mailbox_task(variables, context)


def listing_of(**variables: Any) -> Listing:
    found = read(**{"mailboxOperation": "list", **variables}).listing
    assert found is not None
    return found


def criterion_of(search: Any) -> object:
    return listing_of(mailboxOperation="search", mailboxSearch=search).criterion


# The mailbox


def test_the_default_account_lends_its_other_half() -> None:
    request = read(mailboxOperation="listFolders")
    assert (request.operation, request.account) == (Operation.LIST_FOLDERS, "default")
    server = smtp_server(route_to(request.incoming))
    assert (str(server), server.security) == ("mail.example.com:993", Security.TLS)
    assert (server.username, server.password) == ("user", SecretStr("secrets.PW"))


def test_a_preset_knows_the_host_and_incoming_its_own_login() -> None:
    incoming = read(mailboxOperation="list", account="gmail").incoming
    assert isinstance(incoming, Incoming)
    assert (incoming.protocol, str(incoming.server)) == (MailProtocol.POP3, "pop.gmail.com:995")
    assert (incoming.server.username, incoming.server.password) == ("other", SecretStr("secrets.O"))


def test_an_account_without_a_mailbox_is_refused_by_name() -> None:
    with pytest.raises(AccountError, match=r"accounts\.sender\.incoming"):
        read(mailboxOperation="list", account="sender")


@pytest.mark.parametrize(
    ("given", "security"),
    [
        ({}, Security.TLS),
        ({"port": 143}, Security.STARTTLS),
        ({"port": 995}, Security.TLS),
        ({"port": 143, "hostname": "localhost"}, Security.STARTTLS_OPTIONAL),
        ({"security": "none"}, Security.NONE),
    ],
)
def test_a_task_may_name_the_server(given: dict[str, Any], security: Security) -> None:
    request = read(mailboxOperation="list", authentication=SERVER | given)
    assert request.account is None
    assert smtp_server(route_to(request.incoming)).security is security


def test_only_listed_servers_may_be_named() -> None:
    read(("imap.example.com",), mailboxOperation="list", authentication=SERVER)
    with pytest.raises(InputError, match=r"authentication\.hostname"):
        read(("other.example.com",), mailboxOperation="list", authentication=SERVER)


@pytest.mark.parametrize(
    ("authentication", "field"),
    [
        ({"hostname": "x"}, "authentication.port"),
        (SERVER | {"protocol": "http"}, "authentication.protocol"),
        (SERVER | {"port": 0}, "authentication.port"),
        ({**SERVER, "password": None}, "authentication.password"),
        (SERVER | {"oauth": OAUTH}, "authentication.password"),
        ({**SERVER, "password": None, "oauth": {"provider": "google"}}, "authentication.oauth.clientId"),
        (
            {**SERVER, "password": None, "oauth": {**OAUTH, "tokenUrl": "http://x.example"}},
            "authentication.oauth.tokenUrl",
        ),
        (SERVER | {"host": "x"}, "authentication"),
    ],
)
def test_a_wrong_server_is_an_error_of_its_field(authentication: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        read(mailboxOperation="list", authentication=authentication)
    assert caught.value.field == field


def test_an_application_reads_a_mailbox_with_a_token() -> None:
    authentication = {**SERVER, "password": None, "oauth": OAUTH}
    server = route_to(read(mailboxOperation="list", authentication=authentication).incoming)
    assert (server.username, server.password) == ("u", None)
    assert server.credential is not None
    assert server.credential.endpoints.token == OAUTH["tokenUrl"]


def test_account_and_server_exclude_each_other() -> None:
    with pytest.raises(InputError, match="account"):
        read(mailboxOperation="list", account="gmail", authentication=SERVER)


# Lists and searches


def test_a_list_has_defaults() -> None:
    assert listing_of() == Listing((Role.INBOX,), limit=50, newest_first=True)


def test_a_list_reads_its_inputs() -> None:
    found = listing_of(
        mailboxFolder="INBOX, Projects/Süd",
        mailboxInclude=["junk"],
        mailboxUnreadOnly="true",
        mailboxLimit="1000",
        mailboxOrder="Oldest",
        mailboxPage="abc",
        mailboxPreview=True,
    )
    unread = Has(State.UNREAD, wanted=True)
    folders = ("INBOX", "Projects/Süd")
    assert found == Listing(
        folders, frozenset({Role.JUNK}), unread, 1000, newest_first=False, page="abc", preview=True
    )


def test_a_search_reads_its_conditions() -> None:
    found = criterion_of(
        {
            "from": "ann",
            "subject": "Rechnung",
            "since": "2026-11-01",
            "before": "2026-11-20T10:00:00Z",
            "unread": True,
            "header": {"X-Case": "7", "List-Id": ""},
            "any": [{"to": "bob"}, {"text": "x", "flagged": "false"}],
            "not": {"subject": "spam"},
        }
    )
    berlin = datetime.fromisoformat("2026-11-01T00:00:00+01:00")
    assert found == All(
        (
            Contains(Word.FROM, "ann"),
            Contains(Word.SUBJECT, "Rechnung"),
            Has(State.UNREAD, wanted=True),
            Since(berlin),
            Before(datetime(2026, 11, 20, 10, tzinfo=UTC)),
            HeaderContains("X-Case", "7"),
            HeaderContains("List-Id", ""),
            Some(
                (Contains(Word.TO, "bob"), All((Contains(Word.TEXT, "x"), Has(State.FLAGGED, wanted=False))))
            ),
            Not(Contains(Word.SUBJECT, "spam")),
        )
    )


def test_feel_writes_moments_with_a_zone_by_name() -> None:
    found = criterion_of({"since": "2026-11-20T10:00:00+01:00[Europe/Berlin]"})
    assert found == Since(datetime(2026, 11, 20, 9, tzinfo=UTC))


def nested(depth: int) -> dict[str, Any]:
    return {"subject": "x"} if depth == 0 else {"not": nested(depth - 1)}


@pytest.mark.parametrize(
    ("search", "field"),
    [
        ({}, "mailboxSearch"),
        ("x", "mailboxSearch"),
        ({"sender": "x"}, "mailboxSearch"),
        ({"since": "yesterday"}, "mailboxSearch.since"),
        ({"not": {"since": "2026-11-20T10:00:00Z"}}, "mailboxSearch.not.since"),
        ({"unread": "maybe"}, "mailboxSearch.unread"),
        ({"subject": "a\r\nb"}, "mailboxSearch.subject"),
        ({"subject": "x" * 1001}, "mailboxSearch.subject"),
        ({"header": {"a b": "x"}}, "mailboxSearch.header.a b"),
        ({"any": [{}]}, "mailboxSearch.any"),
        (nested(12), "mailboxSearch" + ".not" * 11),
        ({"any": [{"subject": str(number)} for number in range(101)]}, "mailboxSearch"),
    ],
)
def test_a_wrong_search_is_an_error_of_its_field(search: Any, field: str) -> None:
    with pytest.raises(InputError) as caught:
        criterion_of(search)
    assert caught.value.field == field


# One mail


@pytest.mark.parametrize(
    ("variables", "change"),
    [
        ({"mailboxOperation": "mark", "mailboxMark": "flagged"}, Mark.FLAGGED),
        ({"mailboxOperation": "move", "mailboxTargetFolder": " Done "}, Transfer("Done")),
        (
            {"mailboxOperation": "COPY", "mailboxTargetFolder": "a/b", "mailboxCreateFolder": "true"},
            Transfer("a/b", copy=True, create=True),
        ),
        ({"mailboxOperation": "delete"}, Deletion()),
    ],
)
def test_changes_are_read(variables: dict[str, Any], change: object) -> None:
    request = read(mailboxMessage="<a@b>", mailboxFolder="INBOX", **variables)
    assert request.change == change
    assert request.reference == Reference("<a@b>", ("INBOX",))


def test_a_read_has_its_choices() -> None:
    request = read(
        mailboxOperation="read", mailboxMessage="pop3:x", mailboxAttachments="inline", mailboxMarkRead=True
    )
    assert (request.content, request.mark_read, request.listing) == (Content.INLINE, True, None)


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({}, "mailboxOperation"),
        ({"mailboxOperation": "open"}, "mailboxOperation"),
        ({"mailboxOperation": "read"}, "mailboxMessage"),
        ({"mailboxOperation": "mark", "mailboxMessage": "<a@b>"}, "mailboxMark"),
        ({"mailboxOperation": "move", "mailboxMessage": "<a@b>"}, "mailboxTargetFolder"),
        (
            {"mailboxOperation": "move", "mailboxMessage": "<a@b>", "mailboxTargetFolder": "*"},
            "mailboxTargetFolder",
        ),
        ({"mailboxOperation": "read", "mailboxMessage": "pop3:x", "mailboxFolder": "a"}, "mailboxFolder"),
        ({"mailboxOperation": "list", "mailboxLimit": 0}, "mailboxLimit"),
        ({"mailboxOperation": "list", "mailboxLimit": 1001}, "mailboxLimit"),
        ({"mailboxOperation": "list", "mailboxLimit": 1.5}, "mailboxLimit"),
        ({"mailboxOperation": "list", "mailboxLimit": True}, "mailboxLimit"),
        ({"mailboxOperation": "list", "mailboxOrder": "random"}, "mailboxOrder"),
        ({"mailboxOperation": "list", "mailboxFolder": "a\r\nb"}, "mailboxFolder"),
        ({"mailboxOperation": "list", "mailboxInclude": "sent"}, "mailboxInclude"),
        ({"mailboxOperation": "list", "mailboxSearch": {"subject": "x"}}, "mailboxSearch"),
        ({"mailboxOperation": "search"}, "mailboxSearch"),
        ({"mailboxOperation": "read", "mailboxMessage": "<a@b>", "mailboxAttachments": "documents"},
         "mailboxAttachments"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_an_error_of_its_field(variables: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        read(**variables)
    assert caught.value.field == field


def test_the_document_store_is_refused_with_what_to_write() -> None:
    with pytest.raises(InputError, match="not available in this version; write inline or metadata"):
        read(mailboxOperation="read", mailboxMessage="<a@b>", mailboxAttachments="Documents")


def test_a_misspelt_input_is_a_warning() -> None:
    request = read(mailboxOperation="list", mailboxUnredOnly=True, mailbox="process data", mailBoxName="x")
    assert request.warnings == (
        "'mailboxUnredOnly' is no input of this task and was ignored; did you mean mailboxUnreadOnly?",
    )


def test_every_input_is_read() -> None:
    """A definition that no reader asks for would be an input that does nothing."""
    from pathlib import Path

    import connector.tasks.mailbox as reader

    text = Path(reader.__file__).read_text("utf-8")
    assert [one.name for one in MAILBOX if f'"{one.name}"' not in text] == []
