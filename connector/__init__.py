"""A Camunda 8 / Zeebe job worker that sends mail from BPMN processes.

Everything that a program may import is in this package and in :mod:`connector.testing`; all other modules are
private and may change in any version. ::

    from connector import Worker, load_settings

    await Worker(load_settings()).run()

Names are loaded at their first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from connector.model import VERSION

if TYPE_CHECKING:
    from connector.errors import (
        AccountError,
        AttachmentError,
        BulkError,
        CancelledBeforeSendError,
        ConnectorError,
        CopyError,
        EncryptionError,
        ErrorCode,
        ExpressionError,
        HeldElsewhereError,
        InputError,
        LedgerError,
        MailboxError,
        PostponedError,
        SecretError,
        SigningError,
        TemplateError,
        TokenError,
        TransportError,
        UncertainError,
        WorkerCrashedError,
    )
    from connector.ledger.port import LedgerUnavailableError
    from connector.send.direct import send_mail, use_mailbox
    from connector.settings.model import Settings
    from connector.settings.sources import SettingsError, load_settings
    from connector.worker.worker import Worker

__version__ = VERSION

__all__ = [
    "AccountError",
    "AttachmentError",
    "BulkError",
    "CancelledBeforeSendError",
    "ConnectorError",
    "CopyError",
    "EncryptionError",
    "ErrorCode",
    "ExpressionError",
    "HeldElsewhereError",
    "InputError",
    "LedgerError",
    "LedgerUnavailableError",
    "MailboxError",
    "PostponedError",
    "SecretError",
    "Settings",
    "SettingsError",
    "SigningError",
    "TemplateError",
    "TokenError",
    "TransportError",
    "UncertainError",
    "Worker",
    "WorkerCrashedError",
    "__version__",
    "load_settings",
    "send_mail",
    "use_mailbox",
]

_HOMES = {
    "LedgerUnavailableError": "connector.ledger.port",
    "Settings": "connector.settings.model",
    "SettingsError": "connector.settings.sources",
    "Worker": "connector.worker.worker",
    "load_settings": "connector.settings.sources",
    "send_mail": "connector.send.direct",
    "use_mailbox": "connector.send.direct",
}


def __getattr__(name: str) -> object:
    """Load a public name at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, "connector.errors")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
