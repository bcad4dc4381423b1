"""``check`` of accounts that log in with OAuth: the grant, a new token, and the login with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.check.findings import CheckStep, Report, Status
from connector.errors import ErrorCode
from connector.settings.model import Settings
from tests.oauth import consented, file_store, new_key
from tests.servers import authorization
from tests.servers.authorization import OTHER_USER, SECRET, USER, AuthorizationServer, answering
from tests.servers.dovecot import Dovecot
from tests.wire.checks import checked, finding, order, statuses

KEY = new_key()


@pytest.fixture
def issuer(dovecot: Dovecot) -> Iterator[AuthorizationServer]:
    with authorization.running(small=True) as server:
        dovecot.trust(server.key_id, server.public_key, server.state.algorithm)
        yield server


@pytest.fixture
def tree(issuer: AuthorizationServer, dovecot: Dovecot, tmp_path: Path) -> dict[str, Any]:
    """Settings with an account for which a person consents."""
    oauth = {
        "grant": "authorization_code",
        "authorization_url": issuer.authorization_url,
        "token_url": issuer.token_url,
        "client_id": "connector",
        "client_secret": "secrets.CLIENT",
        "scopes": "mail",
    }
    account = {
        "host": "localhost",
        "port": dovecot.ports["submission"],
        "ca_file": dovecot.ca_file,
        "address": USER,
        "oauth": oauth,
    }
    return {"accounts": {"sales": account}, "tokens": {"path": tmp_path / "tokens.json", "key": KEY}}


async def consent(tree: dict[str, Any], issuer: AuthorizationServer, user: str = USER) -> None:
    from connector.accounts.credentials import credential_of

    credential = credential_of("sales", Settings.model_validate(tree))
    assert credential is not None
    await consented(file_store(tree["tokens"]["path"], KEY), issuer, credential, user)


async def report_on(tree: dict[str, Any], **changed: Any) -> Report:
    (report,) = await checked(order("sales", **changed), **tree)
    return report


def application(tree: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Let the application ask for itself."""
    tree["accounts"]["sales"]["oauth"] |= {"grant": "client_credentials", **changes}
    return tree


async def test_every_step_of_a_consent_is_shown(tree: dict[str, Any], issuer: AuthorizationServer) -> None:
    await consent(tree, issuer)
    report = await report_on(tree)
    assert report.status is Status.OK, report
    assert statuses(report) == {
        **dict.fromkeys(("grant", "token", "dns", "tcp", "tls", "ehlo", "auth", "sender"), "ok"),
        "mail": "skipped",
    }
    grant = finding(report, CheckStep.GRANT)
    assert grant.message == f"{USER} consented on {datetime.now(UTC):%Y-%m-%d}"
    assert grant.facts["scopes"] == ["mail"]
    assert finding(report, CheckStep.TOKEN).facts["expiresAt"]
    assert finding(report, CheckStep.AUTH).facts["mechanism"] == "XOAUTH2"


async def test_a_token_that_is_still_good_is_replaced_so_that_the_provider_is_asked(
    tree: dict[str, Any], issuer: AuthorizationServer
) -> None:
    await consent(tree, issuer)
    await report_on(tree)
    assert len(issuer.token_requests()) == 1
    await report_on(tree)
    assert len(issuer.token_requests()) == 2
    issuer.faults.append(answering(400, {"error": "invalid_grant"}))
    report = await report_on(tree)
    token = finding(report, CheckStep.TOKEN)
    assert (token.status, token.code) == (Status.FAILED, ErrorCode.AUTHORIZATION_REQUIRED)
    assert token.fix == "Run: smtp-connector authorize sales"
    assert token.facts["error"] == "invalid_grant"


async def test_without_a_consent_the_server_is_looked_at_all_the_same(tree: dict[str, Any]) -> None:
    report = await report_on(tree)
    assert statuses(report) == {
        "grant": "failed",
        "token": "skipped",
        **dict.fromkeys(("dns", "tcp", "tls", "ehlo"), "ok"),
        **dict.fromkeys(("auth", "sender", "mail"), "skipped"),
    }
    grant = finding(report, CheckStep.GRANT)
    assert (grant.message, grant.fix) == (
        "No person has consented yet.",
        "Run: smtp-connector authorize sales",
    )
    assert not finding(report, CheckStep.AUTH).reached


