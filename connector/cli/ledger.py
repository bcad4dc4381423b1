"""``smtp-connector ledger``: look at what the worker remembers of its mails, and forget what is old.

Settings and the command's options enter, text and an exit code leave. The workers go on meanwhile: both
commands take the ledger only for moments.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError

from connector.cli.json_file import UsageError
from connector.ledger import Ledger, LedgerUnavailableError, open_ledger
from connector.ledger.port import Entry, State
from connector.settings.ledger import LedgerSettings
from connector.settings.values import Duration

_COLUMNS = ("key", "state", "changed", "attempt", "held until", "Message-ID")


def show(settings: LedgerSettings, key: str | None, state: str | None, limit: int, *, as_json: bool) -> int:
    """Print entries, the latest changed first.

    Returns:
        The exit code: 0, or 1 when there is no such entry, or the ledger cannot be read.

    Raises:
        UsageError: There is no such state, or this ledger is in the worker's memory.
    """
    if state is not None and state not in set(State):
        raise UsageError(f"--state {state}: expected one of {', '.join(State)}")
    wanted = State(state) if state is not None else None

    async def found(ledger: Ledger) -> int:
        entries = await ledger.entries(key=key, state=wanted, limit=limit)
        typer.echo(json.dumps([*map(_described, entries)], indent=2) if as_json else _table(entries))
        return 0 if entries or key is None else 1

    return _with_ledger(settings, found)


def prune(settings: LedgerSettings, older_than: timedelta, *, doubtful: bool) -> int:
    """Forget what has not changed for so long, and say how much that was.

    Returns:
        The exit code: 0, or 1 when the ledger cannot be written.

    Raises:
        UsageError: This ledger is in the worker's memory.
    """

    async def forgotten(ledger: Ledger) -> int:
        number = await ledger.prune(older_than.total_seconds(), doubtful=doubtful)
        typer.echo(f"{number} {'entry' if number == 1 else 'entries'} forgotten")
        return 0

    return _with_ledger(settings, forgotten)


def duration(text: str | None, default: timedelta) -> timedelta:
    """Read ``--older-than``: seconds, or an ISO 8601 duration.

    Raises:
        UsageError: It is neither.
    """
    try:
        return TypeAdapter(Duration).validate_python(text) if text is not None else default
    except ValidationError:
        raise UsageError(f"--older-than {text}: expected seconds or an ISO 8601 duration, as P7D") from None


def _with_ledger(settings: LedgerSettings, use: Callable[[Ledger], Coroutine[Any, Any, int]]) -> int:
    if settings.kind == "memory":
        raise UsageError("ledger.kind is memory: what such a worker remembers cannot be seen from outside")

    async def opened() -> int:
        async with open_ledger(settings) as ledger:
            return await use(ledger)

    try:
        return asyncio.run(opened())
    except LedgerUnavailableError as error:
        typer.echo(f"smtp-connector: {error}", err=True)
        return 1


def _described(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "state": entry.state,
        "changed": _moment(entry.changed),
        "attempt": entry.attempt,
        "crashes": entry.crashes,
        "owner": entry.owner,
        "heldUntil": _moment(entry.held_until) if entry.held_until else None,
        "response": json.loads(entry.response) if entry.response else None,
    }


def _table(entries: Iterable[Entry]) -> str:
    rows = [_COLUMNS, *map(_row, entries)]
    if len(rows) == 1:
        return "no entries"
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(entry: Entry) -> tuple[str, ...]:
    described = _described(entry)
    response = described["response"] or {}
    held = described["heldUntil"] if entry.held_until > datetime.now(UTC).timestamp() else None
    return (
        entry.key,
        entry.state.value,
        described["changed"],
        str(entry.attempt),
        held or "-",
        response.get("messageId") or "-",
    )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
