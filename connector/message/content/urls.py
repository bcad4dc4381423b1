"""Contents that a task names by URL, fetched from hosts that the operator allows.

A URL enters, octets with their name and type leave. Apart, because here process data chooses where this
machine connects to; which destinations are allowed is said by :mod:`connector.message.content.destinations`.

The host is resolved here, once, and the connection goes to the very address that was checked: the request
names the address, while TLS (SNI and certificate) and the Host header keep the name. A proxy, which looks the
host up by itself, gets the name, after the check. Every redirect passes the same gate. Nothing of the
environment is used unless an operator says so, and no cookie is ever kept. Neither path nor query of a URL is
repeated in an error, since either may hold a token.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import unquote

from connector.errors import AttachmentError, ErrorCode
from connector.message.content.rooted_files import Portion
from connector.model.causes import causes_of
from connector.model.hosts import Address, HostList
from connector.net.outbound import DIRECT, Outbound
from connector.settings.model import AttachmentSettings

if TYPE_CHECKING:  # a worker that fetches nothing does not load it
    import httpx2

    from connector.net.http_clients import OutboundTransport

MAX_REDIRECTS = 3

_DEFAULT_PORTS = {"https": 443, "http": 80}
# Asked for as it is: what arrives compressed could be a thousand times its size.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "zeebe-smtp-connector"}
# RFC 6838 section 4.2: 127 characters for each half. What is no such type is ignored.
_MEDIA_TYPE = re.compile(
    r"\s*((?!multipart/|message/)[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127})\s*(?:;|$)", re.IGNORECASE
)
# What servers say of a file that they know nothing about; the name tells more.
_UNKNOWN_TYPES = frozenset({"application/octet-stream", "binary/octet-stream"})
_GONE = frozenset({404, 410})
_TRY_LATER = frozenset({408, 425})

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the system's order of preference (RFC 6724).

    Raises:
        OSError: It has none, or the look-up failed.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL held.

    Attributes:
        name: The last segment of the path, decoded; empty when the URL ends in a slash.
        content_type: The media type without parameters; None when the server knows none.
    """

    data: bytes
    name: str
    content_type: str | None


