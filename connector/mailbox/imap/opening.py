"""From a host and port to an IMAP connection that is logged in, one step after the other.

Nothing secret is sent before the protection that was asked for stands.
"""

from __future__ import annotations

import ssl

from pydantic import SecretStr

from connector.auth.bearer import BEARER_MECHANISMS, BearerLogin, TokenRefusal
from connector.errors import ErrorCode, Phase
from connector.mailbox.connection import Door, Limits
from connector.mailbox.imap.client import Client, SaslRefusedError
from connector.mailbox.imap.watch import ImapWatch, words_of
from connector.model.incoming import Incoming
from connector.model.server import Security, Server
from connector.tls.trust import host_to_verify

_WITH_PASSWORD = ("PLAIN", "LOGIN")


def open_client(
    incoming: Incoming, context: ssl.SSLContext, limits: Limits, door: Door, token: SecretStr | None
) -> tuple[Client, ImapWatch]:
    """Connect, encrypt and log in.

    Args:
        incoming: The server.
        context: Whom to trust.
        limits: The time limits.
        door: Holds the connection.
        token: The access token to log in with, in place of the password.

    Raises:
        MailboxError: A step failed.
    """
    server = incoming.server
    watch = ImapWatch(str(server))
    connection = door.open(server, limits, watch)
    if server.security is Security.TLS:
        connection = door.encrypt(context, server, limits, Phase.TLS)
    with watch.step("greeting"):
        client = Client(connection, server.hostname, incoming.disabled)
    try:
        if server.security in {Security.STARTTLS, Security.STARTTLS_OPTIONAL}:
            _check_starttls(client, server, watch)
            if client.has_capability("STARTTLS"):
                with watch.step("starttls"), door.handshake(server, limits, Phase.STARTTLS):
                    client.encrypt(context, host_to_verify(server.hostname))
                    door.connection = client.socket()
        with watch.step("auth"):
            _log_in(client, incoming, token, watch)
    except BaseException:
        client.close()
        raise
    return client, watch


def _check_starttls(client: Client, server: Server, watch: ImapWatch) -> None:
    """Refuse a server that will not encrypt.

    Raises:
        MailboxError: ``TLS_NOT_OFFERED``.
    """
    if client.preauthenticated:
        # The server, or someone in between, skips the login and with it STARTTLS (RFC 9051 section 11.3).
        text = "The mail server greets with PREAUTH, after which STARTTLS is not possible; use security tls."
    elif server.security is Security.STARTTLS_OPTIONAL or client.has_capability("STARTTLS"):
        return
    else:
        text = "The mail server does not offer STARTTLS; use security tls with its port, usually 993."
    raise watch.error(ErrorCode.TLS_NOT_OFFERED, text, "starttls")


def _log_in(client: Client, incoming: Incoming, token: SecretStr | None, watch: ImapWatch) -> None:
    if client.preauthenticated:
        return
    server = incoming.server
    username, password = server.username or "", server.password
    possible = _WITH_PASSWORD if token is None else BEARER_MECHANISMS
    mechanism = _chosen(client, incoming, possible)
    if mechanism is None:
        raise watch.impossible(_not_offered(client, incoming, possible))
    if token is not None:
        _with_token(client, BearerLogin(mechanism, username, token, server.hostname, server.port), watch)
    elif password is None:
        raise watch.impossible("The mailbox needs a user name with a password, or oauth.")
    elif mechanism == "PLAIN":
        client.authenticate("PLAIN", f"\0{username}\0{password.get_secret_value()}".encode())
    elif (username + password.get_secret_value()).isascii():
        client.log_in(username, password.get_secret_value())
    else:
        raise watch.impossible("LOGIN cannot carry a user name or password that is not ASCII.")


def _with_token(client: Client, login: BearerLogin, watch: ImapWatch) -> None:
    try:
        client.authenticate(login.mechanism, login.message(), login.acknowledgement)
    except SaslRefusedError as error:
        refusal = TokenRefusal.read(error.challenges[-1] if error.challenges else b"")
        raise watch.token_refused(refusal, words_of(error)) from error


def _chosen(client: Client, incoming: Incoming, possible: tuple[str, ...]) -> str | None:
    """The first mechanism that is allowed and offered; the command LOGIN needs no offer."""
    for mechanism in incoming.mechanisms or possible:
        if mechanism == "LOGIN":
            offered = not client.has_capability("LOGINDISABLED")
        else:
            offered = client.has_capability(f"AUTH={mechanism}")
        if mechanism in possible and offered:
            return mechanism
    return None


def _not_offered(client: Client, incoming: Incoming, possible: tuple[str, ...]) -> str:
    if client.has_capability("LOGINDISABLED") and incoming.server.security is Security.NONE:
        return "The mail server takes no password without encryption; use security tls or starttls."
    allowed = [name for name in incoming.mechanisms or possible if name in possible]
    return f"The mail server offers none of the ways to log in that are allowed here ({', '.join(allowed)})."
