"""What the worker's pages show: values enter, HTML leaves, in which every text from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from http import HTTPStatus

from connector.accounts.accounts import Account
from connector.accounts.credential_status import CredentialStatus, Ending, State, days_left
from connector.auth.browser import Page
from connector.auth.consent import UNNAMED, ConsentResult, another_login
from connector.auth.device import DeviceRequest
from connector.check.findings import Report, Status

_CLASSES = {Status.OK: "good", Status.FAILED: "bad", Status.WARNING: "bad", Status.SKIPPED: ""}


@dataclass(frozen=True, slots=True)
class Listing:
    """What the page of accounts shows.

    Attributes:
        notes: How consents on another device stand, by credential.
    """

    accounts: tuple[Account, ...]
    statuses: tuple[CredentialStatus, ...]
    notes: Mapping[str, str]
    now: datetime


@dataclass(frozen=True, slots=True)
class Forms:
    """Makes the forms of a session's pages.

    Attributes:
        path: Below which the pages are.
        word: Shows that a form came from a page of this session.
    """

    path: str
    word: str

    def button(self, action: str, label: str, values: Mapping[str, str], more: str = "") -> str:
        """A form with a button.

        Args:
            action: Where it goes, below the path.
            label: The button's.
            values: What it says beside what a person types in.
            more: HTML of what a person types in.
        """
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">'
            for name, value in {"word": self.word, **values}.items()
        )
        where = escape(f"{self.path}{action}")
        return f'<form method="post" action="{where}">{hidden}{more}<button>{label}</button></form>'


def login(path: str, fault: str = "", status: HTTPStatus = HTTPStatus.OK) -> Page:
    """Ask for the token."""
    said = f'<p class="bad">{escape(fault)}</p>' if fault else ""
    form = (
        f'<form method="post" action="{escape(path)}/login"><label>Token (pages.token): '
        '<input type="password" name="token" autocomplete="current-password" autofocus required></label> '
        "<button>Log in</button></form>"
    )
    return Page("Log in", f"<h1>Accounts of the mail worker</h1>{said}{form}", status)


def accounts(listing: Listing, forms: Forms) -> Page:
    """List the accounts, with what can be done."""
    rows = "".join(_row(account, listing, forms) for account in listing.accounts)
    table = f"<table><tr><th>Account<th>Login<th>State<th></tr>{rows}</table>"
    if not rows:
        table = "<p>The settings have no accounts.</p>"
    leave = forms.button("/logout", "Log out", {})
    return Page("Accounts", f"<h1>Accounts</h1>{table}<p>{leave}</p>")


def _row(account: Account, listing: Listing, forms: Forms) -> str:
    status = next((one for one in listing.statuses if account.name in one.configured.accounts), None)
    address = account.sender.address if account.sender else ""
    who = f"<b>{escape(account.name)}</b><br>{escape(address)}<br>{escape(str(account.route))}"
    if status is None:
        way = "password" if account.route.username else "none"
        return f"<tr><td>{who}<td>{way}<td><td>{_tester(account, address, forms)}</tr>"
    note = listing.notes.get(status.credential.place)
    state = "<br>".join([*_state(status, listing.now), *([escape(note)] if note else [])])
    credential = status.credential
    consent = ""
    if credential.grant.needs_consent:
        consent = forms.button("/authorize", "Authorize", {"credential": credential.place})
    way = f"OAuth2, {escape(credential.grant.value)}<br>{escape(credential.place)}"
    return f"<tr><td>{who}<td>{way}<td>{state}<td>{consent} {_tester(account, address, forms)}</tr>"


def _state(status: CredentialStatus, now: datetime) -> Iterator[str]:
    kind = "good" if status.state is State.GOOD else "bad"
    yield f'<span class="{kind}">{escape(status.state.value)}</span>'
    if status.reason:
        yield escape(status.reason)
    if status.consented:
        yield f"{escape(status.person or UNNAMED)} consented on {status.consented:%Y-%m-%d}"
    if status.by_another:
        words = another_login(status.person, status.configured.mailboxes)
        yield f'<span class="bad">{escape(words)}</span>'
    if status.scopes:
        yield escape(" ".join(status.scopes))
    if status.access_expires:
        yield f"access token until {status.access_expires:%Y-%m-%d %H:%M} UTC"
    if status.refreshed:
        yield f"refresh token used {days_left(now, status.refreshed)} days ago"
    for what, moment in status.endings:
        unless = " unless used" if what is Ending.GRANT else ""
        yield f"{what.value} expires in {days_left(moment, now)} days{unless}"


def _tester(account: Account, address: str, forms: Forms) -> str:
    label = escape(f"Recipient of a test mail through {account.name}")
    recipient = (
        f'<input name="recipient" value="{escape(address)}" placeholder="no mail" aria-label="{label}">'
    )
    return forms.button("/test", "Test", {"account": account.name}, recipient)


def tested(report: Report, path: str) -> Page:
    """Show the findings of a test."""
    rows = "".join(
        f'<tr><td>{finding.step.value}<td class="{_CLASSES[finding.status]}">{finding.status.value}'
        f"<td>{escape(finding.message)}{f'<br>{escape(finding.fix)}' if finding.fix else ''}</tr>"
        for finding in report.findings
    )
    title = f"Test of {report.name}: {report.status.value}"
    heading = f'<h1 class="{_CLASSES[report.status]}">{escape(title)}</h1><p>{escape(report.target)}</p>'
    return Page(title, f"{heading}<table>{rows}</table>{_back(path)}")


def device(asked: DeviceRequest, path: str) -> Page:
    """Show the code to type in on another device."""
    whole = (
        f' Or open <a href="{escape(asked.complete)}" rel="noreferrer">{escape(asked.complete)}</a>.'
        if asked.complete and asked.complete.startswith(("https://", "http://"))
        else ""
    )
    text = (
        f"<p>Open {escape(asked.address)} on any device, and enter</p><h1>{escape(asked.user_code)}</h1>"
        f"<p>within {asked.seconds / 60:.0f} minutes.{whole}</p>"
    )
    return Page("Enter the code", f"{text}{_back(path)}")


def done(result: ConsentResult, path: str) -> Page:
    """Say that a consent was kept."""
    kind = "bad" if result.by_another else "good"
    words = f"<h1>Done</h1><p class={kind!r}>{escape(result.told)} It serves the next mail.</p>"
    return Page("Done", f"{words}{_back(path)}")


def failed(text: str, path: str) -> Page:
    """Say why nothing was done."""
    body = f'<h1 class="bad">Not done</h1><p>{escape(text)}</p>{_back(path)}'
    return Page("Not done", body, HTTPStatus.BAD_REQUEST)


def _back(path: str) -> str:
    return f'<p><a href="{escape(path)}/accounts">Accounts</a></p>'
