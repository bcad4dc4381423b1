"""What tells one mail from every other one, and one order from another.

A job enters as the engine gave it, secrets unresolved; the key of its mail and a digest of what it asks for
leave. Both are the same at every attempt, and are known before anything else is done with the job.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from connector.errors import InputError
from connector.model.job import Job

# How a mail is sent is not what is sent: a password is rotated, an account moves to another host.
_NOT_CONTENT = frozenset({"authentication", "account", "smtpEmailIdempotencyKey", "smtpEmailWhenUncertain"})
# Characters above which a digest would hold up the other jobs for milliseconds.
_LARGE = 200_000
_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def mail_key(job: Job, chosen: str | None, engine: str) -> str:
    """Name the mail of a job.

    Args:
        job: Its element instance is the same at every attempt, and another at every turn of a loop.
        chosen: The task's own key in place of the element instance.
        engine: Tells engines apart whose keys may coincide; empty for the only one.
    """
    # A key of the task's own must never meet the element instance of the same number.
    name = f"instance:{job.element_instance_key}" if chosen is None else f"key:{chosen}"
    return "/".join(filter(None, (engine, job.tenant_id, name)))


async def request_hash(job: Job, names: Iterable[str]) -> str:
    """Digest what a job asks to be sent, in the process's own words.

    Args:
        job: Where it stands in its process counts too: on an engine that was set up anew the same keys come
            again, and should at least not be taken for the same mail.
        names: The variables that are inputs of its task type.

    Raises:
        InputError: Hundreds of contexts within each other.
    """
    asked = {
        name: job.variables[name] for name in names if name in job.variables and name not in _NOT_CONTENT
    }
    order = [job.type, job.bpmn_process_id, job.element_id, asked]
    try:
        large = _characters(asked) > _LARGE
        return await asyncio.to_thread(_digest, order) if large else _digest(order)
    except RecursionError:
        raise InputError("variables", "an input is nested too deeply; make it flat") from None


def _digest(order: list[Any]) -> str:
    return sha256(_WRITER.encode(order).encode()).hexdigest()


def _characters(value: Any) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(map(_characters, value.values()))
        case list():
            return sum(map(_characters, value))
    return 0
