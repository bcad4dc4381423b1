"""``smtp-connector authorize``: the grants of accounts, given, looked at, taken over, given back.

Settings and the command's options enter, text and an exit code leave. The workers go on meanwhile, and use
what is kept here with their next mail.
"""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches

import typer
from pydantic import SecretStr

from connector.accounts.credential_status import CredentialStatus, State, status_of
from connector.accounts.credentials import ConfiguredCredential, configured_credentials
from connector.auth.consent import ConsentError, ConsentResult, import_grant, keep_consent, revoke_grant
from connector.auth.device import await_device, request_device
from connector.auth.loopback import NotListeningError
from connector.auth.sources import TokenSources, open_sources
from connector.auth.store import StoreUnavailableError
from connector.cli import grant_texts
from connector.cli.browser_consent import consent_by_browser
from connector.cli.interrupt import until_interrupted
from connector.cli.options import UsageError, read_object
from connector.errors import ConnectorError
from connector.model.credential import Grant
from connector.net.outbound import outbound
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.secrets.providers import open_secrets
from connector.settings.model import Settings

_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Order:
    """The command line; as typed.

    Attributes:
        name: The account, or the credentials.
        what: The option that says what to do; None for the usual way.
    """

    name: str | None
    what: str | None
    import_file: str | None
    yes: bool
    as_json: bool


def run(order: Order, settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """Do what was asked for.

    Returns:
        The exit code: 0 when it was done, 1 when not, 130 when it was interrupted.

    Raises:
        UsageError: There is no such account, or it needs no consent.
    """
    masker = Masker()
    configure_logging(settings.log, masker)
    for credential in settings.confidential:
        masker.remember(credential)
    found = configured_credentials(settings)
    if order.what == "--status":
        chosen = (_chosen(order.name, found, settings),) if order.name else found
        work = _status(chosen, settings, masker, environ, as_json=order.as_json)
    else:
        if order.name is None:
            raise UsageError("which account? Give its name, or --status for all")
        one = _chosen(order.name, found, settings)
        if order.what == "--show":
            typer.echo(grant_texts.to_enter(one, settings.pages))
            return 0
        work = _Work(order, one, settings).done(masker, environ)
    code = asyncio.run(until_interrupted(work))
    return _INTERRUPTED if code is None else code


def _chosen(name: str, found: tuple[ConfiguredCredential, ...], settings: Settings) -> ConfiguredCredential:
    for one in found:
        if name in one.accounts or one.credential.place == f"credentials.{name}":
            return one
    if name in settings.accounts:
        raise UsageError(f"{name}: the account logs in without OAuth; give it accounts.{name}.oauth")
    names = [*settings.accounts, *settings.credentials]
    nearest = get_close_matches(name, names, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"the settings have: {', '.join(names) or 'none'}"
    raise UsageError(f"{name}: no such account; {hint}")


@asynccontextmanager
async def _sources(
    settings: Settings, masker: Masker, environ: Mapping[str, str]
) -> AsyncIterator[TokenSources]:
    async with (
        open_secrets(settings.secrets, environ, masker.remember, outbound(settings.http)) as secrets,
        open_sources(settings, secrets, masker.remember) as sources,
    ):
        yield sources


async def _status(
    chosen: tuple[ConfiguredCredential, ...],
    settings: Settings,
    masker: Masker,
    environ: Mapping[str, str],
    *,
    as_json: bool,
) -> int:
    async with _sources(settings, masker, environ) as sources:
        statuses: list[CredentialStatus] = [await status_of(one, sources) for one in chosen]
        now = datetime.now(UTC)
        text = grant_texts.as_json(statuses, now) if as_json else grant_texts.as_text(statuses, now)
        typer.echo(masker.mask(text))
    return 0 if all(status.state is State.GOOD for status in statuses) else 1


class _Work:
    """What is done with one credential."""

    def __init__(self, order: Order, chosen: ConfiguredCredential, settings: Settings) -> None:
        if not chosen.credential.grant.needs_consent:
            place, grant = chosen.credential.place, chosen.credential.grant.value
            raise UsageError(f"{place} has grant {grant}, which needs no consent; try: smtp-connector check")
        self._order = order
        self._chosen = chosen
        self._settings = settings
        self._imported = self._read_import() if order.import_file is not None else None

    async def done(self, masker: Masker, environ: Mapping[str, str]) -> int:
        """Do it, and say how it went; nothing that is secret is said."""
        ways: dict[str | None, Callable[[TokenSources], Awaitable[int]]] = {
            "--revoke": self._revoke,
            "--import": self._import,
        }
        try:
            async with _sources(self._settings, masker, environ) as sources:
                return await ways.get(self._order.what, self._consent)(sources)
        except (ConsentError, ConnectorError, StoreUnavailableError, NotListeningError) as error:
            typer.echo(f"smtp-connector: {masker.mask(str(error))}", err=True)
            return 1

    async def _consent(self, sources: TokenSources) -> int:
        credential = self._chosen.credential
        client = sources.client(credential)
        expected = self._chosen.mailboxes
        await sources.store.read(credential.place)  # a store without its key takes no grant: say so before
        if self._order.what == "--device" or credential.grant is Grant.DEVICE_CODE:
            if credential.endpoints.device is None:
                raise UsageError(f"{credential.place} has no device_url: consent in a browser instead")
            request = await request_device(client)
            typer.echo(grant_texts.device(request))
            granted = await await_device(client, request)
            result = await keep_consent(client, sources.store, granted, expected)
        else:
            open_address = None if self._order.what == "--no-browser" else webbrowser.open
            result = await consent_by_browser(client, sources.store, expected, open_address)
        return self._kept(result, sources)

    async def _import(self, sources: TokenSources) -> int:
        assert self._imported is not None  # noqa: S101 - read when the order was
        client = sources.client(self._chosen.credential)
        client.remember(self._imported.get_secret_value())
        result = await import_grant(client, sources.store, self._imported, self._chosen.mailboxes)
        return self._kept(result, sources)

    def _kept(self, result: ConsentResult, sources: TokenSources) -> int:
        typer.echo(grant_texts.kept(self._chosen, result, sources.store.place))
        return 0

    async def _revoke(self, sources: TokenSources) -> int:
        question = grant_texts.revoke_question(self._chosen)
        if not self._order.yes:
            if not sys.stdin.isatty():
                raise ConsentError(f"{question} Nothing was done: add --yes where there is no terminal.")
            if not typer.confirm(question):
                return 1
        told = await revoke_grant(sources.client(self._chosen.credential), sources.store)
        typer.echo(grant_texts.revoked(self._chosen, told=told))
        return 0

    def _read_import(self) -> SecretStr:
        """Read ``{refreshToken, accessToken, tokenExpiry, scope}``; only the first of them is of use."""
        values = read_object(self._order.import_file or "", "refreshToken, as another system keeps it")
        token = values.get("refreshToken") or values.get("refresh_token")
        if not isinstance(token, str) or not token.strip():
            raise UsageError("--import: expected JSON with a refreshToken")
        return SecretStr(token.strip())
