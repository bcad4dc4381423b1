"""``smtp-connector check``: its options, and the reports for a person at a terminal or for a program."""

from __future__ import annotations

import asyncio
import getpass
import ipaddress
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.interrupt import until_interrupted
from connector.cli.options import Assignments, Config, UsageError, load_settings, read_octets, wrong_usage

if TYPE_CHECKING:
    from rich.console import Console

    from connector.check.findings import Report
    from connector.check.run import CheckRequest
    from connector.model.addresses import Mailbox
    from connector.model.server import Server
    from connector.settings.model import Settings

EXAMPLES = (
    "Examples:\n\n  smtp-connector check\n\n  smtp-connector check sales --send-to me@example.com\n\n"
    "  smtp-connector check --host smtp.example.com --username workflow --json\n\n"
    "  smtp-connector check --bpmn order.bpmn --config worker.yaml"
)
_INTERRUPTED = 130
_LONGEST = 3600  # seconds
_ADDRESS_AND_PORT = re.compile(r"(?P<address>[\d.]+|\[[^]]*\]):(?P<port>\d{1,5})")
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


def check(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    accounts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Accounts to check. Default: all accounts, the engine and the ledger.", metavar="ACCOUNT"
        ),
    ] = None,
    send_to: Annotated[
        str | None, typer.Option("--send-to", help="Send a test mail to this address.", metavar="ADDRESS")
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(
            "--from", help="Sender to try. Default: the address of each account.", metavar="ADDRESS"
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Longest duration of each step, in seconds.", metavar="SECONDS")
    ] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    host: Annotated[
        str | None, typer.Option(help="Check this server instead of accounts.", metavar="HOST")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Its port. Default: 587, or 465 with tls.")] = None,
    security: Annotated[
        str | None,
        typer.Option(help="tls, starttls, starttls-optional or none. Default: starttls, or tls on 465."),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(
            help="Log in to it. The command asks for the password, or reads it from standard input."
        ),
    ] = None,
    password_secret: Annotated[
        str | None,
        typer.Option(help="The secret that holds the password, as MAIL_PASSWORD.", metavar="NAME"),
    ] = None,
    check_engine: Annotated[
        bool | None,
        typer.Option(
            "--engine/--no-engine", help="Check the engine. Default: yes, unless accounts are named."
        ),
    ] = None,
    check_ledger: Annotated[
        bool | None,
        typer.Option(
            "--ledger/--no-ledger", help="Check the ledger. Default: yes, unless accounts are named."
        ),
    ] = None,
    domain: Annotated[
        bool | None,
        typer.Option(
            "--domain/--no-domain",
            help="Check DKIM, SPF and DMARC in the DNS. Default: for accounts that sign by DKIM.",
        ),
    ] = None,
    nameserver: Annotated[
        str | None,
        typer.Option(
            help="Name server to ask about them. Default: this machine's.", metavar="ADDRESS[:PORT]"
        ),
    ] = None,
    diagrams: Annotated[
        list[str] | None,
        typer.Option(
            "--bpmn",
            help="Check the tasks of this diagram instead: misspelt inputs, wrong values, unknown accounts, "
            "short pauses.",
            metavar="FILE",
        ),
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Check mail accounts step by step (DNS, TCP, TLS, EHLO, login, sender), the engine and the ledger.

    With --bpmn, check diagrams before they are deployed.

    Prints for each failure its reason and what to change. Exit code 0 when nothing failed, otherwise 1.
    """
    loaded = load_settings(config, assignments)
    settings = loaded.settings
    server = _ServerOptions(host, port, security, username, password_secret)
    try:
        files = tuple((file, read_octets(file)) for file in diagrams or ())
    except UsageError as error:
        wrong_usage(str(error))
    options = _Options(
        tuple(accounts or ()),
        server,
        check_engine,
        check_ledger,
        sender,
        send_to,
        timeout,
        domain,
        nameserver,
        files,
        configured=bool(loaded.files or loaded.sources),
    )
    try:
        code = _check(options, settings, as_json=as_json)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _ServerOptions:
    """The options that describe a server instead of an account, as typed."""

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
class _Options:
    """The command line, as typed; None for an option that was not."""

    accounts: tuple[str, ...]
    server: _ServerOptions
    engine: bool | None
    ledger: bool | None
    sender: str | None
    recipient: str | None
    seconds: float
    domain: bool | None
    nameserver: str | None
    diagrams: tuple[tuple[str, bytes], ...]
    configured: bool


def _check(options: _Options, settings: Settings, *, as_json: bool) -> int:
    """Check everything that was asked for and print the reports.

    Returns:
        The exit code: 0 when nothing failed, 1 when something did, 130 when it was interrupted.

    Raises:
        UsageError: An account is not configured, or options contradict each other.
    """
    from connector.check.findings import Status
    from connector.check.run import reports
    from connector.observe.logs import configure_logging
    from connector.secrets.masker import Masker

    request = _request(options, settings)
    masker = Masker()
    configure_logging(settings.log, masker)
    for credential in settings.confidential:
        masker.remember(credential)
    if request.server is not None and request.server.password is not None:
        masker.remember(request.server.password.get_secret_value())
    arriving = reports(request, settings, masker, os.environ)
    found = asyncio.run(until_interrupted(_collected(arriving, as_json=as_json)))
    if found is None:
        return _INTERRUPTED
    if as_json:
        typer.echo(_json(found))
    return 1 if any(report.status is Status.FAILED for report in found) else 0


async def _collected(reports: AsyncGenerator[Report, None], *, as_json: bool) -> list[Report]:
    """Collect the reports; without JSON, print each as soon as it is complete."""
    from rich.console import Console

    console = Console()
    found: list[Report] = []
    waiting = console.status("checking …") if not as_json and console.is_terminal else nullcontext()
    with waiting:
        async with aclosing(reports) as arriving:
            async for report in arriving:
                found.append(report)
                if not as_json:
                    _print(console, report)
    return found


# From the command line to a request


def _request(options: _Options, settings: Settings) -> CheckRequest:
    from connector.check.run import CheckRequest

    if not 0 < options.seconds <= _LONGEST:
        raise UsageError(f"--timeout: expected more than 0 and at most {_LONGEST} seconds")
    named = bool(options.accounts or options.server.host or options.diagrams)
    accounts = options.accounts or (() if named else tuple(settings.accounts))
    for name in accounts:
        _require_account(name, settings)
    sender = _mailbox("--from", options.sender)
    recipient = _mailbox("--send-to", options.recipient)
    return CheckRequest(
        tuple(dict.fromkeys(accounts)),
        _server(options),
        options.server.password_secret,
        not named if options.engine is None else options.engine,
        not named if options.ledger is None else options.ledger,
        sender,
        recipient,
        options.seconds,
        options.domain,
        _nameserver(options.nameserver),
        options.diagrams,
        options.configured,
    )


def _require_account(name: str, settings: Settings) -> None:
    if name in settings.accounts:
        return
    nearest = get_close_matches(name, settings.accounts, n=1)
    listed = ", ".join(settings.accounts) or "none"
    hint = f"did you mean {nearest[0]}?" if nearest else f"the settings have: {listed}"
    raise UsageError(f"{name}: no such account; {hint}")


def _nameserver(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    found = _ADDRESS_AND_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address(found["address"].strip("[]") if found else text)
    except ValueError:
        raise UsageError(
            f"--nameserver {text}: expected an IP address, as 192.0.2.53 or [::1]:5353"
        ) from None
    return str(address), int(found["port"]) if found else 53


def _mailbox(option: str, text: str | None) -> Mailbox | None:
    from connector.errors import InputError
    from connector.model.addresses import parse_mailbox

    if text is None:
        return None
    try:
        return parse_mailbox(text, option)
    except InputError as error:
        raise UsageError(error.message) from None


def _server(options: _Options) -> Server | None:
    """Return the server of ``--host``, checked and completed as an account would be."""
    from pydantic import ValidationError

    from connector.model.server import Server
    from connector.settings.accounts import AccountSettings

    given = options.server
    if given.host is None:
        if given.given:
            raise UsageError(f"{given.given[0]} needs --host")
        return None
    if options.accounts:
        raise UsageError("--host checks a server that is no account: leave out the names of accounts")
    if given.password_secret is not None and given.username is None:
        raise UsageError("--password-secret needs --username")
    if given.username is not None and given.password_secret is None:
        password: str | None = _asked_for()
    else:
        password = given.password_secret  # a stand-in, so that there are two; the secret takes its place
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


def _explained(fault: Mapping[str, Any]) -> str:
    """Return what is wrong with an option, without its value, which may be the password."""
    from connector.settings.wording import wording

    place = fault["loc"]
    return (f"--{place[0]}: " if place else "") + wording(fault)


def _asked_for() -> str:
    """Read the password, typed without being shown, or the first line of a piped standard input."""
    piped = not sys.stdin.isatty()
    password = sys.stdin.readline().rstrip("\r\n") if piped else getpass.getpass("Password: ")
    if not password:
        raise UsageError("--username needs a password: type it, pipe it in, or give --password-secret NAME")
    return password


# From the reports to the output


def _json(reports: Iterable[Report]) -> str:
    """Return ``{status, checks: [...]}`` as JSON text."""
    from connector.check.findings import worst

    listed = sorted(reports, key=lambda report: (report.kind, report.name))
    status = worst(report.status for report in listed)
    shown = {"status": status.value, "checks": [report.as_json() for report in listed]}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _print(console: Console, report: Report) -> None:
    """Print a report as a table of its steps.

    Text from servers is never read as ``rich`` markup, so that no server can colour or hide its lines.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    heading = Text.assemble(
        (report.status.value.upper(), _STYLES[report.status]),
        " ",
        (report.name, "bold"),
        f" ({report.target})",
    )
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in filter(lambda finding: finding.reached, report.findings):
        style = _STYLES[finding.status]
        text = Text(finding.message, "dim" if finding.status == "skipped" else "")
        if finding.fix:
            text.append("\n").append("fix: ", "bold").append(finding.fix)
        table.add_row(f"  {finding.step.value}", Text(finding.status.value, style), text)
    if left := [finding.step.value for finding in report.findings if not finding.reached]:
        table.add_row("", Text("skipped", "dim"), Text(f"{', '.join(left)}: not reached", "dim"))
    console.print(Group(heading, table, Text()), soft_wrap=False)
