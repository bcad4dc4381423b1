"""The settings of secrets: where they are stored, and to which hosts they may go."""

from __future__ import annotations

import importlib.util
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from connector.model import to_install
from connector.model.hosts import HostList, is_protected
from connector.settings.values import (
    Directory,
    Duration,
    ReadableFile,
    Seconds,
    Section,
    form,
    from_json,
    text_schema,
)

_SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_PATTERN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9/._*-]*")
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def _service_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected a URL, as https://secrets.example.com")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    if not is_protected(url):
        raise ValueError("secrets would travel in clear text: use https://, except on this host")
    return url.rstrip("/")


def _path(path: str) -> str:
    path = path.strip("/")
    if path and not _PATH.fullmatch(path):
        raise ValueError("expected a path of letters, digits, '.', '_', '-' and '/', as apps/mail")
    return path


def _mount(path: str) -> str:
    path = _path(path)
    if not path:
        raise ValueError("expected the mount path, as secret")
    return path


def _bindings(value: object) -> object:
    value = from_json(value)
    if not isinstance(value, dict):
        # ValueError, as pydantic reports only that one.
        raise ValueError(  # noqa: TRY004
            'expected names of secrets with hosts, as {MAIL_PASSWORD: [smtp.example.com, "192.0.2.1:2525"]}'
        )
    return {str(name): [hosts] if isinstance(hosts, str) else hosts for name, hosts in value.items()}


def _checked_bindings(bindings: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for name, hosts in bindings.items():
        if not _PATTERN.fullmatch(name):
            raise ValueError(
                f"{name!r} is not the name of a secret; use letters, digits, /._- and * for anything"
            )
        try:
            HostList(hosts)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return bindings


def _needs(module: str, extra: str) -> None:
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise ValueError(f"its library is not installed: remove this section, or {to_install(extra)}")


ServiceUrl = Annotated[str, AfterValidator(_service_url), text_schema(r"https?://\S+")]
SecretPath = Annotated[str, AfterValidator(_path)]
Mount = Annotated[str, AfterValidator(_mount), text_schema(".+")]
Prefix = Annotated[
    str, form(r"[A-Za-z0-9/._-]*", "letters, digits, '/', '.', '_' and '-'"), text_schema(r"[A-Za-z0-9/._-]*")
]
Project = Annotated[
    str,
    form(r"[a-z0-9:.-]+", "the id of a project, as my-project-1"),
    text_schema(r"[a-z0-9:.-]+"),
]
Location = Annotated[
    str, form(r"[a-z0-9-]+", "the name of a location, as europe-west3"), text_schema(r"[a-z0-9-]+")
]
Bindings = Annotated[
    dict[str, tuple[str, ...]],
    BeforeValidator(_bindings),
    AfterValidator(_checked_bindings),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{_PATTERN.pattern}$"},
            "additionalProperties": {
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
            },
        }
    ),
]


class VaultSettings(Section):
    """HashiCorp Vault or OpenBao, a KV secrets engine; used when `address` is set.

    Set at most one way to log in; none where an agent beside the worker adds the token.
    """

    address: ServiceUrl | None = Field(
        None, description="URL of Vault or OpenBao, as https://vault.example.com:8200. Default: not used."
    )
    namespace: str | None = Field(None, description="Namespace, where Vault has several.")
    ca_file: ReadableFile | None = Field(
        None, description="PEM bundle of the authorities to trust instead of the system's."
    )
    mount: Mount = Field("secret", description="Mount path of the KV secrets engine.")
    kv_version: int = Field(2, ge=1, le=2, description="Version of the KV secrets engine: 1 or 2.")
    path: SecretPath = Field(
        "",
        description=(
            "Path below the mount, put before every name: with apps/mail, secrets.relay/password is the "
            "field password of the secret apps/mail/relay."
        ),
    )
    token: SecretStr | None = Field(None, description="Log in with this token.")
    agent_token_file: Path | None = Field(
        None,
        description="Log in with the token in this file, as Vault Agent writes it; read for each request.",
    )
    role_id: str | None = Field(None, description="Log in with AppRole: the role id.")
    secret_id: SecretStr | None = Field(None, description="The AppRole's secret id, where it needs one.")
    approle_mount: Mount = Field("approle", description="Mount path of AppRole.")
    kubernetes_role: str | None = Field(
        None, description="Log in with the pod's service account, in this role."
    )
    kubernetes_mount: Mount = Field("kubernetes", description="Mount path of the Kubernetes auth method.")
    kubernetes_token_file: Path = Field(
        _SERVICE_ACCOUNT_TOKEN, description="File with the service account's token; read at each login."
    )

    @model_validator(mode="after")
    def _complete(self) -> VaultSettings:
        logins = [
            name
            for name in ("token", "agent_token_file", "role_id", "kubernetes_role")
            if getattr(self, name) is not None
        ]
        if len(logins) > 1:
            raise ValueError(f"{' and '.join(logins)} are different ways to log in: keep one of them")
        if self.secret_id is not None and self.role_id is None:
            raise ValueError("secret_id needs role_id")
        if logins and self.address is None:
            raise ValueError(f"{logins[0]} needs address")
        return self


