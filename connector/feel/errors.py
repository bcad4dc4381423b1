"""What is wrong with an expression, and where.

An expression fails in three ways: it is not FEEL (`FeelSyntaxError`), it asks for more time or memory
than it may have (`FeelLimitError`), or its evaluation ends with an error (`FeelError` itself), as
``assert()`` does. Everything else that goes wrong gives null, as the language wants it, and a warning.
"""

from __future__ import annotations

# A caret line is for a terminal or an incident; a longer line of the expression is shown around the place.
_SHOWN = 100
_QUOTED = 60


def printable(text: str) -> str:
    """Return a text of the same length as a line can show it, without control characters and the like."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\ufffd"
        for character in text
    )


def shortened(text: str) -> str:
    """Return the beginning of a text as a message quotes it."""
    return printable(text[:_QUOTED]) + ("…" if len(text) > _QUOTED else "")


class FeelError(Exception):
    """An expression cannot be parsed or evaluated.

    Args:
        message: What is wrong and, where it helps, what to write instead.
        offset: The place in the expression, in characters from its start; None as long as it is not known.
        expression: The whole expression; the engine adds it.
    """

    def __init__(self, message: str, offset: int | None = None, expression: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression
        self._offset = offset

    @property
    def offset(self) -> int:
        """The place of the error, in characters from the start of the expression."""
        return self._offset or 0

    @property
    def line(self) -> int:
        """The line of the error; the first line is 1."""
        return self.expression.count("\n", 0, self.offset) + 1

    @property
    def column(self) -> int:
        """The column of the error; the first column is 1."""
        return self.offset - (self.expression.rfind("\n", 0, self.offset) + 1) + 1

    def locate(self, offset: int) -> None:
        """Set the place, unless a more exact one is known already."""
        if self._offset is None:
            self._offset = offset

    def caret(self) -> str:
        """Return the line of the expression that is wrong and, below it, a caret under the place."""
        lines = self.expression.split("\n")
        text, column = printable(lines[self.line - 1]), self.column - 1
        start = max(0, column - _SHOWN // 2)
        return f"{text[start : start + _SHOWN]}\n{' ' * (column - start)}^"

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})"


class FeelSyntaxError(FeelError):
    """The text is not a FEEL expression."""


class FeelLimitError(FeelError):
    """The expression, or its evaluation, is larger or takes longer than it may."""
