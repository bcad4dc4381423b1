"""Reports for a person at a terminal, and for a program.

Text of servers is never read as the markup of ``rich``, so that none can colour or hide its lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from connector.check.findings import Finding, Report, Status, worst

_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}


def as_json(reports: Iterable[Report]) -> str:
    """Give ``{status, checks: [...]}`` as JSON text."""
    listed = sorted(reports, key=lambda report: (report.kind, report.name))
    status = worst(report.status for report in listed)
    shown = {"status": status.value, "checks": [report.as_json() for report in listed]}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def show(console: Console, report: Report) -> None:
    """Print one report as a table of its steps."""
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
        table.add_row(f"  {finding.step.value}", Text(finding.status.value, style), _told(finding))
    if left := [finding.step.value for finding in report.findings if not finding.reached]:
        table.add_row("", Text("skipped", "dim"), Text(f"{', '.join(left)}: not reached", "dim"))
    console.print(Group(heading, table, Text()), soft_wrap=False)


def _told(finding: Finding) -> Text:
    dim = "dim" if finding.status is Status.SKIPPED else ""
    text = Text(finding.message, dim)
    if finding.fix:
        text.append("\n").append("fix: ", "bold").append(finding.fix)
    return text
