"""Accounts against real servers: every preset, every security mode, every way to trust and to be trusted."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.server import Security
from connector.testing.behaviour import Behaviour, Silence, Verb
from connector.testing.smtp import SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.providers import DOCUMENTED
from tests.servers import keytool
from tests.servers.availability import require
from tests.wire import smtp_submission as given
from tests.wire import stores
from tests.wire.account_submission import TLS_1_2, TLS_1_3, USERS, account, refusal, server_context, submit
from tests.wire.smtp_submission import message
from tests.wire.stores import STORE_PASSWORD

ENCRYPTED = [Security.TLS, Security.STARTTLS, Security.STARTTLS_OPTIONAL]

# --- presets and security ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTED)
async def test_a_preset_reaches_its_provider(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider's name leads here; the certificate for that name, its port and its security must fit."""
    settings, host, port, security = DOCUMENTED[name]
    dialled: list[tuple[object, object]] = []
    async with SmtpServer(
        tls_context=server_context(host), implicit_tls=security is Security.TLS, users=USERS
    ) as server:

        def resolve(name: object, service: object, *_: object, **__: object) -> list[Any]:
            dialled.append((name, service))
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        await submit(account(preset=name.partition(" ")[0], ca_file=given.ca_file(), **settings))
        (received,) = server.received
    assert dialled == [(host, port)]
    assert (received.tls, received.username) == (True, "ada")


@pytest.mark.parametrize("security", ENCRYPTED)
async def test_every_encrypted_mode_protects_the_login(security: Security) -> None:
    implicit = security is Security.TLS
    async with SmtpServer(tls_context=server_context(), implicit_tls=implicit, users=USERS) as server:
        await submit(account(server, security=security.value, ca_file=given.ca_file()))
        assert server.received[0].tls
        assert b"AUTH" not in server.connections[0].received_in_clear


async def test_none_stays_in_clear_where_it_is_meant() -> None:
    async with SmtpServer(tls_context=server_context(), users=USERS) as server:
        await submit(account(server, security="none"))
        assert not server.received[0].tls


async def test_starttls_that_is_not_offered_sends_nothing() -> None:
    async with SmtpServer(users=USERS) as server:
        error = await refusal(account(server))
        assert error.code is ErrorCode.TLS_NOT_OFFERED
        assert b"AUTH" not in server.connections[0].received_bytes


# --- whom the account trusts -------------------------------------------------------------------------

TRUST: dict[str, Callable[[Path], dict[str, Any]]] = {
    "PEM": lambda _: {"ca_file": given.ca_file()},
    "PKCS#12": lambda at: {"trust_store": stores.pkcs12_store(given.authority(), at / "trust.p12")},
    "JKS": lambda at: {"trust_store": stores.jks_store(given.authority(), at / "trust.jks")},
    "JKS of Java 1.1": lambda at: {
        "trust_store": stores.jks_store(given.authority(), at / "trust.jks", version=1)
    },
    "keytool's PKCS#12": lambda at: {
        "trust_store": stores.made_by_keytool(given.authority(), at / "trust", "PKCS12")
    },
    "keytool's JKS": lambda at: {
        "trust_store": stores.made_by_keytool(given.authority(), at / "trust", "JKS")
    },
}


def trusting(name: str, directory: Path) -> dict[str, Any]:
    if "keytool" in name:
        require(keytool.missing())
    trust = TRUST[name](directory)
    return trust | ({"trust_store_password": STORE_PASSWORD} if "trust_store" in trust else {})


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
@pytest.mark.parametrize("name", TRUST)
async def test_a_private_authority_in_every_form(name: str, security: Security, tmp_path: Path) -> None:
    implicit = security is Security.TLS
    async with SmtpServer(tls_context=server_context(), implicit_tls=implicit, users=USERS) as server:
        await submit(account(server, security=security.value, **trusting(name, tmp_path)))
        assert server.received[0].tls


@pytest.mark.parametrize("name", TRUST)
async def test_a_store_replaces_the_other_authorities(name: str, tmp_path: Path) -> None:
    stranger = server_context(authority=trustme.CA())
    async with SmtpServer(tls_context=stranger, users=USERS) as server:
        error = await refusal(account(server, **trusting(name, tmp_path)))
    kind = "ca_file" if name == "PEM" else "trust_store"
    assert error.code is ErrorCode.TLS_FAILED
    assert f"Put its authority's certificate into accounts.sales.{kind}." in error.message


