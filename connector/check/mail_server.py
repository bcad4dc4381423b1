"""Check a mail server: every step that a mail would take, up to the sender or to a delivered test mail.

The session is the transport's own.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from connector.auth.sasl import mechanism
from connector.check.certificates import WARN_BELOW_DAYS, Certificate, chain_of, presented
from connector.check.findings import CheckStep, Finding, Status
from connector.check.remedies import Case, place, remedy
from connector.errors import ErrorCode, Phase, TokenError, TransportError
from connector.message.build import build
from connector.model.addresses import Mailbox
from connector.model.envelope import Message
from connector.model.mail import ContentType, InlineContent, LoadedContent, SendRequest
from connector.model.receipt import Receipt
from connector.model.server import Route, Security, Server, TimeLimits
from connector.settings.model import MessageSettings
from connector.tls.faults import Fault, fault_of
from connector.tls.trust import host_to_verify
from connector.transport.smtp import failures
from connector.transport.smtp.opening import Client, Witness, clear_text_warnings, open_session
from connector.transport.smtp.replies import Capabilities, shortened
from connector.transport.smtp.session import Session
from connector.transport.smtp.transport import SmtpTransport
from connector.transport.smtp.wire import Wire

_STEPS = (
    CheckStep.DNS,
    CheckStep.TCP,
    CheckStep.TLS,
    CheckStep.EHLO,
    CheckStep.AUTH,
    CheckStep.SENDER,
    CheckStep.MAIL,
)
_STEP_OF = {
    Phase.DNS: CheckStep.DNS,
    Phase.CONNECT: CheckStep.TCP,
    Phase.GREETING: CheckStep.EHLO,
    Phase.EHLO: CheckStep.EHLO,
    Phase.STARTTLS: CheckStep.TLS,
    Phase.TLS: CheckStep.TLS,
    Phase.AUTH: CheckStep.AUTH,
}
_SEEN_IN_THE_CERTIFICATE = (Fault.NOT_YET_VALID, Fault.EXPIRED, Fault.UNTRUSTED, Fault.OTHER_HOST)
_OF_THE_TOKEN = "The server refused the first access token, and there is no other: check again."  # noqa: S105
_TEXT = "This mail was sent by smtp-connector check to show that mail goes out and arrives.\n"


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try with a server.

    Attributes:
        sender: The sender to try; None skips that step.
        recipient: The recipient of a test mail; None sends none.
        seconds: The longest duration of a step, where its own time limit is not shorter.
        message: How Message-IDs are made.
    """

    sender: Mailbox | None
    recipient: Mailbox | None
    seconds: float
    message: MessageSettings


async def examine(server: Server, trial: Trial, transport: SmtpTransport) -> tuple[Finding, ...]:
    """Take the steps in order until one fails; return a finding for each, also for those not reached."""
    course = Course(server)
    try:
        await _try(server, trial, transport, course)
    except TransportError as error:
        await _note_failure(error, server, trial, transport, course)
    except TokenError as error:  # of the token that was to replace one that the server refused
        course.note(
            Finding(CheckStep.AUTH, Status.FAILED, error.why, _OF_THE_TOKEN, error.code, course.lap())
        )
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
            f"DNS did not answer for {server.hostname} within {trial.seconds:g} s.",
            phase=Phase.DNS,
            server=str(server),
        ) from None
    except (OSError, UnicodeError) as error:
        raise failures.broken(Phase.CONNECT, str(server), error) from error
    facts = {"addresses": addresses}
    course.note(Finding(CheckStep.DNS, Status.OK, ", ".join(addresses), seconds=course.lap(), facts=facts))


def _limited(client: Client, trial: Trial) -> Client:
    limits = {name: min(limit, trial.seconds) for name, limit in asdict(client.timeouts).items()}
    return replace(client, timeouts=TimeLimits(**limits))


