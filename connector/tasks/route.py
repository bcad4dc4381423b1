"""Which way a mail goes: the server that the task gives, or an account of the operator.

``authentication`` and ``account`` enter, a route leaves, with the account that it belongs to. No value below
``authentication`` but that of ``security`` is ever quoted in an error: secrets resolve here, and a diagram
may put one into the wrong field.
"""

from __future__ import annotations

import ipaddress
import re

from pydantic import SecretStr

from connector.accounts.accounts import Account
from connector.errors import AccountError, InputError
from connector.model.hosts import MAIL_PORTS, HostList, parse_host
from connector.model.server import Route, Security, Server
from connector.model.text import check_text
from connector.tasks.definitions import SECURITY
from connector.tasks.inputs import Inputs, Value, choice, not_whole, text
from connector.tasks.port import ReadContext
from connector.tasks.token_login import with_token

# A form that was left empty still sends its drop-downs, so security alone names no server.
_SERVER = ("hostname", "port", "username", "password", "oauth")
_FILL_IN_SERVER = "fill in authentication with hostname, port, username and password"
# A server must take 255 octets (RFC 4616). A task may hold megabytes, which it would cost minutes of
# everybody's time to look for in what the server replies.
_LONGEST_CREDENTIAL = 1_024
_TLS_PORT = 465


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
        server = read_server(authentication, starttls_optional=relaxed, hosts=context.hosts)
        if server.username and server.password is None:
            server = with_token(server, authentication, context.token_hosts)
        return server, None
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


def read_server(inputs: Inputs, *, starttls_optional: bool = False, hosts: HostList | None = None) -> Server:
    """Read where to submit the mail and how to log in.

    Args:
        inputs: The keys of ``authentication``; those that their definitions require must be there.
        starttls_optional: What ``auto`` means where neither the port nor a loopback host decides.
        hosts: The servers that a task may name; None for any.

    Returns:
        The server, ``auto`` settled; anonymous relay when there is no username.

    Raises:
        InputError: A key that is missing, unknown, or no valid value.
    """
    inputs.refuse_unknown()
    inputs.refuse_unavailable()
    named = inputs.require("hostname", "fill in the mail server's name")
    hostname = parse_host(text(named), named.field)
    port = read_port(inputs.require("port", "fill in the mail server's port, such as 587"))
    check_listed(named, hostname, port, hosts)
    username, password = read_credentials(inputs)
    security = inputs.get("security")
    return Server(
        hostname,
        port,
        (choice(security, SECURITY) if security else None)
        or _automatic(hostname, port, optional=starttls_optional),
        username,
        password,
    )


def _automatic(hostname: str, port: int, *, optional: bool) -> Security:
    if port == _TLS_PORT:
        return Security.TLS
    return Security.STARTTLS_OPTIONAL if optional or is_loopback(hostname) else Security.STARTTLS


def is_loopback(hostname: str) -> bool:
    """Whether a host is this one."""
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def check_listed(named: Value, hostname: str, port: int, hosts: HostList | None) -> None:
    """Refuse a server that tasks may not name.

    Raises:
        InputError: It is not among the listed ones.
    """
    if hosts is not None and not hosts.lists(hostname, port):
        raise _not_listed(named, hosts)


def _not_listed(hostname: Value, hosts: HostList) -> InputError:
    """Name the servers that a task may use; never the one it asked for, which may hold a secret."""
    ports = ", ".join(map(str, MAIL_PORTS))
    return hostname.error(
        f"is none of the mail servers that tasks may name, by host and port: {', '.join(hosts.entries)} "
        f"(where no port is given: {ports}); take one of them, or have it added to the setting smtp.hosts",
        allowed=hosts.entries,
    )


def read_port(value: Value) -> int:
    """Read a port.

    Raises:
        InputError: It is none.
    """
    data = value.data
    if isinstance(data, str) and re.fullmatch(r"\d{1,5}", data.strip(), re.ASCII):
        data = int(data)
    if isinstance(data, float) and data.is_integer():
        data = int(data)
    if isinstance(data, bool) or not isinstance(data, int):
        raise value.error(f"must be a whole number from 1 to 65535{not_whole(data)}")
    if not 1 <= data <= 65535:
        raise value.error("is outside 1 to 65535; mail servers use 587, 465 or 25")
    return data


def read_credentials(inputs: Inputs) -> tuple[str | None, SecretStr | None]:
    """Read user name and password: neither, both, or with OAuth the user name alone.

    Raises:
        InputError: One of them is missing, or cannot be sent; the value is not quoted.
    """
    if not inputs.given("username", "password", "oauth") and not inputs.requires("username"):
        return None, None
    if inputs.given("oauth"):
        return _mailbox(inputs), None
    advice = "fill in both username and password, best as secrets.NAME"
    username, password = inputs.require("username", advice), inputs.require("password", advice)
    for value in (username, password):
        if len(text(value)) > _LONGEST_CREDENTIAL:
            raise value.error(f"is longer than {_LONGEST_CREDENTIAL} characters, which no login needs")
    if "\x00" in text(password):
        raise password.error("holds a NUL, which AUTH cannot carry (RFC 4616)")
    return check_text(text(username), username.field).strip(), SecretStr(password.data)


def _mailbox(inputs: Inputs) -> str:
    if (password := inputs.get("password")) is not None:
        raise password.error("cannot be given together with oauth; remove one of them")
    username = inputs.require("username", "with oauth it is the mailbox, as workflow@example.com")
    if len(text(username)) > _LONGEST_CREDENTIAL:
        raise username.error(f"is longer than {_LONGEST_CREDENTIAL} characters, which no login needs")
    return check_text(text(username), username.field).strip()
