"""An account called sales on its way to a server, and what becomes of it."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

from connector.accounts.accounts import Accounts, Origin
from connector.errors import TransportError
from connector.model.receipt import Receipt
from connector.model.server import Server, smtp_server
from connector.settings.model import Settings
from connector.testing.smtp import SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.wire import smtp_submission as given
from tests.wire.smtp_submission import message

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
LOGIN = {"username": "ada", "password": "correct horse"}
USERS = {"ada": "correct horse"}


def account(server: SmtpServer | None = None, **settings: Any) -> Server:
    """The server of an account called sales, as the transport gets it."""
    where = {"host": "localhost", "port": server.port} if server else {}
    configured = Settings.model_validate({"accounts": {"sales": where | LOGIN | settings}})
    return smtp_server(Accounts(configured).named("sales", Origin("order", "<default>")).route)


async def submit(server: Server) -> Receipt:
    """Submit through a transport that trusts nobody but the system: what counts is the account."""
    smtp = SmtpTransport(given.settings().model_copy(update={"ca_file": None}))
    try:
        return await smtp.submit(message(), server)
    finally:
        await smtp.aclose()


async def refusal(server: Server) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await submit(server)
    return caught.value


def server_context(
    host: str = "localhost", *, only: ssl.TLSVersion | None = None, authority: trustme.CA | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (authority or given.authority()).issue_cert(host).configure_cert(context)
    if only is not None:
        context.minimum_version = context.maximum_version = only
    return context
