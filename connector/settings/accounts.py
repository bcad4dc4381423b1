"""The settings of named accounts: where mail goes, who sends it, and who may use them.

An account has a name below ``accounts``. The preset of its provider fills in values that it does not
set. :mod:`connector.accounts.accounts` decides which account a job uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise

from pydantic import Field, SecretStr, model_validator

from connector.model.incoming import MailProtocol
from connector.model.mail import DeliveryReceipt, Importance, Sensitivity, WhenUncertain
from connector.model.server import Security
from connector.settings.acs import MOST_RECIPIENTS, AcsSettings, acs_faults
from connector.settings.advanced import AdvancedSettings
from connector.settings.copies import AccountCopySettings, CopySettings
from connector.settings.graph import GraphSettings, graph_faults
from connector.settings.incoming import IncomingSettings
from connector.settings.presets import PRESETS, Preset
from connector.settings.process_ids import any_matches
from connector.settings.providers import Service
from connector.settings.services import HttpHeaders, TransportName
from connector.settings.signing import SigningSettings
from connector.settings.tokens import OAuthSettings
from connector.settings.values import (
    Address,
    DomainName,
    Headers,
    HostName,
    ReadableFile,
    Seconds,
    Section,
    TlsVersion,
)

DEFAULT_ACCOUNT = "default"
# No dot, which separates the parts of a setting's path.
NAME_PATTERN = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}"


class AccountTimeouts(Section):
    """Time limits of one account, instead of those of ``smtp.timeouts``."""

    connect: Seconds | None = Field(None, description="Instead of smtp.timeouts.connect.")
    greeting: Seconds | None = Field(None, description="Instead of smtp.timeouts.greeting.")
    tls: Seconds | None = Field(None, description="Instead of smtp.timeouts.tls.")
    auth: Seconds | None = Field(None, description="Instead of smtp.timeouts.auth.")
    command: Seconds | None = Field(None, description="Instead of smtp.timeouts.command.")
    data: Seconds | None = Field(None, description="Instead of smtp.timeouts.data.")
    dot: Seconds | None = Field(None, description="Instead of smtp.timeouts.dot.")


class MessageDefaults(Section):
    """The values of a mail of this account that its task does not set."""

    importance: Importance | None = Field(None, description="`high`, `normal` or `low`.")
    sensitivity: Sensitivity | None = Field(
        None, description="`normal`, `personal`, `private` or `confidential`."
    )
    read_receipt: bool = Field(False, description="Ask the reader for a confirmation to the sender.")
    delivery_receipt: tuple[DeliveryReceipt, ...] = Field(
        (), description="When the server reports on delivery: `success`, `failure`, `delay`; or `never`."
    )
    headers: Headers = Field(
        default_factory=dict,
        description="Extra header fields; a task's own of the same name wins. In the environment as JSON.",
    )

    @model_validator(mode="after")
    def _agree(self) -> MessageDefaults:
        if DeliveryReceipt.NEVER in self.delivery_receipt and len(self.delivery_receipt) > 1:
            raise ValueError("delivery_receipt: never excludes the other values")
        return self


class AccountSettings(Section):
    """One account."""

    enabled: bool = Field(
        True, description="`false` takes the account out of use: a task that would use it fails and says so."
    )
    preset: Preset = Field(
        "custom", description="Provider, which sets host, port and security; `custom` sets nothing."
    )
    transport: TransportName = Field(
        "smtp",
        description="What carries its mails: `smtp`, `graph` for Microsoft Graph, or `acs` for Azure "
        "Communication Services.",
    )
    region: str | None = Field(
        None, description="Region of the provider: with `ses` as eu-central-1, with `mailgun` us or eu."
    )
    host: HostName | None = Field(None, description="Mail server. Default: the preset's.")
    port: int | None = Field(
        None, ge=1, le=65535, description="Its port. Default: the preset's, otherwise 465 with `tls` and 587."
    )
    security: Security | None = Field(
        None,
        description=(
            "`tls`, `starttls`, `starttls-optional` or `none`. Default: the preset's, otherwise `tls` on "
            "port 465 and `starttls`."
        ),
    )
    min_tls: TlsVersion = Field("1.2", description="Oldest version of TLS to accept: `1.2` or `1.3`.")
    ca_file: ReadableFile | None = Field(
        None, description="PEM bundle of the authorities to trust, instead of smtp.ca_file."
    )
    trust_store: ReadableFile | None = Field(
        None,
        description="The same as a Java trust store, PKCS#12 or JKS.",
    )
    trust_store_password: SecretStr | None = Field(
        None, description="Password of trust_store, or secrets.NAME."
    )
    client_cert: ReadableFile | None = Field(
        None, description="Client certificate with its chain: PEM, or PKCS#12 or JKS with its key in it."
    )
    client_key: ReadableFile | None = Field(
        None, description="Its private key in PEM, where client_cert does not hold it."
    )
    client_key_password: SecretStr | None = Field(
        None, description="Passphrase of the key, or of the PKCS#12 or JKS file, or secrets.NAME."
    )
    username: str | None = Field(
        None,
        description=(
            "User name, or secrets.NAME; with `oauth` the mailbox. Default: the address, where there is a "
            "password or `oauth`; otherwise mail is relayed without a login."
        ),
    )
    password: SecretStr | None = Field(
        None, description="Password, or secrets.NAME, which is looked up for every mail."
    )
    oauth: OAuthSettings = OAuthSettings()
    graph: GraphSettings = GraphSettings()
    acs: AcsSettings = AcsSettings()
    http_headers: HttpHeaders = Field(
        default_factory=dict,
        description="Headers that are added to every request to Microsoft Graph or Azure Communication "
        "Services, as {X-Gateway-Tenant: finance}. In the environment as JSON.",
    )
    incoming: IncomingSettings = IncomingSettings()
    address: Address | None = Field(None, description="Sender where a task has no smtpEmailMailBoxName.")
    display_name: str | None = Field(None, description="Name beside that address.")
    reply_to: tuple[Address, ...] = Field(
        (), description="Where answers go when a task has no smtpEmailDirectReplyTo."
    )
    helo_name: DomainName = Field(None, description="Name for EHLO, instead of smtp.helo_name.")
    timeouts: AccountTimeouts = AccountTimeouts()
    rate: float | None = Field(
        None, gt=0, description="Mails per second, from each worker; 0.5 is one in two seconds."
    )
    max_wait: Seconds = Field(
        timedelta(seconds=5),
        description="How long a mail waits for its turn; then its job is handed back with a pause.",
    )
    max_connections: int | None = Field(
        None, ge=1, description="Largest number of connections, from each worker."
    )
    max_recipients: int | None = Field(
        None,
        ge=1,
        description="Recipients of one delivery; a mail with more takes several. Default: what the preset's "
        "provider documents, otherwise what the server says.",
    )
    defaults: MessageDefaults = MessageDefaults()
    signing: SigningSettings = SigningSettings()
    process_ids: tuple[str, ...] = Field(
        (),
        description="BPMN process ids, or patterns such as mortgage-*, whose tasks use this account when "
        "they name none.",
    )
    tenants: tuple[str, ...] = Field(
        (),
        description="Tenants whose tasks use this account when they name none and no account has their "
        "process id.",
    )
    allowed_process_ids: tuple[str, ...] = Field(
        (), description="BPMN process ids, or patterns, that may use this account; empty for all."
    )
    allowed_tenants: tuple[str, ...] = Field(
        (), description="Tenants that may use this account; empty for all."
    )
    uncertain: WhenUncertain | None = Field(None, description="Instead of ledger.uncertain.")
    # BaseModel has a method of this name.
    copies: AccountCopySettings = Field(AccountCopySettings(), alias="copy")
    advanced: AdvancedSettings = AdvancedSettings()

    @model_validator(mode="after")
    def _complete(self) -> AccountSettings:
        faults = [
            *self._service_faults(),
            *self._server_faults(),
            *self._trust_faults(),
            *self._identity_faults(),
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _service_faults(self) -> Iterator[str]:
        yield from graph_faults(self)
        yield from acs_faults(self)
        if self.transport == "smtp" and self.http_headers:
            yield "http_headers needs transport graph or acs"

    def _server_faults(self) -> Iterator[str]:
        if self.transport != "smtp":
            return
        provider = PRESETS[self.preset]
        if fault := provider.region_fault(self.region):
            yield fault
        elif provider.host is None and self.host is None:
            yield "needs host, or a preset such as office365"
        if self.oauth.given:
            yield from self._oauth_faults()
        elif self.username and self.password is None:
            yield "username and password must be set together"
        elif self.password is not None and self.effective_username is None:
            yield "password needs username, or address, which is then the user name"
        elif self.incoming.username and not self.incoming.password:
            yield "incoming: username and password must be set together"
        if fault := self._mechanism_fault():
            yield fault
        if self.password is not None and "\0" in self.password.get_secret_value():
            yield "password has a NUL character, which AUTH cannot carry (RFC 4616)"

    def _mechanism_fault(self) -> str | None:
        allowed, tokens = self.advanced.auth_mechanisms, {"XOAUTH2", "OAUTHBEARER"}
        fitting = tokens if self.oauth.given else {"PLAIN", "LOGIN"}
        if not allowed or fitting & set(allowed) or self.effective_username is None:
            return None
        return (
            f"advanced.auth_mechanisms allows neither of {' and '.join(sorted(fitting))}: the login needs one"
        )

    def _oauth_faults(self) -> Iterator[str]:
        if self.password is not None:
            yield "oauth and password are different ways to log in: keep one of them"
        if self.username is None and self.address is None:
            yield "oauth needs username, the mailbox to log in to, or address"
        if fault := self.oauth.service_fault(Service.MAIL):
            yield f"oauth: {fault}"

    def _trust_faults(self) -> Iterator[str]:
        if self.ca_file and self.trust_store:
            yield "ca_file and trust_store both set the authorities to trust: keep one of them"
        if self.trust_store_password and not self.trust_store:
            yield "trust_store_password needs trust_store"
        if (self.client_key or self.client_key_password) and not self.client_cert:
            yield "client_key and client_key_password need client_cert"
        if self.effective_security is Security.NONE and (
            self.ca_file or self.trust_store or self.client_cert
        ):
            yield "security none uses no certificates: remove them, or set security to tls or starttls"

    def _identity_faults(self) -> Iterator[str]:
        if self.display_name and self.address is None:
            yield "display_name needs address"
        allowed = self.allowed_process_ids
        strangers = {tag for tag in self.process_ids if allowed and not any_matches(allowed, tag)}
        if strangers:
            yield f"process_ids has {min(strangers)}, which allowed_process_ids does not allow"
        if outside := set(self.tenants) - set(self.allowed_tenants or self.tenants):
            yield f"tenants has {min(outside)}, which allowed_tenants does not allow"

    def copy_fault(self, usual: CopySettings) -> str | None:
        """Return why the copies that are wanted cannot be made, or None."""
        wanted = self.copies.completed(usual).to == "sent-folder" and not PRESETS[self.preset].files_sent
        if not wanted or self.incoming.protocol is MailProtocol.IMAP or self.transport == "graph":
            return None
        return "copy: sent-folder needs incoming with protocol imap; or set copy: none for this account"

    @property
    def effective_username(self) -> str | None:
        """The login name: as set, or with a password or OAuth the address."""
        own = (self.oauth.given and self.graph.user is None) or self.password is not None
        own = own and self.transport != "acs"
        return self.username or (self.address if own else None)

    @property
    def service(self) -> Service:
        """What its tokens have to be good for."""
        return {"graph": Service.GRAPH, "acs": Service.ACS}.get(self.transport, Service.MAIL)

    @property
    def effective_host(self) -> str:
        """The mail server, the preset's where none is set."""
        return self.host or PRESETS[self.preset].host_in(self.region)

    @property
    def effective_max_recipients(self) -> int | None:
        """Recipients of one delivery: as set, or as the service or the preset's provider documents."""
        usual = MOST_RECIPIENTS if self.transport == "acs" else PRESETS[self.preset].max_recipients
        return self.max_recipients or usual

    @property
    def incoming_host(self) -> str:
        """The server of the mailbox: as set, as the preset says, or the one that mail is submitted to."""
        provider = PRESETS[self.preset]
        usual = provider.pop3 if self.incoming.protocol is MailProtocol.POP3 else provider.imap
        return self.incoming.host or usual or self.effective_host

    @property
    def effective_security(self) -> Security:
        """The protection: as set, as the preset has it for its own port, or as usual for the port."""
        preset = PRESETS[self.preset]
        usual = preset.security if self.port in {None, preset.port} else None
        return self.security or usual or (Security.TLS if self.port == 465 else Security.STARTTLS)

    @property
    def effective_port(self) -> int:
        """The port: as set, as the preset has it for its own security, or as usual for the security."""
        preset = PRESETS[self.preset]
        usual = preset.port if self.security in {None, preset.security} else None
        return self.port or usual or (465 if self.security is Security.TLS else 587)

    @property
    def effective(self) -> dict[str, str | int]:
        """Host, port and security in force, as an operator would write them."""
        if self.transport != "smtp":
            return {}
        return {
            "host": self.effective_host,
            "port": self.effective_port,
            "security": self.effective_security.value,
        }


def environment_form(name: str) -> str:
    """Return an account's name in the form that environment variables have."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def name_faults(names: Iterable[str], section: str = "accounts") -> Iterator[str]:
    """Yield a line for each name that no account, or no credentials, can have."""
    names = sorted(map(str, names), key=environment_form)
    for name in names:
        if not re.fullmatch(NAME_PATTERN, name):
            yield f"{section}.{name[:60]}: a name has at most 63 letters, digits, hyphens and underscores"
    for one, other in pairwise(names):
        if environment_form(one) == environment_form(other):
            yield (
                f"{section}.{one} and {section}.{other} have the same environment variables: "
                "rename one of them"
            )
