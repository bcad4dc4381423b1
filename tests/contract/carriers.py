"""What carries mails, each with a server of its own that can be made to fail: SMTP, Graph, ACS.

An account for the carrier's settings leaves, and what was delivered. A fault has one name for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import Enum, auto
from functools import partial
from typing import Any, Protocol

from connector.testing.behaviour import Behaviour, Drop, Offer, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.servers.acs import Acs, acs_server
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph

SENDER = "flow@example.test"
_ALWAYS = 9_999
_SIZE = 200_000
# What some of them cannot do: inputs with a value.
BEYOND: Mapping[str, Any] = {
    "smtpEmailDeliveryReceipt": "failure",
    "smtpEmailReadReceipt": True,
    "smtpEmailMailBoxName": f"Flow <{SENDER}>",
    "smtpEmailInvitation": {"start": "2026-11-30T09:00:00+01:00", "end": "2026-11-30T10:00:00+01:00"},
}


class Trouble(Enum):
    """What can go wrong with any carrier."""

    RECIPIENT_REFUSED = auto()
    SENDER_REFUSED = auto()
    THROTTLED = auto()
    SERVER_ERROR = auto()
    CUT_BEFORE = auto()
    CUT_AFTER = auto()
    TOO_LARGE = auto()
    LOGIN_REFUSED = auto()


class Carrier(Protocol):
    """One way of mails, and its server.

    Attributes:
        name: As ``transport`` names it.
        finds: Whether it can find out what became of a mail whose answer was lost.
        told_pause: Whether its server says how long it wants to be left alone.
        refuses: Those of BEYOND that it cannot honour.
    """

    name: str
    finds: bool
    told_pause: bool
    refuses: frozenset[str]

    def account(self) -> dict[str, Any]:
        """The settings of an account."""
        ...

    def fail(self, trouble: Trouble, *, blind: bool = False) -> None:
        """Let each mail go wrong; ``blind``, and nothing can be found out afterwards."""
        ...

    def heal(self) -> None:
        """Let all go well from now on."""
        ...

    @property
    def delivered(self) -> list[tuple[str, ...]]:
        """The recipients of each mail that went out."""
        ...


class SmtpCarrier:
    """A mail server."""

    name = "smtp"
    finds = False
    told_pause = False
    refuses: frozenset[str] = frozenset()

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._rules: dict[Trouble, tuple[Any, ...]] = {
            Trouble.RECIPIENT_REFUSED: (Verb.RCPT, Say(550, "5.1.1 User unknown")),
            Trouble.SENDER_REFUSED: (Verb.MAIL, Say(550, "5.1.8 Sender address rejected")),
            Trouble.THROTTLED: (Verb.MAIL, Say(450, "4.7.1 Rate limit exceeded, try again later")),
            Trouble.SERVER_ERROR: (Verb.MAIL, Say(451, "4.3.0 Local error in processing")),
            Trouble.CUT_BEFORE: (Verb.MAIL, Drop()),
            Trouble.CUT_AFTER: (Verb.DOT, Drop()),
            Trouble.LOGIN_REFUSED: (Verb.AUTH, Say(535, "5.7.8 Authentication credentials invalid")),
        }

    def account(self) -> dict[str, Any]:
        server = {"host": "127.0.0.1", "port": self._server.port, "security": "none"}
        return {**server, "username": "ada", "password": "a-password-of-ada", "address": SENDER}

    def fail(self, trouble: Trouble, *, blind: bool = False) -> None:
        if trouble is not Trouble.TOO_LARGE:  # its SIZE is always that small
            verb, action = self._rules[trouble]
            self._server.behaviour.on(verb, action, keep=trouble is Trouble.CUT_AFTER)

    def heal(self) -> None:
        self._server.behaviour.rules.clear()

    @property
    def delivered(self) -> list[tuple[str, ...]]:
        return [tuple(mail.recipients) for mail in self._server.received]


class GraphCarrier:
    """A mailbox behind Microsoft Graph, in exact mode."""

    name = "graph"
    finds = True
    told_pause = True
    refuses = frozenset({"smtpEmailDeliveryReceipt"})

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        graph.token(None, "Mail.ReadWrite", "Mail.Send")
        fail = partial(graph.fail, times=_ALWAYS)
        self._faults: dict[Trouble, Callable[[], object]] = {
            Trouble.RECIPIENT_REFUSED: partial(fail, "send", 400, code="ErrorInvalidRecipients"),
            Trouble.SENDER_REFUSED: partial(fail, "send", 403, code="ErrorSendAsDenied"),
            Trouble.THROTTLED: partial(fail, "createDraft", 429, retry_after="90"),
            Trouble.SERVER_ERROR: partial(fail, "createDraft", 500),
            Trouble.CUT_BEFORE: partial(fail, "createDraft"),
            Trouble.CUT_AFTER: partial(fail, "send", after=True),
            Trouble.TOO_LARGE: partial(fail, "createDraft", 413, code="ErrorMessageSizeExceeded"),
            Trouble.LOGIN_REFUSED: graph.tokens.clear,
        }

    def account(self) -> dict[str, Any]:
        oauth = {
            "grant": "client_credentials",
            "client_id": "connector",
            "client_secret": "a-secret-of-the-application",
            "token_url": self._graph.token_url,
        }
        return {
            "transport": "graph",
            "address": SENDER,
            "graph": {"base_url": self._graph.base_url},
            "oauth": oauth,
        }

    def fail(self, trouble: Trouble, *, blind: bool = False) -> None:
        self._faults[trouble]()
        if blind:
            self._graph.fail("getMessage", 500, times=_ALWAYS)

    def heal(self) -> None:
        self._graph.faults.clear()

    @property
    def delivered(self) -> list[tuple[str, ...]]:
        return [tuple(mail.recipients) for mail in self._graph.delivered]


class AcsCarrier:
    """A resource of Azure Communication Services."""

    name = "acs"
    finds = True
    told_pause = True
    refuses = frozenset(BEYOND)

    def __init__(self, acs: Acs) -> None:
        self._acs = acs
        fail = partial(acs.fail, times=_ALWAYS)
        self._faults: dict[Trouble, Callable[[], object]] = {
            Trouble.RECIPIENT_REFUSED: partial(fail, "send", 400, code="InvalidEmailAddress"),
            Trouble.SENDER_REFUSED: partial(fail, "send", 404, code="DomainNotLinked"),
            Trouble.THROTTLED: partial(fail, "send", 429, retry_after="90"),
            Trouble.SERVER_ERROR: partial(fail, "send", 500),
            Trouble.CUT_BEFORE: partial(fail, "send"),
            Trouble.CUT_AFTER: partial(fail, "send", after=True),
            Trouble.TOO_LARGE: partial(fail, "send", 413, code="RequestEntityTooLarge"),
            Trouble.LOGIN_REFUSED: partial(fail, "send", 401, code="Denied"),
        }

    def account(self) -> dict[str, Any]:
        resource = {"endpoint": self._acs.endpoint, "access_key": self._acs.key, "poll_interval": 0.01}
        return {"transport": "acs", "address": SENDER, "acs": resource}

    def fail(self, trouble: Trouble, *, blind: bool = False) -> None:
        self._faults[trouble]()
        if blind:
            self._acs.fail("state", 500, times=_ALWAYS)

    def heal(self) -> None:
        self._acs.faults.clear()

    @property
    def delivered(self) -> list[tuple[str, ...]]:
        kinds = [mail["recipients"] for mail in self._acs.delivered]
        return [tuple(one["address"] for kind in ("to", "cc", "bcc") for one in mail[kind]) for mail in kinds]


@asynccontextmanager
async def smtp_carrier() -> AsyncIterator[Carrier]:
    """Run a mail server that lets one user in, and takes mails of 200 KB."""
    users, offer = {"ada": "a-password-of-ada"}, Offer(size=_SIZE)
    async with SmtpServer(behaviour=Behaviour(), users=users, offer=offer) as server:
        yield SmtpCarrier(server)


@asynccontextmanager
async def graph_carrier() -> AsyncIterator[Carrier]:
    """Run the double of Microsoft Graph."""
    with graph_server(SENDER) as graph:
        yield GraphCarrier(graph)


@asynccontextmanager
async def acs_carrier() -> AsyncIterator[Carrier]:
    """Run the double of Azure Communication Services."""
    with acs_server("example.test") as acs:
        yield AcsCarrier(acs)


CARRIERS = {"smtp": smtp_carrier, "graph": graph_carrier, "acs": acs_carrier}