def _logged_in(server: Server, course: Course) -> Finding:
    if not server.username:
        return Finding(CheckStep.AUTH, Status.SKIPPED, "no user name: mail is relayed without a login")
    chosen = mechanism(
        course.capabilities.auth, server.switches.mechanisms, token=server.credential is not None
    )
    message, facts = f"logged in with {chosen}", {"mechanism": chosen}
    return Finding(CheckStep.AUTH, Status.OK, message, seconds=course.lap(), facts=facts)


async def _try_sender(session: Session, trial: Trial, course: Course, server: Server) -> None:
    if trial.sender is None:
        message = f"no address to try: set {place(server, 'address')}, or give --from ADDRESS"
        course.note(Finding(CheckStep.SENDER, Status.SKIPPED, message))
        return
    address = trial.sender.address
    await session.try_sender(address)
    message, facts = f"mail from {address} is accepted", {"address": address}
    course.note(Finding(CheckStep.SENDER, Status.OK, message, seconds=course.lap(), facts=facts))


async def _send(session: Session, server: Server, trial: Trial, course: Course) -> None:
    found = await send_test_mail(server, trial, session.submit)
    course.note(replace(found, seconds=course.lap()) if found.status is Status.OK else found)


async def send_test_mail(
    route: Route, trial: Trial, submit: Callable[[Message], Awaitable[Receipt]]
) -> Finding:
    """Send a mail that shows whether mail goes out, if one is wanted.

    Raises:
        ConnectorError: It was refused.
    """
    if trial.recipient is None:
        return Finding(CheckStep.MAIL, Status.SKIPPED, "no test mail; --send-to ADDRESS sends one")
    if trial.sender is None:
        fix = f"Set {place(route, 'address')}, or give --from ADDRESS."
        return Finding(CheckStep.MAIL, Status.FAILED, "no test mail was sent: it has no sender", fix)
    mail = _test_mail(route, trial.sender, trial.recipient, trial.message)
    receipt = await submit(mail)
    recipient = trial.recipient.address
    facts = {"recipient": recipient, "messageId": mail.message_id, "reply": str(receipt.reply)}
    return Finding(CheckStep.MAIL, Status.OK, f"sent to {recipient}: {receipt.reply}", facts=facts)


def _test_mail(server: Route, sender: Mailbox, recipient: Mailbox, settings: MessageSettings) -> Message:
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
    """Return the error's text; that of a time-out names the worker's limit, which may not apply here."""
    if error.code is not ErrorCode.CONNECTION_TIMEOUT or error.phase is Phase.DNS:
        return error.message
    return (
        f"{server} was silent for too long at this step: longer than --timeout ({trial.seconds:g} s) or the "
        "step's own limit in smtp.timeouts."
    )


def _step(error: TransportError, course: Course) -> CheckStep:
    """Return the step that a phase belongs to; MAIL is the sender's, until that step has passed."""
    if error.phase is Phase.MAIL:
        return CheckStep.MAIL if CheckStep.SENDER in course.findings else CheckStep.SENDER
    return _STEP_OF.get(error.phase, CheckStep.MAIL)


