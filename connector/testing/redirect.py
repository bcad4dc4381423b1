"""Deliver every mail to the inbox, and read every mail from one mailbox, whatever server is named elsewhere.

Hosts, ports, TLS and logins are those of production, which a test must not use. Errors, results and incidents
still name the server of the diagram.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from connector.mailbox.pool import Operation
from connector.model.envelope import Message
from connector.model.incoming import Incoming, MailProtocol, ReadFrom, route_to
from connector.model.receipt import Receipt
from connector.model.server import Route, Security, Server
from connector.send.mailbox_jobs import MailboxJobs
from connector.send.submission import Stages
from connector.settings.model import SmtpSettings
from connector.testing.imap import ImapServer
from connector.testing.smtp import SmtpServer
from connector.transport.port import Deliveries
from connector.transport.smtp.transport import SmtpTransport

_NOT_IN_VARIABLES = re.compile(r"[/.-]")
# Our own name is not looked for in the DNS.
_NAME = "worker.example.com"


@dataclass(frozen=True, slots=True)
class _StandIn(Server):
    """The inbox instead of another server.

    Attributes:
        named: The name of the other server.
    """

    named: str = ""

    def __str__(self) -> str:
        return self.named


class Redirected:
    """A transport that submits every mail to one server, without TLS or login.

    Args:
        inbox: The server that receives the mails.
        settings: Time limits.
        jobs: The largest number of mails at a time.
    """

    def __init__(self, inbox: SmtpServer, settings: SmtpSettings, jobs: int) -> None:
        self._inbox = inbox
        self._smtp = SmtpTransport(settings, jobs)

    async def submit(self, message: Message, route: Route, deliveries: Deliveries) -> Receipt:
        """See :meth:`connector.transport.port.Transport.submit`."""
        stand_in = _StandIn(
            self._inbox.hostname,
            self._inbox.port,
            Security.NONE,
            account=route.account,
            helo_name=_NAME,
            quota=route.quota,
            named=str(route),
        )
        receipt = await self._smtp.submit(message, stand_in, deliveries)
        return replace(receipt, transport=route.transport)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._smtp.aclose()


class RedirectedMailbox(MailboxJobs):
    """Does what mailbox jobs ask for, in one mailbox, whatever protocol leads to the one that they name.

    Args:
        stages: What all jobs share: settings, accounts, secrets.
        mailbox: The mailbox.
    """

    def __init__(self, stages: Stages, mailbox: ImapServer) -> None:
        super().__init__(stages)
        self._stages = stages
        self._mailbox = mailbox

    async def use(self, where: ReadFrom, operation: Operation[dict[str, Any]]) -> dict[str, Any]:
        """See :meth:`connector.send.mailbox_jobs.MailboxJobs.use`."""
        named = route_to(where)
        stand_in = _StandIn(
            self._mailbox.hostname,
            self._mailbox.port,
            Security.NONE,
            _NAME,  # any login is good
            SecretStr(_NAME),
            account=named.account,
            named=str(named),
        )
        return await self._stages.mailboxes().use(Incoming(MailProtocol.IMAP, stand_in), operation)


class StandInSecrets(Mapping[str, str]):
    """An environment in which every variable has a value: the given one, or a stand-in.

    A stand-in is valid as a user name, a password and a host name. The inbox asks for none of them.

    Args:
        environ: Variables that are set.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        plain = _NOT_IN_VARIABLES.sub("_", name).upper()
        return self._environ.get(name) or self._environ.get(plain) or f"{_host(name)}.example.com"

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def _host(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
