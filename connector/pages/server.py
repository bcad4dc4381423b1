"""Serve the pages while a block lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from connector.auth.browser import BrowserServer
from connector.auth.loopback import sockets_at
from connector.pages.site import AccountPages
from connector.secrets.masker import Masker
from connector.settings.model import Settings

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def serving_pages(
    settings: Callable[[], Settings], environ: Mapping[str, str], masker: Masker
) -> AsyncIterator[str]:
    """Listen where ``pages`` says, and give the address of the pages.

    Args:
        settings: Gives the settings in force.
        environ: Where secrets from the environment are looked up.
        masker: Learns every credential.

    Raises:
        NotListeningError: The port is taken, or the address not this machine's.
    """
    chosen = settings().pages
    sockets = sockets_at(chosen.host, chosen.port)
    address = chosen.address(sockets[0].getsockname()[1])
    pages = AccountPages(settings, environ, masker, address)
    server = BrowserServer(pages.answer)
    await server.listen(sockets)
    try:
        _log.info("pages are served", address=address)
        yield address
    finally:
        await server.aclose()
        await pages.aclose()
