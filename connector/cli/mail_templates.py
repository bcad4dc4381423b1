"""``smtp-connector mail-templates``: see what a mail template makes, and look for its mistakes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.options import (
    Assignments,
    Config,
    UsageError,
    commands,
    load_settings,
    read_object,
    read_octets,
    wrong_usage,
)

if TYPE_CHECKING:
    from connector.demo.inbox import Inbox
    from connector.mailtemplates.check import Problem
    from connector.model.envelope import Message
    from connector.settings.model import Settings

app = commands()
_LOOK_EVERY = 0.5

Directory = Annotated[
    Path | None,
    typer.Option(
        "--directory",
        "-d",
        help="The templates. Default: templates.directory of the settings.",
        metavar="DIR",
    ),
]


@app.command(
    epilog="Examples:\n\n  smtp-connector mail-templates preview reminder --data data.json --locale de\n\n"
    "  smtp-connector mail-templates preview reminder --data data.json --eml reminder.eml"
)
def preview(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    name: Annotated[str, typer.Argument(help="The template.", metavar="NAME")],
    data: Annotated[str, typer.Option("--data", help="Its data, a JSON object.", metavar="FILE")],
    locale: Annotated[
        str | None, typer.Option(help="Language, as de or de-AT. Default: the usual one.", metavar="TAG")
    ] = None,
    eml: Annotated[
        Path | None,
        typer.Option(help="Write the mail to this file, and show no page.", metavar="FILE.eml"),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the page. Default: a free one.")] = 0,
    directory: Directory = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Show a mail made from a template on a page at 127.0.0.1, and anew whenever a file changes.

    The page has the HTML at the width of a desktop and of a phone, the text part, headers, parts and size,
    and what mail programs do not show. Nothing is sent. Ctrl-C ends it.
    """
    settings = load_settings(config, assignments).settings
    try:
        folder = _directory(directory, settings)
        render = _renderer(settings, folder, name, data, locale)
        if eml is not None:
            eml.write_bytes(render().data)
        else:
            _show(render, _watched(folder, data), port)
    except UsageError as error:
        wrong_usage(str(error))
    except OSError as error:
        wrong_usage(f"{eml or f'--port {port}'}: {error.strerror}")


