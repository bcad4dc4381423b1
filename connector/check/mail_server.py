"""A mail server on trial: every step that a mail would take, up to the sender, or to the end.

A server and what to try enter, findings leave, one for each step: also for those that were not come to. The
session is the transport's own.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from connector.auth.sasl import mechanism
from connector.check.certificates import Certificate, presented
from connector.check.course import Course
from connector.check.findings import Finding, Status, Step
from connector.check.lookup import addresses_of
from connector.check.remedies import Case, place, remedy
from connector.errors import ErrorCode, Phase, TransportError
from connector.message.build import build
from connector.model.addresses import Mailbox
from connector.model.envelope import Message
from connector.model.mail import ContentType, InlineContent, LoadedContent, SendRequest
from connector.model.server import Server, TimeLimits
from connector.settings.model import MessageSettings
from connector.tls.faults import Fault, fault_of
from connector.transport.smtp import failures
from connector.transport.smtp.opening import Client, open_session
from connector.transport.smtp.session import Session
from connector.transport.smtp.transport import SmtpTransport

_STEPS = (Step.DNS, Step.TCP, Step.TLS, Step.EHLO, Step.AUTH, Step.SENDER, Step.MAIL)
_STEP_OF = {
    Phase.DNS: Step.DNS,
    Phase.CONNECT: Step.TCP,
    Phase.GREETING: Step.EHLO,
    Phase.EHLO: Step.EHLO,
    Phase.STARTTLS: Step.TLS,
    Phase.TLS: Step.TLS,
    Phase.AUTH: Step.AUTH,
}
_SEEN_IN_THE_CERTIFICATE = (Fault.NOT_YET_VALID, Fault.EXPIRED, Fault.UNTRUSTED, Fault.OTHER_HOST)
_TEXT = "This mail was sent by smtp-connector check to show that mail goes out and arrives.\n"


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try of a server.

    Attributes:
        sender: Whether it takes mail from this address; None leaves that out.
        recipient: Whom to send a test mail; None leaves that out.
        seconds: How long each step may take, where its own time limit is not shorter.
        message: How Message-IDs are made.
    """

    sender: Mailbox | None
    recipient: Mailbox | None
    seconds: float
    message: MessageSettings


async def examine(server: Server, trial: Trial, transport: SmtpTransport) -> tuple[Finding, ...]:
    """Take the steps in their order until one fails."""
    course = Course(server)
    try:
        await _try(server, trial, transport, course)
    except TransportError as error:
        await _note_failure(error, server, trial, transport, course)
    return tuple(course.findings.get(step) or Finding.not_reached(step) for step in _STEPS)


async def _try(server: Server, trial: Trial, transport: SmtpTransport, course: Course) -> None:
    await _look_up(server, trial, course)
    client = _limited(await transport.client_for(server), trial)
    course.lap()
    session = await open_session(server, replace(client, witness=course))
    try:
        course.note(_logged_in(server, course))
        await _try_sender(session, trial, course, server)
        await _send(session, server, trial, course)
    finally:
        await session.quit()


async def _look_up(server: Server, trial: Trial, course: Course) -> None:
    try:
        async with asyncio.timeout(trial.seconds):
            addresses = await addresses_of(server.hostname, server.port)
    except TimeoutError:
        raise TransportError(
            ErrorCode.CONNECTION_TIMEOUT,
            f"DNS did not answer for {server.hostname} in {trial.seconds:g} s.",
            phase=Phase.DNS,
            server=str(server),
        ) from None
    except (OSError, UnicodeError) as error:
        raise failures.broken(Phase.CONNECT, str(server), error) from error
    facts = {"addresses": addresses}
    course.note(Finding(Step.DNS, Status.OK, ", ".join(addresses), seconds=course.lap(), facts=facts))


def _limited(client: Client, trial: Trial) -> Client:
    limits = {name: min(limit, trial.seconds) for name, limit in asdict(client.timeouts).items()}
    return replace(client, timeouts=TimeLimits(**limits))


def _logged_in(server: Server, course: Course) -> Finding:
    if not server.username:
        return Finding(Step.AUTH, Status.SKIPPED, "no user name: mail is relayed without a login")
    chosen = mechanism(course.capabilities.auth)
    message, facts = f"logged in with {chosen}", {"mechanism": chosen}
    return Finding(Step.AUTH, Status.OK, message, seconds=course.lap(), facts=facts)


async def _try_sender(session: Session, trial: Trial, course: Course, server: Server) -> None:
    if trial.sender is None:
        message = f"no address to try: {place(server, 'address')} is not set; --from ADDRESS tries one"
        course.note(Finding(Step.SENDER, Status.SKIPPED, message))
        return
    address = trial.sender.address
    await session.try_sender(address)
    message, facts = f"mail from {address} is taken", {"address": address}
    course.note(Finding(Step.SENDER, Status.OK, message, seconds=course.lap(), facts=facts))


async def _send(session: Session, server: Server, trial: Trial, course: Course) -> None:
    if trial.recipient is None:
        message = "no test mail: --send-to ADDRESS sends one"
        course.note(Finding(Step.MAIL, Status.SKIPPED, message))
        return
    if trial.sender is None:
        fix = f"Set {place(server, 'address')}, or give --from ADDRESS."
        message = "no test mail was sent, since there is no sender for it"
        course.note(Finding(Step.MAIL, Status.FAILED, message, fix))
        return
    mail = _test_mail(server, trial.sender, trial.recipient, trial.message)
    receipt = await session.submit(mail)
    recipient = trial.recipient.address
    facts = {"recipient": recipient, "messageId": mail.message_id, "reply": str(receipt.reply)}
    message = f"sent to {recipient}: {receipt.reply}"
    course.note(Finding(Step.MAIL, Status.OK, message, seconds=course.lap(), facts=facts))


def _test_mail(server: Server, sender: Mailbox, recipient: Mailbox, settings: MessageSettings) -> Message:
    subject = f"Test mail through {server.account or server}"
    request = SendRequest(
        server, sender, (recipient,), (), (), subject, ContentType.TEXT, InlineContent(_TEXT)
    )
    return build(request, LoadedContent(_TEXT), f"check:{uuid4()}", settings, datetime.now(UTC))


async def _note_failure(
    error: TransportError, server: Server, trial: Trial, transport: SmtpTransport, course: Course
) -> None:
    chain: tuple[Certificate, ...] = ()
    if fault_of(error.__cause__) in _SEEN_IN_THE_CERTIFICATE:
        chain = await presented(server, _limited(await transport.client_for(server), trial))
    step, seconds = _step(error, course), course.lap()
    facts = dict(course.findings[step].facts) if step in course.findings else {}
    if chain:
        facts["certificates"] = [certificate.as_json() for certificate in chain]
    fix = remedy(Case(error, server, chain, course.capabilities))
    course.note(Finding(step, Status.FAILED, _reason(error, server, trial), fix, error.code, seconds, facts))


def _reason(error: TransportError, server: Server, trial: Trial) -> str:
    """The error's words; those of a time-out name the worker's limit, which may not be the one here."""
    if error.code is not ErrorCode.CONNECTION_TIMEOUT or error.phase is Phase.DNS:
        return error.message
    return (
        f"{server} did nothing for too long at this step: longer than --timeout, {trial.seconds:g} s, or its "
        "own limit in smtp.timeouts."
    )


def _step(error: TransportError, course: Course) -> Step:
    """The step that a phase belongs to; MAIL is the sender's, until that has passed."""
    if error.phase is Phase.MAIL:
        return Step.MAIL if Step.SENDER in course.findings else Step.SENDER
    return _STEP_OF.get(error.phase, Step.MAIL)
