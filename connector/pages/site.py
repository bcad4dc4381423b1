"""The worker's pages: log in, see the accounts, let a person consent, test an account.

A browser's request enters, a page leaves. Settings are those in force, so that accounts which were added
while the worker runs are there. A grant that is kept here serves the next mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog

from connector.accounts.accounts import Accounts
from connector.accounts.credential_status import status_of
from connector.accounts.credentials import ConfiguredCredential, configured_credentials
from connector.auth.browser import BrowserRequest, Page, note, redirect
from connector.auth.client import OAuthClient
from connector.auth.consent import ConsentError, code_of, keep_consent, request_consent
from connector.auth.device import DeviceRequest, await_device, request_device
from connector.auth.sources import TokenSources, open_sources
from connector.auth.store import StoreUnavailableError
from connector.check.run import CheckRequest, reports
from connector.errors import ConnectorError, InputError
from connector.model.addresses import Mailbox, parse_mailbox
from connector.model.credential import Grant
from connector.net.outbound import outbound
from connector.pages import views
from connector.pages.sessions import Session, Sessions
from connector.secrets.masker import Masker
from connector.secrets.providers import open_secrets
from connector.settings.model import Settings

_log = structlog.get_logger(__name__)

CALLBACK = "/oauth2"
_STEP_SECONDS = 15.0

Handler = Callable[[BrowserRequest, Session], Awaitable[Page]]
_Failed = (ConsentError, ConnectorError, StoreUnavailableError)


class AccountPages:
    """Answers browsers; give :meth:`answer` to a :class:`~connector.auth.browser.BrowserServer`.

    Args:
        settings: Gives the settings in force.
        environ: Where secrets from the environment are looked up.
        masker: Learns every credential.
        address: How browsers reach the pages, without a slash at the end.
    """

    def __init__(
        self, settings: Callable[[], Settings], environ: Mapping[str, str], masker: Masker, address: str
    ) -> None:
        parts = urlsplit(address)
        self._settings = settings
        self._environ = environ
        self._masker = masker
        self._address = address
        self._path = parts.path
        self._sessions = Sessions(secure=parts.scheme == "https", path=parts.path)
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._notes: dict[str, str] = {}
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "/accounts"): self._list,
            ("GET", CALLBACK): self._come_back,
            ("POST", "/authorize"): self._authorize,
            ("POST", "/test"): self._test,
            ("POST", "/logout"): self._log_out,
        }

    async def answer(self, request: BrowserRequest) -> Page:
        """Make the page for a request."""
        path = request.path.removeprefix(self._path)
        if path in {"", "/"}:
            return self._go("/accounts")
        if (request.method, path) == ("POST", "/login"):
            return await self._log_in(request)
        handler = self._handlers.get((request.method, path))
        if handler is None:
            return note("Not found", "", good=False, status=HTTPStatus.NOT_FOUND)
        session = self._sessions.of(request.headers)
        if session is None:
            return self._without_session(path)
        if request.method == "POST" and not session.posted(request.form):
            text = "The form is too old. Go back, and load the page again."
            return note("Nothing done", text, good=False, status=HTTPStatus.FORBIDDEN)
        return await handler(request, session)

    async def aclose(self) -> None:
        """Stop waiting for consents."""
        for task in self._waiting.values():
            task.cancel()
        await asyncio.gather(*self._waiting.values(), return_exceptions=True)

    # --- login --------------------------------------------------------------------------------------

    def _without_session(self, path: str) -> Page:
        if path == CALLBACK:
            text = "This answer belongs to another browser, or the session has ended. Log in and start again."
            return views.login(self._path, text, HTTPStatus.FORBIDDEN)
        return views.login(self._path)

    async def _log_in(self, request: BrowserRequest) -> Page:
        cookie = await self._sessions.opened(request.form.get("token", ""), await self._token())
        if cookie is None:
            _log.warning("wrong token for the pages")
            return views.login(self._path, "That is not the token.", HTTPStatus.FORBIDDEN)
        return redirect(f"{self._path}/accounts", cookie)

    async def _token(self) -> str:
        settings = self._settings()
        token = settings.pages.token
        assert token is not None  # noqa: S101 - the pages are there with a token only
        async with open_secrets(
            settings.secrets, self._environ, self._masker.remember, outbound(settings.http)
        ) as secrets:
            return await secrets.resolve_here(token.get_secret_value(), "pages.token")

    async def _log_out(self, _: BrowserRequest, session: Session) -> Page:
        self._sessions.close(session)
        return self._go("/accounts")

    # --- accounts -----------------------------------------------------------------------------------

    async def _list(self, _: BrowserRequest, session: Session) -> Page:
        settings = self._settings()
        credentials = configured_credentials(settings)
        async with self._sources(settings) as sources:
            statuses = [await status_of(one, sources) for one in credentials]
        accounts = tuple(Accounts(settings).all)
        listing = views.Listing(accounts, tuple(statuses), dict(self._notes), datetime.now(UTC))
        return views.accounts(listing, views.Forms(self._path, session.word))

    async def _test(self, request: BrowserRequest, _: Session) -> Page:
        """Take the steps of ``check``, and send a test mail where there is a recipient."""
        settings, name = self._settings(), request.form.get("account", "")
        if name not in settings.accounts:
            return self._failed("There is no such account.")
        try:
            recipient = _recipient(request.form.get("recipient", ""))
        except InputError as error:
            return self._failed(error.message)
        wanted = CheckRequest(
            (name,),
            None,
            None,
            engine=False,
            ledger=False,
            sender=None,
            recipient=recipient,
            seconds=_STEP_SECONDS,
        )
        found = [report async for report in reports(wanted, settings, self._masker, self._environ)]
        return views.tested(found[0], self._path)

    # --- consent ------------------------------------------------------------------------------------

    async def _authorize(self, request: BrowserRequest, session: Session) -> Page:
        settings = self._settings()
        chosen = _chosen(settings, request.form.get("credential", ""))
        if chosen is None:
            return self._failed("There are no such credentials.")
        if chosen.credential.grant is Grant.DEVICE_CODE:
            return await self._ask_for_device(chosen, settings)
        wanted = chosen.credential.redirect_url
        if wanted is not None and wanted.rstrip("/") != f"{self._address}{CALLBACK}":
            setting = chosen.credential.setting("redirect_url")
            return self._failed(
                f"{setting} is {wanted}, which does not lead to this page: leave it out, and register "
                f"{self._address}{CALLBACK} at the provider."
            )
        hint = chosen.mailboxes[0] if chosen.mailboxes else None
        asked = request_consent(chosen.credential, f"{self._address}{CALLBACK}", hint)
        self._masker.remember(asked.verifier)
        self._masker.remember(asked.state)
        session.begin(chosen.credential.place, asked)
        return redirect(asked.url)

    async def _come_back(self, request: BrowserRequest, session: Session) -> Page:
        begun = session.take(request.query.get("state", ""))
        settings = self._settings()
        chosen = _chosen(settings, begun.place) if begun is not None else None
        if begun is None or chosen is None:
            return self._failed("This answer was used already, or came too late. Start again.")
        try:
            async with self._sources(settings) as sources:
                client = sources.client(chosen.credential)
                code = code_of(chosen.credential, begun.request, request.query)
                granted = await client.redeem(code, begun.request.verifier, begun.request.redirect_url)
                result = await keep_consent(client, sources.store, granted, chosen.mailboxes)
        except _Failed as error:
            return self._failed(str(error))
        _log.info("consent kept", credential=begun.place, person=result.person)
        self._notes.pop(begun.place, None)
        return views.done(result, self._path)

    async def _ask_for_device(self, chosen: ConfiguredCredential, settings: Settings) -> Page:
        """Show a code, and wait for the consent while the person types it in elsewhere."""
        place = chosen.credential.place
        try:
            async with self._sources(settings) as sources:
                asked = await request_device(sources.client(chosen.credential))
        except _Failed as error:
            return self._failed(str(error))
        if (former := self._waiting.pop(place, None)) is not None:
            former.cancel()
        self._notes[place] = f"waits for the code {asked.user_code}"
        task = self._waiting[place] = asyncio.create_task(self._await_device(chosen, settings, asked))
        task.add_done_callback(partial(self._ended, place))
        return views.device(asked, self._path)

    async def _await_device(
        self, chosen: ConfiguredCredential, settings: Settings, asked: DeviceRequest
    ) -> None:
        place = chosen.credential.place
        try:
            async with self._sources(settings) as sources:
                client: OAuthClient = sources.client(chosen.credential)
                granted = await await_device(client, asked)
                result = await keep_consent(client, sources.store, granted, chosen.mailboxes)
        except _Failed as error:
            self._notes[place] = self._masker.mask(str(error))
            return
        _log.info("consent kept", credential=place, person=result.person)
        self._notes.pop(place, None)

    def _ended(self, place: str, task: asyncio.Task[None]) -> None:
        if self._waiting.get(place) is task:
            del self._waiting[place]

    # --- in general ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def _sources(self, settings: Settings) -> AsyncIterator[TokenSources]:
        remember = self._masker.remember
        async with (
            open_secrets(settings.secrets, self._environ, remember, outbound(settings.http)) as secrets,
            open_sources(settings, secrets, remember) as sources,
        ):
            yield sources

    def _failed(self, text: str) -> Page:
        return views.failed(self._masker.mask(text), self._path)

    def _go(self, path: str) -> Page:
        return redirect(f"{self._path}{path}")


def _chosen(settings: Settings, place: str) -> ConfiguredCredential | None:
    for one in configured_credentials(settings):
        if one.credential.place == place and one.credential.grant.needs_consent:
            return one
    return None


def _recipient(text: str) -> Mailbox | None:
    return parse_mailbox(text, "the recipient") if text.strip() else None
