"""The tree of settings; its descriptions are the reference documentation.

Each leaf can be set by ``--set``, an environment variable, a secret file or the YAML file. :mod:`.sources`
reads them, and this module defines what is valid. Durations are seconds, or ISO 8601 durations in text.
"""

from __future__ import annotations

import socket
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from connector.model.server import TimeLimits
from connector.settings.accounts import AccountSettings, name_faults
from connector.settings.copies import CopySettings
from connector.settings.http import HttpSettings
from connector.settings.incoming import MailboxSettings
from connector.settings.ledger import LedgerSettings
from connector.settings.oauth import CredentialSettings
from connector.settings.pages import PageSettings
from connector.settings.participants import ParticipantSettings
from connector.settings.process_ids import process_id_faults, tenant_faults
from connector.settings.secrets import SecretSettings
from connector.settings.tokens import TokenSettings, credential_faults
from connector.settings.values import (
    DomainName,
    Duration,
    ErrorMapping,
    GatewayAddress,
    HostAndPort,
    Hosts,
    ReadableFile,
    Seconds,
    Section,
    TimeOfDay,
    TimeZone,
    UrlWithoutLogin,
    form,
    from_json,
    local_zone,
    text_schema,
)

SEND_TASK_TYPE = "smtp-connector:send:1"
INFOSYS_TASK_TYPE = "com.infosys.camundaconnectors.email:smtp:1"
MAILBOX_TASK_TYPE = "smtp-connector:mailbox:1"

TaskType = Literal[
    "smtp-connector:send:1", "smtp-connector:mailbox:1", "com.infosys.camundaconnectors.email:smtp:1"
]


_ENGINE_NAME = r"[A-Za-z0-9._-]{1,100}"
_LANGUAGE = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"
EngineName = Annotated[
    str,
    form(_ENGINE_NAME, "up to 100 letters, digits, '.', '_' and '-', as production"),
    text_schema(_ENGINE_NAME),
]
Language = Annotated[str, form(_LANGUAGE, "a language tag, as de or pt-BR"), text_schema(_LANGUAGE)]


class EngineSettings(Section):
    """The connection to the engine."""

    address: GatewayAddress | None = Field(
        None, description="host:port of the Zeebe gateway's gRPC interface."
    )
    name: EngineName | None = Field(
        None,
        description=(
            "Distinguishes this engine from others with the same ledger or the same recipients, because "
            "keys of two engines may coincide. Change it when the engine is set up anew. Default: none; on "
            "SaaS the cluster id."
        ),
    )
    tls: bool | None = Field(
        None, description="Encrypt the connection. Default: yes with credentials or on SaaS, otherwise no."
    )
    ca_file: ReadableFile | None = Field(
        None,
        description=(
            "PEM bundle of the authorities to trust: instead of the system's for the gateway, in addition to "
            "them for the token endpoint."
        ),
    )
    client_id: str | None = Field(None, description="OAuth client id.")
    client_secret: SecretStr | None = Field(None, description="OAuth client secret.")
    oauth_url: UrlWithoutLogin | None = Field(
        None, description="Token endpoint for the client-credentials grant."
    )
    audience: str | None = Field(None, description="Audience of the token.")
    scope: str | None = Field(None, description="Scope of the token.")
    cluster_id: str | None = Field(None, description="Camunda 8 SaaS: cluster id.")
    cluster_region: str | None = Field(None, description="Camunda 8 SaaS: region, as bru-2.")
    tenant_ids: tuple[str, ...] = Field(
        (), description="Tenants whose jobs are taken; empty on an engine without tenants."
    )

    @property
    def namespace(self) -> str:
        """The prefix of the keys of this engine's mails."""
        return self.name or self.cluster_id or ""

    @property
    def saas_address(self) -> str:
        """The address of the SaaS cluster."""
        return f"{self.cluster_id}.{self.cluster_region}.zeebe.camunda.io:443"

    @model_validator(mode="after")
    def _complete(self) -> EngineSettings:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("client_id and client_secret must be set together")
        if (self.cluster_id is None) != (self.cluster_region is None):
            raise ValueError("cluster_id and cluster_region must be set together")
        if self.cluster_id and self.client_id is None:
            raise ValueError("a SaaS cluster needs client_id and client_secret")
        if self.client_id and not self.cluster_id and self.oauth_url is None:
            raise ValueError("client credentials need oauth_url, the token endpoint")
        if self.cluster_id and self.address not in {None, self.saas_address}:
            raise ValueError(
                f"address and cluster_id contradict each other: the cluster is {self.saas_address}"
            )
        if self.client_id and self.tls is False:
            raise ValueError("client credentials are never sent without TLS: leave tls unset or true")
        return self


