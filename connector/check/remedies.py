"""The remedy for each failure of a check: one or two sentences that name the setting to change.

The message of the error says what happened, in the words of an incident.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connector.check.certificates import Certificate
from connector.errors import ErrorCode, Phase, TransportError
from connector.model.server import Route, Security, Server
from connector.tls.faults import Fault, fault_of
from connector.tls.trust import UnusableTrustError
from connector.transport.smtp.replies import Capabilities

_SHOWN_NAMES = 5
_OPTIONS = frozenset({"host", "port", "security", "username"})

# What these providers need beside a correct password, by the end of their hosts' names.
_PROVIDERS = {
    "gmail.com": "Gmail accepts only an app password; create one at myaccount.google.com/apppasswords.",
    "office365.com": "Exchange Online accepts a password only where SMTP AUTH is turned on for the mailbox.",
    "outlook.com": "Outlook.com accepts only an app password; create one in the account's security settings.",
    "amazonaws.com": "SES needs its own SMTP credentials, not the access key of an IAM user.",
    "sendgrid.net": "At SendGrid the user name is the word apikey and the password an API key.",
    "postmarkapp.com": "At Postmark user name and password are both the server's API token.",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A failure with the facts about it.

    Attributes:
        chain: The certificates that the server showed, where they matter.
        capabilities: The extensions that it had announced by then.
    """

    error: TransportError
    server: Server
    chain: tuple[Certificate, ...]
    capabilities: Capabilities


def place(server: Route, key: str) -> str:
    """Name the setting of the account, or the option, that holds a value of a server."""
    if server.account is not None:
        return f"accounts.{server.account}.{key}"
    return f"--{key}" if key in _OPTIONS else f"{key} of an account"


def remedy(case: Case) -> str:
    """Return the remedy for a failure."""
    return _REMEDIES.get(case.error.code, _by_the_reply)(case)


def _unknown_host(case: Case) -> str:
    return (
        f"Correct {place(case.server, 'host')}. If the name is right, find out why this machine's DNS does "
        f"not know it: getent hosts {case.server.hostname}"
    )


def _unreachable(case: Case) -> str:
    server = case.server
    if case.error.phase is not Phase.CONNECT:
        return (
            f"Check {place(server, 'port')} and {place(server, 'security')} (587 with starttls, 465 with "
            "tls), then the server's log: the server closed the connection."
        )
    return (
        f"Check {place(server, 'host')} and {place(server, 'port')} (587, or 465 with tls), that the server "
        "is running, and that no firewall blocks the connection."
    )


def _silent(case: Case) -> str:
    server, phase = case.server, case.error.phase
    if phase is Phase.DNS:
        return "Find out why the DNS servers of this machine (/etc/resolv.conf) do not answer."
    if phase is Phase.CONNECT:
        return (
            f"Allow this machine to reach port {server.port} of {server.hostname}: most likely a firewall "
            "drops the connection. Clouds block port 25; use 587 or 465."
        )
    if phase is Phase.GREETING and server.security is not Security.TLS:
        return (
            f"If the port speaks TLS from the start, as 465 does, set {place(server, 'security')} to tls. "
            "Otherwise the server is overloaded; try a longer --timeout."
        )
    return "The server is too slow or hangs. Try a longer --timeout, then ask the server's operator."


def _no_starttls(case: Case) -> str:
    server = case.server
    return (
        f"Set {place(server, 'port')} to 587, or to 465 with {place(server, 'security')} tls. Set security "
        "to none only where clear text is intended."
    )


def _tls(case: Case) -> str:
    cause = case.error.__cause__
    if isinstance(cause, UnusableTrustError):
        return f"Correct the file of certificates ({cause.key or 'the system has none; install one'})."
    return _TLS_REMEDIES.get(fault_of(cause), _tls_in_general)(case)


def _expired(case: Case) -> str:
    ended = next((item for item in case.chain if item.days_left < 0), None)
    when = f": {ended.subject} expired on {ended.expires:%Y-%m-%d}" if ended else ""
    return f"Ask the operator of {case.server.hostname} to renew the certificate{when}."


def _not_yet_valid(case: Case) -> str:
    when = f" The certificate is valid from {case.chain[0].begins:%Y-%m-%d %H:%M} UTC." if case.chain else ""
    return f"Set the clock of this machine, or of the server.{when}"


def _untrusted(case: Case) -> str:
    server = case.server
    key = "trust_store" if server.tls.trust_store else "ca_file"
    setting = place(server, key) if server.account else "smtp.ca_file"
    if not case.chain:
        return f"Add the certificate of its authority to {setting}."
    return (
        f"If it is the right server, add the certificate of its authority, {case.chain[-1].issuer}, to "
        f"{setting}. Ask the server's operator for it, and compare the certificate that the server showed: "
        f"SHA-256 {case.chain[0].sha256}"
    )