CERTIFICATES: dict[str, tuple[Callable[[], ssl.SSLContext], str]] = {
    "self-signed": (
        given.self_signed_context,
        "self-signed. Put its authority's certificate into accounts.sales.",
    ),
    "unknown authority": (given.unknown_authority_context, "into accounts.sales.ca_file."),
    "expired": (given.expired_context, "has expired: the server needs a new one"),
    "wrong host": (given.other_host_context, "the name that the certificate has in accounts.sales.host"),
    "TLS 1.1": (given.old_protocol_context, "not speak TLS 1.2 or later"),
}


@pytest.mark.parametrize("security", ENCRYPTED)
@pytest.mark.parametrize("name", CERTIFICATES)
async def test_a_bad_certificate_names_the_setting_that_mends_it(name: str, security: Security) -> None:
    context, explanation = CERTIFICATES[name]
    implicit = security is Security.TLS
    async with SmtpServer(tls_context=context(), implicit_tls=implicit, users=USERS) as server:
        error = await refusal(account(server, security=security.value, ca_file=given.ca_file()))
        await server.wait_until_idle()
        assert not any(b"AUTH" in connection.received_bytes for connection in server.connections)
    assert (error.code, error.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert explanation in error.message


async def test_the_general_bundle_serves_accounts_without_one() -> None:
    async with SmtpServer(tls_context=server_context(), users=USERS) as server:
        smtp = SmtpTransport(given.settings())
        await smtp.submit(message(), account(server))
        await smtp.aclose()
        assert server.received[0].tls


async def test_a_bundle_that_changes_is_read_again(tmp_path: Path) -> None:
    """A certificate manager renews files under a worker that runs on."""
    bundle = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    smtp = SmtpTransport(given.settings())
    async with SmtpServer(tls_context=server_context(), users=USERS) as server:
        with pytest.raises(TransportError, match="not trusted here"):
            await smtp.submit(message(), account(server, ca_file=bundle))
        given.authority().cert_pem.write_to_path(str(bundle))
        await smtp.submit(message(), account(server, ca_file=bundle))
        await smtp.aclose()


# --- versions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minimum", "only"), [("1.2", TLS_1_2), ("1.2", TLS_1_3), ("1.3", TLS_1_3)])
async def test_a_version_that_is_new_enough(minimum: str, only: ssl.TLSVersion) -> None:
    async with SmtpServer(tls_context=server_context(only=only), users=USERS) as server:
        await submit(account(server, min_tls=minimum, ca_file=given.ca_file()))
        assert server.received[0].tls


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
async def test_a_version_that_is_too_old_names_the_setting(security: Security) -> None:
    implicit = security is Security.TLS
    context = server_context(only=TLS_1_2)
    async with SmtpServer(tls_context=context, implicit_tls=implicit, users=USERS) as server:
        demanding = account(server, security=security.value, min_tls=1.3, ca_file=given.ca_file())
        error = await refusal(demanding)
        await server.wait_until_idle()
        assert not any(b"AUTH" in connection.received_bytes for connection in server.connections)
    assert error.code is ErrorCode.TLS_FAILED
    assert "not speak TLS 1.3 or later, which accounts.sales.min_tls demands" in error.message


# --- the account's own time limits and name ----------------------------------------------------------


async def test_a_time_limit_of_the_account_is_kept_and_named() -> None:
    behaviour = Behaviour().on(Verb.EHLO, Silence())
    async with SmtpServer(behaviour=behaviour) as server:
        error = await refusal(account(server, security="none", timeouts={"command": 0.2}))
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_TIMEOUT, Phase.EHLO)
    assert "did nothing for 0.2 s (accounts.sales.timeouts.command)" in error.message


async def test_the_account_says_who_greets() -> None:
    async with SmtpServer(users=USERS) as server:
        await submit(account(server, security="none", helo_name="sales.example"))
        assert server.connections[0].commands[0] == "EHLO sales.example"
