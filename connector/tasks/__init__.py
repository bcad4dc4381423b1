"""Task types: what a job of each brings, and the shape of what it gets back; one module for each."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from connector.settings.model import MAILBOX_TASK_TYPE

if TYPE_CHECKING:
    from connector.tasks.port import SendTask

# Loaded when first asked for: a task type draws in the address rules and time zones.
_MODULES = MappingProxyType(
    {
        "smtp-connector:send:1": "connector.tasks.native",
        "com.infosys.camundaconnectors.email:smtp:1": "connector.tasks.infosys",
    }
)
TASK_TYPES = (*_MODULES, MAILBOX_TASK_TYPE)


def send_task(task_type: str) -> SendTask:
    """Look up a task type that sends mail.

    Raises:
        KeyError: This connector does not serve it, or it reads mailboxes.
    """
    found: SendTask = import_module(_MODULES[task_type]).TASK
    return found
