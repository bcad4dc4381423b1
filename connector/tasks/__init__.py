"""Task types: what a job of each brings, and the shape of what it gets back; one module for each."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.tasks.port import SendTask

# Loaded when first asked for: a task type draws in the address rules and time zones.
_MODULES = MappingProxyType(
    {
        "smtp-connector:send:1": "connector.tasks.native",
        "com.infosys.camundaconnectors.email:smtp:1": "connector.tasks.infosys",
    }
)
TASK_TYPES = tuple(_MODULES)


def send_task(task_type: str) -> SendTask:
    """Look a task type up.

    Raises:
        KeyError: This connector does not serve it.
    """
    found: SendTask = import_module(_MODULES[task_type]).TASK
    return found
