"""Bounds of one evaluation: how much work, time and nesting it may take.

An expression comes with a process model, so it is only half trusted: an endless loop, a huge range or a
catastrophic regular expression must end with an error, soon, and leave other jobs alone. Whatever can
repeat (an iteration, a filter, a call, a built-in function over a list or a string) is charged to a
budget by its size. Memory is bounded with it, because nothing is built without being charged for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from connector.feel.errors import FeelLimitError

if TYPE_CHECKING:
    from connector.feel.functions import Function

# Steps between two looks at the clock: a step is at most some microseconds of work.
_SLICE = 512
# Powers of two: a string is charged with a step for each 32 characters, a copied list for each 8 items.
_CHARACTERS_PER_STEP = 5
_ITEMS_PER_STEP = 3
_MOST_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one expression may ask for.

    Args:
        steps: Elements of work: an iteration, a call, an item of a list, 32 characters of a string.
        seconds: Time on the wall clock.
        characters: Length of the expression.
        calls: Depth of calls of functions that the expression defines.
    """

    steps: int = 1_100_000
    seconds: float = 0.8
    characters: int = 50_000
    calls: int = 40


DEFAULT_LIMITS = Limits()


class Run:
    """The state of one evaluation: what is left of its budget, and what it has to say.

    ``fuel`` is what is left until the next look at the clock. Hot loops take from it directly and call
    `refuel` when it falls below zero, which costs a third of a call to `charge`.
    """

    __slots__ = (
        "_deadline",
        "_left",
        "_warnings",
        "calls",
        "clock",
        "converted",
        "fuel",
        "functions",
        "limits",
    )

    def __init__(
        self, limits: Limits, functions: Mapping[str, Function], clock: Callable[[], datetime]
    ) -> None:
        self.limits = limits
        self.functions = functions
        self.clock = clock
        self.fuel = 0
        self.calls = 0
        self.converted: dict[int, object] = {}
        self._left = limits.steps
        self._deadline = monotonic() + limits.seconds
        self._warnings: dict[str, None] = {}

    def charge(self, steps: int) -> None:
        """Take work from the budget.

        Raises:
            FeelLimitError: The budget or the time is used up.
        """
        self.fuel -= steps
        if self.fuel < 0:
            self.refuel()

    def charge_text(self, length: int) -> None:
        """Take a string of ``length`` characters from the budget."""
        self.charge((length >> _CHARACTERS_PER_STEP) + 1)

    def charge_copy(self, length: int) -> None:
        """Take a copy of a list of ``length`` items from the budget."""
        self.charge((length >> _ITEMS_PER_STEP) + 1)

    def refuel(self) -> None:
        """Take the next slice from the budget.

        Raises:
            FeelLimitError: The budget or the time is used up.
        """
        left = self._left + self.fuel
        if left < 0:
            raise FeelLimitError(f"The expression takes more than {self.limits.steps} steps")
        if self.seconds_left() <= 0:
            raise FeelLimitError(f"The expression takes longer than {self.limits.seconds} seconds")
        self.fuel = min(left, _SLICE)
        self._left = left - self.fuel

    def seconds_left(self) -> float:
        """Return the time that is left, in seconds; zero or less when it is over."""
        return self._deadline - monotonic()

    def warn(self, message: str) -> None:
        """Note why a value is null; each message is kept once, and only the first ones."""
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings[message] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was noted, in order."""
        return tuple(self._warnings)
