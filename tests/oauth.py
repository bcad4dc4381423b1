"""Credentials and sources of tokens at the tests' authorization server."""

from __future__ import annotations

import base64
import secrets as random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from pydantic import SecretStr

from connector.auth.client import OAuthClient
from connector.auth.endpoint import EndpointClient
from connector.auth.entry import Consent, Entry
from connector.auth.file_store import FileStore
from connector.auth.memory_store import MemoryStore
from connector.auth.sealing import Seal
from connector.auth.source import Observe, Tokens, observe_nothing
from connector.auth.store import TokenStore
from connector.model.credential import Credential, Endpoints, Grant
from tests.servers.authorization import SECRET, USER, AuthorizationServer

PLACE = "accounts.sales.oauth"
PASSWORD = "pässphrase"  # of key files that are thrown away


def credential(
    server: AuthorizationServer, grant: Grant = Grant.CLIENT_CREDENTIALS, **changes: Any
) -> Credential:
    """A credential of the confidential client, with the scope ``mail``."""
    endpoints = Endpoints(
        server.token_url,
        server.authorization_url,
        f"{server.base}/device_authorization",
        f"{server.base}/revocation",
    )
    given = Credential(
        PLACE,
        "custom",
        grant,
        endpoints,
        "connector",
        command="sales",
        client_secret=SecretStr(SECRET),
        scopes=("mail",),
    )
    return replace(given, **changes)


def by_consent(server: AuthorizationServer, **changes: Any) -> Credential:
    """The same, for which a person consents."""
    return credential(server, Grant.AUTHORIZATION_CODE, **changes)


def new_key() -> str:
    """A key for a token store."""
    return base64.b64encode(random.token_bytes(32)).decode()


def file_store(path: Path, keys: str) -> FileStore:
    """A store in a file."""

    async def seal() -> Seal:
        return Seal(keys)

    return FileStore(path, seal)


async def consented(
    store: TokenStore, server: AuthorizationServer, credential: Credential, user: str = USER
) -> SecretStr:
    """Keep a grant as it is after a consent, without an access token; its refresh token."""
    token = SecretStr(server.refresh_token(user, credential.client_id, " ".join(credential.scopes)))
    async with store.turn(credential.place) as turn:
        now = turn.kept.now
        await turn.keep(
            Entry(
                credential.fingerprint,
                refresh=token,
                refreshed=now,
                consent=Consent(user, now, credential.scopes),
            )
        )
    return token


@asynccontextmanager
async def source(
    credential: Credential,
    store: TokenStore | None = None,
    *,
    remember: Callable[[str], None] = lambda _: None,
    observe: Observe = observe_nothing,
) -> AsyncIterator[Tokens]:
    """A source of a credential's tokens."""
    endpoints = EndpointClient(ssl.create_default_context(cafile=credential.ca_file))
    tokens = Tokens(OAuthClient(credential, endpoints, None, remember), store or MemoryStore(), observe)
    try:
        yield tokens
    finally:
        await tokens.aclose()
        await endpoints.aclose()


def _self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "connector")]), datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )


def key_file(directory: Path, kind: str) -> tuple[Path, str | None, bytes]:
    """A key file whose certificate ends in thirty days, its password, and the certificate as PEM."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "elliptic"
        else rsa.generate_private_key(65537, 2048)
    )
    certificate, file = _self_signed(key), directory / "key"
    secret = BestAvailableEncryption(PASSWORD.encode())
    if kind == "pkcs12":
        file.write_bytes(pkcs12.serialize_key_and_certificates(b"connector", key, certificate, None, secret))
    else:
        encryption = secret if kind == "encrypted" else NoEncryption()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        file.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    public = certificate.public_bytes(Encoding.PEM)
    return file, PASSWORD if kind in {"pkcs12", "encrypted"} else None, public
