"""What the doors of the engine check of a request before the core sees it: JSON and tenants.

Both doors, gRPC and REST, refuse the same things with the same sentences.
"""

from __future__ import annotations

import json
from typing import Any

from connector.devengine.commands import DEFAULT_TENANT

# How long the gateway waits where a request leaves it to the gateway.
RESULT_SECONDS = 15.0
_POLL_SECONDS = 10.0
NO_START_INSTRUCTIONS = (
    "This development engine starts processes at their start event only. Leave out the start "
    "instructions, or use a Camunda 8 cluster."
)
_KINDS = {list: "ARRAY", str: "STRING", int: "INTEGER", float: "FLOAT", bool: "BOOLEAN", type(None): "NIL"}


class BadRequestError(Exception):
    """A request that is refused before it becomes a command (INVALID_ARGUMENT)."""


def document(text: str, field: str = "variables") -> dict[str, Any]:
    """Read variables; empty text is no variables.

    Raises:
        BadRequestError: It is no JSON object.
    """
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(
            f"Property '{field}' is invalid: Expected a JSON object, but got: {error}"
        ) from error
    return root_object(value, field)


def root_object(value: object, field: str = "variables") -> dict[str, Any]:
    """Take a JSON value that has to be an object; null is an empty one.

    Raises:
        BadRequestError: It is another value.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = _KINDS.get(type(value), type(value).__name__)
        raise BadRequestError(
            f"Property '{field}' is invalid: Expected document to be a root level object, but was '{kind}'"
        )
    return value


def check_tenant(call: str, *tenants: str) -> None:
    """Refuse every tenant but the default one: this engine has no others.

    Raises:
        BadRequestError: Another tenant is named.
    """
    for tenant in tenants:
        if tenant not in ("", DEFAULT_TENANT):
            raise BadRequestError(
                f"Expected to handle request {call} with tenant identifier '{tenant}', but multi-tenancy is "
                "disabled"
            )


def wait_seconds(request_timeout_ms: int) -> float:
    """How long a poll waits for its first job: 0 asks for the gateway's default, less than 0 for no wait."""
    return _POLL_SECONDS if request_timeout_ms == 0 else max(0.0, request_timeout_ms / 1000)
