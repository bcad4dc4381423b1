"""Access tokens without a person: by secret, certificate, federated token, and for a service account."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.jwk import import_key
from pydantic import SecretStr

from connector.errors import ErrorCode
from connector.model.credential import ClientAuthentication, Grant
from tests.oauth import credential, key_file
from tests.servers.authorization import USER, AuthorizationServer
from tests.servers.authorization_state import Client
from tests.wire.token_sources import Opening, claims, refusal


@pytest.mark.parametrize("way", list(ClientAuthentication))
async def test_client_credentials_with_a_secret(
    authorization_server: AuthorizationServer, opened: Opening, way: ClientAuthentication
) -> None:
    tokens = await opened(
        credential(authorization_server, client_authentication=way, extra=(("resource", "x"),))
    )
    token = await tokens.token()
    assert claims(authorization_server, token)["sub"] == "connector"
    (form,) = authorization_server.token_requests()
    assert ("client_secret" in form) == (way is ClientAuthentication.POST)
    assert (form["scope"], form["resource"]) == ("mail", "x")


@pytest.mark.parametrize("provider", ["custom", "microsoft"])
@pytest.mark.parametrize("kind", ["rsa", "elliptic", "encrypted", "pkcs12"])
async def test_client_credentials_with_a_certificate(
    authorization_server: AuthorizationServer, opened: Opening, tmp_path: Path, kind: str, provider: str
) -> None:
    file, password, public = key_file(tmp_path, kind)
    authorization_server.state.clients["signer"] = Client(
        "signer", key=import_key(public, "EC" if kind == "elliptic" else "RSA")
    )
    tokens = await opened(
        credential(
            authorization_server,
            provider=provider,
            client_id="signer",
            client_secret=None,
            certificate=file,
            certificate_password=SecretStr(password) if password else None,
        )
    )
    assert claims(authorization_server, await tokens.token())["sub"] == "signer"


async def test_client_credentials_with_a_federated_token(
    authorization_server: AuthorizationServer, opened: Opening, tmp_path: Path
) -> None:
    """What Kubernetes or Azure has signed for this pod; the file changes every hour."""
    key, file = rsa.generate_private_key(65537, 2048), tmp_path / "token"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    authorization_server.state.clients["pod"] = Client("pod", key=import_key(public, "RSA"))
    now = int(datetime.now(UTC).timestamp())
    content = {"iss": "pod", "sub": "pod", "aud": authorization_server.token_url, "exp": now + 60, "jti": "1"}
    file.write_text(jwt.encode({"alg": "RS256"}, content, import_key(pem, "RSA")) + "\n")
    tokens = await opened(
        credential(authorization_server, client_id="pod", client_secret=None, federated_token_file=file)
    )
    assert claims(authorization_server, await tokens.token())["sub"] == "pod"


def service_account(directory: Path, server: AuthorizationServer, *subjects: str) -> Path:
    """The JSON that Google gives for the key of a service account."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    name = "mailer@project.iam.gserviceaccount.com"
    server.state.clients[name] = Client(name, key=import_key(public, "RSA"), subjects=subjects)
    file = directory / "service-account.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": name,
                "private_key": pem.decode(),
                "private_key_id": "k1",
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        )
    )
    return file


async def test_a_service_account_for_a_user(
    authorization_server: AuthorizationServer, opened: Opening, tmp_path: Path
) -> None:
    file = service_account(tmp_path, authorization_server, USER)
    wanted = credential(
        authorization_server,
        Grant.JWT_BEARER,
        client_id="",
        client_secret=None,
        certificate=file,
        subject=USER,
    )
    token = await (await opened(wanted)).token()
    assert claims(authorization_server, token)["email"] == USER
    (form,) = authorization_server.token_requests()
    assert "client_id" not in form


async def test_a_service_account_without_delegation(
    authorization_server: AuthorizationServer, opened: Opening, tmp_path: Path
) -> None:
    file = service_account(tmp_path, authorization_server)
    wanted = credential(
        authorization_server,
        Grant.JWT_BEARER,
        client_id="",
        client_secret=None,
        certificate=file,
        subject=USER,
    )
    error = await refusal(await opened(wanted))
    assert error.code is ErrorCode.AUTH_FAILED
    assert not error.retryable


@pytest.mark.parametrize("skew", [600, -600])
async def test_a_clock_that_is_ten_minutes_off_signs_good_assertions(
    authorization_server: AuthorizationServer, opened: Opening, tmp_path: Path, skew: float
) -> None:
    authorization_server.state.skew = skew
    file, _, public = key_file(tmp_path, "rsa")
    authorization_server.state.clients["signer"] = Client("signer", key=import_key(public, "RSA"))
    wanted = credential(authorization_server, client_id="signer", client_secret=None, certificate=file)
    tokens = await opened(wanted)
    first = await tokens.token()
    assert len(authorization_server.token_requests()) == 2
    assert await tokens.token(first) != first
    assert len(authorization_server.token_requests()) == 3, "what was learnt about the clock is kept"
