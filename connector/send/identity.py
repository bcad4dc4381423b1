"""What tells one mail from every other one, and one request from another.

A job enters as the engine gave it, secrets unresolved; the key of its mail and a digest of what it asks for
leave. Both are the same at every attempt, and are known before anything else is done with the job.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from connector.errors import InputError
from connector.model.job import Job
from connector.tasks.port import SendTask
from connector.tasks.records import BulkRecord

# How a mail is sent is not what is sent: a password is rotated, an account moves to another host.
_NOT_CONTENT = frozenset({"authentication", "account", "smtpEmailIdempotencyKey", "smtpEmailWhenUncertain"})
# Characters above which a digest would hold up the other jobs for milliseconds.
_LARGE = 200_000
_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Identity:
    """One mail, as the ledger knows it.

    Attributes:
        key: Names the mail.
        request_hash: Digest of what the task wants sent.
        task: The element instance; several may have one key, and each an incident of its own.
        field: What names the mail, for error messages.
    """

    key: str
    request_hash: str
    task: str
    field: str = "smtpEmailIdempotencyKey"

    async def of(self, record: BulkRecord) -> Identity:
        """Name the mail of one record; this is the identity of its bulk task.

        Raises:
            InputError: The record has hundreds of contexts within each other.
        """
        # No name holds a slash, so that the last one parts it from the task's own key.
        name = record.name.replace("%", "%25").replace("/", "%2F")
        digest = await _hashed([self.request_hash, record.data], record.data, record.field)
        return replace(self, key=f"{self.key}/record:{name}", request_hash=digest, field=record.field)


async def identify(job: Job, task: SendTask, engine: str, *, bulk: bool = False) -> Identity:
    """Name the mail of a job, and digest what the job asks to be sent, in the process's own words.

    Args:
        job: Its element instance is the same at every attempt, and another at every turn of a loop. Where it
            stands in its process counts too: on an engine that was set up anew the same keys come again, and
            should at least not be taken for the same mail.
        task: Its task type.
        engine: Tells engines apart whose keys may coincide; empty for the only one.
        bulk: The job sends one mail for each of its records; see :meth:`Identity.of`.

    Raises:
        InputError: The task's own key is none, or an input has hundreds of contexts within each other.
    """
    chosen = task.idempotency_key(job.variables)
    # A key of the task's own must never meet the element instance of the same number, nor that of a record.
    kind = "bulk" if bulk else "key"
    name = f"instance:{job.element_instance_key}" if chosen is None else f"{kind}:{chosen}"
    key = "/".join(filter(None, (engine, job.tenant_id, name)))
    return Identity(key, await _request_hash(job, task), str(job.element_instance_key))


async def _request_hash(job: Job, task: SendTask) -> str:
    names, variables = task.variable_names, job.variables
    asked = {name: variables[name] for name in names if name in variables and name not in _NOT_CONTENT}
    request = [job.type, job.bpmn_process_id, job.element_id, asked]
    return await _hashed(request, asked, "variables")


async def _hashed(request: list[Any], asked: Any, field: str) -> str:
    try:
        large = _characters(asked) > _LARGE
        return await asyncio.to_thread(_digest, request) if large else _digest(request)
    except RecursionError:
        raise InputError(field, "an input is nested too deeply; use fewer levels") from None


def _digest(request: list[Any]) -> str:
    return sha256(_WRITER.encode(request).encode()).hexdigest()


def _characters(value: Any) -> int:
    """Count the characters of all texts in a JSON value; about what its digest costs."""
    size, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return size
