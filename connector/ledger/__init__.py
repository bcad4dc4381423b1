"""Remembers durably how far each mail has come; see ``port`` for the states and ``ledger`` for the use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import LedgerUnavailableError, LedgerVanishedError, Store
from connector.ledger.sqlite import SqliteStore
from connector.ledger.upkeep import Upkeep, WatchedStore
from connector.model import to_install
from connector.settings.ledger import LedgerSettings

__all__ = ["Ledger", "LedgerUnavailableError", "Upkeep", "open_ledger", "open_upkeep"]


@asynccontextmanager
async def open_upkeep(
    settings: LedgerSettings, lease: timedelta, measured: Callable[[Store], Store] = lambda store: store
) -> AsyncIterator[Upkeep]:
    """Give the upkeep of the ledger that the settings describe, as a worker needs it.

    Args:
        settings: Which ledger, and for how long it remembers.
        lease: For how long an attempt is held at a time.
        measured: Stands around the store, to see what it does.

    Raises:
        LedgerUnavailableError: See :func:`open_ledger`; or ``ledger.must_exist`` is set and there is none.
    """
    async with open_ledger(settings, lambda store: WatchedStore(measured(store))) as ledger:
        await _look(ledger)
        async with Upkeep(ledger, lease, settings.retention).running() as upkeep:
            yield upkeep


async def _look(ledger: Ledger) -> None:
    """Make or open the ledger at the start; one that is down is waited for later."""
    try:
        await ledger.check()
    except LedgerVanishedError:
        raise
    except LedgerUnavailableError:
        pass  # logged as an outage


@asynccontextmanager
async def open_ledger(
    settings: LedgerSettings, measured: Callable[[Store], Store] = lambda store: store
) -> AsyncIterator[Ledger]:
    """Give the ledger that the settings describe, and close it afterwards.

    Nothing is opened yet: a ledger that is down makes the first operation fail, and later ones succeed once
    it is back.

    Raises:
        LedgerUnavailableError: What PostgreSQL needs is not installed, or ``~`` stands for no directory.
    """
    ledger = Ledger(measured(_store(settings)))
    try:
        yield ledger
    finally:
        await ledger.aclose()


def _store(settings: LedgerSettings) -> Store:
    make = not settings.must_exist
    if settings.kind == "postgres" and settings.url is not None:
        try:
            from connector.ledger.postgres import PostgresStore  # noqa: PLC0415 - asyncpg is an extra
        except ModuleNotFoundError as error:
            raise LedgerUnavailableError(
                f"A ledger in PostgreSQL needs a library: {to_install('postgres')}."
            ) from error
        return PostgresStore(settings.url.get_secret_value(), make=make)
    if settings.kind == "memory":
        return MemoryStore()
    try:
        return SqliteStore(settings.path.expanduser(), make=make)
    except RuntimeError as error:
        raise LedgerUnavailableError(
            f"The ledger {settings.path} cannot be found, since the worker's user has no home directory: "
            "set ledger.path."
        ) from error
