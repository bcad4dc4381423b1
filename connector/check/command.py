"""The command itself: what was typed becomes an order, the reports become output and an exit code."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError
from rich.console import Console

from connector.check import run, show
from connector.check.findings import Report, Status
from connector.cli.interrupt import until_interrupted
from connector.cli.json_file import UsageError
from connector.errors import InputError
from connector.model.addresses import Mailbox, parse_mailbox
from connector.model.server import Server
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.settings.accounts import AccountSettings
from connector.settings.model import Settings

_INTERRUPTED = 130
_LONGEST = 3600  # seconds


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The options that describe a server in place of an account; as typed."""

    host: str | None
    port: int | None
    security: str | None
    username: str | None
    password_secret: str | None

    @property
    def given(self) -> tuple[str, ...]:
        """The options that were typed beside ``--host``."""
        values = {
            "--port": self.port,
            "--security": self.security,
            "--username": self.username,
            "--password-secret": self.password_secret,
        }
        return tuple(name for name, value in values.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of ``check``; as typed, None for what was not."""

    accounts: tuple[str, ...]
    server: ServerOptions
    engine: bool | None
    ledger: bool | None
    sender: str | None
    recipient: str | None
    seconds: float


def check(
    options: Options, settings: Settings, *, as_json: bool, environ: Mapping[str, str] = os.environ
) -> int:
    """Check what was asked for and print what was found.

    Returns:
        The exit code: 0 when nothing failed, 1 when something did, 130 when it was interrupted.

    Raises:
        UsageError: An account is not configured, or options contradict each other.
    """
    order = _order(options, settings)
    masker = Masker()
    configure_logging(settings.log, masker)
    _remember(order, settings, masker)
    found = asyncio.run(
        until_interrupted(_checked(run.reports(order, settings, masker, environ), as_json=as_json))
    )
    if found is None:
        return _INTERRUPTED
    if as_json:
        print(show.as_json(found))  # noqa: T201 - the command's output
    return 1 if any(report.status is Status.FAILED for report in found) else 0


async def _checked(reports: AsyncGenerator[Report, None], *, as_json: bool) -> list[Report]:
    """Collect the reports; without JSON, show each as soon as it is there."""
    console, found = Console(), []
    waiting = console.status("checking …") if not as_json and console.is_terminal else nullcontext()
    with waiting:
        async with aclosing(reports) as arriving:
            async for report in arriving:
                found.append(report)
                if not as_json:
                    show.show(console, report)
    return found


def _remember(order: run.Order, settings: Settings, masker: Masker) -> None:
    for credential in settings.credentials:
        masker.remember(credential)
    if order.server is not None and order.server.password is not None:
        masker.remember(order.server.password.get_secret_value())


def _order(options: Options, settings: Settings) -> run.Order:
    if not 0 < options.seconds <= _LONGEST:
        raise UsageError(f"--timeout: expected more than 0 and at most {_LONGEST} seconds")
    named = bool(options.accounts or options.server.host)
    accounts = options.accounts or (() if options.server.host else tuple(settings.accounts))
    for name in accounts:
        _require_account(name, settings)
    sender = _mailbox("--from", options.sender)
    recipient = _mailbox("--send-to", options.recipient)
    return run.Order(
        tuple(dict.fromkeys(accounts)),
        _server(options),
        options.server.password_secret,
        not named if options.engine is None else options.engine,
        not named if options.ledger is None else options.ledger,
        sender,
        recipient,
        options.seconds,
    )


def _require_account(name: str, settings: Settings) -> None:
    if name in settings.accounts:
        return
    nearest = get_close_matches(name, settings.accounts, n=1)
    listed = ", ".join(settings.accounts) or "none"
    hint = f"did you mean {nearest[0]}?" if nearest else f"the settings have: {listed}"
    raise UsageError(f"{name}: no such account; {hint}")


def _mailbox(option: str, text: str | None) -> Mailbox | None:
    if text is None:
        return None
    try:
        return parse_mailbox(text, option)
    except InputError as error:
        raise UsageError(error.message) from None


def _server(options: Options) -> Server | None:
    """The server of ``--host``, checked and completed as an account would be."""
    given = options.server
    if given.host is None:
        if given.given:
            raise UsageError(f"{given.given[0]} needs --host")
        return None
    if options.accounts:
        raise UsageError("--host checks a server that is no account: leave the names of accounts out")
    if given.password_secret is not None and given.username is None:
        raise UsageError("--password-secret needs --username")
    if given.username is not None and given.password_secret is None:
        password: str | None = _asked_for()
    else:
        password = given.password_secret  # a stand-in, so that the two are there; the secret takes its place
    values = {"host": given.host, "port": given.port, "security": given.security, "username": given.username}
    try:
        account = AccountSettings.model_validate({**values, "password": password})
    except ValidationError as error:
        raise UsageError("\n".join(map(_explained, error.errors()))) from None
    return Server(
        account.effective_host,
        account.effective_port,
        account.effective_security,
        account.username,
        account.password,
    )


def _explained(fault: Mapping[str, object]) -> str:
    """Say what is wrong with an option; never the value, which may be the password."""
    place = fault["loc"]
    option = f"--{place[0]}: " if isinstance(place, tuple) and place else ""
    return option + str(fault["msg"]).removeprefix("Value error, ")


def _asked_for() -> str:
    """The password, typed without being shown, or the first line of a standard input that is no terminal."""
    piped = not sys.stdin.isatty()
    password = sys.stdin.readline().rstrip("\r\n") if piped else getpass.getpass("Password: ")
    if not password:
        raise UsageError("--username needs a password: type it, pipe it in, or give --password-secret NAME")
    return password
