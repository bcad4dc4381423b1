"""Tests of processes that use the connector: BPMN files in memory, doubles of engine and mail server.

:class:`Bpmn` runs a diagram with this project's worker and an inbox; in pytest it is the fixture ``bpmn``.
:class:`FakeEngine` hands out single jobs by the rules of the same engine. :class:`SmtpServer` is a mail
server on a real socket that keeps every mail, with faults that a :class:`Behaviour` defines.
:class:`LocalEngine` runs the engine as a separate process. A running worker does not use this package.

Names are loaded at their first use, so that the pytest plugin costs nothing where no test uses it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.devengine.local import LocalEngine, LocalEngineError
    from connector.model.job import Complete, Fail, Job, Outcome, Throw
    from connector.testing.behaviour import (
        Append,
        Behaviour,
        Bytewise,
        Delay,
        Drop,
        Garbage,
        Hold,
        Offer,
        Reset,
        Rule,
        Say,
        Silence,
        Verb,
    )
    from connector.testing.bpmn import Bpmn
    from connector.testing.engine import FakeEngine, JobState
    from connector.testing.imap import ImapServer
    from connector.testing.imap_mail import StoredMail
    from connector.testing.inbox import Attachment, Inbox, Mail
    from connector.testing.run import Incident, ProcessTestError, Run
    from connector.testing.smtp import SmtpServer
    from connector.testing.smtp_dialogue import ReceivedMail
    from connector.testing.smtp_wire import Connection

__all__ = [
    "Append",
    "Attachment",
    "Behaviour",
    "Bpmn",
    "Bytewise",
    "Complete",
    "Connection",
    "Delay",
    "Drop",
    "Fail",
    "FakeEngine",
    "Garbage",
    "Hold",
    "ImapServer",
    "Inbox",
    "Incident",
    "Job",
    "JobState",
    "LocalEngine",
    "LocalEngineError",
    "Mail",
    "Offer",
    "Outcome",
    "ProcessTestError",
    "ReceivedMail",
    "Reset",
    "Rule",
    "Run",
    "Say",
    "Silence",
    "SmtpServer",
    "StoredMail",
    "Throw",
    "Verb",
]

_HOMES = {
    "connector.devengine.local": {"LocalEngine", "LocalEngineError"},
    "connector.model.job": {"Complete", "Fail", "Job", "Outcome", "Throw"},
    "connector.testing.bpmn": {"Bpmn"},
    "connector.testing.engine": {"FakeEngine", "JobState"},
    "connector.testing.imap": {"ImapServer"},
    "connector.testing.imap_mail": {"StoredMail"},
    "connector.testing.inbox": {"Attachment", "Inbox", "Mail"},
    "connector.testing.run": {"Incident", "ProcessTestError", "Run"},
    "connector.testing.smtp": {"SmtpServer"},
    "connector.testing.smtp_dialogue": {"ReceivedMail"},
    "connector.testing.smtp_wire": {"Connection"},
}
_OTHERS = "connector.testing.behaviour"


def __getattr__(name: str) -> object:
    """Load a public name at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), _OTHERS)
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
