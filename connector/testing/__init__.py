"""Doubles for tests of processes that use the connector: an engine and a mail server.

:class:`FakeEngine` hands out jobs in memory, by Zeebe's rules. :class:`SmtpServer` is a mail server on a real
socket that keeps every mail, with faults that a :class:`Behaviour` defines. :mod:`connector.testing.fixtures`
has pytest fixtures for both. A running worker does not use this package.
"""

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
from connector.testing.engine import FakeEngine, JobState
from connector.testing.smtp import SmtpServer
from connector.testing.smtp_dialogue import ReceivedMail
from connector.testing.smtp_wire import Connection

__all__ = [
    "Append",
    "Behaviour",
    "Bytewise",
    "Complete",
    "Connection",
    "Delay",
    "Drop",
    "Fail",
    "FakeEngine",
    "Garbage",
    "Hold",
    "Job",
    "JobState",
    "Offer",
    "Outcome",
    "ReceivedMail",
    "Reset",
    "Rule",
    "Say",
    "Silence",
    "SmtpServer",
    "Throw",
    "Verb",
]
