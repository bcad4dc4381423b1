"""One attempt to submit the mail of a job: secrets, account, message, transport.

A job enters, a description of the mail that was sent leaves, or the error that says why it was not. Whether
an attempt may be made at all, and what the ledger hears of it, is :mod:`~connector.send.once`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from connector.accounts.accounts import Accounts, Origin
from connector.accounts.secret_values import with_key_passwords, with_secrets
from connector.auth.port import TokenSource
from connector.errors import ConnectorError, ErrorCode, InputError, Phase, Reply, TransportError
from connector.ledger.progress import Progress
from connector.message.build import build
from connector.message.content.reader import ContentReader
from connector.model.credential import Credential
from connector.model.envelope import Message
from connector.model.hosts import listed
from connector.model.job import Job
from connector.model.mail import (
    ContentType,
    InlineContent,
    LoadedContent,
    SendRequest,
    TemplateUse,
    WhenUncertain,
)
from connector.model.receipt import Receipt
from connector.model.server import Route
from connector.observe.metrics import Metrics
from connector.secrets.masker import MASK, Masker
from connector.secrets.resolve import SecretResolver, Use
from connector.send import outcome
from connector.send.deliveries import Deliveries, Record
from connector.settings.model import Settings
from connector.settings.participants import participants_of
from connector.tasks.port import ReadContext, SendTask
from connector.tasks.records import BulkRecord
from connector.tasks.token_login import token_server
from connector.transport.pacing import Pacing
from connector.transport.port import Fate, Finder, Transport

if TYPE_CHECKING:
    from connector.graph.mailboxes import GraphMailboxes
    from connector.mailbox.pool import Mailboxes
    from connector.mailtemplates.render import Templates
    from connector.signing.protection import Protector

_log = structlog.get_logger(__name__)

_UNDESCRIBED = "The mail was sent, and the worker failed to describe it; its log has the details."
# Octets of content above which encoding them would hold up the other jobs for milliseconds (1 MB takes 2 ms).
_LARGE = 100_000
# A shorter password of a job is likely to be a word of the server's replies.
_SHORTEST_MASKED = 8
_REBUILT = b"X-Copy: rebuilt\r\n"
# Characters of HTML above which making its text part would do so (4 KB take one to two).
_LONG_HTML = 4_000

Response = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stages:
    """What does the work of each stage, the same for every job.

    Attributes:
        protector: Signs and encrypts; made for the first mail that needs it, since it loads a library.
        templates: Renders mail templates; made for the first mail that has one, for the same reason.
        transports: What carries mails, by the name that a route gives.
        tokens: Gives the source of a credential's access tokens.
        graph: Gives requests to Microsoft Graph; made for the first one, since it loads a library.
        masker: Masks every value that was ever a credential in the logs.
        masks: Masks what secret providers gave in what goes to the engine. Apart, because a password that a
            diagram holds is known to its readers, and must not change the results of other processes.
        metrics: Where mails are counted.
        clock: Gives the present with its zone.
        mailboxes: Open mailboxes; made for the first use, since it loads libraries.
    """

    settings: Settings
    accounts: Accounts
    secrets: SecretResolver
    content: ContentReader
    protector: Callable[[], Protector]
    templates: Callable[[], Templates]
    pacing: Pacing
    transports: Mapping[str, Transport]
    tokens: Callable[[Credential], TokenSource]
    graph: Callable[[], GraphMailboxes]
    masker: Masker
    masks: Masker
    metrics: Metrics
    clock: Callable[[], datetime]
    mailboxes: Callable[[], Mailboxes]

    def remember_login(self, server: Route) -> None:
        """Mask a password in the logs, and one of an account, which readers of diagrams do not know."""
        if server.password is None:
            return
        password = server.password.get_secret_value()
        self.masker.remember_login(server.username or "", password)
        if server.account is not None:
            self.masks.remember(password)


class Submission:
    """The mail of one job on its way to a server; each thing is read once.

    Args:
        job: What the engine handed out.
        task: Its task type.
        key: What names the mail; the same at every attempt.
        stages: What does the work.
        record: The record of a bulk task that the mail is for.
    """

    def __init__(
        self, job: Job, task: SendTask, key: str, stages: Stages, record: BulkRecord | None = None
    ) -> None:
        self._job = job
        self._record = record
        self._task = task
        self._key = key
        self._stages = stages
        self._request: SendRequest | None = None
        self._uses: tuple[Use, ...] = ()
        self._looked_up = 0.0
        self._own_password = ""
        self._sent: bytes | None = None

    def mask(self, text: str) -> str:
        """Mask every secret, and a password of eight characters or more that the job itself brought."""
        text = self._stages.masks.mask(text)
        return text.replace(self._own_password, MASK) if self._own_password else text

    @property
    def request(self) -> SendRequest | None:
        """What the task asks for; None until it is read."""
        return self._request

    @property
    def account(self) -> str | None:
        """The account's name in the settings; None until it is known, and where the task names a server."""
        return self._request.route.account if self._request is not None else None

    @property
    def server(self) -> str | None:
        """``host:port``; None until it is known."""
        return str(self._request.route) if self._request is not None else None

    @property
    def owes_copy(self) -> bool:
        """Whether a copy of the mail that was sent is to be made."""
        return self._request is not None and self._request.copy_to is not None

    async def sent(self, response: Response) -> tuple[SendRequest, bytes]:
        """The mail that was sent: its octets, or those that are built anew, which say so.

        Args:
            response: What was recorded of it.

        Raises:
            ConnectorError: It cannot be built anew.
        """
        request = await self._read(Progress(built=response["sentAt"]))
        if self._sent is not None:
            return request, self._sent
        message, _ = await self._build(request)
        message, _ = await self._protected(message, request)
        return request, _REBUILT + message.data

    async def policy(self, progress: Progress) -> WhenUncertain:
        """What to do when it is not known whether an earlier attempt has delivered the mail.

        Raises:
            ConnectorError: The task cannot be read.
        """
        return (await self._read(progress)).when_uncertain or self._stages.settings.ledger.uncertain

    async def found(self, progress: Progress) -> Reply | Fate | None:
        """Look whether a delivery of an earlier attempt, whose reply is not known, was made.

        Returns:
            The reply that stands for the lost one, or what is known instead; None where the transport cannot
            look, or does not see it.

        Raises:
            ConnectorError: The task cannot be read.
        """
        if not progress.reference:
            return None
        route = (await self._read(progress)).route
        transport = self._stages.transports.get(route.transport)
        return await transport.find(progress.reference, route) if isinstance(transport, Finder) else None

    async def submit(self, progress: Progress, record: Record, *, again: bool = True) -> Response:
        """Send the mail to those who do not have it yet, and describe what became of it.

        Args:
            progress: What earlier attempts have achieved.
            record: Hears of each delivery.
            again: A login that the server refuses is tried once more if the secrets behind it have changed
                meanwhile.

        Raises:
            ConnectorError: Nothing was delivered but what ``record`` heard of as delivered, and perhaps the
                last delivery, under ``DELIVERY_UNCERTAIN``.
            asyncio.CancelledError: As above, without doubt about the last delivery.
        """
        stages = self._stages
        deliveries = Deliveries(progress, record, stages.clock)
        receipt = Receipt(None, ())
        warnings: tuple[str, ...] = ()
        try:
            request = await self._read(progress)
            message = deliveries.begin(*await self._build(request), self._moment)
            if message.envelope.recipients:
                message, warnings = await self._protected(message, request)
                with stages.metrics.submitting():
                    await stages.pacing.turn(request.route)
                    transport = stages.transports[request.route.transport]
                    receipt = await transport.submit(message, request.route, deliveries)
                self._sent, warnings = message.data, (*warnings, *message.warnings)
        except ConnectorError as error:
            if again and deliveries.idle and await self._login_changed(error, progress):
                return await self.submit(progress, record, again=False)
            receipt = self._refused(error, deliveries)
        return await self._completed(receipt, request, deliveries, warnings)

    def _refused(self, error: ConnectorError, deliveries: Deliveries) -> Receipt:
        done = deliveries.refused(error, last=self._job.retries <= 1)
        if done is None:
            error.reached(deliveries.accepted, deliveries.recipients)
            raise error
        return done

    async def _completed(
        self, receipt: Receipt, request: SendRequest, deliveries: Deliveries, warnings: tuple[str, ...]
    ) -> Response:
        if (
            receipt.rejected
            and self._job.retries > 1
            and any(one.reply.transient for one in receipt.rejected)
        ):
            await deliveries.end(receipt)
            raise _deferred(receipt, request.route, deliveries)
        receipt = deliveries.joined(receipt, (*request.warnings, *warnings), request.route.account)
        return self._response(deliveries.message_id, request, receipt)

    # From the job to the request: secrets, task, account

    async def _read(self, progress: Progress) -> SendRequest:
        if self._request is None:
            stages = self._stages
            # A message that some recipients may have is written as of the same moment again.
            self._moment = datetime.fromisoformat(progress.built) if progress.built else stages.clock()
            resolved = await stages.secrets.resolve(self._job.variables)
            request = self._task.read(resolved.value, self._context())
            stages.secrets.permit(resolved.uses, request.route.hostname, request.route.port)
            if request.route.credential is not None and request.route.account is None:
                stages.secrets.permit_tokens(resolved.uses, *token_server(request.route.credential))
            route, uses = await with_secrets(request.route, stages.secrets)
            self._looked_up = monotonic()
            self._remember_login(route)
            if route is not request.route:
                request = replace(request, route=route)
            if request.template is not None:
                request = await asyncio.to_thread(self._rendered, request, request.template)
            self._request = request if request.signing.idle else await self._with_keys(request)
            self._uses = (*resolved.uses, *uses)
        return self._request

    def _rendered(self, request: SendRequest, template: TemplateUse) -> SendRequest:
        """Take subject, body and files from the template that the task names."""
        made = self._stages.templates().render(template)
        if made.subject is None and not request.subject:
            raise InputError("smtpEmailSubject", "is missing, and the template has no subject.txt; add one")
        return replace(
            request,
            subject=request.subject or made.subject or "",
            content_type=ContentType.TEXT if made.html is None else ContentType.MULTIPART,
            content=InlineContent(made.html or made.text or ""),
            text=None if made.html is None else made.text,
            attachments=(*request.attachments, *made.attachments),
        )

    def _context(self) -> ReadContext:
        settings = self._stages.settings
        return ReadContext(
            settings.message,
            self._moment,
            self._stages.accounts,
            Origin(self._job.bpmn_process_id, self._job.tenant_id),
            settings.smtp.foreign_starttls_optional,
            listed(settings.smtp.hosts),
            listed(settings.tokens.hosts),
            participants_of(settings.participants, self._job.bpmn_process_id, self._job.tenant_id),
            self._record,
        )

    def _remember_login(self, route: Route) -> None:
        self._stages.remember_login(route)
        if route.password is not None and route.account is None:
            password = route.password.get_secret_value()
            self._own_password = password if len(password) >= _SHORTEST_MASKED else ""

    async def _with_keys(self, request: SendRequest) -> SendRequest:
        """Look up the passwords of the account's keys; no log and no incident may show one."""
        signing = await with_key_passwords(request.signing, request.route, self._stages.secrets)
        for password in signing.passwords:
            self._stages.masker.remember(password)
            self._stages.masks.remember(password)
        return replace(request, signing=signing)

    async def _login_changed(self, error: ConnectorError, progress: Progress) -> bool:
        """Ask anew for the secrets that the server refused: a password may have been rotated just now."""
        if error.code is not ErrorCode.AUTH_FAILED:
            return False
        former, self._request = await self._read(progress), None
        self._stages.secrets.forget(self._uses, self._looked_up)
        try:
            return self._uses != () and (await self._read(progress)).route != former.route
        except ConnectorError:  # the refusal of the login is what has to be told
            self._request = former
            return False

    # From the request to the message, and from the receipt to the response

    async def _build(self, request: SendRequest) -> tuple[Message, str]:
        """Write the message, and a digest of its octets."""
        content = await self._stages.content.load(request)
        compose = partial(self._composed, request, content)
        long = request.content_type is ContentType.MULTIPART and len(content.body) > _LONG_HTML
        return await asyncio.to_thread(compose) if long or content.size > _LARGE else compose()

    async def _protected(self, message: Message, request: SendRequest) -> tuple[Message, tuple[str, ...]]:
        """Sign and encrypt the message where its account or task asks for it; and what was not possible."""
        if request.signing.idle:
            return message, ()
        protected = await self._stages.protector().protect(message, request)
        return protected.message, protected.warnings

    def _composed(self, request: SendRequest, content: LoadedContent) -> tuple[Message, str]:
        message = build(request, content, self._key, self._stages.settings.message, self._moment)
        return message, sha256(message.data).hexdigest()

    def _response(self, name: str, request: SendRequest, receipt: Receipt) -> Response:
        """Describe the mail, which is out: an error here must not look like a failed attempt."""
        now, mask = self._stages.clock(), self.mask
        follow_up = {"followUpAt": request.follow_up.isoformat()} if request.follow_up else {}
        try:
            return {**outcome.response(name, receipt, now, mask), **follow_up}
        except Exception:  # noqa: BLE001 - see above
            _log.exception("response not made", job_key=self._job.key, element_id=self._job.element_id)
            return outcome.response(name, Receipt(None, (), warnings=(_UNDESCRIBED,)), now, str)


def _deferred(receipt: Receipt, route: Route, deliveries: Deliveries) -> TransportError:
    """Say that the server does not take the mail for some recipients yet, and who has it."""
    error = TransportError(
        ErrorCode.TEMPORARILY_REJECTED,
        "The server does not take the mail for some recipients yet.",
        phase=Phase.RCPT,
        server=str(route),
        reply=next(one.reply for one in receipt.rejected if one.reply.transient),
        rejected=receipt.rejected,
    )
    error.reached(deliveries.accepted, deliveries.recipients)
    return error
