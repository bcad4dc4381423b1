"""Print the steps of the demo to the terminal.

Texts of a mail are printed as they are, without markup, and without control characters that would affect the
terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.box import ROUNDED
from rich.console import Console, Group
from rich.json import JSON
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from connector.demo.inbox import Mail
from connector.model.job import Complete, Fail, Job, Outcome, Throw

_LABEL_WIDTH = 20
_SHOWN = (
    *("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References"),
    *("Importance", "X-Message-Flag", "Reply-By"),
)
_TEXT_SHOWN = 4000


class Story:
    """Prints the steps of the demo.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def title(self, text: str) -> None:
        """Introduce the example."""
        self._console.print()
        self._console.print(Text(text, style="bold"))
        self._console.print()

    def step(self, label: str, *details: str) -> None:
        """Print a step."""
        self._line("✓", "green", label, *details)

    def trouble(self, text: str) -> None:
        """Print a failure."""
        self._console.print(Text.assemble(("✗ ", "bold red"), printable(text)), soft_wrap=True)

    def note(self, text: str = "") -> None:
        """Print a line that is not a step."""
        self._console.print(Text(text), soft_wrap=True)

    def job_taken(self, job: Job) -> None:
        """Print that the worker has taken a job."""
        self.step(
            "Job taken", f"{job.element_id}, job {job.key} of process instance {job.process_instance_key}"
        )

    def job_done(self, job: Job, outcome: Outcome) -> None:
        """Print what the worker reports to the engine."""
        match outcome:
            case Complete():
                self.step("Job completed", f"{job.element_id}, its result is with the engine")
            case Throw(code, message):
                self._line("!", "yellow", "BPMN error", f"{job.element_id}, {code}: {message}")
            case Fail(message, retries=0):
                self.trouble(f"The job failed: {job.element_id}, {message}")
            case Fail(message, retries=retries, backoff=backoff):
                again = f"again in {backoff:g} s, {retries} more attempts at most"
                self._line("!", "yellow", "Attempt failed", f"{job.element_id}, {again}", message)

    def mail_accepted(self, mail: Mail) -> None:
        """Print that the inbox has accepted a mail."""
        to = ", ".join(mail.envelope_recipients)
        self.step("Mail accepted", f"by the inbox, {len(mail.source)} bytes for {to}")

    def result(self, instance: int, variables: Mapping[str, Any]) -> None:
        """Print the variables of the process instance, as read from the engine."""
        self.step("Instance completed", f"{instance}; read back from the engine:")
        self._console.print(JSON(json.dumps(variables), indent=2, ensure_ascii=False), soft_wrap=True)

    def mail(self, mail: Mail) -> None:
        """Print the mail."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name in _SHOWN:
            if value := mail.header(name):
                table.add_row(name, Text(printable(value)))
        files = ", ".join(f"{part.filename} ({part.content_type})" for part in mail.attachments)
        if files:
            table.add_row("Attached", Text(printable(files)))
        text = printable((mail.text or "(no text)").strip()[:_TEXT_SHOWN])
        content = Group(table, Rule(style="dim"), Text(text))
        self._console.print()
        self._console.print(Panel(content, title="The mail", title_align="left", box=ROUNDED, padding=(1, 2)))

    def _line(self, mark: str, style: str, label: str, *details: str) -> None:
        first, *more = details or ("",)
        head = ((f"{mark} ", style), (f"{label:<{_LABEL_WIDTH}}", "bold"), printable(first))
        self._console.print(Text.assemble(*head), soft_wrap=True)
        for detail in more:
            self._console.print(Text(" " * (_LABEL_WIDTH + 2) + printable(detail)), soft_wrap=True)


def printable(text: str) -> str:
    """Replace control characters, including escape sequences, but keep newlines."""
    text = text.replace("\r\n", "\n")
    return "".join(
        character if character == "\n" or character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