class AwsSettings(Section):
    """AWS Secrets Manager; used when `region` is set. Credentials: the SDK's usual chain."""

    region: str | None = Field(
        None, description="Region of AWS Secrets Manager, as eu-central-1. Default: not used."
    )
    prefix: Prefix = Field("", description="Put before every name, as prod/mail/.")
    json_keys: bool = Field(
        False,
        description=(
            "Secrets are JSON objects: secrets.relay/password is the key password of the secret relay."
        ),
    )
    endpoint: ServiceUrl | None = Field(
        None, description="URL of the service, for a VPC endpoint. Default: the region's."
    )

    @model_validator(mode="after")
    def _complete(self) -> AwsSettings:
        if self.region is not None:
            _needs("botocore", "aws")
        return self


class AzureSettings(Section):
    """Azure Key Vault; used when `vault_url` is set. Credentials: DefaultAzureCredential."""

    vault_url: ServiceUrl | None = Field(
        None, description="URL of the Key Vault, as https://mail.vault.azure.net. Default: not used."
    )
    prefix: Prefix = Field("", description="Put before every name; `/`, `.` and `_` become `-`.")

    @model_validator(mode="after")
    def _complete(self) -> AzureSettings:
        if self.vault_url is not None:
            for module in ("azure.keyvault.secrets", "azure.identity"):
                _needs(module, "azure")
        return self


class GcpSettings(Section):
    """Google Secret Manager; used when `project` is set. Credentials: Application Default Credentials."""

    project: Project | None = Field(
        None, description="Google Cloud project of the Secret Manager. Default: not used."
    )
    prefix: Prefix = Field("", description="Put before every name; `/` and `.` become `-`.")
    endpoint: ServiceUrl = Field(
        "https://secretmanager.googleapis.com",
        description="URL of the service, as https://secretmanager.europe-west3.rep.googleapis.com.",
    )
    location: Location | None = Field(
        None, description="Location of regional secrets, as europe-west3; set endpoint too."
    )

    @model_validator(mode="after")
    def _complete(self) -> GcpSettings:
        if self.project is not None:
            _needs("google.auth", "gcp")
        return self


class SecretSettings(Section):
    """Where `secrets.NAME` is looked up; the first provider that has it wins, in this order."""

    prefix: str = Field(
        "SECRET_", min_length=1, description="Prefix of the environment variables that are secrets."
    )
    directory: Directory | None = Field(
        None, description="Directory with one file for each secret, as Docker and Kubernetes mount them."
    )
    vault: VaultSettings = VaultSettings()
    aws: AwsSettings = AwsSettings()
    azure: AzureSettings = AzureSettings()
    gcp: GcpSettings = GcpSettings()
    fields: tuple[str, ...] = Field(
        (),
        description=(
            "Input variables beside authentication.* in which secrets resolve, as smtpEmailMailBoxName."
        ),
    )
    bind: Bindings = Field(
        default_factory=dict,
        description=(
            "Mail servers by secret, as {MAIL_PASSWORD: [smtp.example.com]}: such a secret goes to no other "
            "host. `*` in a name stands for anything; a host without a port means 25, 465 and 587. "
            "In the environment as JSON."
        ),
    )
    ttl: Duration = Field(
        timedelta(minutes=5),
        description="How long a value from Vault or a cloud is used before it is looked up again.",
    )
    stale: Duration = Field(
        timedelta(hours=1),
        description="How much longer it may be used while the provider cannot be reached.",
    )
    timeout: Seconds = Field(
        timedelta(seconds=10), description="Time limit of one look-up in Vault or a cloud, login included."
    )
