"""How much one rendering may take: steps, characters and processor time.

Jinja's sandbox keeps a template away from Python, but lets it repeat and double what it has. Each operation
that makes a value or goes through one is charged to the budget of the rendering that is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import thread_time
from typing import Any

MOST_CHARACTERS = 10_000_000  # at most 40 MB, where a character takes four bytes
_MOST_STEPS = 200_000
_MOST_SECONDS = 0.8  # of the processor; a 10 KB template takes 0.001
_LOOKS = 64
_LARGE = 10_000


class BudgetError(Exception):
    """A rendering needs more than it may take."""


class Budget:
    """What is left for one rendering."""

    def __init__(self) -> None:
        self._characters = MOST_CHARACTERS
        self._steps = _MOST_STEPS
        self._end = thread_time() + _MOST_SECONDS

    def spend(self, size: int) -> None:
        """Charge one step that handles so many characters or items.

        Raises:
            BudgetError: Nothing is left.
        """
        self._steps -= 1
        self._characters -= size
        due = self._steps % _LOOKS == 0 or size > _LARGE  # asking for the time costs as much as a step
        if self._steps < 0 or (due and thread_time() > self._end):
            raise BudgetError("takes too long; it loops or calls itself too often")
        if self._characters < 0:
            raise BudgetError(f"makes more than {MOST_CHARACTERS:,} characters; give it less data")


_SIZED = (str, list, tuple, dict)
_CURRENT: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def limited() -> Iterator[None]:
    """Give what is rendered inside a budget of its own."""
    token = _CURRENT.set(Budget())
    try:
        yield
    finally:
        _CURRENT.reset(token)


def charge(*values: object) -> None:
    """Charge a step and the size of these values to the rendering under way.

    Raises:
        BudgetError: Nothing is left.
    """
    budget = _CURRENT.get()
    if budget is not None:
        budget.spend(sum([len(value) for value in values if isinstance(value, _SIZED)]))


def counted(values: Iterable[Any]) -> Iterator[Any]:
    """Charge a step for each turn of a loop.

    Raises:
        BudgetError: Nothing is left.
    """
    for value in values:
        charge()
        yield value


def joined(pieces: Iterable[str]) -> str:
    """Join pieces of output, charged one by one, so that no text grows beyond what is left.

    Raises:
        BudgetError: Nothing is left.
    """
    budget = _CURRENT.get()
    if budget is None:
        return "".join(pieces)
    kept = []
    for piece in pieces:
        budget.spend(len(piece))
        kept.append(piece)
    return "".join(kept)
