"""What ``smtp-connector authorize`` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from connector.accounts.credential_status import CredentialStatus, State, days_left
from connector.accounts.credentials import ConfiguredCredential
from connector.auth.consent import UNNAMED, ConsentResult, another_login
from connector.auth.device import DeviceRequest
from connector.auth.loopback import USUAL
from connector.model.credential import Grant
from connector.settings.pages import PageSettings

_MICROSOFT_REMOVAL = (
    "Microsoft has no address to give a grant back: remove the application's access at "
    "https://myapplications.microsoft.com, or let an administrator revoke the user's sessions."
)


def to_enter(chosen: ConfiguredCredential, pages: PageSettings) -> str:
    """What to enter at the provider, before anything is opened."""
    credential = chosen.credential
    lines = [f"{credential.place} ({credential.provider}), used by {_listed(chosen.accounts)}", ""]
    lines.append(f"  application (client) id   {credential.client_id or 'that of the key file'}")
    if credential.grant is Grant.AUTHORIZATION_CODE:
        lines.append(f"  redirect address          {credential.redirect_url or USUAL}")
        if pages.listen is not None and credential.redirect_url is None:
            lines.append(f"  and for the worker's page {pages.address(pages.port)}/oauth2")
    if credential.grant.needs_consent:
        lines.append(f"  kind of application       {_kind(credential.client_secret is not None)}")
    lines += [f"  scope                     {scope}" for scope in credential.scopes]
    if credential.endpoints.admin_consent:
        lines.append(f"  an administrator consents at {credential.endpoints.admin_consent}")
    return "\n".join(lines)


def _kind(secret: bool) -> str:
    return "Web, with a client secret" if secret else "Mobile and desktop (public): allow public client flows"


def address(url: str, command: str, *, pasting: bool) -> str:
    """Where to consent.

    Args:
        url: The address to open.
        command: The account, as this command was told it.
        pasting: Whether the answer may be pasted, because the browser may run elsewhere.
    """
    if not pasting:
        return f"The browser opens. If it does not, open this address:\n\n{url}\n\n{compare(command)}\n"
    return (
        f"Open this address in a browser, and consent:\n\n{url}\n\n"
        "If the browser runs on another machine, it ends at a page that it cannot load: paste the "
        f"address of that page here. {compare(command)}"
    )


def compare(command: str) -> str:
    """What to do where the provider shows an error, which the connector never hears of."""
    return (
        "If the browser shows an error of the provider's, compare what is registered there with: "
        f"smtp-connector authorize {command} --show"
    )


def device(request: DeviceRequest) -> str:
    """What to type in on another device."""
    whole = f"\nOr open {request.complete}" if request.complete else ""
    minutes = f"{request.seconds / 60:.0f} minutes"
    return f"Open {request.address} on any device, and enter {request.user_code} within {minutes}.{whole}"


def kept(chosen: ConfiguredCredential, result: ConsentResult, place: str) -> str:
    """How a consent went."""
    lines = [result.told]
    if result.person is None and result.expected:
        lines.append(f"The provider does not say who; it should be {_listed(result.expected)}.")
    lines.append(f"Kept encrypted in {place}. It serves {_listed(chosen.accounts)} from the next mail on.")
    lines.append(f"Try it: smtp-connector check {chosen.accounts[0]}")
    return "\n".join(lines)


def revoke_question(chosen: ConfiguredCredential) -> str:
    """What revoking means, before it is done."""
    accounts, they = ("accounts", "they") if len(chosen.accounts) > 1 else ("account", "it")
    return (
        f"{chosen.credential.place} is used by the {accounts} {_listed(chosen.accounts)}. "
        f"Without it {they} cannot send until a person consents again. Revoke it?"
    )


def revoked(chosen: ConfiguredCredential, *, told: bool) -> str:
    """What became of the grant."""
    if told:
        return f"The grant of {chosen.credential.place} was given back, and its tokens are forgotten."
    forgotten = f"The tokens of {chosen.credential.place} are forgotten."
    if chosen.credential.provider == "microsoft":
        return f"{forgotten} {_MICROSOFT_REMOVAL}"
    return f"{forgotten} The provider was not told: set revocation_url, or remove the access there."


def as_json(statuses: Iterable[CredentialStatus], now: datetime) -> str:
    """Every status as JSON text."""
    return json.dumps([status.as_json(now) for status in statuses], indent=2)


def as_text(statuses: Iterable[CredentialStatus], now: datetime) -> str:
    """Every status for a person."""
    told = ["\n".join(_status(status, now)) for status in statuses]
    return "\n\n".join(told) or "No account logs in with OAuth."


def _status(status: CredentialStatus, now: datetime) -> Iterator[str]:
    credential = status.credential
    yield f"{credential.place}: {status.state.value} ({credential.grant.value})"
    yield f"  accounts       {_listed(status.configured.accounts)}"
    if status.reason:
        yield f"  reason         {status.reason}"
        if credential.grant.needs_consent and status.state is not State.UNKNOWN:
            yield f"  run            smtp-connector authorize {credential.command}"
    if status.consented:
        yield f"  consented      {status.person or UNNAMED}, {_moment(status.consented)}"
    if status.by_another:
        yield f"  warning        {another_login(status.person, status.configured.mailboxes)}"
    if status.scopes:
        yield f"  scopes         {' '.join(status.scopes)}"
    if status.access_expires:
        yield f"  access token   until {_moment(status.access_expires)}"
    if status.refreshed:
        yield f"  refresh token  used {days_left(now, status.refreshed)} days ago"
    for what, at in status.endings:
        yield f"  {what.value} ends in {days_left(at, now)} days{' unless used' if what == 'grant' else ''}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no account"
