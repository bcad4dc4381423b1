"""What a process may see of a value that may hold secrets: the same shape, its words masked.

Errors and JSON values enter with what masks a text, the same leave without the secrets. Keys are ours and
stay, as do numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.errors import ConnectorError


class MaskedError(ConnectorError):
    """Another error as a process may see it: the same code and type, its words without secrets.

    Args:
        error: The error as it was raised.
        redact: Masks the secrets in a text.
    """

    def __init__(self, error: ConnectorError, redact: Callable[[str], str]) -> None:
        super().__init__(error.code, redact(error.message))
        self.retryable = error.retryable
        self.spends_retry = error.spends_retry
        self.retry_after = error.retry_after
        self._type = error.type
        self._variables = {name: masked(value, redact) for name, value in error.variables.items()}

    @property
    def type(self) -> str:
        """The kind of the original error."""
        return self._type

    @property
    def variables(self) -> dict[str, Any]:
        """Those of the original error, masked."""
        return self._variables


def masked(value: Any, redact: Callable[[str], str]) -> Any:
    """Mask the secrets in a JSON value; keys are ours and stay, as do numbers, such as reply codes."""
    match value:
        case str():
            return redact(value)
        case list():
            return [masked(item, redact) for item in value]
        case dict():
            return {key: masked(item, redact) for key, item in value.items()}
    return value
