"""``smtp-connector authorize`` as it is typed: its options and their help, light enough for ``--help``."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.options import Assignments, Config, UsageError, load_settings, wrong_usage

EXAMPLES = (
    "Examples:\n\n  smtp-connector authorize sales --show\n\n  smtp-connector authorize sales\n\n"
    "  smtp-connector authorize sales --device\n\n  smtp-connector authorize --status"
)


def authorize(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    account: Annotated[
        str | None,
        typer.Argument(
            help="The account, or the name of credentials that accounts share.", metavar="ACCOUNT"
        ),
    ] = None,
    device: Annotated[
        bool, typer.Option("--device", help="Show a code to type in on any other device.")
    ] = False,
    no_browser: Annotated[
        bool,
        typer.Option(
            "--no-browser", help="Print the address in place of opening it; the answer can be pasted."
        ),
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Only show what to enter at the provider beforehand.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Only show who consented, when, to what, and what ends when.")
    ] = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Give the grant back, and forget its tokens.")
    ] = False,
    import_file: Annotated[
        str | None,
        typer.Option(
            "--import",
            help="Take over another system's refresh token: JSON with refreshToken; - for standard input.",
            metavar="FILE|-",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --revoke: do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --status: print JSON.")] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Let a person consent to mails of an account (OAuth), and keep the grant.

    A running worker uses it with the next mail. Exit code 0 when the grant is kept, or with --status good;
    1 when not.
    """
    loaded = load_settings(config, assignments)
    from connector.cli import grants

    chosen = {
        "--device": device,
        "--no-browser": no_browser,
        "--show": show,
        "--status": status,
        "--revoke": revoke,
        "--import": import_file is not None,
    }
    named = [name for name, given in chosen.items() if given]
    if len(named) > 1:
        wrong_usage(f"{' and '.join(named)} are different things to do: give one of them")
    try:
        order = grants.Order(account, named[0] if named else None, import_file, yes, as_json)
        code = grants.run(order, loaded.settings)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)