class WorkerSettings(Section):
    """How jobs are taken and handed back."""

    name: str = Field(default_factory=socket.gethostname, description="Name of this worker in the engine.")
    task_types: tuple[TaskType, ...] = Field(
        ("smtp-connector:send:1", "smtp-connector:mailbox:1", "com.infosys.camundaconnectors.email:smtp:1"),
        min_length=1,
        description="Task types to serve.",
    )
    max_jobs: int = Field(
        32,
        ge=1,
        le=1000,
        description="Largest number of jobs in flight; no job is taken without a free slot.",
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description=(
            "Worker processes, each with worker.max_jobs, on a machine with several cores; one takes about "
            "90 MB."
        ),
    )
    lease: Seconds = Field(
        timedelta(seconds=60),
        description="How long the engine reserves a job; it is extended while a send is under way.",
    )
    stream: bool = Field(
        True, description="Receive jobs by streams (Zeebe 8.4 and later), in addition to polling."
    )
    poll_interval: Seconds = Field(
        timedelta(seconds=5), description="Pause between polls while jobs are streamed."
    )
    poll_timeout: Seconds = Field(timedelta(seconds=20), description="How long a poll waits for a first job.")
    grace_period: Seconds = Field(
        timedelta(seconds=20), description="How long running sends may take after SIGTERM."
    )
    retry_backoff: Duration = Field(
        timedelta(seconds=30),
        description="Pause before a retry when the task sets no retryBackoff.",
    )
    rejection_backoff: Duration = Field(
        timedelta(minutes=5), description="Pause before a retry after a 4xx reply, such as greylisting."
    )
    error_mapping: ErrorMapping = Field(
        default_factory=dict,
        description=(
            "BPMN error codes by error code, for tasks whose own expressions and mapping decide nothing; "
            "in the environment as JSON. `*` stands for every other code."
        ),
    )


class TimeoutSettings(Section):
    """The time limit of each phase of an SMTP session (RFC 5321 section 4.5.3.2 has the upper limits)."""

    connect: Seconds = Field(timedelta(seconds=15), description="DNS look-up and TCP connection.")
    greeting: Seconds = Field(timedelta(seconds=30), description="The server's 220 greeting.")
    tls: Seconds = Field(timedelta(seconds=15), description="TLS handshake.")
    auth: Seconds = Field(timedelta(seconds=30), description="Each step of AUTH.")
    command: Seconds = Field(
        timedelta(seconds=60), description="The reply to EHLO, STARTTLS, MAIL, RCPT or DATA."
    )
    data: Seconds = Field(
        timedelta(seconds=180), description="Any progress while the content is transferred."
    )
    dot: Seconds = Field(
        timedelta(seconds=600),
        description="The reply to the final dot; a short limit causes uncertain deliveries.",
    )

    @property
    def limits(self) -> TimeLimits:
        """The same as a value of the model."""
        return TimeLimits(**{name: getattr(self, name).total_seconds() for name in type(self).model_fields})


class PoolSettings(Section):
    """Connections that stay open from one mail to the next."""

    max_connections: int = Field(
        16, ge=1, le=1000, description="Connections to one server with one login; further mails wait for one."
    )
    max_total: int = Field(
        256,
        ge=1,
        description=(
            "Connections to all servers. Before one more is opened, the one that is idle longest is closed. "
            "Connections in use are limited by worker.max_jobs."
        ),
    )
    max_messages: int = Field(
        100, ge=1, description="Mails on one connection, which then ends with QUIT; 1 keeps no connection."
    )
    idle: Seconds = Field(
        timedelta(seconds=30),
        description="How long an unused connection is kept; it must be shorter than the server's own "
        "time-out.",
    )
    wait: Seconds = Field(
        timedelta(seconds=1),
        description=(
            "How long a mail waits for a free connection. Then its job is handed back for five seconds, no "
            "retry spent, so that a slow server does not occupy all of worker.max_jobs."
        ),
    )


class SmtpSettings(Section):
    """How mail is submitted."""

    timeouts: TimeoutSettings = TimeoutSettings()
    pool: PoolSettings = PoolSettings()
    helo_name: DomainName = Field(
        None, description="Name for EHLO. Default: this host's fully qualified name, or its address literal."
    )
    ca_file: ReadableFile | None = Field(
        None, description="PEM bundle of the authorities to trust instead of the system's."
    )
    hosts: Hosts = Field(
        (),
        description=(
            "Mail servers that a task's authentication may name, as smtp.example.com (ports 25, 465 and 587) "
            "or smtp.example.com:2525. Default: any."
        ),
    )
    foreign_starttls_optional: bool = Field(
        False,
        description=(
            "On the task types of other vendors, security `auto` sends in clear "
            "when the server offers no STARTTLS, as those connectors do."
        ),
    )


