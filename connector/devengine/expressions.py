"""Values in a diagram: static text, or FEEL after an equals sign; compiled when the diagram is read."""

from __future__ import annotations

from dataclasses import dataclass

from connector import feel
from connector.feel.expression import parse

# Wider than a worker's: a diagram may hold an attachment of 2 MB as a literal.
LIMITS = feel.Limits(steps=50_000_000, seconds=30.0, characters=10_000_000)


@dataclass(frozen=True, slots=True)
class Expression:
    """A value as the diagram has it.

    Args:
        text: The static text, or the expression with its equals sign.
        compiled: What is evaluated; None for static text.
    """

    text: str
    compiled: feel.Expression | None = None

    @classmethod
    def of(cls, text: str) -> Expression:
        """Compile an expression; text without an equals sign stands for itself.

        Raises:
            FeelError: It cannot be parsed.
        """
        return cls(text, parse(text, LIMITS) if text.lstrip().startswith("=") else None)
