"""The settings of the other half of an account, the mailbox that it reads, and of mailboxes as a whole."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, SecretStr, model_validator

from connector.model.incoming import MailProtocol
from connector.model.server import Security
from connector.settings.values import HostName, Seconds, Section

# RFC 8314 for TLS from the first octet; RFC 3501 and RFC 1939 for STARTTLS.
_PORTS = {
    (MailProtocol.IMAP, True): 993,
    (MailProtocol.IMAP, False): 143,
    (MailProtocol.POP3, True): 995,
    (MailProtocol.POP3, False): 110,
}


class IncomingSettings(Section):
    """The mailbox of an account; what is not said comes from the preset or from the account itself."""

    protocol: MailProtocol | None = Field(
        None,
        description="`imap`; `pop3`, which knows one folder and no flags; or `graph` with `transport: "
        "graph`. Without it the account has no mailbox.",
    )
    host: HostName | None = Field(None, description="Its server. Default: the preset's, otherwise host.")
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Its port. Default: 993 (`imap`) or 995 (`pop3`) with `tls`, otherwise 143 or 110.",
    )
    security: Security | None = Field(
        None,
        description="`tls`, `starttls`, `starttls-optional` or `none`. Default: `tls`, on ports 143 and 110 "
        "`starttls`.",
    )
    username: str | None = Field(
        None,
        description="User name, or secrets.NAME; with oauth the mailbox. Default: that of the account.",
    )
    password: SecretStr | None = Field(None, description="Password, or secrets.NAME. Default: password.")

    @model_validator(mode="after")
    def _complete(self) -> IncomingSettings:
        if self.protocol is None and self.model_fields_set:
            raise ValueError("needs protocol: imap, pop3 or graph")
        others = ", ".join(sorted(self.model_fields_set - {"protocol"}))
        if self.protocol is MailProtocol.GRAPH and others:
            raise ValueError(f"protocol graph reads the mailbox that the account sends from: remove {others}")
        return self

    @property
    def effective_security(self) -> Security:
        """How the link is protected: as set, or as the port says."""
        return self.security or (Security.STARTTLS if self.port in {143, 110} else Security.TLS)

    @property
    def effective_port(self) -> int:
        """The port: as set, or as protocol and security say."""
        protocol = self.protocol or MailProtocol.IMAP
        return self.port or _PORTS[protocol, self.effective_security is Security.TLS]


class MailboxSettings(Section):
    """How mailboxes are read."""

    max_message: int = Field(
        50_000_000, ge=1, description="Octets of the largest mail that is read as a whole."
    )
    max_result: int = Field(
        1_500_000,
        ge=1_000,
        description="Octets of the largest result of a mailbox task; the engine takes some 2 MB of variables "
        "in all.",
    )
    time_limit: Seconds = Field(timedelta(minutes=5), description="How long one operation may take.")
    max_connections: int = Field(
        4,
        ge=1,
        le=100,
        description="IMAP connections to one mailbox; further tasks wait for one. POP3 has one at a time.",
    )
    max_total: int = Field(
        100,
        ge=1,
        description="Connections to all mailboxes. Before one more is opened, the one that is idle longest "
        "is closed.",
    )
    idle: Seconds = Field(timedelta(seconds=60), description="How long an unused IMAP connection is kept.")
    wait: Seconds = Field(
        timedelta(seconds=5),
        description="How long a task waits for a free connection. Then its job is handed back for five "
        "seconds, no retry spent.",
    )