class Course(Witness):
    """Records how far the opening of a session came, as findings by step.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        self.findings: dict[CheckStep, Finding] = {}
        self.capabilities = Capabilities()
        self._server = server
        self._wire: Wire | None = None
        self._since = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the previous step ended."""
        before, self._since = self._since, time.monotonic()
        return self._since - before

    def note(self, finding: Finding) -> None:
        """Record a finding; a later one about the same step replaces it."""
        self.findings[finding.step] = finding

    def connected(self, wire: Wire) -> None:
        """Record the address that answered, and how fast."""
        self._wire = wire
        seconds, address = self.lap(), wire.address("peername")
        message = f"connected to {address} in {seconds * 1000:.0f} ms"
        facts = {"address": address, "port": self._server.port}
        self.note(Finding(CheckStep.TCP, Status.OK, message, seconds=seconds, facts=facts))

    def encrypted(self, wire: Wire) -> None:
        """Record version, cipher and certificates."""
        seconds, tls = self.lap(), wire.tls
        if tls is None:
            return
        cipher, version = (tls.cipher() or ("", "", 0))[0], tls.version() or ""
        chain = chain_of(tls)
        facts = {"version": version, "cipher": cipher, "certificates": [item.as_json() for item in chain]}
        status, message, fix = _expiry(chain, self._server)
        message = f"{version}, {cipher}; {message}"
        self.note(Finding(CheckStep.TLS, status, message, fix, seconds=seconds, facts=facts))

    def announced(self, capabilities: Capabilities) -> None:
        """Record the extensions, and a connection that stays unencrypted."""
        self.capabilities = capabilities
        seconds = self.lap()
        encrypted = self._wire is not None and self._wire.encrypted
        if not encrypted and not _tls_follows(self._server, capabilities):
            self.note(self._in_clear())
        facts = _announced(capabilities)
        message = shortened(_listed(capabilities))
        self.note(Finding(CheckStep.EHLO, Status.OK, message, seconds=seconds, facts=facts))

    def _in_clear(self) -> Finding:
        if self._wire is not None and not clear_text_warnings(self._wire, self._server):
            message = "not used: the server is on this machine"
            return Finding(CheckStep.TLS, Status.SKIPPED, message)
        message = "not used: the network can read the mails" + (
            " and the password" if self._server.username else ""
        )
        fix = f"Set {place(self._server, 'security')} to starttls or tls, if the server offers TLS."
        return Finding(CheckStep.TLS, Status.WARNING, message, fix)


def _tls_follows(server: Server, capabilities: Capabilities) -> bool:
    if server.security is Security.STARTTLS_OPTIONAL:
        return capabilities.starttls
    return server.security is not Security.NONE


def _expiry(chain: tuple[Certificate, ...], server: Server) -> tuple[Status, str, str | None]:
    if not chain:
        return Status.OK, "the certificate is trusted", None
    first, next_to_end = chain[0], min(chain, key=lambda certificate: certificate.expires)
    message = f"certificate of {first.subject}, issued by {first.issuer}, expires in {first.days_left} days"
    if next_to_end.days_left >= WARN_BELOW_DAYS:
        return Status.OK, message, None
    whose = "" if next_to_end is first else f" (that of {next_to_end.subject} in {next_to_end.days_left})"
    fix = (
        f"Ask the operator of {server.hostname} to renew it before {next_to_end.expires:%Y-%m-%d}; "
        "after that no mail can be sent."
    )
    return Status.WARNING, message + whose, fix


def _announced(capabilities: Capabilities) -> dict[str, object]:
    return {
        "size": capabilities.size_limit,
        "pipelining": capabilities.pipelining,
        "starttls": capabilities.starttls,
        "dsn": capabilities.dsn,
        "smtputf8": capabilities.smtputf8,
        "auth": [mechanism.upper() for mechanism in capabilities.auth],
    }


def _listed(capabilities: Capabilities) -> str:
    size = capabilities.size_limit
    named = {
        f"SIZE {size}" if size else "SIZE": capabilities.size,
        "PIPELINING": capabilities.pipelining,
        "STARTTLS": capabilities.starttls,
        "DSN": capabilities.dsn,
        "SMTPUTF8": capabilities.smtputf8,
        f"AUTH {' '.join(capabilities.auth).upper()}": bool(capabilities.auth),
    }
    return ", ".join(name for name, offered in named.items() if offered) or "no extensions"


async def addresses_of(hostname: str, port: int) -> list[str]:
    """Return the IP addresses of a host, each once, in the order in which they would be tried.

    The look-up has a thread of its own that the process does not wait for at its end, unlike asyncio's: a
    resolver without an answer blocks for half a minute, longer than an operator waits for a check.

    Raises:
        OSError: The host is unknown.
        UnicodeError: The text is no host name.
    """
    name = host_to_verify(hostname)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def give(found: list[str] | OSError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found = _looked_up(name, port)
        with suppress(RuntimeError):  # the loop is closed, and with it the check
            loop.call_soon_threadsafe(give, found)

    threading.Thread(target=ask, daemon=True, name="dns").start()
    return await answer


def _looked_up(name: str, port: int) -> list[str] | OSError:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
