"""The way of one job, and the only place that knows its order.

A :class:`~connector.engine.port.Job` enters and an :class:`~connector.engine.port.Outcome` always leaves,
also when the job's task is cancelled: whoever runs it can report what became of the mail. ::

    headers -> secrets -> task -> content -> message -> transport -> result
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import structlog

from connector import result
from connector.engine.port import Fail, Job, Outcome, Throw
from connector.errors import CancelledBeforeSendError, ConnectorError, MaskedError, masked
from connector.message.attachments import ContentReader
from connector.message.build import build
from connector.message.envelope import Message
from connector.observe.redaction import Redactor
from connector.secrets import SecretResolver, open_secrets
from connector.settings.model import Settings
from connector.task import reader
from connector.task.headers import TaskHeaders, read_task_headers
from connector.task.port import ReadContext
from connector.transport.port import Receipt, Transport, nothing_to_record
from connector.transport.smtp import SmtpTransport

_log = structlog.get_logger(__name__)

# Octets of content above which encoding them would hold up the other jobs for milliseconds (1 MB takes 2 ms).
_LARGE = 100_000


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Stages:
    """What does the I/O on the way of a job, and what knows its secrets.

    Attributes:
        redactor: Masks whatever was ever a credential in the logs.
        masks: Masks what secret providers gave in what goes to the engine. Apart, because a password that a
            diagram holds is known to its readers, and must not change the results of other processes.
    """

    secrets: SecretResolver
    content: ContentReader
    transport: Transport
    redactor: Redactor
    masks: Redactor


class Pipeline:
    """Turns jobs into mails and mails into outcomes.

    Args:
        clock: Gives the present with its zone; a test may stop it.
    """

    def __init__(self, settings: Settings, stages: Stages, clock: Callable[[], datetime] = _now) -> None:
        self._settings = settings
        self._stages = stages
        self._clock = clock

    async def handle(self, job: Job) -> Outcome:
        """Send the mail that the job asks for and say what became of it; never raises for a job's fault."""
        headers: TaskHeaders | None = None
        try:
            headers = read_task_headers(job.headers)
            message, receipt = await self._send(job)
        except ConnectorError as error:
            told = MaskedError(error, self._stages.masks.redact)
            return self._masked(await result.failed(told, job, headers, self._settings.worker), headers)
        except asyncio.CancelledError:
            # Not swallowed: the worker that cancels waits for this very outcome. The transport raises
            # CancelledError only while nothing can have been delivered.
            return await result.failed(CancelledBeforeSendError(), job, headers, self._settings.worker)
        try:
            response = result.response(job.type, message, receipt, self._clock(), self._stages.masks.redact)
            return self._masked(await result.succeeded(response, job, headers), headers)
        except Exception:  # noqa: BLE001 - a fault that left here would spend a retry: a second mail
            _log.exception("result not made", job_key=job.key, element_id=job.element_id)
            return result.broken_after(message.message_id)

    def _masked(self, outcome: Outcome, headers: TaskHeaders | None) -> Outcome:
        """Mask what the task's own expressions wrote; the response under its name was masked when made."""
        redact = self._stages.masks.redact
        kept = headers.result_variable if headers else None
        variables = {
            name: value if name == kept else masked(value, redact)
            for name, value in outcome.variables.items()
        }
        match outcome:
            case Throw(code, message):
                return replace(outcome, code=redact(code), message=redact(message), variables=variables)
            case Fail(message):
                error = masked(outcome.error, redact)
                return replace(outcome, message=redact(message), variables=variables, error=error)
            case _:
                return replace(outcome, variables=variables)

    async def _send(self, job: Job) -> tuple[Message, Receipt]:
        variables = await self._stages.secrets.resolve(job.variables)
        now = self._clock()
        request = reader(job.type).read(variables, self._context(now))
        if request.server.password is not None:
            self._stages.redactor.remember_login(
                request.server.username or "", request.server.password.get_secret_value()
            )
        content = await self._stages.content.load(request)
        compose = partial(
            build, request, content, _key(job, request.idempotency_key), self._settings.message, now
        )
        message = await asyncio.to_thread(compose) if content.size > _LARGE else compose()
        receipt = await self._stages.transport.submit(message, request.server, nothing_to_record)
        return message, replace(receipt, warnings=(*request.warnings, *receipt.warnings))

    def _context(self, now: datetime) -> ReadContext:
        return ReadContext(self._settings.message, now, self._settings.smtp.foreign_starttls_optional)


def _key(job: Job, chosen: str | None) -> str:
    """Name the mail: the same at every attempt of a job, another for every other element instance."""
    # A key of the task's own must never meet the element instance of the same number.
    name = f"instance:{job.element_instance_key}" if chosen is None else f"key:{chosen}"
    return f"{job.tenant_id}/{name}"


@asynccontextmanager
async def open_pipeline(
    settings: Settings,
    redactor: Redactor,
    environ: Mapping[str, str],
    transport: Transport | None = None,
) -> AsyncIterator[Pipeline]:
    """Put the stages together as the settings say, and close them at the end.

    Args:
        settings: What the operator wants.
        redactor: Learns every secret that is resolved, and masks it in what leaves.
        environ: Where secrets from the environment are looked up.
        transport: What carries the mails; SMTP by default.
    """
    async with AsyncExitStack() as stack:
        content = ContentReader(settings.attachments)
        stack.push_async_callback(content.aclose)
        if transport is None:
            smtp = SmtpTransport(settings.smtp)
            stack.push_async_callback(smtp.aclose)
            transport = smtp
        masks = Redactor()

        def remember(value: str) -> None:
            redactor.remember(value)
            masks.remember(value)

        secrets = open_secrets(settings.secrets, environ, remember)
        yield Pipeline(settings, Stages(secrets, content, transport, redactor, masks))
