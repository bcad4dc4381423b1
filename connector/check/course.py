"""How far the opening of a session came, as findings: a witness that writes down what it hears."""

from __future__ import annotations

import time

from connector.check.certificates import WARN_BELOW_DAYS, Certificate, chain_of
from connector.check.findings import Finding, Status, Step
from connector.check.remedies import place
from connector.model.server import Security, Server
from connector.transport.smtp.opening import Witness, clear_text_warnings
from connector.transport.smtp.replies import Capabilities, shortened
from connector.transport.smtp.wire import Wire


class Course(Witness):
    """The findings about one server, by step.

    Args:
        server: Whose session is opened.
    """

    def __init__(self, server: Server) -> None:
        self.findings: dict[Step, Finding] = {}
        self.capabilities = Capabilities()
        self._server = server
        self._wire: Wire | None = None
        self._since = time.monotonic()

    def lap(self) -> float:
        """Seconds since the step before ended."""
        before, self._since = self._since, time.monotonic()
        return self._since - before

    def note(self, finding: Finding) -> None:
        """Write a finding down; a later one about the same step replaces it."""
        self.findings[finding.step] = finding

    def connected(self, wire: Wire) -> None:
        """Note the address that answered, and how fast."""
        self._wire = wire
        seconds, address = self.lap(), wire.address("peername")
        message = f"connected to {address} in {seconds * 1000:.0f} ms"
        facts = {"address": address, "port": self._server.port}
        self.note(Finding(Step.TCP, Status.OK, message, seconds=seconds, facts=facts))

    def encrypted(self, wire: Wire) -> None:
        """Note version, cipher and certificates."""
        seconds, tls = self.lap(), wire.tls
        if tls is None:
            return
        cipher, version = (tls.cipher() or ("", "", 0))[0], tls.version() or ""
        chain = chain_of(tls)
        facts = {"version": version, "cipher": cipher, "certificates": [item.as_json() for item in chain]}
        status, message, fix = _expiry(chain, self._server)
        message = f"{version}, {cipher}; {message}"
        self.note(Finding(Step.TLS, status, message, fix, seconds=seconds, facts=facts))

    def announced(self, capabilities: Capabilities) -> None:
        """Note the extensions, and where TLS is not to be."""
        self.capabilities = capabilities
        seconds = self.lap()
        encrypted = self._wire is not None and self._wire.encrypted
        if not encrypted and not _tls_follows(self._server, capabilities):
            self.note(self._in_clear())
        facts = _announced(capabilities)
        message = shortened(_listed(capabilities))
        self.note(Finding(Step.EHLO, Status.OK, message, seconds=seconds, facts=facts))

    def _in_clear(self) -> Finding:
        if self._wire is not None and not clear_text_warnings(self._wire, self._server):
            message = "not used: the server is on this very machine"
            return Finding(Step.TLS, Status.SKIPPED, message)
        message = "not used: whoever stands between can read the mails" + (
            " and the password" if self._server.username else ""
        )
        fix = f"Set {place(self._server, 'security')} to starttls or tls, if the server can."
        return Finding(Step.TLS, Status.WARNING, message, fix)


def _tls_follows(server: Server, capabilities: Capabilities) -> bool:
    if server.security is Security.STARTTLS_OPTIONAL:
        return capabilities.starttls
    return server.security is not Security.NONE


def _expiry(chain: tuple[Certificate, ...], server: Server) -> tuple[Status, str, str | None]:
    if not chain:
        return Status.OK, "the certificate is trusted", None
    first, next_to_end = chain[0], min(chain, key=lambda certificate: certificate.expires)
    message = f"certificate of {first.subject}, issued by {first.issuer}, ends in {first.days_left} days"
    if next_to_end.days_left >= WARN_BELOW_DAYS:
        return Status.OK, message, None
    whose = "" if next_to_end is first else f" (that of {next_to_end.subject} in {next_to_end.days_left})"
    fix = (
        f"Ask the operator of {server.hostname} to renew it before {next_to_end.expires:%Y-%m-%d}: "
        "from then on no mail goes out."
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
