"""Check an account's OAuth credentials: who has consented, what ends when, and whether a new token comes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from connector.accounts.credential_status import CredentialStatus, Ending, State, days_left, status_of
from connector.accounts.credentials import ConfiguredCredential
from connector.auth.consent import missing_scopes
from connector.auth.sources import TokenSources
from connector.auth.store import StoreUnavailableError
from connector.check.findings import CheckStep, Finding, Status
from connector.errors import ConnectorError, ErrorCode, TokenError
from connector.model.credential import Credential

_ENDS = {
    Ending.GRANT: "the grant ends unless it is used",
    Ending.CLIENT_SECRET: "the client secret expires",
    Ending.CERTIFICATE: "the certificate expires",
}


async def check_credential(
    configured: ConfiguredCredential, sources: TokenSources, warn: timedelta, seconds: float
) -> tuple[Finding, Finding]:
    """Look at the grant, and ask for a new access token.

    Args:
        configured: The credential, with who uses it.
        sources: Give its tokens.
        warn: How long before something ends it is a warning.
        seconds: How long the token may take.

    Returns:
        The findings of the steps ``grant`` and ``token``.
    """
    status = await status_of(configured, sources)
    if status.state is not State.GOOD:
        return _no_grant(status), Finding.not_reached(CheckStep.TOKEN)
    token = await _token(configured.credential, sources, seconds)
    status = await status_of(configured, sources)
    if token.status is Status.OK:
        token = _complete(token, status)
    return _grant(status, warn), token


def _no_grant(status: CredentialStatus) -> Finding:
    command = f"smtp-connector authorize {status.credential.command}"
    if status.state is State.UNKNOWN:
        fix = "Check tokens.kind, tokens.path and tokens.key, and that this user may read and write them."
        code = ErrorCode.TOKEN_FAILED
    else:
        fix, code = f"Run: {command}", ErrorCode.AUTHORIZATION_REQUIRED
    reason = status.reason or status.state.value
    return Finding(CheckStep.GRANT, Status.FAILED, reason, fix, code, facts=_facts(status))


def _grant(status: CredentialStatus, warn: timedelta) -> Finding:
    now = datetime.now(UTC)
    message = _who(status)
    ending = min(status.endings, key=lambda one: one[1], default=None)
    if ending is not None:
        message = f"{message}; {_ENDS[ending[0]]} in {days_left(ending[1], now)} days"
    fix = None
    if status.by_another:
        fix = (
            f"Let {status.configured.mailboxes[0]} consent (smtp-connector authorize "
            f"{status.credential.command}), or see to it that {status.person} may send as that mailbox."
        )
        message = f"{message}; the account logs in as {', '.join(status.configured.mailboxes)}"
    elif ending is not None and ending[1] - now < warn:
        fix = _renewal(ending[0], status.credential)
    return Finding(CheckStep.GRANT, Status.WARNING if fix else Status.OK, message, fix, facts=_facts(status))


def _who(status: CredentialStatus) -> str:
    grant = status.credential.grant
    if not grant.needs_consent:
        return f"{grant.value}: the application asks for itself"
    when = f" on {status.consented:%Y-%m-%d}" if status.consented else ""
    return f"{status.person or 'a person whom the provider does not name'} consented{when}"


def _renewal(what: Ending, credential: Credential) -> str:
    if what is Ending.GRANT:
        return "Keep a worker running: it uses the grant. Or run this check again."
    if what is Ending.CLIENT_SECRET:
        secret, expires = credential.setting("client_secret"), credential.setting("client_secret_expires")
        return f"Make a new client secret at the provider, put it into {secret}, and set {expires}."
    return (
        f"Make a new certificate, upload it to the application at the provider, and put it into "
        f"{credential.setting('certificate')}."
    )


async def _token(credential: Credential, sources: TokenSources, seconds: float) -> Finding:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            await _renewed(credential, sources)
    except TimeoutError:
        message = f"The provider did not answer within {seconds:g} s."
        return _failed(message, _unreachable(credential), ErrorCode.TOKEN_FAILED)
    except TokenError as error:
        facts = {"server": error.server, "error": error.error}
        return _failed(error.why, _fix(error, credential), error.code, facts)
    except ConnectorError as error:
        return _failed(error.message, f"Correct {credential.setting('client_secret')}.", error.code)
    return Finding(CheckStep.TOKEN, Status.OK, "", seconds=time.monotonic() - begun)


async def _renewed(credential: Credential, sources: TokenSources) -> None:
    """Get a token that is new: one of before says nothing about the provider of today."""
    tokens = sources.of(credential)
    try:
        entry = (await sources.store.read(credential.place)).entry
    except StoreUnavailableError as error:
        raise TokenError(ErrorCode.TOKEN_FAILED, str(error), credential=credential.place) from error
    token = await tokens.token()
    if entry is not None and entry.access is not None and entry.access.value == token:
        await tokens.token(token)


def _complete(token: Finding, status: CredentialStatus) -> Finding:
    until = status.access_expires
    seconds, facts = token.seconds, {"expiresAt": f"{until:%Y-%m-%dT%H:%M:%SZ}" if until else None}
    message = f"a new access token, until {until:%H:%M} UTC" if until else "a new access token"
    missing = missing_scopes(status.credential.scopes, status.scopes) if status.scopes else ()
    if not missing:
        return Finding(CheckStep.TOKEN, Status.OK, message, seconds=seconds, facts=facts)
    message = f"{message}; it leaves out {', '.join(missing)}"
    fix = f"Allow it to the application at the provider, or correct {status.credential.setting('scopes')}."
    return Finding(CheckStep.TOKEN, Status.WARNING, message, fix, seconds=seconds, facts=facts)


def _failed(message: str, fix: str, code: ErrorCode, facts: dict[str, str | None] | None = None) -> Finding:
    return Finding(CheckStep.TOKEN, Status.FAILED, message, fix, code, facts=facts or {})


def _fix(error: TokenError, credential: Credential) -> str:
    if error.command is not None:
        return f"Run: {error.command}"
    if error.retryable:
        return _unreachable(credential)
    return "Follow the message, then check again."


def _unreachable(credential: Credential) -> str:
    return (
        f"Check that this machine reaches {credential.endpoints.token}, and {credential.setting('ca_file')} "
        "where it has a private certificate; or try a longer --timeout."
    )


def _facts(status: CredentialStatus) -> dict[str, object]:
    told = status.as_json(datetime.now(UTC))
    names = ("credential", "grant", "state", "person", "byAnother", "consentedAt", "scopes", "endings")
    return {name: told[name] for name in names}
