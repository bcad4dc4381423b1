"""A compiled expression, and the cache of those that were compiled before.

A worker sees the same few expressions with every job of a process, so they are parsed once. The cache is
bounded by the number of expressions and by their length together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from connector.feel.errors import FeelError, FeelLimitError
from connector.feel.parser import Parser
from connector.feel.values import DEFAULT_LIMITS, Function, Limits, Node, Run, Scope, to_json

_NO_FUNCTIONS: Mapping[str, Function] = {}
_MOST_EXPRESSIONS = 1_024
_MOST_CHARACTERS = 1_000_000


def utc_now() -> datetime:
    """Return the present in UTC, which is the clock of Camunda's engine in the cloud."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an expression gives: a JSON value, and why parts of it are null.

    Args:
        value: None, bool, int, float, str, list or dict.
        warnings: Sentences for the modeler, for example that there is no variable of some name. Each is there
            once, at most 20 are kept.
        given_by: The function of the caller that gave the whole value, if it is such a function's.
    """

    value: object
    warnings: tuple[str, ...] = ()
    given_by: str | None = None


class Expression:
    """A parsed expression; it can be evaluated any number of times, in several threads at once."""

    __slots__ = ("_node", "text")

    def __init__(self, text: str, node: Node) -> None:
        self.text = text
        self._node = node

    def evaluate(
        self,
        context: Mapping[str, object] | None = None,
        *,
        functions: Mapping[str, Function] = _NO_FUNCTIONS,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], datetime] = utc_now,
    ) -> Evaluation:
        """Evaluate the expression.

        Args:
            context: The variables, as JSON values (FEEL's own types are let through).
            functions: Functions that the expression may call beside the built-in ones, by name; they win.
            limits: How much work and time it may take.
            clock: What ``now()`` and ``today()`` give, with a time zone.

        Returns:
            The result as JSON, with warnings.

        Raises:
            FeelError: It fails, as by ``assert()`` or by a function of the caller.
            FeelLimitError: It takes more than it may.
        """
        run = Run(limits, functions, clock)
        names: dict[str, object] = context if type(context) is dict else dict(context or {})
        try:
            # The outermost scope holds JSON, which is converted where it is touched.
            found = self._node(Scope(names, None, run))  # type: ignore[arg-type]
            value = to_json(found, run)
        except FeelError as error:
            error.locate(0)
            error.expression = self.text
            raise
        except RecursionError:
            raise FeelLimitError("The evaluation is nested too deeply", 0, self.text) from None
        given_by = next((name for name, context in run.given if context is found), None)
        return Evaluation(value, run.warnings, given_by)


def parse(text: str, limits: Limits = DEFAULT_LIMITS) -> Expression:
    """Parse an expression, past the cache; a leading ``=``, as process models write it, is stepped over.

    Raises:
        FeelSyntaxError: It is no FEEL expression.
        FeelLimitError: It is too long, or nested too deeply.
    """
    if len(text) > limits.characters:
        raise FeelLimitError(f"The expression is longer than {limits.characters} characters", 0, text[:100])
    stripped = text.lstrip()
    start = len(text) - len(stripped) + (1 if stripped.startswith("=") else 0)
    try:
        return Expression(text, Parser(text, start).parse())
    except FeelError as error:
        error.expression = text
        raise
    except RecursionError:
        raise FeelLimitError("The expression is nested too deeply", 0, text) from None


class ExpressionCache:
    """The expressions that were used last; safe to share between threads."""

    def __init__(self, most: int = _MOST_EXPRESSIONS, most_characters: int = _MOST_CHARACTERS) -> None:
        self._most = most
        self._most_characters = most_characters
        self._characters = 0
        self._kept: OrderedDict[str, Expression] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str) -> Expression:
        """Return the expression of a text, parsed now or before; a text that cannot be parsed is not kept.

        Raises:
            FeelSyntaxError: It is no FEEL expression.
            FeelLimitError: It is too long, or nested too deeply.
        """
        with self._lock:
            known = self._kept.get(text)
            if known is not None:
                self._kept.move_to_end(text)
                return known
        parsed = parse(text)
        with self._lock:
            if text not in self._kept:
                self._kept[text] = parsed
                self._characters += len(text)
            while len(self._kept) > self._most or self._characters > self._most_characters:
                dropped, _ = self._kept.popitem(last=False)
                self._characters -= len(dropped)
        return parsed
