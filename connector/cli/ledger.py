"""``smtp-connector ledger``: show the entries of the ledger, and delete expired ones.

Workers may run meanwhile: both commands lock the ledger only for moments.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.options import Assignments, Config, UsageError, commands, load_settings, wrong_usage

if TYPE_CHECKING:
    from connector.ledger import Ledger
    from connector.ledger.port import Entry
    from connector.settings.ledger import LedgerSettings

app = commands()
_COLUMNS = ("key", "state", "changed", "attempt", "held until", "Message-ID")


@app.command(
    epilog="Examples:\n\n  smtp-connector ledger show --state uncertain\n\n"
    "  smtp-connector ledger show '<default>/instance:2251799813685301' --json",
)
def show(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    key: Annotated[
        str | None,
        typer.Argument(help="The key of one mail, as logs and this command show it.", metavar="KEY"),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Only mails in this state: attempting, released, committing, sent, uncertain, acknowledged.",
            metavar="STATE",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of mails, the latest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with each recorded response.")] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Show the ledger's entry for one mail, or the latest entries. Exit code 1 when there is no such mail."""
    settings = load_settings(config, assignments).settings.ledger
    try:
        code = _show(settings, key, state, limit, as_json=as_json)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@app.command(
    epilog="Examples:\n\n  smtp-connector ledger prune\n\n  smtp-connector ledger prune --older-than P7D",
)
def prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Delete entries unchanged for this long, in seconds or as P7D. Default: ledger.retention.",
            metavar="DURATION",
        ),
    ] = None,
    doubtful: Annotated[
        bool,
        typer.Option(
            "--doubtful",
            help="Also delete mails whose delivery is uncertain: they may be sent again.",
        ),
    ] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Delete expired entries of the ledger; a running worker does this every hour."""
    settings = load_settings(config, assignments).settings.ledger
    try:
        code = _prune(settings, _duration(older_than, settings.retention), doubtful=doubtful)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


def _show(settings: LedgerSettings, key: str | None, state: str | None, limit: int, *, as_json: bool) -> int:
    from connector.ledger.port import State

    if state is not None and state not in set(State):
        raise UsageError(f"--state {state}: expected one of {', '.join(State)}")
    wanted = State(state) if state is not None else None

    async def found(ledger: Ledger) -> int:
        entries = await ledger.entries(key=key, state=wanted, limit=limit)
        typer.echo(json.dumps([*map(_described, entries)], indent=2) if as_json else _table(entries))
        return 0 if entries or key is None else 1

    return _with_ledger(settings, found)


def _prune(settings: LedgerSettings, older_than: timedelta, *, doubtful: bool) -> int:
    async def deleted(ledger: Ledger) -> int:
        number = await ledger.prune(older_than.total_seconds(), doubtful=doubtful)
        typer.echo(f"{number} {'entry' if number == 1 else 'entries'} deleted")
        return 0

    return _with_ledger(settings, deleted)


def _duration(text: str | None, default: timedelta) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from connector.settings.values import Duration

    try:
        return TypeAdapter(Duration).validate_python(text) if text is not None else default
    except ValidationError:
        raise UsageError(f"--older-than {text}: expected seconds or an ISO 8601 duration, as P7D") from None


def _with_ledger(settings: LedgerSettings, use: Callable[[Ledger], Coroutine[Any, Any, int]]) -> int:
    from connector.ledger import LedgerUnavailableError, open_ledger

    if settings.kind == "memory":
        raise UsageError("ledger.kind is memory: such a ledger cannot be read from outside its worker")

    if settings.kind == "sqlite" and not settings.path.expanduser().exists():
        typer.echo(f"There is no ledger {settings.path} yet: a worker makes it when it starts.")
        return 0

    async def opened() -> int:
        async with open_ledger(settings.model_copy(update={"must_exist": True})) as ledger:
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
