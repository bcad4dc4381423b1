"""Requests to one mailbox of Microsoft Graph: a path and a body in, an answer out.

Here is what all requests share: the token and one new token after a 401, immutable ids, the account's own
headers, the limits of the mailbox, and pauses that the service asks for. What an error means for a mail is
decided elsewhere; a :class:`GraphFaultError` says what is known, above all whether the request may have been
served.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit

import httpx2

from connector.auth.port import TokenSource
from connector.model.hosts import is_protected
from connector.model.server import GraphRoute
from connector.webapi.allowance import Allowance
from connector.webapi.api import (
    LARGEST_ANSWER,
    USER_AGENT,
    Answer,
    ServiceFaultError,
    answered,
)
from connector.webapi.asking import Asking, BearerLogin

# Ids that stay while a mail is in its mailbox; documented for every request, to be asked for at each.
_IMMUTABLE = 'IdType="ImmutableId"'
_GONE = frozenset({"ErrorItemNotFound", "ErrorInvalidIdMalformed", "ErrorMessageNotFound"})
# An upload that is under way waits longer for its turn than a mail that has not begun.
_UPLOAD_PATIENCE = 300.0
# What a cloud answers that has no such operation.
_NO_SUCH_OPERATION = frozenset({400, 404, 405, 501})


class GraphFaultError(ServiceFaultError):
    """Microsoft Graph gave no good answer."""

    @property
    def gone(self) -> bool:
        """Whether there is no such mail."""
        return self.status in {400, 404} and self.error in _GONE

    def told(self, doing: str, advice: str) -> str:
        """Say what failed, as ``make the draft``, and what to change."""
        return self.told_by("Microsoft Graph", doing, advice)


class GraphApi:
    """Asks on behalf of one account.

    Args:
        route: The mailbox.
        client: Keeps the connections.
        tokens: Gives tokens.
        allowance: Of the mailbox.
        known: Ids of folders by their well-known names, which never change; filled by who asks for one.
    """

    def __init__(
        self,
        route: GraphRoute,
        client: httpx2.AsyncClient,
        tokens: TokenSource,
        allowance: Allowance,
        known: dict[str, str] | None = None,
    ) -> None:
        self.route = route
        self.known = {} if known is None else known
        self._client = client
        self._tokens = tokens
        self._asking = Asking(client, allowance, route.quota.max_wait, GraphFaultError)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        prefer: str = "",
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        """Make a request to the mailbox.

        What the service refuses for a moment (429, 503 with Retry-After) is asked again, where that moment
        is no longer than the account's mails wait for their turn.

        Args:
            method: The verb of HTTP.
            path: Below the mailbox; or a whole address, as a page names the next one.
            body: JSON, or a mail in base64.
            prefer: A preference beside that for immutable ids.
            largest: Octets of the largest answer.

        Raises:
            GraphFaultError: There is no good answer.
            PostponedError: The mailbox takes no requests for now; nothing was asked.
            TokenError: There is no token.
        """
        login = BearerLogin(self._tokens)
        return await self._asking.ask(lambda: self._request(method, path, body, prefer), login, largest)

    async def post_booked(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Make a request whose body is part of a :meth:`booking`; see :meth:`ask`."""
        login = BearerLogin(self._tokens)
        return await self._asking.ask(lambda: self._request("POST", path, body, ""), login, booked=True)

    def booking(self, octets: int) -> AbstractAsyncContextManager[None]:
        """Book what is uploaded in the block, so that the mailbox takes all of it.

        Raises:
            PostponedError: It takes no more for now; nothing was asked.
        """
        return self._asking.allowance.upload(octets, self._asking.patience)

    async def delete(self, message: str) -> None:
        """Delete a mail for good; where the cloud cannot, into Deleted Items.

        Args:
            message: Its path.

        Raises:
            GraphFaultError: It is still there, or was not there.
        """
        try:
            await self.ask("POST", f"{message}/permanentDelete")
        except GraphFaultError as fault:
            if fault.gone or fault.status not in _NO_SUCH_OPERATION:
                raise
            await self.ask("DELETE", message)

    async def upload(self, method: str, url: str, octets: bytes = b"", span: str = "") -> Answer:
        """Ask the address of a booked upload, which says itself who may: no token goes there.

        Raises:
            GraphFaultError: There is no good answer.
            PostponedError: The mailbox takes no requests for long.
        """
        if not is_protected(url):
            raise GraphFaultError(
                "it gave an address for an upload that cannot be used: it must start with https://"
            )
        headers = {"Content-Type": "application/octet-stream", "Content-Range": span} if span else {}
        request = self._client.build_request(method, url, content=octets or None, headers=headers)
        allowance = self._asking.allowance
        async with allowance.room(_UPLOAD_PATIENCE):
            try:
                return await answered(self._client, request, GraphFaultError)
            except GraphFaultError as fault:
                if fault.retry_after is not None and not fault.served:
                    allowance.close(fault.retry_after)
                raise

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | bytes | None, prefer: str
    ) -> httpx2.Request:
        headers = {
            **dict(self.route.headers),
            "Prefer": f"{_IMMUTABLE}, {prefer}" if prefer else _IMMUTABLE,
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }
        content = body if isinstance(body, bytes) else None
        if content is not None:
            headers["Content-Type"] = "text/plain"
        elif body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return self._client.build_request(method, self._address(path), content=content, headers=headers)

    def _address(self, path: str) -> str:
        if not path.startswith("http"):
            return f"{self.route.base_url}{self.route.mailbox}{path}"
        # The token goes there: no page may send it elsewhere.
        try:
            elsewhere = urlsplit(path)[:2] != urlsplit(self.route.base_url)[:2]
        except ValueError:  # as "https://["
            elsewhere = True
        if elsewhere:
            raise GraphFaultError("it named another host for the next page")
        return path


def quoted(text: str) -> str:
    """A text of ``$filter``."""
    return "'" + text.replace("'", "''") + "'"


def message_id_is(text: str) -> str:
    """The condition of ``$filter`` for mails with a Message-ID."""
    return f"internetMessageId eq {quoted(text)}"
