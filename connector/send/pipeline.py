"""The way of one job, and the only place that knows its order.

A :class:`~connector.model.job.Job` enters and an :class:`~connector.model.job.Outcome` always leaves,
also when the job's task is cancelled: whoever runs it can report what became of the mail. ::

    headers -> ledger -> secrets -> task -> account -> content -> message -> transport -> ledger -> result
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import structlog

from connector.accounts.accounts import Accounts, Origin, with_secrets
from connector.errors import CancelledBeforeSendError, ConnectorError, ErrorCode
from connector.ledger import Upkeep, open_upkeep
from connector.message.build import build, message_id
from connector.message.content.attachments import ContentReader
from connector.model.envelope import Message
from connector.model.hosts import listed
from connector.model.job import Fail, Hold, Job, Outcome, Throw
from connector.model.mail import SendRequest, WhenUncertain
from connector.model.receipt import Receipt
from connector.model.server import Server
from connector.observe.metrics import Metrics
from connector.secrets import SecretResolver, Use, open_secrets
from connector.secrets.masking import MaskedError, masked
from connector.secrets.redaction import Redactor
from connector.send import outcome
from connector.send.identity import mail_key, request_hash
from connector.send.once import Deliveries, Response
from connector.settings.model import Settings
from connector.tasks import reader
from connector.tasks.headers import TaskHeaders, read_task_headers
from connector.tasks.port import ReadContext
from connector.transport.pacing import Paced
from connector.transport.port import Committing, Transport
from connector.transport.smtp.smtp import SmtpTransport

_log = structlog.get_logger(__name__)

_ASSUMED = (
    "uncertain: the server's reply is not known, the mail may not have been delivered; taken for sent, as "
    "smtpEmailWhenUncertain, the account's uncertain or ledger.uncertain says"
)
_UNDESCRIBED = "The mail was sent, and the worker failed to describe it; its log has the details."
# Octets of content above which encoding them would hold up the other jobs for milliseconds (1 MB takes 2 ms).
_LARGE = 100_000


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Stages:
    """What does the I/O on the way of a job, and what knows its secrets and accounts.

    Attributes:
        redactor: Masks whatever was ever a credential in the logs.
        masks: Masks what secret providers gave in what goes to the engine. Apart, because a password that a
            diagram holds is known to its readers, and must not change the results of other processes.
        metrics: Where mails are counted.
    """

    accounts: Accounts
    secrets: SecretResolver
    content: ContentReader
    transport: Transport
    deliveries: Deliveries
    redactor: Redactor
    masks: Redactor
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Shared:
    """What a pipeline has in common with the next one, when settings change.

    Attributes:
        upkeep: Where mails are remembered.
        metrics: Where they are counted.
    """

    upkeep: Upkeep
    metrics: Metrics = field(default_factory=Metrics)


class Pipeline:
    """Turns jobs into mails and mails into outcomes.

    Args:
        clock: Gives the present with its zone; a test may stop it.
    """

    def __init__(self, settings: Settings, stages: Stages, clock: Callable[[], datetime] = _now) -> None:
        self._settings = settings
        self._stages = stages
        self._clock = clock

    async def handle(self, job: Job, hold: Hold | None = None) -> Outcome:
        """Send the mail that the job asks for and say what became of it; never raises for a job's fault.

        Args:
            job: What to do.
            hold: What is told to and heard from the worker that has the job in hand.
        """
        headers: TaskHeaders | None = None
        mail: _Mail | None = None
        try:
            headers = read_task_headers(job.headers)
            mail = _Mail(job, self._settings, self._stages, self._clock)
            response = await self._stages.deliveries.deliver(mail, hold or Hold())
        except ConnectorError as error:
            self._stages.metrics.mail_failed(error.code.value, mail.account if mail else None)
            told = MaskedError(error, self._stages.masks.redact)
            return self._masked(await outcome.failed(told, job, headers, self._settings.worker), headers)
        except asyncio.CancelledError:
            # Not swallowed: the worker that cancels waits for this very outcome. Deliveries raise
            # CancelledError only while nothing can have been delivered.
            return await outcome.failed(CancelledBeforeSendError(), job, headers, self._settings.worker)
        if response["duplicate"]:
            self._stages.metrics.mail_duplicate()
        else:
            self._stages.metrics.mail_sent(response["account"])
        try:
            return self._masked(await outcome.succeeded(response, job, headers), headers)
        except Exception:  # noqa: BLE001 - a fault that left here would spend a retry
            _log.exception("result not made", job_key=job.key, element_id=job.element_id)
            return outcome.broken_after(response["messageId"])

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


class _Mail:
    """The mail of one job, for :class:`~connector.send.once.Deliveries`; each thing is read once."""

    def __init__(self, job: Job, settings: Settings, stages: Stages, clock: Callable[[], datetime]) -> None:
        self._job = job
        self._settings = settings
        self._stages = stages
        self._clock = clock
        self._reader = reader(job.type)
        self._request: SendRequest | None = None
        self._uses: tuple[Use, ...] = ()
        self._looked_up = 0.0
        self.task = str(job.element_instance_key)
        self.key = mail_key(job, self._reader.idempotency_key(job.variables), settings.engine.namespace)

    @property
    def account(self) -> str | None:
        """The account's name in the settings; None until it is known, and where the task names a server."""
        return self._request.server.account if self._request is not None else None

    async def request_hash(self) -> str:
        return await request_hash(self._job, self._reader.variable_names)

    async def policy(self) -> WhenUncertain:
        return (await self._read()).when_uncertain or self._settings.ledger.uncertain

    async def send(self, committing: Committing) -> Response:
        try:
            return await self._submit(committing)
        except ConnectorError as error:
            if error.code is not ErrorCode.AUTH_FAILED or not await self._login_changed():
                raise
        return await self._submit(committing)

    async def _submit(self, committing: Committing) -> Response:
        request = await self._read()
        message = await self._build(request)
        with self._stages.metrics.submitting():
            receipt = await self._stages.transport.submit(message, request.server, committing)
        return self._response(message.message_id, request, receipt)

    async def _login_changed(self) -> bool:
        """Ask anew for the secrets that the server refused: a password may have been rotated just now."""
        former, self._request = await self._read(), None
        self._stages.secrets.forget(self._uses, self._looked_up)
        try:
            return self._uses != () and (await self._read()).server != former.server
        except ConnectorError:  # the refusal of the login is what has to be told
            self._request = former
            return False

    async def assumed(self) -> Response:
        request = await self._read()
        name = message_id(request, self.key, self._settings.message)
        recipients = tuple(dict.fromkeys(box.address for box in (*request.to, *request.cc, *request.bcc)))
        return self._response(name, request, Receipt(None, recipients, warnings=(_ASSUMED,)))

    async def _read(self) -> SendRequest:
        if self._request is None:
            resolved = await self._stages.secrets.resolve(self._job.variables)
            request = self._reader.read(resolved.value, self._context())
            self._stages.secrets.permit(resolved.uses, request.server.hostname, request.server.port)
            server, uses = await with_secrets(request.server, self._stages.secrets)
            self._looked_up = monotonic()
            self._remember_login(server)
            self._request = request if server is request.server else replace(request, server=server)
            self._uses = (*resolved.uses, *uses)
        return self._request

    def _context(self) -> ReadContext:
        return ReadContext(
            self._settings.message,
            self._clock(),
            self._stages.accounts,
            Origin(self._job.bpmn_process_id, self._job.tenant_id),
            self._settings.smtp.foreign_starttls_optional,
            listed(self._settings.smtp.hosts),
        )

    def _remember_login(self, server: Server) -> None:
        if server.password is None:
            return
        password = server.password.get_secret_value()
        self._stages.redactor.remember_login(server.username or "", password)
        if server.account is not None:  # nobody who reads diagrams knows this one
            self._stages.masks.remember(password)

    async def _build(self, request: SendRequest) -> Message:
        content = await self._stages.content.load(request)
        compose = partial(build, request, content, self.key, self._settings.message, self._clock())
        return await asyncio.to_thread(compose) if content.size > _LARGE else compose()

    def _response(self, name: str, request: SendRequest, receipt: Receipt) -> Response:
        """Describe the mail, which is out: whatever goes wrong here must not look like a failed attempt."""
        warnings = (*request.warnings, *receipt.warnings)
        receipt = replace(receipt, warnings=warnings, account=request.server.account)
        now, redact = self._clock(), self._stages.masks.redact
        try:
            return outcome.response(self._job.type, name, receipt, now, redact)
        except Exception:  # noqa: BLE001 - see above
            _log.exception("response not made", job_key=self._job.key, element_id=self._job.element_id)
            bare = Receipt(None, (), warnings=(_UNDESCRIBED,))
            return outcome.response(self._job.type, name, bare, now, str)


