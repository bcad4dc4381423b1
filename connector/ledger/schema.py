"""The tables of both databases, their indexes, and the seal that tells one ledger from another.

Tables are numbered migrations: each is applied once, in order, and never edited. An older program that finds
a number it does not know stops rather than guess what the newer one meant.
"""

from __future__ import annotations

from connector.ledger.port import LedgerUnavailableError, LedgerVanishedError, State

SEAL = ""
"""The key of the entry that every ledger has from its first moment; its response is the ledger's own id.

It lies among the other entries, so that it goes with them where they are removed or emptied. It is never
pruned and never listed.
"""

SQLITE: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE entries (
            key TEXT NOT NULL PRIMARY KEY,
            state TEXT NOT NULL,
            request_hash TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            crashes INTEGER NOT NULL,
            owner TEXT NOT NULL,
            held_until REAL NOT NULL,
            changed REAL NOT NULL,
            response TEXT
        )
        """,
        "CREATE TABLE probes (id INTEGER NOT NULL PRIMARY KEY, at REAL NOT NULL)",
    ),
    (
        "ALTER TABLE entries ADD COLUMN progress TEXT",
        "CREATE INDEX entries_by_change ON entries (changed)",
        "CREATE INDEX entries_in_doubt ON entries (changed) WHERE state IN ('uncertain', 'acknowledged')",
        "INSERT INTO entries VALUES ('', 'sent', '', 0, 0, '', 0, 0, lower(hex(randomblob(16))), NULL)",
    ),
)

# `version` is another number at every write and `follows` the one that the writer had read: together they
# make a write a compare-and-swap in a single statement.
POSTGRES: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE smtp_connector_ledger (
            key text NOT NULL PRIMARY KEY,
            state text NOT NULL,
            request_hash text NOT NULL,
            attempt integer NOT NULL,
            crashes integer NOT NULL,
            owner text NOT NULL,
            held_until double precision NOT NULL,
            changed double precision NOT NULL,
            response text,
            version bigint NOT NULL,
            follows bigint NOT NULL
        )
        """,
        "CREATE TABLE smtp_connector_probe (id integer NOT NULL PRIMARY KEY, at timestamptz NOT NULL)",
    ),
    # OAuth tokens, encrypted by the workers.
    ("CREATE TABLE smtp_connector_tokens (name text NOT NULL PRIMARY KEY, sealed text NOT NULL)",),
    (
        "ALTER TABLE smtp_connector_ledger ADD COLUMN progress text",
        "CREATE INDEX smtp_connector_ledger_by_change ON smtp_connector_ledger (changed)",
        """
        CREATE INDEX smtp_connector_ledger_in_doubt ON smtp_connector_ledger (changed)
        WHERE state IN ('uncertain', 'acknowledged')
        """,
        """
        INSERT INTO smtp_connector_ledger
        VALUES ('', 'sent', '', 0, 0, '', 0, 0, gen_random_uuid()::text, 1, 0, NULL)
        """,
    ),
)


def pending(
    found: int, migrations: tuple[tuple[str, ...], ...], place: str
) -> list[tuple[int, tuple[str, ...]]]:
    """Give the numbers and statements of the migrations still to apply.

    Args:
        found: The number of the schema that is there; 0 for none.
        migrations: All that this version knows.
        place: Names the database in the error.

    Raises:
        LedgerUnavailableError: A newer version wrote it.
    """
    if found > len(migrations):
        raise LedgerUnavailableError(
            f"The ledger {place} has schema {found}, and this version of the worker knows "
            f"{len(migrations)} at most: upgrade the worker, or give this one a ledger of its own."
        )
    return list(enumerate(migrations, start=1))[found:]


def listing(key: str | None, state: State | None) -> str:
    """Name the index by which a store lists entries: ``key``, ``in doubt``, ``state`` or ``latest``."""
    if key is not None:
        return "key"
    if state is None:
        return "latest"
    return "in doubt" if state in {State.UNCERTAIN, State.ACKNOWLEDGED} else "state"


def vanished(place: str) -> LedgerVanishedError:
    """The error of a ledger that was another one a moment ago."""
    return LedgerVanishedError(
        f"The ledger {place} was removed, replaced or emptied under the running worker: mails sent before "
        "are unknown, and nothing is sent any more. Restore it if you can, then restart the worker."
    )


def emptied(place: str) -> LedgerVanishedError:
    """The error of a ledger that has its tables and not its entries."""
    return LedgerVanishedError(
        f"The ledger {place} was emptied: mails sent before are unknown, and nothing is sent. Restore it, or "
        "remove it to begin a new one; then start the worker."
    )


def absent(place: str) -> LedgerVanishedError:
    """The error of a ledger that must be there and is not."""
    return LedgerVanishedError(
        f"There is no ledger {place}, or it is empty: mails sent before are unknown. Restore it, correct "
        "ledger.path or ledger.url, or set ledger.must_exist to false for a new one."
    )
