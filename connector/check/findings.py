"""What a check found, step by step: for a table, for JSON, and for the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from connector.errors import ErrorCode
from connector.secrets.masker import masked


class Status(StrEnum):
    """How a step went; a warning is no failure."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Step(StrEnum):
    """What is looked at, in the order in which it is shown."""

    SETTINGS = "settings"
    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    EHLO = "ehlo"
    AUTH = "auth"
    SENDER = "sender"
    MAIL = "mail"
    ENGINE = "engine"
    LEDGER = "ledger"


_NOT_REACHED = "not reached"
# The facts of each step, so that a program finds the same keys whatever happened.
FACTS: dict[Step, dict[str, Any]] = {
    Step.SETTINGS: {},
    Step.DNS: {"addresses": []},
    Step.TCP: {"address": None, "port": None},
    Step.TLS: {"version": None, "cipher": None, "certificates": []},
    Step.EHLO: dict.fromkeys(("size", "pipelining", "starttls", "dsn", "smtputf8", "auth")),
    Step.AUTH: {"mechanism": None},
    Step.SENDER: {"address": None},
    Step.MAIL: {"recipient": None, "messageId": None, "reply": None},
    Step.ENGINE: {"version": None, "credentials": False, "tls": False},
    Step.LEDGER: {"kind": None},
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One step and what came of it.

    Attributes:
        message: What was found, or the reason of the failure, in one or two sentences.
        fix: What to change; None where nothing needs to be.
        code: The error code that a process would get.
        seconds: How long the step took.
        facts: JSON values for programs, those that are known; each step has its own keys.
    """

    step: Step
    status: Status
    message: str
    fix: str | None = None
    code: ErrorCode | None = None
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def not_reached(cls, step: Step) -> Finding:
        """A step behind one that failed."""
        return cls(step, Status.SKIPPED, _NOT_REACHED)

    @property
    def reached(self) -> bool:
        """Whether it was come to."""
        return self.message != _NOT_REACHED

    def as_json(self) -> dict[str, Any]:
        """Give it with the same keys for every step."""
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
    """What was found about one account, server, engine or ledger.

    Attributes:
        kind: ``account``, ``server`` (one given on the command line), ``engine`` or ``ledger``.
        name: The account's name; of the others, the same as the kind.
        target: Where it is, as ``smtp.example.com:587``.
    """

    kind: str
    name: str
    target: str
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst of its findings; ``skipped`` ones do not count."""
        return worst(finding.status for finding in self.findings)

    def masked(self, mask: Callable[[str], str]) -> Report:
        """Give the same without secrets: a server may have repeated one, or a certificate hold it."""
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
        """Give it with the same keys for every kind."""
        return {
            "kind": self.kind,
            "name": self.name,
            "target": self.target,
            "status": self.status.value,
            "steps": [finding.as_json() for finding in self.findings],
        }


def worst(statuses: Iterable[Status]) -> Status:
    """Give the status of a whole, out of those of its parts."""
    found = set(statuses)
    return next((status for status in (Status.FAILED, Status.WARNING) if status in found), Status.OK)