@asynccontextmanager
async def open_pipeline(
    settings: Settings,
    redactor: Redactor,
    environ: Mapping[str, str],
    transport: Transport | None = None,
    shared: Shared | None = None,
) -> AsyncIterator[Pipeline]:
    """Put the stages together as the settings say, and close them at the end.

    Args:
        settings: What the operator wants.
        redactor: Learns every credential, and masks them in the logs.
        environ: Where secrets from the environment are looked up.
        transport: What carries the mails; SMTP by default.
        shared: What outlives it; a ledger of its own, as the settings describe it, by default.

    Raises:
        LedgerUnavailableError: The settings describe a ledger that this worker cannot have.
    """
    async with AsyncExitStack() as stack:
        if shared is None:
            opening = open_upkeep(settings.ledger, settings.worker.lease)
            shared = Shared(await stack.enter_async_context(opening))
        content = ContentReader(settings.attachments)
        stack.push_async_callback(content.aclose)
        if transport is None:
            smtp = SmtpTransport(settings.smtp)
            stack.push_async_callback(smtp.aclose)
            stack.enter_context(shared.metrics.pool(smtp.connections))
            transport = Paced(smtp)
        masks = Redactor()

        def remember(value: str) -> None:
            redactor.remember(value)
            masks.remember(value)

        secrets = await stack.enter_async_context(open_secrets(settings.secrets, environ, remember))
        deliveries = Deliveries(shared.upkeep, settings.ledger)
        accounts = Accounts(settings)
        stages = Stages(accounts, secrets, content, transport, deliveries, redactor, masks, shared.metrics)
        yield Pipeline(settings, stages)
