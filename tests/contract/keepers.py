"""The places in which an operator may keep a secret, each as a test sets it up and spoils it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from azure.core.credentials import AccessToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connector.secrets.aws import AwsSecrets
from connector.secrets.azure import AzureSecrets
from connector.secrets.gcp import GcpSecrets
from connector.secrets.port import SecretProvider
from connector.secrets.providers import EnvironmentSecrets, FileSecrets
from connector.secrets.vault import VaultSecrets
from connector.settings.secrets import AwsSettings, AzureSettings, GcpSettings, VaultSettings
from tests.servers import secret_stores
from tests.servers.secret_stores import SecretStore, secret_store

# One name for all: a path and a field, a path, or letters with a hyphen.
NAME = "mail/relay-password"
TIMEOUT = 5.0


@dataclass
class Keeper:
    """One place, with one secret called :data:`NAME`.

    Attributes:
        provider: Looks there.
        put: Keeps a value under the name; None takes it away.
        store: The service behind it, for those that have one.
        kept_as: The service's own name of the secret.
    """

    provider: SecretProvider
    put: Callable[[str | None], None]
    store: SecretStore | None = None
    kept_as: str = NAME

    async def aclose(self) -> None:
        """Close the provider's connections."""
        close = getattr(self.provider, "aclose", None)
        if close is not None:
            await close()


@contextmanager
def environment(directory: Path, authority: trustme.CA) -> Iterator[Keeper]:
    environ: dict[str, str] = {}

    def put(value: str | None) -> None:
        environ.clear()
        environ.update({} if value is None else {"SECRET_MAIL_RELAY_PASSWORD": value})

    yield Keeper(EnvironmentSecrets(environ, "SECRET_"), put)


@contextmanager
def files(directory: Path, authority: trustme.CA) -> Iterator[Keeper]:
    file = directory / NAME

    def put(value: str | None) -> None:
        file.unlink(missing_ok=True)
        file.parent.mkdir(exist_ok=True)
        if value is not None:
            file.write_bytes(value.encode())

    yield Keeper(FileSecrets(directory), put)


def kept_in(store: SecretStore, provider: SecretProvider, kept_as: str) -> Keeper:
    def put(value: str | None) -> None:
        if value is None:
            store.values.pop(kept_as, None)
        else:
            store.values[kept_as] = value

    return Keeper(provider, put, store, kept_as)


def _vault(mount: str, version: int) -> Callable[[Path, trustme.CA], Iterator[Keeper]]:
    def keep(directory: Path, authority: trustme.CA) -> Iterator[Keeper]:
        authority.cert_pem.write_to_path(str(directory / "ca.pem"))
        with secret_store(secret_stores.vault, server_tls(authority)) as store:
            settings = VaultSettings.model_validate(
                {
                    "address": f"https://127.0.0.1:{store.port}",
                    "ca_file": directory / "ca.pem",
                    "mount": mount,
                    "kv_version": version,
                    "role_id": "worker",
                    "secret_id": "vault-secret-id",
                }
            )
            yield kept_in(store, VaultSecrets(settings, TIMEOUT, ignore), NAME)

    return keep


vault_kv2 = contextmanager(_vault("secret", 2))
vault_kv1 = contextmanager(_vault("kv", 1))


@contextmanager
def aws(directory: Path, authority: trustme.CA) -> Iterator[Keeper]:
    with (
        patched_environment(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="worker's own key"),
        secret_store(secret_stores.aws) as store,
    ):
        settings = AwsSettings(region="eu-central-1", endpoint=f"http://127.0.0.1:{store.port}")
        yield kept_in(store, AwsSecrets(settings, TIMEOUT), NAME)


@contextmanager
def azure(directory: Path, authority: trustme.CA) -> Iterator[Keeper]:
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    with (
        patched_environment(REQUESTS_CA_BUNDLE=str(directory / "ca.pem")),
        secret_store(secret_stores.azure, server_tls(authority)) as store,
    ):
        settings = AzureSettings(vault_url=f"https://127.0.0.1:{store.port}")
        provider = AzureSecrets(settings, TIMEOUT, StaticCredential())
        yield kept_in(store, provider, "mail-relay-password")


@contextmanager
def gcp(directory: Path, authority: trustme.CA) -> Iterator[Keeper]:
    with secret_store(secret_stores.google) as store:
        account = directory / "account.json"
        account.write_text(json.dumps(service_account(f"http://127.0.0.1:{store.port}/token")))
        with patched_environment(GOOGLE_APPLICATION_CREDENTIALS=str(account)):
            settings = GcpSettings(project="mail-1", endpoint=f"http://127.0.0.1:{store.port}")
            yield kept_in(store, GcpSecrets(settings, TIMEOUT, ignore), "mail-relay-password")


REMOTE = {"vault_kv2": vault_kv2, "vault_kv1": vault_kv1, "aws": aws, "azure": azure, "gcp": gcp}
KEEPERS = {"environment": environment, "files": files, **REMOTE}


class StaticCredential:
    """A worker's identity in Azure, without asking anybody."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken("azure-access-token", 2**40)


def service_account(token_uri: str) -> dict[str, str]:
    """A key file as Google gives it out, for a private token endpoint."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "mail-1",
        "client_email": "worker@mail-1.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "token_uri": token_uri,
    }


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def ignore(_: str) -> None:
    pass


@contextmanager
def patched_environment(**variables: str) -> Iterator[None]:
    """Set environment variables that libraries look at themselves."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield
