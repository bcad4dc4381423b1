"""One PostgreSQL database: connecting and reconnecting, the schema, its clock, and what its errors mean.

A URL enters, connections that are ready to use leave. Credentials are in the URL and nowhere else: no error
quotes it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import urlsplit

import asyncpg
import structlog

from connector.ledger.port import LedgerUnavailableError
from connector.ledger.schema import POSTGRES, absent, pending
from connector.model.causes import reason_of

NOW = "extract(epoch FROM clock_timestamp())::double precision"
# An operator may have made commits of this server faster than they last; stricter settings are left alone.
_DURABLE = """
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
_MIGRATING = 0x534D54504C454447  # the advisory lock's number: "SMTPLEDG"
_CONNECT, _STATEMENT = 5.0, 10.0  # seconds
_CLOCK_SET = 0.1  # seconds

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "it refuses the login: check user and password in ledger.url",
    ),
    (asyncpg.InvalidCatalogNameError, "there is no such database: create it, or correct ledger.url"),
    (asyncpg.ReadOnlySQLTransactionError, "it is read-only: point ledger.url at the primary server"),
    (asyncpg.DiskFullError, "its disk is full: make room"),
    (
        asyncpg.InsufficientPrivilegeError,
        "the user in ledger.url lacks a right: let it create tables, or use the existing ones",
    ),
    (asyncpg.TooManyConnectionsError, "it has no free connection: raise max_connections"),
    (asyncpg.PostgresConnectionError, "it cannot be reached: the connection broke"),
    (asyncpg.PostgresError, "it refuses"),
    (asyncpg.InterfaceError, "the connection is lost"),
    (TimeoutError, "it does not answer in time: check its load"),
    (OSError, "it cannot be reached: check the server, and host and port in ledger.url"),
)


async def _keep(_: asyncpg.Connection) -> None:
    """Leave a connection as it is when it goes back: each reset would cost a group one more round trip."""


_log = structlog.get_logger(__name__)


class ServerClock:
    """The server's present, carried forward by this machine's monotonic clock between its answers.

    An answer is old by the time it arrives, so the latest of all readings is the best one, until a reading
    differs so much that one of the clocks must have been set.
    """

    def __init__(self) -> None:
        self._offset = 0.0

    def set(self, server: float) -> None:
        """Take a reading of the server's clock, in seconds since the epoch."""
        offset = server - monotonic()
        if not offset <= self._offset < offset + _CLOCK_SET:
            self._offset = offset

    def __call__(self) -> float:
        """Give the present, in seconds since the epoch."""
        return monotonic() + self._offset


class PostgresServer:
    """Gives connections; opens them when they are first needed, and anew after every failure.

    Args:
        url: ``postgresql://user:password@host:port/database``, with libpq's parameters.
        connections: How many at a time; of the ledger's two, one is for the mails in flight, and one for
            probes, pruning and listing.
        make: Make the tables where there are none.

    Attributes:
        make: As above; a ledger that was there once is not made anew.
    """

    def __init__(self, url: str, connections: int = 2, *, make: bool = True) -> None:
        self.make = make
        self._url = url
        self._connections = connections
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self.now = ServerClock()

    @property
    def place(self) -> str:
        """The database without its credentials."""
        try:
            url = urlsplit(self._url)
        except ValueError:
            return "in PostgreSQL"
        return f"{url.hostname or 'local PostgreSQL'}{url.path}"

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection, whose errors become :class:`LedgerUnavailableError`."""
        try:
            pool, connection = await self._acquire()
            try:
                yield connection
            finally:
                await pool.release(connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # After a failover the old connections lead to a server that may only be read.
            if self._pool is not None:
                await self._pool.expire_connections()
            raise self._unavailable(error) from error

    async def aclose(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _acquire(self) -> tuple[asyncpg.Pool, asyncpg.Connection]:
        try:
            async with self._opening:
                pool = self._pool = self._pool or await self._open()
            return pool, await pool.acquire(timeout=_CONNECT + _STATEMENT)
        except ssl.SSLError:  # of a certificate: a ValueError too
            raise
        except ValueError:
            # Its text may quote the URL, and so the password.
            raise LedgerUnavailableError(
                "ledger.url is not the URL of a PostgreSQL database: "
                "expected postgresql://user:password@host:port/database"
            ) from None

    async def _open(self) -> asyncpg.Pool:
        return await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._connections,
            timeout=_CONNECT,
            command_timeout=_STATEMENT,
            server_settings={"application_name": "smtp-connector"},
            init=self._prepare,
            reset=_keep,
        )

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        """Make a new connection useful: writes that last, schema up to date, clock read."""
        await connection.execute(_DURABLE)
        found = await self._schema(connection)
        if not found and not self.make:
            raise absent(self.place)
        if pending(found, POSTGRES, self.place):
            await self._migrate(connection)
        self.now.set(await connection.fetchval(f"SELECT {NOW}"))

    async def _schema(self, connection: asyncpg.Connection) -> int:
        if await connection.fetchval("SELECT to_regclass('smtp_connector_schema')") is None:
            return 0
        return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM smtp_connector_schema"))

    async def _migrate(self, connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            # Workers that start together wait here for the first one, and find its work done.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATING)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS smtp_connector_schema"
                " (number integer NOT NULL PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"
            )
            found = await self._schema(connection)
            if not found:
                _log.warning("new ledger: mails sent before are unknown", place=self.place)
            for number, statements in pending(found, POSTGRES, self.place):
                for statement in statements:
                    await connection.execute(statement)
                await connection.execute("INSERT INTO smtp_connector_schema (number) VALUES ($1)", number)

    def _unavailable(self, error: Exception) -> LedgerUnavailableError:
        remedy = next(remedy for kind, remedy in _REMEDIES if isinstance(error, kind))
        # A server's DETAIL may quote a row; its message does not.
        detail = getattr(error, "message", None) or reason_of(error)
        said = "" if isinstance(error, TimeoutError) else f" ({detail})"
        return LedgerUnavailableError(
            f"The ledger {self.place} cannot be used; {remedy}{said}. Nothing is sent meanwhile."
        )