class AttachmentSettings(Section):
    """What a task may attach; by default nothing of the worker's machine."""

    roots: tuple[Path, ...] = Field(
        (), description="Directories below which files and HTML bodies may be read."
    )
    urls: Hosts = Field(
        (),
        description=(
            "Hosts that attachments may be fetched from, as files.example.com or files.example.com:8443."
        ),
    )
    max_count: int = Field(50, ge=0, description="Largest number of attachments of one mail.")
    max_size: int = Field(
        25 * 1024 * 1024, ge=0, description="Largest size of one attachment, in bytes before encoding."
    )
    max_total: int = Field(
        50 * 1024 * 1024,
        ge=0,
        description="Largest size of all attachments of a mail, in bytes before encoding.",
    )
    url_timeout: Seconds = Field(
        timedelta(seconds=30), description="Time limit for fetching one URL or document."
    )


class MessageSettings(Section):
    """Settings of every message."""

    time_zone: TimeZone = Field(
        default_factory=local_zone,
        description="IANA name of the zone in which follow-ups are meant. Default: this machine's, or UTC.",
    )
    business_day_end: TimeOfDay = Field(time(17, 0), description="When `today` and `tomorrow` end.")
    message_id_domain: DomainName = Field(
        None, description="Right-hand side of Message-ID. Default: the sender's domain."
    )
    max_body: int = Field(
        5_000_000, ge=1, description="Largest size of a body that a task gives, in characters."
    )

    @property
    def time_zone_is_set(self) -> bool:
        """Whether the operator has named the zone."""
        return "time_zone" in self.model_fields_set


class TemplateSettings(Section):
    """Mail templates of the operator."""

    directory: Path | None = Field(
        None,
        description=(
            "Directory with a folder for each mail template. Changed files hold from the next mail on. "
            "Default: none."
        ),
    )
    locale: Language = Field(
        "en", description="Language of dates, numbers and money where a task gives no smtpEmailLocale."
    )


class HealthSettings(Section):
    """Where the worker answers health probes and serves metrics."""

    # Off by default, so that a worker opens no port unasked and two can run on one machine. Not `port`:
    # Kubernetes sets SMTP_CONNECTOR_HEALTH_PORT=tcp://… for a service called smtp-connector-health. And 8090
    # in examples: 8080 to 8088 and 9600 are those of Camunda's own components, perhaps on the same machine.
    listen: HostAndPort | None = Field(
        None,
        description="host:port for /health/live, /health/ready and /metrics, as 0.0.0.0:8090. Default: none.",
    )


class LogSettings(Section):
    """What is logged, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level to log."
    )
    format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto`: console on a terminal, otherwise JSON lines."
    )


class Settings(Section):
    """All settings, as a frozen tree; the reference of settings describes each."""

    engine: EngineSettings = EngineSettings()
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    smtp: SmtpSettings = SmtpSettings()
    mailbox: MailboxSettings = MailboxSettings()
    accounts: dict[str, AccountSettings] = Field(
        default_factory=dict,
        description="Named accounts; the one called default is for tasks that name none.",
    )
    credentials: dict[str, CredentialSettings] = Field(
        default_factory=dict,
        description="Named OAuth credentials, for accounts that share one grant.",
    )
    participants: Annotated[tuple[ParticipantSettings, ...], BeforeValidator(from_json)] = Field(
        (),
        description=(
            "Addresses by role, for items role:NAME of a task whose smtpEmailParticipants does not name the "
            "role. Each entry has `roles` (`{team: [ben@example.com]}`) and, for some jobs only, "
            "`process_ids` or `tenants`. In the environment as JSON."
        ),
    )
    tokens: TokenSettings = TokenSettings()
    http: HttpSettings = HttpSettings()
    # BaseModel has a method of this name.
    copies: CopySettings = Field(CopySettings(), alias="copy")
    attachments: AttachmentSettings = AttachmentSettings()
    message: MessageSettings = MessageSettings()
    templates: TemplateSettings = TemplateSettings()
    secrets: SecretSettings = SecretSettings()
    ledger: LedgerSettings = LedgerSettings()
    health: HealthSettings = HealthSettings()
    pages: PageSettings = PageSettings()
    log: LogSettings = LogSettings()

    @property
    def confidential(self) -> tuple[str, ...]:
        """The worker's own secrets, of the engine, the ledger and the like, which no log may show."""
        secrets = (self.engine.client_secret, self.tokens.key, self.pages.token, self.http.proxy_password)
        return (*self.ledger.passwords, *(secret.get_secret_value() for secret in secrets if secret))

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        oauths = {name: account.oauth for name, account in self.accounts.items()}
        faults = [
            *name_faults(self.accounts),
            *name_faults(self.credentials, "credentials"),
            *(
                f"accounts.{name}: {fault}"
                for name, account in self.accounts.items()
                if (fault := account.copy_fault(self.copies))
            ),
            *process_id_faults({name: account.process_ids for name, account in self.accounts.items()}),
            *tenant_faults({name: account.tenants for name, account in self.accounts.items()}),
            *credential_faults(
                {name: (account.oauth, account.service) for name, account in self.accounts.items()},
                self.credentials,
            ),
            *self.tokens.faults(self.ledger.kind, oauths, self.credentials),
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return self
