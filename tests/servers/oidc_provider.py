"""The authorization server of the npm package oidc-provider, on loopback: a second opinion on each grant.

A process of its own, from ``tests/oidc``. A person is played by :func:`walk`, which fills in its forms.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2

from connector.model.credential import Endpoints

DIRECTORY = Path(__file__).parents[1] / "oidc"
_GRANTS = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
)
_MOST_PAGES = 12


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """A running server."""

    port: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            f"{self.base}/token",
            f"{self.base}/auth",
            f"{self.base}/device/auth",
            f"{self.base}/token/revocation",
        )


def client(name: str, method: str, **more: Any) -> dict[str, Any]:
    """An application, as it is registered.

    Args:
        name: Its client id.
        method: How it proves who it is, as OpenID Connect Discovery calls it.
        more: Further fields of its registration.
    """
    return {
        "client_id": name,
        "token_endpoint_auth_method": method,
        "application_type": "native",
        "redirect_uris": ["http://localhost"],
        "grant_types": _GRANTS,
        "scope": "openid email mail",
        **more,
    }


def missing() -> str | None:
    """Say why it cannot be run here, or None when it can."""
    if shutil.which("node") is None:
        return "not installed: node"
    if not (DIRECTORY / "node_modules/oidc-provider").is_dir():
        return "not installed: oidc-provider (npm ci --prefix tests/oidc --ignore-scripts)"
    return None


@contextmanager
def running(*clients: Mapping[str, Any]) -> Iterator[OidcProvider]:
    """Run a server until the block ends."""
    process = subprocess.Popen(
        ["node", "server.mjs", json.dumps(clients)],
        cwd=DIRECTORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        # Its warnings may come on the same stream.
        port = next(line for line in process.stdout if line.strip().isdigit())
        yield OidcProvider(int(port))
        process.stdin.close()
        process.terminate()


class _Form(HTMLParser):
    """Reads the first form of a page: where it goes, and its fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = given.get("action")
        elif tag == "input" and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""


async def walk(address: str, user: str) -> str:
    """Open an address, log in and consent; where the browser is sent in the end, or the last page's text."""
    page = ""
    async with httpx2.AsyncClient() as browser:
        reply = await browser.get(address)
        for _ in range(_MOST_PAGES):
            if reply.is_redirect:
                where = urljoin(str(reply.url), reply.headers["Location"])
                if not where.startswith(f"{reply.url.scheme}://{reply.url.netloc.decode()}/"):
                    return where
                reply = await browser.get(where)
                continue
            page = reply.text
            form = _Form(page)
            if form.action is None:
                return page
            fields = {**form.fields, **({"login": user, "password": "any"} if "login" in form.fields else {})}
            reply = await browser.post(urljoin(str(reply.url), form.action), data=fields)
    raise AssertionError(f"it goes on and on: {page}")
