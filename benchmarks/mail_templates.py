"""What a mail template costs: ``python -m benchmarks.mail_templates``.

A template of 10 KB of HTML with a style sheet, a layout and a table of 40 rows is rendered with its styles
inlined, beside the shipped receipt. Times are of one thread; a worker renders in a thread of its own, so that
the event loop goes on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time

import connector.mailtemplates
from benchmarks.figures import Row, percentile, report
from connector.mailtemplates.render import Templates
from connector.model.mail import TemplateUse
from connector.settings.model import TemplateSettings

_EXAMPLES = Path(connector.mailtemplates.__file__).parent / "examples"
_TIMES = 500
_OF_HTML = 10_000
_ITEMS = [{"name": f"Item {number}", "quantity": number, "price": 3.5} for number in range(1, 6)]
_RECEIPT = {"number": "R-1", "date": "2026-11-20", "currency": "EUR", "items": _ITEMS, "total": 350}
_BODY = """{% extends "layouts/letter.html" %}{% block content %}
<h1>{{ title }}</h1>
<table class="facts">{% for row in rows %}
<tr><td class="label">{{ row.name }}</td><td class="amount">{{ row.amount }}</td></tr>{% endfor %}</table>
FILLING{% endblock %}"""


def main() -> None:
    """Measure and print."""
    report({"Mail templates": measured()})


def measured() -> Sequence[Row]:
    """Render each template so many times."""
    with tempfile.TemporaryDirectory() as place:
        return [_row("10 KB of HTML", *_large(Path(place))), _row("receipt", _EXAMPLES, "receipt", _RECEIPT)]


def _large(directory: Path) -> tuple[Path, str, dict[str, object]]:
    (directory / "a").mkdir()
    layout = (_EXAMPLES / "layouts" / "letter.html").read_text(encoding="utf-8")
    (directory / "layouts").mkdir()
    (directory / "layouts" / "letter.html").write_text(layout, encoding="utf-8")
    filling = "<p>A paragraph of the letter, as long as some lines.</p>\n"
    filling *= (_OF_HTML - len(layout) - len(_BODY)) // len(filling)
    (directory / "a" / "body.html").write_text(_BODY.replace("FILLING", filling), encoding="utf-8")
    rows = [{"name": f"Row {number}", "amount": number} for number in range(40)]
    return directory, "a", {"title": "Letter", "rows": rows}


def _row(title: str, directory: Path, name: str, data: dict[str, object]) -> Row:
    templates, use = Templates(TemplateSettings(directory=directory), "UTC"), TemplateUse(name, data, None)
    size = len(templates.render(use).html or "")
    wall, cpu = [], []
    for _ in range(_TIMES):
        begun, spent = perf_counter(), thread_time()
        templates.render(use)
        wall.append((perf_counter() - begun) * 1000)
        cpu.append((thread_time() - spent) * 1000)
    return {
        "template": title,
        "octets made": size,
        "p50, ms": median(wall),
        "p99, ms": percentile(wall, 0.99),
        "CPU p50, ms": median(cpu),
    }


if __name__ == "__main__":
    main()
