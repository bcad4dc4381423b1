"""Accounts that show a certificate of their own, and files of certificates that cannot be used."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from connector.errors import ErrorCode, Phase, TransportError
from connector.testing.smtp import SmtpServer
from tests.servers import keytool
from tests.servers.availability import require
from tests.servers.tls import handshaking
from tests.wire import smtp_submission as given
from tests.wire import stores
from tests.wire.account_submission import TLS_1_2, TLS_1_3, USERS, account, refusal, server_context, submit
from tests.wire.stores import PASSPHRASE, STORE_PASSWORD, ClientCertificate

CLIENTS = trustme.CA()


def demanding_context(only: ssl.TLSVersion) -> ssl.SSLContext:
    context = server_context(only=only)
    context.verify_mode = ssl.CERT_REQUIRED
    CLIENTS.configure_trust(context)
    return context


def one_pem(own: ClientCertificate) -> dict[str, Any]:
    return {"client_cert": own.one_pem()}


def two_pems(own: ClientCertificate) -> dict[str, Any]:
    chain, key = own.two_pems(None)
    return {"client_cert": chain, "client_key": key}


def with_passphrase(own: ClientCertificate) -> dict[str, Any]:
    chain, key = own.two_pems(PASSPHRASE)
    return {"client_cert": chain, "client_key": key, "client_key_password": PASSPHRASE}


def in_pkcs12(own: ClientCertificate) -> dict[str, Any]:
    return {"client_cert": own.pkcs12(), "client_key_password": PASSPHRASE}


def in_jks(own: ClientCertificate) -> dict[str, Any]:
    require(keytool.missing())
    return {"client_cert": own.jks(), "client_key_password": STORE_PASSWORD}


@pytest.mark.parametrize("only", [TLS_1_2, TLS_1_3], ids=lambda version: version.name)
@pytest.mark.parametrize("form", [one_pem, two_pems, with_passphrase, in_pkcs12, in_jks])
async def test_a_client_certificate_in_every_form(
    form: Callable[[ClientCertificate], dict[str, Any]], only: ssl.TLSVersion, tmp_path: Path
) -> None:
    own = form(ClientCertificate(CLIENTS, tmp_path))
    async with SmtpServer(tls_context=demanding_context(only), users=USERS) as server:
        await submit(account(server, ca_file=given.ca_file(), **own))
        assert server.received[0].tls


@pytest.mark.parametrize("implicit", [True, False], ids=["tls", "starttls"])
@pytest.mark.parametrize("only", [TLS_1_2, TLS_1_3], ids=lambda version: version.name)
async def test_a_client_certificate_that_is_missing(only: ssl.TLSVersion, implicit: bool) -> None:
    """In TLS 1.3 the refusal comes after the client's handshake, in the place of a reply."""
    settings: dict[str, Any] = {"security": "tls" if implicit else "starttls", "ca_file": given.ca_file()}
    with handshaking(demanding_context(only), implicit=implicit) as port:
        error = await refusal(account(host="localhost", port=port, **settings))
    assert (error.code, error.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert "requires a client certificate: see accounts.sales.client_cert." in error.message
    assert not error.code.retryable


@pytest.mark.parametrize("implicit", [True, False], ids=["tls", "starttls"])
@pytest.mark.parametrize("only", [TLS_1_2, TLS_1_3], ids=lambda version: version.name)
async def test_a_client_certificate_of_a_stranger(
    only: ssl.TLSVersion, implicit: bool, tmp_path: Path
) -> None:
    own = one_pem(ClientCertificate(trustme.CA(), tmp_path))
    settings: dict[str, Any] = {"security": "tls" if implicit else "starttls", "ca_file": given.ca_file()}
    with handshaking(demanding_context(only), implicit=implicit) as port:
        error = await refusal(account(host="localhost", port=port, **settings, **own))
    assert (error.code, error.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert "it does not trust the authority of our client certificate: see accounts.sales." in error.message


# --- files that cannot be used -----------------------------------------------------------------------


def garbage(directory: Path) -> Path:
    file = directory / "garbage"
    file.write_bytes(b"\x00garbage")
    return file


def wrong_passphrase(at: Path) -> dict[str, Any]:
    return with_passphrase(ClientCertificate(CLIENTS, at)) | {"client_key_password": "wrong"}


def no_passphrase(at: Path) -> dict[str, Any]:
    chain, key = ClientCertificate(CLIENTS, at).two_pems(PASSPHRASE)
    return {"client_cert": chain, "client_key": key}


def foreign_key(at: Path) -> dict[str, Any]:
    (at / "other").mkdir()
    own, other = ClientCertificate(CLIENTS, at), ClientCertificate(CLIENTS, at / "other")
    return {"client_cert": own.two_pems(None)[0], "client_key": other.two_pems(None)[1]}


UNUSABLE: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "a store that is PEM": (
        lambda _: {"trust_store": given.ca_file()},
        "sales.trust_store .*it is PEM: name it in",
    ),
    "a store that is garbage": (lambda at: {"trust_store": garbage(at)}, "neither PKCS#12 nor JKS"),
    "a wrong store password": (
        lambda at: {
            "trust_store": stores.pkcs12_store(given.authority(), at / "t.p12"),
            "trust_store_password": "wrong",
        },
        "trust_store_password does not open it",
    ),
    "a wrong JKS password": (
        lambda at: {
            "trust_store": stores.jks_store(given.authority(), at / "t.jks"),
            "trust_store_password": "wrong",
        },
        "trust_store_password does not open it",
    ),
    "a damaged JKS": (
        lambda at: jks_file(at, lambda data: data[:50] + b"?" + data[51:]),
        "trust_store_password does not open it, or it is damaged",
    ),
    "a JKS that ends too early": (
        lambda at: jks_file(at, lambda data: stores.sealed(data[:60])),
        "it is not a valid JKS file",
    ),
    "a JKS of another version": (
        lambda at: jks_file(at, lambda data: stores.sealed(data[:4] + b"\0\0\0\3" + data[8:-20])),
        "it is not a valid JKS file",
    ),
    "a JKS with an entry of another kind": (
        lambda at: jks_file(at, lambda data: stores.sealed(data[:12] + b"\0\0\0\3" + data[16:-20])),
        "it is not a valid JKS file",
    ),
    "a store with a key of its own only": (
        lambda at: {
            "trust_store": ClientCertificate(CLIENTS, at).pkcs12(),
            "trust_store_password": PASSPHRASE,
        },
        "it holds no certificate of an authority",
    ),
    "a bundle that is garbage": (
        lambda at: {"ca_file": garbage(at)},
        "sales.ca_file .*no certificate in PEM",
    ),
    "a client certificate that is garbage": (
        lambda at: {"client_cert": garbage(at)},
        "sales.client_cert .*neither PEM, PKCS#12 nor JKS",
    ),
    "a store without a key": (
        lambda at: {
            "client_cert": stores.pkcs12_store(given.authority(), at / "t.p12"),
            "client_key_password": STORE_PASSWORD,
        },
        "it holds no private key",
    ),
    "a certificate without its key": (
        lambda at: {"client_cert": ClientCertificate(CLIENTS, at).two_pems(None)[0]},
        "not a PEM certificate with its key",
    ),
    "a wrong passphrase": (wrong_passphrase, "client_key_password does not open the key"),
    "no passphrase": (no_passphrase, "client_key_password does not open the key"),
    "another's key": (foreign_key, "client_key is the key of another certificate"),
}


def jks_file(directory: Path, change: Callable[[bytes], bytes]) -> dict[str, Any]:
    file = stores.jks_store(given.authority(), directory / "t.jks")
    file.write_bytes(change(file.read_bytes()))
    return {"trust_store": file, "trust_store_password": STORE_PASSWORD}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_file_that_cannot_be_used_is_named_with_its_setting(name: str, tmp_path: Path) -> None:
    settings, explanation = UNUSABLE[name]
    async with SmtpServer(tls_context=server_context(), users=USERS) as server:
        with pytest.raises(TransportError, match=explanation) as caught:
            await submit(account(server, **settings(tmp_path)))
        assert server.connections == []
    assert (caught.value.code, caught.value.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert "accounts.sales." in caught.value.message
    assert PASSPHRASE not in caught.value.message
