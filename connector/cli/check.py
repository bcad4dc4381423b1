"""``smtp-connector check`` as it is typed: its options and their help, light enough for every ``--help``."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.options import Assignments, Config, load_settings, wrong_usage

EXAMPLES = (
    "Examples:\n\n  smtp-connector check\n\n  smtp-connector check sales --send-to me@example.com\n\n"
    "  smtp-connector check --host smtp.example.com --username workflow --json"
)


def check(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    accounts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Accounts to check. Default: all of them, the engine and the ledger.", metavar="[ACCOUNT]…"
        ),
    ] = None,
    send_to: Annotated[
        str | None, typer.Option("--send-to", help="Send a test mail to this address.", metavar="ADDRESS")
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", help="Sender to try, in place of the account's address.", metavar="ADDRESS"),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="How long each step may take at most, in seconds.", metavar="SECONDS")
    ] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    host: Annotated[
        str | None, typer.Option(help="Check this server, which is no account.", metavar="HOST")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Its port. Default: 587, or 465 with tls.")] = None,
    security: Annotated[
        str | None,
        typer.Option(help="tls, starttls, starttls-optional or none. Default: starttls, or tls on 465."),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(help="Log in to it. The password is asked for, or read from standard input."),
    ] = None,
    password_secret: Annotated[
        str | None,
        typer.Option(help="The secret that is the password, as MAIL_PASSWORD.", metavar="NAME"),
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
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Check mail accounts step by step (DNS, TCP, TLS, EHLO, login, sender), the engine and the ledger.

    Says for each failure why it failed and what to change. Exit code 0 when nothing failed, otherwise 1.
    """
    loaded = load_settings(config, assignments)
    from connector.check import command
    from connector.cli.json_file import UsageError

    server = command.ServerOptions(host, port, security, username, password_secret)
    options = command.Options(
        tuple(accounts or ()), server, check_engine, check_ledger, sender, send_to, timeout
    )
    try:
        code = command.check(options, loaded.settings, as_json=as_json)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)
