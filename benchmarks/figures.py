"""What every benchmark leaves: a table to read, and JSON with the machine that it was measured on.

Rows enter, each a mapping with the same keys; they are printed as Markdown and, where the command line of any
benchmark has the name of a ``.json`` file, written there. Apart from the benchmarks, so that all of them tell
of the machine in the same words.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = dict[str, str | float | int]


def machine() -> dict[str, str | int | None]:
    """Describe this machine; judge ratios, the absolute figures are its own."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "python": platform.python_version(),
        "build": _build(),
    }


def _build() -> str:
    """How this Python was compiled, which is worth a tenth of its time."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS"))
    named = {"--enable-optimizations": "PGO", "--with-lto": "LTO"}
    return ", ".join(name for option, name in named.items() if option in options) or "plain"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rows as a table."""
    print(f"\n### {title}\n")
    names = list(rows[0])
    print(f"| {' | '.join(names)} |")
    print(f"|{' --- |' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(_cell(row[name]) for name in names)} |")
    sys.stdout.flush()


def arguments() -> list[str]:
    """Give the words of the command line that name no JSON file."""
    return [word for word in sys.argv[1:] if not word.endswith(".json")]


def report(tables: Mapping[str, Sequence[Row]]) -> None:
    """Print tables, by title, and write them where FILE.json is asked for."""
    for title, rows in tables.items():
        show(title, rows)
    write(tables)


def write(tables: Mapping[str, Sequence[Row]]) -> None:
    """Write tables with the machine's description to FILE.json, where one is asked for."""
    for word in sys.argv[1:]:
        if word.endswith(".json"):
            text = json.dumps({"machine": machine(), **tables}, indent=2)
            Path(word).write_text(f"{text}\n", encoding="utf-8")


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that a share of all, between 0 and 1, do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * len(ordered)))]
