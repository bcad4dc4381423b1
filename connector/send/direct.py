"""One task without an engine, through the same stages as a worker's jobs."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.errors import Reply
from connector.model.envelope import Message
from connector.model.job import Job
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Route
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.model import MAILBOX_TASK_TYPE, SEND_TASK_TYPE, Settings
from connector.settings.sources import load_settings
from connector.transport.port import Deliveries

_RETRIES = 3  # of a task that sets none
_LEASE = 3600.0


async def send_mail(
    variables: Mapping[str, Any],
    settings: Settings | None = None,
    *,
    task_type: str = SEND_TASK_TYPE,
    key: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Mapping[str, Any]:
    """Send one mail without an engine.

    Args:
        variables: The inputs of the task, as JSON values: ``smtpEmailToRecipients`` and the others.
        settings: Accounts, secret providers, ledger and limits; :func:`~connector.load_settings` by default.
        task_type: The task type whose inputs the variables are.
        key: Names the mail, at most 200 characters. Of all calls and jobs with the same key only one sends
            it, as long as the ledger keeps its entry. Without a key each call sends a mail.
        environ: The environment in which secrets are looked up.

    Returns:
        The response: ``status``, ``messageId``, ``accepted``, ``rejected`` and the other keys that a task
        gets. ``duplicate`` is true where an earlier call has sent the mail.

    Raises:
        ConnectorError: The mail was not sent, except under ``DELIVERY_UNCERTAIN``; ``code`` says why.
        LedgerUnavailableError: The ledger of the settings cannot be opened.
        SettingsError: The settings that were loaded by default are invalid.
    """
    settings = settings or load_settings(environ)
    async with open_pipeline(settings, Masker(), environ) as pipeline:
        return await pipeline.send(job_of(variables, task_type=task_type, key=key))


def job_of(
    variables: Mapping[str, Any],
    *,
    task_type: str = SEND_TASK_TYPE,
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Job:
    """Make a job as an engine would hand it out, with keys that no other job has."""
    number = secrets.randbits(62)
    return Job(
        key=number,
        type=task_type,
        process_instance_key=number,
        bpmn_process_id="smtp-connector-send",
        process_definition_version=1,
        element_id="send",
        element_instance_key=number,
        headers=headers or {},
        retries=_RETRIES,
        deadline=time.time() + _LEASE,
        variables=variables if key is None else {**variables, "smtpEmailIdempotencyKey": key},
        tenant_id="<default>",
    )


class EmlFile:
    """A transport that writes each message to a file.

    Args:
        path: The file; an existing one is replaced. Further mails of a bulk task go beside it, as
            ``mail-2.eml``, or behind the first where it is a device. None: standard output, which is not
            opened by its name: a file would lose what others have written to it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._mails = 0

    async def submit(self, message: Message, route: Route, deliveries: Deliveries) -> Receipt:
        """Write the message as it would be sent along ``route``.

        Raises:
            OSError: The file cannot be written.
        """
        await deliveries.committing(Delivery(message.envelope.recipients))
        self._mails += 1
        path = self._path
        if path is not None and self._mails > 1 and not path.is_char_device():
            path = path.with_name(f"{path.stem}-{self._mails}{path.suffix}")
        octets, _, _ = message.form(eight_bit=True)  # as most servers take it
        await asyncio.to_thread(path.write_bytes if path else _print, octets)
        reply = Reply(250, f"written to {path or 'standard output'}, not sent to {route}")
        return Receipt(reply, message.envelope.recipients, transport="file")


def _print(octets: bytes) -> None:
    sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()


async def use_mailbox(
    variables: Mapping[str, Any],
    settings: Settings | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Mapping[str, Any]:
    """Do one operation on a mailbox without an engine: list, search, read, mark, move, copy or delete.

    Args:
        variables: The inputs of the task, as JSON values: ``mailboxOperation`` and the others.
        settings: Accounts, secret providers and limits; :func:`~connector.load_settings` by default.
        environ: The environment in which secrets are looked up.

    Returns:
        The response: ``messages``, ``mail``, ``folders``, ``id`` or ``deleted``, as a task gets it.

    Raises:
        ConnectorError: It could not be done; ``code`` says why. The same call may be made again.
        LedgerUnavailableError: The ledger of the settings cannot be opened.
        SettingsError: The settings that were loaded by default are invalid.
    """
    settings = settings or load_settings(environ)
    async with open_pipeline(settings, Masker(), environ) as pipeline:
        return await pipeline.use_mailbox(job_of(variables, task_type=MAILBOX_TASK_TYPE))
