"""A consent through a browser, received on a loopback port or pasted in.

A credential's client enters, the consent that was kept leaves. The page that the browser ends at says how it
went, so it is kept before the page is shown.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import typer

from connector.auth.browser import BrowserRequest, BrowserServer, Page, note
from connector.auth.client import OAuthClient
from connector.auth.consent import (
    ConsentError,
    ConsentRequest,
    ConsentResult,
    code_of,
    keep_consent,
    request_consent,
)
from connector.auth.loopback import USUAL, Receiver, is_loopback, receiver
from connector.auth.store import StoreUnavailableError, TokenStore
from connector.cli import grant_texts
from connector.errors import ConnectorError

_SECONDS = 900.0  # a person may have to find a telephone for the second factor


async def consent_by_browser(
    client: OAuthClient,
    store: TokenStore,
    expected: tuple[str, ...],
    open_address: Callable[[str], object] | None,
) -> ConsentResult:
    """Send a person to the provider, and wait for the answer.

    Args:
        client: Of the credential.
        store: Where the grant is kept.
        expected: The mailboxes of its accounts.
        open_address: Opens the browser; without it the address is printed, and the answer may be pasted.

    Raises:
        ConsentError: There is none.
        NotListeningError: The redirect address cannot be listened on.
        ConnectorError: The provider refuses the code.
        StoreUnavailableError: The grant cannot be kept.
    """
    wanted = client.credential.redirect_url or USUAL
    place = receiver(wanted) if is_loopback(wanted) else Receiver(wanted, "", ())
    request = request_consent(client.credential, place.url, expected[0] if expected else None)
    waiting = _Waiting(client, store, expected, request)
    server = BrowserServer(lambda asked: waiting.answer(asked, place.path))
    await server.listen(place.sockets)
    try:
        return await _answered(waiting, request, open_address if place.sockets else None)
    finally:
        await server.aclose()


async def _answered(
    waiting: _Waiting, request: ConsentRequest, open_address: Callable[[str], object] | None
) -> ConsentResult:
    typer.echo(grant_texts.address(request.url, waiting.command, pasting=open_address is None))
    if open_address is not None:
        # A browser that does not return would hold up this command at its end, were it no daemon's thread.
        threading.Thread(target=open_address, args=(request.url,), daemon=True).start()
    else:
        _read_pasted(waiting)
    try:
        async with asyncio.timeout(_SECONDS):
            return await waiting.result
    except TimeoutError:
        raise ConsentError(
            f"No consent came back within {_SECONDS / 60:.0f} minutes. {grant_texts.compare(waiting.command)}"
        ) from None


class _Waiting:
    """A request for consent until its answer is there, by redirect or pasted."""

    def __init__(
        self, client: OAuthClient, store: TokenStore, expected: tuple[str, ...], request: ConsentRequest
    ) -> None:
        self._client = client
        self._store = store
        self._expected = expected
        self._request = request
        self.result: asyncio.Future[ConsentResult] = asyncio.get_running_loop().create_future()
        self.command = client.credential.command or ""
        client.remember(request.verifier)
        client.remember(request.state)

    async def answer(self, asked: BrowserRequest, path: str) -> Page:
        """The page for a browser that has come back."""
        if asked.method != "GET" or asked.path != path:
            return note("Not found", "", good=False, status=HTTPStatus.NOT_FOUND)
        try:
            result = await self.take(asked.query)
        except (ConsentError, ConnectorError, StoreUnavailableError) as error:
            return note("No consent", str(error), good=False, status=HTTPStatus.BAD_REQUEST)
        return note("Done", f"{result.told} You can close this page.", good=True)

    async def take(self, query: Mapping[str, str]) -> ConsentResult:
        """Redeem what came back; an answer to another request changes nothing."""
        if query.get("state") == self._request.state and self.result.done():
            raise ConsentError("This answer was used already. Close this page.")
        try:
            result = await self._redeemed(query)
        except (ConsentError, ConnectorError, StoreUnavailableError) as error:
            if query.get("state") == self._request.state and not self.result.done():
                self.result.set_exception(error)
            raise
        if not self.result.done():
            self.result.set_result(result)
        return result

    async def _redeemed(self, query: Mapping[str, str]) -> ConsentResult:
        code = code_of(self._client.credential, self._request, query)
        granted = await self._client.redeem(code, self._request.verifier, self._request.redirect_url)
        return await keep_consent(self._client, self._store, granted, self._expected)


def _read_pasted(waiting: _Waiting) -> None:
    """Take the address at which a browser on another machine has ended, from standard input."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def take(line: str) -> None:
        query = dict(parse_qsl(urlsplit(line).query))
        try:
            await waiting.take(query)
        except (ConsentError, ConnectorError, StoreUnavailableError) as error:
            if not waiting.result.done():
                typer.echo(f"{error} Paste the whole address.", err=True)

    def begin(line: str) -> None:
        task = loop.create_task(take(line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def read() -> None:
        with suppress(ValueError, RuntimeError):  # standard input or the loop is closed
            while line := sys.stdin.readline():
                if line.strip():
                    loop.call_soon_threadsafe(begin, line.strip())

    # A thread of a pool would be waited for at the end, and standard input may stay silent.
    threading.Thread(target=read, daemon=True, name="pasted").start()
