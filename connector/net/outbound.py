"""Which proxy an HTTP request goes through, if any.

A URL enters, the proxy for it leaves. Stands apart from the clients because the libraries of clouds bring
clients of their own, which are told the same. Nothing of the environment counts unless an operator says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies_environment

from pydantic import SecretStr

from connector.settings.http import ENVIRONMENT, HttpSettings

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: Without a login.
        login: User name and password.
    """

    url: str
    login: tuple[str, SecretStr] | None = None

    @classmethod
    def read(cls, url: str) -> Proxy:
        """Read an address as environments have it, which may hold a login, or have no scheme."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if parts.username is None:
            return cls(bare)
        return cls(bare, (unquote(parts.username), SecretStr(unquote(parts.password or ""))))

    @property
    def with_login(self) -> str:
        """The address with its login, for libraries that know no other form; never for a message."""
        if self.login is None:
            return self.url
        user, password = self.login[0], self.login[1].get_secret_value()
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


@dataclass(frozen=True, slots=True)
class Outbound:
    """How requests leave.

    Attributes:
        proxies: By the scheme of the request's URL.
        exceptions: Hosts that are reached without one.
    """

    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    exceptions: tuple[str, ...] = ()

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy for a URL; None where the request goes straight to its server."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        port = parts.port or _PORTS.get(parts.scheme)
        if _is_here(host) or any(_excepts(entry, host, port) for entry in self.exceptions):
            return None
        return self.proxies.get(parts.scheme)

    @property
    def passwords(self) -> tuple[str, ...]:
        """What no log may show."""
        logins = (proxy.login for proxy in self.proxies.values())
        return tuple(login[1].get_secret_value() for login in logins if login)


DIRECT = Outbound()


def outbound(settings: HttpSettings) -> Outbound:
    """How requests leave by the settings, and by the environment where they say so."""
    if settings.proxy is None:
        return DIRECT
    if settings.proxy == ENVIRONMENT:
        return _of_the_environment()
    login = None
    if settings.proxy_username is not None and settings.proxy_password is not None:
        login = (settings.proxy_username, settings.proxy_password)
    proxy = Proxy(settings.proxy.rstrip("/"), login)
    return Outbound({"http": proxy, "https": proxy}, settings.no_proxy)


def _of_the_environment() -> Outbound:
    found = getproxies_environment()
    usable = {scheme: found.get(scheme) or found.get("all") for scheme in _PORTS}
    # A SOCKS address, which ALL_PROXY often has, is no HTTP proxy.
    proxies = {
        scheme: Proxy.read(url) for scheme, url in usable.items() if url and not url.startswith("socks")
    }
    return Outbound(
        proxies, tuple(entry.strip() for entry in found.get("no", "").split(",") if entry.strip())
    )


def _is_here(host: str) -> bool:
    """Whether the host is this machine, which a proxy on another one cannot reach."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _excepts(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # one of them is a name
        name, _, of_port = entry.lower().removeprefix("*").removeprefix(".").partition(":")
        return (host == name or host.endswith(f".{name}")) and of_port in {"", str(port)}
