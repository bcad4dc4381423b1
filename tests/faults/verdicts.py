"""What a fault did to the mails, as one line of a table that is printed at the end of the test run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

_HEADINGS = ("fault", "runs", "lost", "twice", "uncertain", "verdict")


@dataclass(slots=True)
class Row:
    """One kind of fault.

    Attributes:
        runs: Jobs, or kills, that met it.
        lost: Jobs that ended well without a copy of their mail, or did not end.
        twice: Mails of which the server has more than one copy.
        uncertain: Jobs of which the worker said that nobody knows.
    """

    fault: str
    runs: int = 0
    lost: int = 0
    twice: int = 0
    uncertain: int = 0
    verdict: Literal["pass", "FAIL"] = "pass"

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        numbers = (self.runs, self.lost, self.twice, self.uncertain)
        return (self.fault, *map(str, numbers), self.verdict)


@dataclass(slots=True)
class Table:
    """All rows, in the order in which the tests came to them."""

    rows: dict[str, Row] = field(default_factory=dict)

    @contextmanager
    def row(self, fault: str) -> Iterator[Row]:
        """Give the row of a fault; several tests may add to one. A test that fails in the block fails it."""
        row = self.rows.setdefault(fault, Row(fault))
        try:
            yield row
        except BaseException:
            row.verdict = "FAIL"
            raise

    def lines(self) -> Iterator[str]:
        """The table as text."""
        table = [_HEADINGS, *(row.cells() for row in self.rows.values())]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for cells in table:
            first, *others = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            yield "  ".join([first, *others]).rstrip()
