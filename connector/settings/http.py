"""How HTTP requests leave: straight to their server, or through a proxy."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connector.settings.values import Section, text_schema

ENVIRONMENT = "environment"
_HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:\d{1,5})?")


def _proxy(url: str) -> str:
    if url == ENVIRONMENT:
        return url
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password; use proxy_username and proxy_password")
    if parts.scheme.startswith("socks"):
        raise ValueError("a SOCKS proxy cannot be used; give an HTTP proxy, as http://proxy.example.com:3128")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError("expected http://proxy.example.com:3128, or environment")
    return url


def _exceptions(entries: tuple[str, ...]) -> tuple[str, ...]:
    for position, entry in enumerate(entries, 1):
        if "@" in entry:
            raise ValueError(f"entry {position} has a login in it; write the host alone, as example.com")
        if not _HOST.fullmatch(entry) and not _is_network(entry):
            raise ValueError(
                f"{entry[:60]!r} is no host; expected example.com (with all hosts below it), "
                "example.com:8443, 10.0.0.0/8, or * for every host"
            )
    return entries


def _is_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False
    return True


ProxyUrl = Annotated[
    str,
    AfterValidator(_proxy),
    text_schema(rf"{ENVIRONMENT}|https?://(\[[0-9a-fA-F:.]+\]|[^\s:/@]+)(:\d+)?/?"),
]
Exceptions = Annotated[tuple[str, ...], AfterValidator(_exceptions)]


class HttpSettings(Section):
    """How HTTP requests leave: to token endpoints, secret stores and attachments by URL."""

    proxy: ProxyUrl | None = Field(
        None,
        description="HTTP proxy, as http://proxy.example.com:3128; or `environment` for what HTTPS_PROXY, "
        "HTTP_PROXY and NO_PROXY say. Default: none, also where the environment names one.",
    )
    proxy_username: str | None = Field(None, description="User name at the proxy.")
    proxy_password: SecretStr | None = Field(
        None, description="Its password. No secret store can hold it, since the way there leads through it."
    )
    no_proxy: Exceptions = Field(
        (),
        description="Hosts that are reached without the proxy: example.com and all hosts below it, "
        "example.com:8443, 10.0.0.0/8. This machine always is.",
    )

    @model_validator(mode="after")
    def _complete(self) -> HttpSettings:
        if (self.proxy_username is None) != (self.proxy_password is None):
            raise ValueError("proxy_username and proxy_password must be set together")
        if self.proxy in {None, ENVIRONMENT} and (self.proxy_username or self.no_proxy):
            raise ValueError("no_proxy, proxy_username and proxy_password need proxy, the address of one")
        return self
