"""A mail server, and how to reach it and log in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:  # the settings of accounts are written in the words of this module
    from connector.settings.model import TimeoutSettings


class Security(StrEnum):
    """How a connection to a mail server is protected; a task's ``auto`` is settled when it is read."""

    TLS = "tls"
    STARTTLS = "starttls"
    STARTTLS_OPTIONAL = "starttls-optional"
    NONE = "none"


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
    """

    rate: float | None = None
    max_wait: float = 5.0
    max_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to log in; anonymous relay when there is no username.

    Two that are equal may share a connection.

    Attributes:
        account: Name of the account that it comes from; None when the task gives it.
        helo_name: Our name for EHLO; the transport's own by default.
        timeouts: Time limits; the transport's own by default.
    """

    hostname: str
    port: int
    security: Security = Security.STARTTLS
    username: str | None = None
    password: SecretStr | None = None
    account: str | None = None
    tls: TlsPolicy = TlsPolicy()
    helo_name: str | None = None
    timeouts: TimeoutSettings | None = None
    quota: Quota = Quota()

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"
