"""Where mail is handed over: a mail server, how to reach it and log in, and how long each phase may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from connector.model.credential import Credential


class Security(StrEnum):
    """How a connection to a mail server is protected; a task's ``auto`` is settled when it is read."""

    TLS = "tls"
    STARTTLS = "starttls"
    STARTTLS_OPTIONAL = "starttls-optional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long each phase of an SMTP session may take (RFC 5321 section 4.5.3.2), in seconds.

    Attributes:
        connect: DNS look-up and TCP connection.
        greeting: The server's 220 greeting.
        tls: The TLS handshake.
        auth: Each reply during AUTH.
        command: The reply to EHLO, STARTTLS, MAIL, RCPT or DATA.
        data: Any progress while the content is transferred.
        dot: The reply to the final dot.
    """

    connect: float
    greeting: float
    tls: float
    auth: float
    command: float
    data: float
    dot: float


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """Whom to trust in a handshake, and who we are in it.

    Attributes:
        min_version: The oldest version of TLS to speak, ``1.2`` or ``1.3``.
        ca_file: PEM bundle of authorities; the transport's own where neither this nor a trust store is given.
        trust_store: The same in Java's forms, PKCS#12 or JKS.
        client_cert: Our certificate with its chain, as PEM, or as PKCS#12 with the key.
        client_key: Its key as PEM, where ``client_cert`` does not hold it.
    """

    min_version: str = "1.2"
    ca_file: Path | None = None
    trust_store: Path | None = None
    trust_store_password: SecretStr | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    client_key_password: SecretStr | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it is made of."""
        named = (self.ca_file, self.trust_store, self.client_cert, self.client_key)
        return tuple(file for file in named if file is not None)


@dataclass(frozen=True, slots=True)
class Quota:
    """How much an account may send from this worker.

    Attributes:
        rate: Mails per second.
        max_wait: Seconds that a mail waits for its turn before its job goes back to the engine.
        max_connections: Connections at a time.
        max_recipients: Recipients of one delivery; a mail with more takes several.
    """

    rate: float | None = None
    max_wait: float = 5.0
    max_connections: int | None = None
    max_recipients: int | None = None


@dataclass(frozen=True, slots=True)
class Switches:
    """What an operator has switched for a server that needs something out of the ordinary.

    Attributes:
        mechanisms: Ways to log in that are allowed, in order of preference; empty for all.
        disabled: Extensions of SMTP that are not used although the server offers them, in upper case.
        source_address: The IP address of this machine that connections start from.
        keepalive: Seconds without traffic after which TCP asks whether the other side still is there.
    """

    mechanisms: tuple[str, ...] = ()
    disabled: frozenset[str] = frozenset()
    source_address: str | None = None
    keepalive: int | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to log in; anonymous relay when there is no username.

    Two that are equal may share a connection.

    Attributes:
        account: Name of the account that it comes from; None when the task gives it.
        helo_name: Our name for EHLO; the transport's own by default.
        timeouts: Time limits; the transport's own by default.
        credential: What gives access tokens to log in with, in place of the password.
        switches: What is out of the ordinary.
        transport: What carries a mail to it, as the response names it.
    """

    transport: ClassVar[str] = "smtp"

    hostname: str
    port: int
    security: Security = Security.STARTTLS
    username: str | None = None
    password: SecretStr | None = None
    account: str | None = None
    tls: TlsPolicy = TlsPolicy()
    helo_name: str | None = None
    timeouts: TimeLimits | None = None
    quota: Quota = Quota()
    credential: Credential | None = None
    switches: Switches = Switches()

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"


@dataclass(frozen=True, slots=True)
class GraphRoute:
    """A mailbox behind Microsoft Graph; only an account leads to one.

    Attributes:
        base_url: Of the API, with its version, as ``https://graph.microsoft.com/v1.0``.
        user: The mailbox: a user principal name or an id; None for that of the person who consented.
        exact: Send a mail by a draft, so that it can be found again after a lost answer.
        save_to_sent_items: Whether the service files what was sent.
        headers: What is added to every request.
        tls: Whom to trust.
    """

    transport: ClassVar[str] = "graph"

    base_url: str
    account: str
    credential: Credential
    user: str | None = None
    exact: bool = True
    save_to_sent_items: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    tls: TlsPolicy = TlsPolicy()
    quota: Quota = Quota()
    username: None = None
    password: None = None

    @property
    def hostname(self) -> str:
        """The host of the API."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return _port(self.base_url)

    @property
    def mailbox(self) -> str:
        """What the paths of its requests begin with."""
        return "/me" if self.user is None else f"/users/{quote(self.user, safe='@')}"

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"


@dataclass(frozen=True, slots=True)
class AcsRoute:
    """A resource of Azure Communication Services; only an account leads to one.

    Attributes:
        endpoint: Of the resource, as ``https://contoso.communication.azure.com``.
        api_version: Of its API.
        password: An access key, to sign requests with; None with a credential.
        credential: What gives access tokens, in place of the key.
        poll_interval: Seconds between questions for the state of a send, where the service names none.
        poll_limit: Seconds for which the end of a send is waited for; 0 takes a mail that is accepted for
            sent.
        repeat_within: Seconds after a lost answer in which a send may be repeated under its id.
        max_size: Bytes of the largest request.
        headers: What is added to every request.
        tls: Whom to trust.
    """

    transport: ClassVar[str] = "acs"

    endpoint: str
    account: str
    api_version: str
    password: SecretStr | None = None
    credential: Credential | None = None
    poll_interval: float = 5.0
    poll_limit: float = 120.0
    repeat_within: float = 3600.0
    max_size: int = 10 * 1024 * 1024
    headers: tuple[tuple[str, str], ...] = ()
    tls: TlsPolicy = TlsPolicy()
    quota: Quota = Quota()
    username: None = None

    @property
    def hostname(self) -> str:
        """The host of the resource."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return _port(self.endpoint)

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


Route = Server | GraphRoute | AcsRoute
"""The way that a mail takes: what its transport is handed beside the message.

Every member of this union has a ``transport`` (the name under which the pipeline finds what carries it), an
``account``, a ``quota``, the trust of its ``tls``, and the ``credential`` and the ``username`` and
``password`` that its login may need. A transport without an SMTP server adds a class of its own here.
"""


def smtp_server(route: Route) -> Server:
    """Take a route for what leads to a mail server.

    Raises:
        TypeError: It leads elsewhere; who calls this has mixed up transports.
    """
    if not isinstance(route, Server):
        raise TypeError(f"{route} is no mail server")
    return route