def _other_host(case: Case) -> str:
    names = case.chain[0].names if case.chain else ()
    listed = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    if not listed:
        return f"Set {place(case.server, 'host')} to the name in its certificate."
    return f"Set {place(case.server, 'host')} to a name in its certificate: {listed}"


def _client_certificate(case: Case) -> str:
    server = case.server
    if server.tls.client_cert is None:
        return (
            f"Set {place(server, 'client_cert')} to a certificate from an authority that the server trusts."
        )
    return f"Replace the certificate in {place(server, 'client_cert')} with one that the server trusts."


def _too_old(case: Case) -> str:
    server = case.server
    if server.tls.min_version != "1.2":
        return (
            f"Ask the server's operator for TLS {server.tls.min_version}, or set "
            f"{place(server, 'min_tls')} to 1.2."
        )
    return "Ask the server's operator to turn on TLS 1.2 or 1.3; older versions are not safe (RFC 8996)."


def _no_tls(case: Case) -> str:
    server = case.server
    other = "" if server.port == 465 else f", or {place(server, 'port')} to 465"
    return f"Set {place(server, 'security')} to starttls{other}."


def _tls_from_the_start(case: Case) -> str:
    server = case.server
    other = "" if server.port == 587 else f", or {place(server, 'port')} to 587"
    return f"Set {place(server, 'security')} to tls{other}."


def _tls_in_general(case: Case) -> str:
    return f"See the log of {case.server.hostname}, and openssl s_client -connect {case.server}."


def _login(case: Case) -> str:
    server = case.server
    where = f"{place(server, 'username')} and {place(server, 'password')}"
    if server.credential is not None:
        where = f"{place(server, 'username')} and {server.credential.place}"
    if server.account is None:
        where = "--username and the password"
    if case.error.reply is None:
        offered = case.capabilities.auth
        if server.credential is not None:
            return (
                f"Set {place(server, 'password')} in place of oauth, or use the server's port for submission."
            )
        if "xoauth2" in offered or "oauthbearer" in offered:
            return f"The server wants OAuth: set {place(server, 'oauth')} in place of the password."
        return f"Remove {where}, or use the port where the server lets users log in (587, or 465 with tls)."
    hint = next((words for end, words in _PROVIDERS.items() if f".{server.hostname}".endswith(f".{end}")), "")
    return f"Correct {where}. {hint}".rstrip()


def _sender(case: Case) -> str:
    where = place(case.server, "address") if case.server.account else "--from"
    return (
        f"Set {where} to an address that this login may send from, or ask the server's operator to allow it."
    )


def _recipient(_: Case) -> str:
    return "Correct the address of --send-to."


def _client(case: Case) -> str:
    setting = place(case.server, "helo_name") if case.server.helo_name else "smtp.helo_name"
    login = "" if case.server.username else f"Set {place(case.server, 'username')} if it wants a login. "
    return (
        f"{login}Ask the operator of {case.server.hostname} to let this machine in, and set {setting} to its "
        "name in DNS."
    )


def _wait(_: Case) -> str:
    return "Wait and check again. If the failure stays, ask the server's operator."


def _uncertain(_: Case) -> str:
    return "See whether the test mail has arrived. If it has, the server only answers late."


def _by_the_reply(case: Case) -> str:
    return f"Follow the server's reply, or ask the operator of {case.server.hostname} about it."


_TLS_REMEDIES: dict[Fault, Callable[[Case], str]] = {
    Fault.NOT_YET_VALID: _not_yet_valid,
    Fault.EXPIRED: _expired,
    Fault.UNTRUSTED: _untrusted,
    Fault.OTHER_HOST: _other_host,
    Fault.VERSION: _too_old,
    Fault.NO_TLS: _no_tls,
    Fault.TLS_FROM_THE_START: _tls_from_the_start,
    Fault.CLIENT_CERTIFICATE: _client_certificate,
}
_REMEDIES: dict[ErrorCode, Callable[[Case], str]] = {
    ErrorCode.DNS_FAILED: _unknown_host,
    ErrorCode.CONNECTION_FAILED: _unreachable,
    ErrorCode.CONNECTION_TIMEOUT: _silent,
    ErrorCode.TLS_NOT_OFFERED: _no_starttls,
    ErrorCode.TLS_FAILED: _tls,
    ErrorCode.AUTH_FAILED: _login,
    ErrorCode.AUTH_UNAVAILABLE: _wait,
    ErrorCode.SENDER_REJECTED: _sender,
    ErrorCode.RECIPIENT_REJECTED: _recipient,
    ErrorCode.CLIENT_REJECTED: _client,
    ErrorCode.MESSAGE_REJECTED: _by_the_reply,
    ErrorCode.TEMPORARILY_REJECTED: _wait,
    ErrorCode.RATE_LIMITED: _wait,
    ErrorCode.DELIVERY_UNCERTAIN: _uncertain,
}
