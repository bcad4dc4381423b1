"""What the expressions of a diagram give: values of the type that is wanted, or an incident."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from connector import feel
from connector.devengine.clock import Clock
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.model import FEEL_LIMITS, Expression

_TYPES: dict[type, str] = {
    type(None): "NULL",
    bool: "BOOLEAN",
    int: "NUMBER",
    float: "NUMBER",
    str: "STRING",
    list: "ARRAY",
    dict: "OBJECT",
}


class Evaluator:
    """Evaluates expressions with the engine's clock and the engine's chance.

    Args:
        clock: What ``now()`` and ``today()`` give.
        seed: Where ``random number()`` and ``uuid()`` begin.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated by a replay, not to be secret
        self._functions = {
            "random number": feel.Function((), self._random_number),
            "uuid": feel.Function((), self._uuid),
        }

    def value(
        self,
        expression: Expression,
        context: Mapping[str, Any],
        kind: IncidentKind = IncidentKind.EXTRACT_VALUE_ERROR,
    ) -> Any:
        """Return the value of an expression, or the static text.

        Raises:
            StepFailedError: The evaluation fails; the incident is of this kind.
        """
        if expression.compiled is None:
            return expression.text
        try:
            return expression.compiled.evaluate(
                context, functions=self._functions, limits=FEEL_LIMITS, clock=self._now
            ).value
        except feel.FeelError as error:
            text = f"Failed to evaluate expression '{expression.quoted}': {error}"
            raise StepFailedError(kind, text) from None

    def boolean(self, expression: Expression, context: Mapping[str, Any]) -> bool:
        """Return a condition's value.

        Raises:
            StepFailedError: It is neither true nor false.
        """
        value = self.value(expression, context)
        if not isinstance(value, bool):
            raise _unexpected(expression, "BOOLEAN", value)
        return value

    def text(self, expression: Expression, context: Mapping[str, Any]) -> str:
        """Return a string.

        Raises:
            StepFailedError: It is none.
        """
        value = self.value(expression, context)
        if not isinstance(value, str):
            raise _unexpected(expression, "STRING", value)
        return value

    def whole_number(self, expression: Expression, context: Mapping[str, Any]) -> int:
        """Return a whole number, which may be static text.

        Raises:
            StepFailedError: It is none.
        """
        value = self.value(expression, context)
        if isinstance(value, str) and expression.compiled is None:
            value = int(value) if value.strip().lstrip("-").isdecimal() else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise _unexpected(expression, "NUMBER", value)
        return value

    def collection(self, expression: Expression, context: Mapping[str, Any]) -> list[Any]:
        """Return a list.

        Raises:
            StepFailedError: It is none.
        """
        value = self.value(expression, context)
        if not isinstance(value, list):
            raise _unexpected(expression, "ARRAY", value)
        return value

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def _random_number(self) -> Decimal:
        return Decimal(repr(self._chance.random()))

    def _uuid(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))


def type_of(value: object) -> str:
    """Return what the texts of incidents call the type of a JSON value."""
    return _TYPES[type(value)]


def _unexpected(expression: Expression, wanted: str, value: object) -> StepFailedError:
    quoted, found = expression.quoted, type_of(value)
    text = f"Expected result of the expression '{quoted}' to be '{wanted}', but was '{found}'."
    return StepFailedError(IncidentKind.EXTRACT_VALUE_ERROR, text)