@app.command(
    epilog="Examples:\n\n  smtp-connector mail-templates check --directory templates\n\n"
    "  smtp-connector mail-templates check reminder --data reminder.json --bpmn order.bpmn"
)
def check(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    names: Annotated[
        list[str] | None, typer.Argument(help="The templates. Default: all.", metavar="NAME")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Sample data, a JSON object; with one NAME.", metavar="FILE"),
    ] = None,
    bpmn: Annotated[
        Path | None,
        typer.Option("--bpmn", help="A diagram whose send tasks use the templates.", metavar="FILE"),
    ] = None,
    directory: Directory = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Look for mistakes: syntax, missing languages and pictures, variables that nothing provides.

    With --data it also renders the template in each language, and says what mail programs do not show. Exit
    code 1 when there is a mistake.
    """
    settings = load_settings(config, assignments).settings
    try:
        problems = _checked(_directory(directory, settings), names or [], data, bpmn)
    except UsageError as error:
        wrong_usage(str(error))
    for problem in problems:
        typer.echo(f"{'note: ' if problem.advice else ''}{problem}")
    raise typer.Exit(1 if any(not problem.advice for problem in problems) else 0)


def _directory(given: Path | None, settings: Settings) -> Path:
    directory = given or settings.templates.directory
    if directory is None:
        raise UsageError("no templates: give --directory, or set templates.directory")
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory")
    return directory


# Preview


class _Captured:
    """A transport that keeps the message."""

    message: Message | None = None

    async def submit(self, message: Message, route: object, deliveries: Any) -> Any:
        from connector.errors import Reply
        from connector.model.receipt import Delivery, Receipt

        await deliveries.committing(Delivery(message.envelope.recipients))
        self.message = message
        return Receipt(Reply(250, f"shown, not sent to {route}"), message.envelope.recipients)


def _renderer(
    settings: Settings, directory: Path, name: str, data: str, locale: str | None
) -> Callable[[], Message]:
    """Return what makes the mail as a task would, with the data as it is at that moment."""
    from connector.observe.logs import configure_logging
    from connector.secrets.masker import Masker
    from connector.settings.ledger import LedgerSettings
    from connector.settings.model import Settings as Model

    configure_logging(settings.log, Masker())
    own = Model(
        templates=settings.templates.model_copy(update={"directory": directory}),
        message=settings.message,
        attachments=settings.attachments,
        ledger=LedgerSettings(kind="memory"),
    )

    def render() -> Message:
        variables = {
            "authentication": {"hostname": "127.0.0.1", "port": 25, "security": "none"},
            "smtpEmailMailBoxName": "Sender <sender@example.com>",
            "smtpEmailToRecipients": "Reader <reader@example.org>",
            "smtpEmailTemplate": name,
            "smtpEmailTemplateData": read_object(data, "the template's data"),
            "smtpEmailLocale": locale,
        }
        return asyncio.run(_made(own, variables))

    return render


async def _made(settings: Settings, variables: Mapping[str, Any]) -> Message:
    from connector.errors import ConnectorError
    from connector.secrets.masker import Masker
    from connector.send.assembly import open_pipeline
    from connector.send.direct import job_of

    captured = _Captured()
    async with open_pipeline(settings, Masker(), {}, captured) as pipeline:
        try:
            await pipeline.send(job_of(variables))
        except ConnectorError as error:
            raise UsageError(error.message.replace(" Nothing was sent.", "")) from None
    assert captured.message is not None  # noqa: S101 - a mail that was not submitted is an error
    return captured.message


def _watched(directory: Path, data: str) -> Callable[[], object]:
    """Return what gives another value whenever a file has changed."""
    from connector.mailtemplates.folder import stamps_below
    from connector.settings.values import file_stamp

    def stamp() -> object:
        return stamps_below(directory), file_stamp(Path(data))

    return stamp


def _show(render: Callable[[], Message], stamp: Callable[[], object], port: int) -> None:
    from connector.demo.inbox import Inbox
    from connector.demo.page import InboxPage

    inbox, former = Inbox(), object()
    with InboxPage(inbox, smtp_address="preview", port=port) as page:
        typer.echo(f"The preview is at {page.url} (Ctrl-C ends it).")
        try:
            while True:
                if (now := stamp()) != former:
                    former = now
                    _add(inbox, render)
                time.sleep(_LOOK_EVERY)
        except KeyboardInterrupt:
            return


def _add(inbox: Inbox, render: Callable[[], Message]) -> None:
    """Add the mail as it is now, or a page that says what is wrong."""
    from connector.testing.smtp import ReceivedMail

    try:
        octets = render().data
    except UsageError as error:
        typer.echo(str(error), err=True)
        octets = f"Subject: The template cannot be rendered\r\n\r\n{error}\r\n".encode()
    inbox.add(
        ReceivedMail(
            "sender@example.com",
            ("reader@example.org",),
            octets,
            {},
            {},
            datetime.now(UTC),
            tls=False,
            username=None,
        )
    )


# Check


def _checked(directory: Path, names: list[str], data: str | None, bpmn: Path | None) -> list[Problem]:
    from connector.mailtemplates import folder
    from connector.mailtemplates.check import TemplateCheck

    known = folder.names(directory)
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{unknown[0]}: no such template; there are: {', '.join(known) or 'none'}")
    if data is not None and len(names) != 1:
        raise UsageError("--data: name the one template that it is for")
    sample = read_object(data, "the template's data") if data is not None else None
    provided = dict(_provided(bpmn)) if bpmn is not None else {}
    problems: list[Problem] = []
    for name in names or known:
        tasks = {task: given for (task, used), given in provided.items() if used == name}
        problems += TemplateCheck(directory, name).problems(sample, tasks)
    return list(dict.fromkeys(problems))


def _provided(bpmn: Path) -> Iterator[tuple[tuple[str, str], frozenset[str]]]:
    """Give what each task of a diagram hands to its template, by task and template.

    A task whose data is one expression of unknown keys is left out.
    """
    for task, inputs in _mappings(bpmn):
        template = inputs.get("smtpEmailTemplate", "").removeprefix("=").strip().strip('"')
        if not template:
            continue
        given = inputs.get("smtpEmailTemplateData")
        nested = {name.split(".")[1] for name in inputs if name.startswith("smtpEmailTemplateData.")}
        if given is not None:
            keys = _keys(given)
            if keys is not None:
                yield (task, template), frozenset(keys | nested)
        elif nested:
            yield (task, template), frozenset(nested)
        else:
            yield (task, template), frozenset(name.split(".")[0] for name in inputs)


def _keys(expression: str) -> set[str] | None:
    """The keys of a context that an expression writes; None where they come from a variable."""
    from connector.feel import FeelError, evaluate

    try:
        found = evaluate(expression.removeprefix("="), {})
    except FeelError:
        return None
    return set(found) if isinstance(found, dict) else None


def _mappings(bpmn: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the id and the input mappings of each element that has some."""
    from connector.devengine.complaints import Complaints
    from connector.devengine.read import parse

    complaints = Complaints(bpmn.name)
    root = parse(read_octets(str(bpmn)), complaints)
    if root is None:
        told = str(complaints).rpartition("ERROR: ")[2].strip()
        raise UsageError(f"--bpmn: {bpmn}: {told}; save it as a diagram for Camunda 8")
    for element in root.iter():
        inputs = element.findall("./{*}extensionElements/{*}ioMapping/{*}input")
        if inputs:
            yield element.get("id", "?"), {one.get("target", ""): one.get("source", "") for one in inputs}
