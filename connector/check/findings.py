"""The findings of a check, step by step: for tables, for JSON and for the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from connector.errors import ErrorCode
from connector.secrets.masker import masked


class Status(StrEnum):
    """The result of a step; a warning is no failure."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckStep(StrEnum):
    """The steps of a check, in the order of the report."""

    SETTINGS = "settings"
    GRANT = "grant"
    TOKEN = "token"  # noqa: S105 - a step, not a secret
    PERMISSIONS = "permissions"
    MAILBOX = "mailbox"
    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    EHLO = "ehlo"
    AUTH = "auth"
    SENDER = "sender"
    MAIL = "mail"
    COPY = "copy"
    KEYS = "keys"
    DKIM = "dkim"
    SPF = "spf"
    DMARC = "dmarc"
    ENGINE = "engine"
    LEDGER = "ledger"
    DIAGRAM = "diagram"


_NOT_REACHED = "not reached"
# The facts of each step, so that a program always finds the same keys.
FACTS: dict[CheckStep, dict[str, Any]] = {
    CheckStep.SETTINGS: {},
    CheckStep.GRANT: {
        **dict.fromkeys(("credential", "grant", "state", "person", "consentedAt")),
        "byAnother": False,
        "scopes": [],
        "endings": [],
    },
    CheckStep.TOKEN: dict.fromkeys(("expiresAt", "server", "error")),
    CheckStep.PERMISSIONS: {"application": None, "permissions": [], "operations": []},
    CheckStep.MAILBOX: {"mailbox": None},
    CheckStep.DNS: {"addresses": []},
    CheckStep.TCP: {"address": None, "port": None},
    CheckStep.TLS: {"version": None, "cipher": None, "certificates": []},
    CheckStep.EHLO: dict.fromkeys(("size", "pipelining", "starttls", "dsn", "smtputf8", "auth")),
    CheckStep.AUTH: {"mechanism": None},
    CheckStep.SENDER: {"address": None},
    CheckStep.MAIL: {"recipient": None, "messageId": None, "reply": None},
    CheckStep.COPY: {"folder": None},
    CheckStep.KEYS: {"keys": [], "certificates": None},
    CheckStep.DKIM: {"records": []},
    CheckStep.SPF: {"domain": None, "record": None},
    CheckStep.DMARC: {"domain": None, "policy": None, "aligned": None},
    CheckStep.ENGINE: {"version": None, "credentials": False, "tls": False},
    CheckStep.LEDGER: {"kind": None},
    CheckStep.DIAGRAM: {"element": None},
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one step.

    Attributes:
        message: The finding, or the reason of the failure, in one or two sentences.
        fix: The change that removes the failure or warning; None where none is needed.
        code: The error code that a process would get.
        seconds: The duration of the step.
        facts: JSON values for programs, as far as they are known; each step has its own keys.
    """

    step: CheckStep
    status: Status
    message: str
    fix: str | None = None
    code: ErrorCode | None = None
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def not_reached(cls, step: CheckStep) -> Finding:
        """Give the finding for a step behind one that failed."""
        return cls(step, Status.SKIPPED, _NOT_REACHED)

    @property
    def reached(self) -> bool:
        """Whether the check got as far as this step."""
        return self.message != _NOT_REACHED

    def as_json(self) -> dict[str, Any]:
        """Return it with the same keys for every step."""
        return {
            "step": self.step.value,
            "status": self.status.value,
            "message": self.message,
            "fix": self.fix,
            "code": self.code and self.code.value,
            "seconds": None if self.seconds is None else round(self.seconds, 4),
            "facts": {**FACTS[self.step], **self.facts},
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The findings about one account, server, engine or ledger.

    Attributes:
        kind: ``account``, ``server`` (one given on the command line), ``engine``, ``ledger`` or ``diagram``.
        name: The account's or the file's name; for the others, the same as the kind.
        target: Its address, as ``smtp.example.com:587``.
    """

    kind: str
    name: str
    target: str
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst status of its findings; ``skipped`` does not count."""
        return worst(finding.status for finding in self.findings)

    def masked(self, mask: Callable[[str], str]) -> Report:
        """Return it without secrets, which a server may have repeated or a certificate may hold."""
        findings = tuple(
            replace(
                finding,
                message=mask(finding.message),
                fix=finding.fix and mask(finding.fix),
                facts=masked(dict(finding.facts), mask),
            )
            for finding in self.findings
        )
        return replace(self, target=mask(self.target), findings=findings)

    def as_json(self) -> dict[str, Any]:
        """Return it with the same keys for every kind."""
        return {
            "kind": self.kind,
            "name": self.name,
            "target": self.target,
            "status": self.status.value,
            "steps": [finding.as_json() for finding in self.findings],
        }


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst of several statuses."""
    found = set(statuses)
    return next((status for status in (Status.FAILED, Status.WARNING) if status in found), Status.OK)