async def test_a_consent_of_another_person_is_told_before_the_login_fails(
    tree: dict[str, Any], issuer: AuthorizationServer
) -> None:
    await consent(tree, issuer, OTHER_USER)
    report = await report_on(tree)
    grant = finding(report, CheckStep.GRANT)
    assert grant.status is Status.WARNING
    assert f"{OTHER_USER} consented" in grant.message
    assert f"the account logs in as {USER}" in grant.message
    assert "smtp-connector authorize sales" in str(grant.fix)
    auth = finding(report, CheckStep.AUTH)
    assert (auth.status, auth.code) == (Status.FAILED, ErrorCode.AUTH_FAILED)
    assert auth.fix == "Correct accounts.sales.username and accounts.sales.oauth."


async def test_a_grant_that_ends_soon_is_a_warning(tree: dict[str, Any], issuer: AuthorizationServer) -> None:
    issuer.state.claims = {"email": USER}
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    ends = application(tree, client_secret_expires=f"{tomorrow:%Y-%m-%d}")
    grant = finding(await report_on(ends), CheckStep.GRANT)
    assert grant.status is Status.WARNING
    assert "the client secret expires in 1 days" in grant.message
    assert "accounts.sales.oauth.client_secret_expires" in str(grant.fix)


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (
            answering(401, {"error": "invalid_client"}),
            ErrorCode.AUTH_FAILED,
            (
                "check accounts.sales.oauth.client_id and accounts.sales.oauth.client_secret",
                "Follow the message",
            ),
        ),
        (
            answering(400, {"error": "invalid_scope"}),
            ErrorCode.AUTH_FAILED,
            ("check accounts.sales.oauth.scopes (sent: mail)", "Follow the message"),
        ),
        (
            answering(503, "<html>"),
            ErrorCode.TOKEN_FAILED,
            ("No access token for accounts.sales.oauth", "Check that this machine reaches"),
        ),
    ],
    ids=["client", "scope", "down"],
)
async def test_what_the_provider_refuses_names_the_setting(
    tree: dict[str, Any],
    issuer: AuthorizationServer,
    answer: authorization.Fault,
    code: ErrorCode,
    expected: tuple[str, str],
) -> None:
    issuer.faults.append(answer)
    report = await report_on(application(tree))
    token = finding(report, CheckStep.TOKEN)
    assert (token.status, token.code) == (Status.FAILED, code)
    assert expected[0] in token.message
    assert expected[1] in str(token.fix)
    assert finding(report, CheckStep.EHLO).status is Status.OK
    assert SECRET not in str(report)


async def test_a_provider_that_does_not_answer_holds_nothing_up(
    tree: dict[str, Any], issuer: AuthorizationServer
) -> None:
    issuer.faults.append(authorization.silent)
    report = await report_on(application(tree), seconds=1.0)
    token = finding(report, CheckStep.TOKEN)
    assert (token.status, token.code) == (Status.FAILED, ErrorCode.TOKEN_FAILED)
    assert token.message == "The provider did not answer within 1 s."


async def test_a_client_secret_that_is_nowhere(tree: dict[str, Any]) -> None:
    report = await report_on(application(tree, client_secret="secrets.NOWHERE"))
    token = finding(report, CheckStep.TOKEN)
    assert (token.status, token.code) == (Status.FAILED, ErrorCode.SECRET_NOT_FOUND)
    assert token.fix == "Correct accounts.sales.oauth.client_secret."


async def test_a_store_with_another_key_is_no_missing_consent(
    tree: dict[str, Any], issuer: AuthorizationServer
) -> None:
    await consent(tree, issuer)
    tree["tokens"]["key"] = new_key()
    grant = finding(await report_on(tree), CheckStep.GRANT)
    assert grant.status is Status.FAILED
    assert "No key of tokens.key opens the grant" in grant.message