class UrlFetcher:
    """Fetches URLs from the allowed hosts.

    Args:
        settings: Hosts and time limit.
        resolve: Finds the addresses of a host.
        tls: What an https server is checked against; the system's authorities when None.
        way: Which proxy is for which URL.

    Raises:
        ValueError: An entry of ``attachments.urls`` is no host.
    """

    def __init__(
        self,
        settings: AttachmentSettings,
        *,
        resolve: Resolve = resolve_host,
        tls: ssl.SSLContext | None = None,
        way: Outbound = DIRECT,
    ) -> None:
        self._way = way
        self._hosts = HostList(settings.urls)
        self._timeout = settings.url_timeout.total_seconds()
        self._resolve = resolve
        self._tls = tls
        self._transport: OutboundTransport | None = None

    async def fetch(self, url: str, portion: Portion) -> Fetched:
        """Fetch one URL within ``attachments.url_timeout``, redirects included.

        Args:
            url: An https or http URL as the task gives it.
            portion: What the content may weigh.

        Raises:
            AttachmentError: ``ATTACHMENT_NOT_ALLOWED`` for a host or address that is not allowed, and when
                the server refuses; ``ATTACHMENT_NOT_FOUND``; ``MESSAGE_TOO_LARGE``; ``TLS_FAILED``; and
                ``DNS_FAILED``, ``CONNECTION_FAILED``, ``CONNECTION_TIMEOUT``, ``RATE_LIMITED``, after which
                a later attempt may succeed.
        """
        target = self._admitted(self._parsed(url, portion.field), portion.field)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.to_thread(import_module, "httpx2")  # half a second on a busy machine, at first
                return await self._follow(target, portion)
        except TimeoutError as error:
            reason = f"did not arrive within {self._timeout:g} seconds (attachments.url_timeout)"
            raise target.failure(ErrorCode.CONNECTION_TIMEOUT, reason) from error

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _follow(self, target: _Target, portion: Portion) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._answer(target) as response:
                if not response.has_redirect_location:
                    return await _taken(response, target, portion)
                target = self._redirected(target, response.headers["Location"])
        raise target.failure(
            ErrorCode.ATTACHMENT_NOT_ALLOWED, f"is redirected more than {MAX_REDIRECTS} times"
        )

    def _redirected(self, target: _Target, location: str) -> _Target:
        url = self._parsed(location, target.field, base=target.url)
        if target.url.scheme == "https" and url.scheme != "https":
            raise target.failure(ErrorCode.ATTACHMENT_NOT_ALLOWED, "is redirected from https to http")
        return self._admitted(url, target.field)

    def _parsed(self, url: str, field: str, base: httpx2.URL | None = None) -> httpx2.URL:
        import httpx2  # noqa: PLC0415 - see above: only who fetches pays for it

        try:
            return httpx2.URL(url) if base is None else base.join(url)
        except httpx2.InvalidURL:
            message = f"{field}: this is not a valid URL"
            # The original error quotes parts of it.
            raise AttachmentError(ErrorCode.ATTACHMENT_NOT_ALLOWED, message, field=field) from None

    def _admitted(self, url: httpx2.URL, field: str) -> _Target:
        default_port = _DEFAULT_PORTS.get(url.scheme)
        if default_port is None or not url.host:
            message = f"{field}: only https and http URLs can be fetched"
            raise AttachmentError(ErrorCode.ATTACHMENT_NOT_ALLOWED, message, field=field)
        target = _Target(field, url, url.raw_host.decode("ascii"), url.port or default_port, default_port)
        if url.userinfo:
            raise target.failure(
                ErrorCode.ATTACHMENT_NOT_ALLOWED, "has a username or password in it; leave them out"
            )
        if not self._hosts.lists(target.host, target.port, (default_port,)):
            raise target.failure(
                ErrorCode.ATTACHMENT_NOT_ALLOWED,
                "is on a host that the setting attachments.urls does not list",
            )
        return target

    @asynccontextmanager
    async def _answer(self, target: _Target) -> AsyncIterator[httpx2.Response]:
        """Connect to the first of the host's allowed addresses that can be reached, and ask."""
        import httpx2  # noqa: PLC0415 - see above

        addresses: Sequence[Address | None] = await self._addresses(target)
        if self._way.proxy_for(str(target.url)) is not None:
            addresses = [None]
        failure: Exception | None = None
        for address in addresses:
            try:
                response = await self._ask(target, address, self._timeout / len(addresses))
                break
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
            except httpx2.ProxyError as error:
                reason = f"cannot be fetched: the proxy (http.proxy) refuses it ({error})"
                raise target.failure(ErrorCode.CONNECTION_FAILED, reason) from error
            except httpx2.TransportError as error:
                raise target.failure(ErrorCode.CONNECTION_FAILED, "could not be fetched") from error
        else:
            raise _connect_failure(target, failure, proxied=addresses == [None])
        try:
            yield response
        except httpx2.TransportError as error:
            raise target.failure(ErrorCode.CONNECTION_FAILED, "broke off during the transfer") from error
        finally:
            await response.aclose()

    async def _addresses(self, target: _Target) -> list[Address]:
        try:
            found = await self._resolve(target.host, target.port)
        except OSError as error:
            reason = "cannot be fetched: its host name is not known; check it, and this machine's DNS"
            raise target.failure(ErrorCode.DNS_FAILED, reason) from error
        addresses = [ipaddress.ip_address(address) for address in found]
        admitted = [a for a in addresses if self._hosts.admits(a, target.port, (target.default_port,))]
        if not admitted:
            raise target.failure(
                ErrorCode.ATTACHMENT_NOT_ALLOWED,
                "is on a host with a private, loopback or otherwise not public address, and the setting"
                " attachments.urls does not list that address itself",
            )
        return admitted

    async def _ask(self, target: _Target, address: Address | None, connect_timeout: float) -> httpx2.Response:
        import httpx2  # noqa: PLC0415 - see above

        request = httpx2.Request(
            "GET",
            target.url.copy_with(host=str(address or target.host), fragment=None),
            headers={**_HEADERS, "Host": target.url.netloc.decode("ascii")},
            extensions={"sni_hostname": target.host, "timeout": {"connect": connect_timeout}},
        )
        return await self._connections().towards(str(target.url)).handle_async_request(request)

    def _connections(self) -> OutboundTransport:
        """The bare transport: a client would keep cookies, and log whole URLs."""
        if self._transport is None:
            import httpx2  # noqa: PLC0415 - see above

            from connector.net.http_clients import OutboundTransport  # noqa: PLC0415 - see above

            # No connection is kept: one that was verified for one name must not serve another on its address.
            limits = httpx2.Limits(max_keepalive_connections=0)
            trust = self._tls or ssl.create_default_context()
            self._transport = OutboundTransport(trust, self._way, limits)
        return self._transport


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL whose host is allowed or about to be refused."""

    field: str
    url: httpx2.URL
    host: str
    port: int
    default_port: int

    def failure(self, code: ErrorCode, reason: str) -> AttachmentError:
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{self.url.scheme}://{host}" + ("" if self.port == self.default_port else f":{self.port}")
        return AttachmentError(code, f"{self.field}: the URL at {place} {reason}", field=self.field)


def _connect_failure(target: _Target, error: Exception | None, *, proxied: bool) -> AttachmentError:
    for cause in causes_of(error):
        if isinstance(cause, ssl.SSLError):
            reason = f"cannot be fetched safely: {getattr(cause, 'verify_message', None) or cause.reason}"
            return target.failure(ErrorCode.TLS_FAILED, reason)
    where = "the proxy (http.proxy)" if proxied else "its host"
    return target.failure(ErrorCode.CONNECTION_FAILED, f"cannot be fetched: no connection to {where}")


async def _taken(response: httpx2.Response, target: _Target, portion: Portion) -> Fetched:
    _check_status(response.status_code, target)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        reason = "arrives compressed although it was requested uncompressed; attach the compressed file"
        raise target.failure(ErrorCode.ATTACHMENT_NOT_ALLOWED, reason)
    portion.reach(int(response.headers.get("Content-Length", 0)))
    return Fetched(await _body(response, portion), _name(target.url), _content_type(response))


async def _body(response: httpx2.Response, portion: Portion) -> bytes:
    """Collect the octets; ``getvalue`` hands the buffer over instead of copying it."""
    collected = BytesIO()
    async for chunk in response.aiter_raw():
        collected.write(chunk)
        portion.reach(collected.tell())
    return collected.getvalue()


def _check_status(status: int, target: _Target) -> None:
    if status == 200:
        return
    if status == 429:
        code = ErrorCode.RATE_LIMITED
    elif status in _TRY_LATER or status >= 500 or status < 400:
        code = ErrorCode.CONNECTION_FAILED
    else:
        code = ErrorCode.ATTACHMENT_NOT_FOUND if status in _GONE else ErrorCode.ATTACHMENT_NOT_ALLOWED
    raise target.failure(code, f"cannot be fetched: the server answered {status}")


def _name(url: httpx2.URL) -> str:
    return unquote(url.raw_path.partition(b"?")[0].rpartition(b"/")[2].decode("ascii"))


def _content_type(response: httpx2.Response) -> str | None:
    match = _MEDIA_TYPE.match(response.headers.get("Content-Type", ""))
    media_type = match[1].lower() if match else None
    return None if media_type in _UNKNOWN_TYPES else media_type
