"""From a job's variables to a typed request, one module per task type."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.tasks.port import TaskReader

# Loaded when first asked for: a reader draws in the address rules and time zones.
_MODULES = MappingProxyType(
    {
        "smtp-connector:send:1": "connector.tasks.smtp",
        "com.infosys.camundaconnectors.email:smtp:1": "connector.tasks.infosys",
    }
)
TASK_TYPES = tuple(_MODULES)


def reader(task_type: str) -> TaskReader:
    """The reader of a task type.

    Raises:
        KeyError: A task type that this connector does not serve.
    """
    found: TaskReader = import_module(_MODULES[task_type]).READER
    return found
