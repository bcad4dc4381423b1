"""Which way a mail goes: the server that the task gives, or an account of the operator's.

``authentication`` and ``account`` enter, a server leaves, with the account that it belongs to.
"""

from __future__ import annotations

from connector.accounts.accounts import Account
from connector.errors import AccountError
from connector.model.server import Route
from connector.tasks.inputs import Inputs
from connector.tasks.port import ReadContext
from connector.tasks.server import read_server
from connector.tasks.values import text

# A form that was left empty still sends its drop-downs, so security alone names no server.
_SERVER = ("hostname", "port", "username", "password", "oauth")
_FILL_IN_SERVER = "fill in authentication with hostname, port, username and password"


def read_route(
    inputs: Inputs, context: ReadContext, *, foreign: bool = False
) -> tuple[Route, Account | None]:
    """Read where the mail is submitted.

    The task's own server comes before any account that it does not name.

    Args:
        inputs: The task's variables.
        context: The accounts, and where the job comes from.
        foreign: Another vendor's task type, for which the operator may relax STARTTLS.

    Raises:
        InputError: Account and server are both given, or the server is wrong.
        AccountError: No such account, or no server at all.
    """
    named, authentication = inputs.get("account"), inputs.inside("authentication")
    own = authentication is not None and authentication.given(*_SERVER)
    if named and own:
        raise named.error("cannot be given together with authentication; remove one of them")
    if inputs.requires("authentication") and authentication is None:
        inputs.require("authentication", _FILL_IN_SERVER)
    if authentication is not None and (own or inputs.requires("authentication")):
        relaxed = foreign and context.foreign_starttls_optional
        return read_server(authentication, starttls_optional=relaxed, hosts=context.hosts), None
    account = _account(text(named) if named else None, context)
    return account.route, account


def _account(name: str | None, context: ReadContext) -> Account:
    if name is not None:
        return context.accounts.named(name.strip(), context.origin)
    account = context.accounts.usual(context.origin)
    if account is None:
        raise AccountError(
            "The task names no mail server, and there is no default account for it; "
            f"{_FILL_IN_SERVER}, or account"
        )
    return account
