"""Tokens kept in the ledger's PostgreSQL, for the workers of several machines.

A turn is an advisory lock of a connection: it ends with the worker that has it, however that ends. Both the
note that a request goes out and its answer are commits of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg

from connector.auth.entry import Entry
from connector.auth.sealing import Seal, WrongKeyError
from connector.auth.store import Kept, StoreUnavailableError
from connector.ledger.port import LedgerUnavailableError
from connector.ledger.postgres_server import NOW, PostgresServer

_CONNECTIONS = 8  # one for each credential that is being refreshed, and for those that wait their turn
_BROKEN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_TURN_SECONDS = 60.0  # longer than a request to a token endpoint may take
_POLL_SECONDS = 0.1

_READ = f"SELECT {NOW} AS now, (SELECT sealed FROM smtp_connector_tokens WHERE name = $1) AS sealed"  # noqa: S608
_WRITE = """
    INSERT INTO smtp_connector_tokens VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed
"""
_REMOVE = "DELETE FROM smtp_connector_tokens WHERE name = $1"
# Only what has not changed meanwhile: a refresh may be under way.
_RESEAL = "UPDATE smtp_connector_tokens SET sealed = $3 WHERE name = $1 AND sealed = $2"


class PostgresStore:
    """Keeps tokens in a database; a :class:`~connector.auth.store.TokenStore`.

    Args:
        url: The ledger's, ``postgresql://user:password@host:port/database``.
        seal: Gives the keys, as they are when it is asked.
    """

    def __init__(self, url: str, seal: Callable[[], Awaitable[Seal]]) -> None:
        self._server = PostgresServer(url, _CONNECTIONS)
        self._seal = seal
        # What could not be written: with it lost, the provider would see the former refresh token again.
        self.unwritten: dict[str, Entry | None] = {}

    @property
    def place(self) -> str:
        """The database without its credentials."""
        return self._server.place

    async def read(self, name: str) -> Kept:
        """Read an entry and the server's clock."""
        seal = await self._seal()
        async with self.connection() as connection:
            return await self._read(connection, name, seal)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[_Turn]:
        """Wait for the turn at a credential, and hold a connection as long as it lasts."""
        seal = await self._seal()
        deadline = asyncio.get_running_loop().time() + _TURN_SECONDS
        while True:
            async with self.connection() as connection:
                if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _number(name)):
                    try:
                        yield _Turn(self, connection, name, seal, await self._read(connection, name, seal))
                        return
                    finally:
                        await _end_turn(connection, name)
            if asyncio.get_running_loop().time() > deadline:
                raise StoreUnavailableError(
                    f"Another worker has held {name} in the token store {self.place} for {_TURN_SECONDS:g} s."
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def reseal(self) -> int:
        """Encrypt every entry with the first key."""
        seal, changed = await self._seal(), 0
        async with self.connection() as connection:
            for row in await connection.fetch("SELECT name, sealed FROM smtp_connector_tokens"):
                name, sealed = row["name"], row["sealed"]
                if not seal.by_first_key(sealed):
                    with suppress(WrongKeyError):  # it stays as it is: its key may come back
                        fresh = seal.seal(name, seal.open(name, sealed))
                        changed += await connection.execute(_RESEAL, name, sealed, fresh) == "UPDATE 1"
        return changed

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection, whose errors become :class:`StoreUnavailableError`."""
        try:
            async with self._server.connection() as connection:
                yield connection
        except LedgerUnavailableError as error:
            raise StoreUnavailableError(f"The token store cannot be used. {error}") from error

    async def _read(self, connection: asyncpg.Connection, name: str, seal: Seal) -> Kept:
        row = await connection.fetchrow(_READ, name)
        if name in self.unwritten:
            return Kept(self.unwritten[name], row["now"])
        if row["sealed"] is None:
            return Kept(None, row["now"])
        try:
            return Kept(Entry.from_json(seal.open(name, row["sealed"])), row["now"])
        except WrongKeyError:
            return Kept(None, row["now"], locked=True)


class _Turn:
    def __init__(
        self, store: PostgresStore, connection: asyncpg.Connection, name: str, seal: Seal, kept: Kept
    ) -> None:
        self.kept = kept
        self._store = store
        self._connection = connection
        self._name = name
        self._seal = seal

    async def note(self, entry: Entry) -> None:
        await self._write(entry.asking(self.kept.now))

    async def keep(self, entry: Entry | None) -> None:
        self._store.unwritten[self._name] = entry
        try:
            await self._write(entry)
        except _BROKEN:  # the server may be back already, and this must not be lost
            async with self._store.connection() as self._connection:
                await self._write(entry)
        del self._store.unwritten[self._name]

    async def _write(self, entry: Entry | None) -> None:
        if entry is None:
            await self._connection.execute(_REMOVE, self._name)
        else:
            sealed = self._seal.seal(self._name, entry.as_json())
            await self._connection.execute(_WRITE, self._name, sealed)


async def _end_turn(connection: asyncpg.Connection, name: str) -> None:
    try:
        await connection.execute("SELECT pg_advisory_unlock($1)", _number(name))
    except _BROKEN:
        connection.terminate()  # its locks end with it


def _number(name: str) -> int:
    """The number of an advisory lock."""
    digest = hashlib.sha256(f"smtp-connector token {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
