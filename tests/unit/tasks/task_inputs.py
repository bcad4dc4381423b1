"""A complete set of variables for each send task type, and one call that reads it with something changed."""

from datetime import UTC, datetime, time
from typing import Any

import pytest

from connector.accounts.accounts import Accounts, Origin
from connector.errors import InputError
from connector.model.hosts import HostList
from connector.model.mail import SendRequest
from connector.settings.model import INFOSYS_TASK_TYPE, SEND_TASK_TYPE, MessageSettings, Settings
from connector.tasks import send_task
from connector.tasks.port import ReadContext

# A Friday, 11:00 in Berlin.
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SETTINGS = MessageSettings(time_zone="Europe/Berlin", business_day_end=time(17, 0))
ORIGIN = Origin("order", "<default>")
ABSENT = object()
COMPLETE: dict[str, Any] = {
    "authentication": {
        "hostname": "mail.example.com",
        "port": 587,
        "username": "worker",
        "password": "correct horse",
    },
    "smtpEmailMailBoxName": "Orders <orders@example.com>",
    "smtpEmailToRecipients": ["jane@example.org"],
    "smtpEmailSubject": "Your order",
    "smtpEmailContent": "It is on its way.",
}


def variables(**changes: Any) -> dict[str, Any]:
    """Complete variables with some replaced, or taken away by ``ABSENT``."""
    merged = {**COMPLETE, **changes}
    return {name: value for name, value in merged.items() if value is not ABSENT}


def read(
    task_type: str = SEND_TASK_TYPE,
    *,
    relaxed: bool = False,
    accounts: dict[str, Any] | None = None,
    origin: Origin = ORIGIN,
    token_hosts: HostList | None = None,
    participants: dict[str, tuple[str, ...]] | None = None,
    **changes: Any,
) -> SendRequest:
    """Read complete variables with some changed, among these accounts."""
    configured = Accounts(Settings.model_validate({"accounts": accounts or {}}))
    context = ReadContext(
        SETTINGS,
        NOW,
        configured,
        origin,
        foreign_starttls_optional=relaxed,
        token_hosts=token_hosts,
        participants=participants or {},
    )
    return send_task(task_type).read(variables(**changes), context)


def read_infosys(*, relaxed: bool = False, **changes: Any) -> SendRequest:
    """The same on the Infosys task type."""
    return read(INFOSYS_TASK_TYPE, relaxed=relaxed, **changes)


def refused(task_type: str = SEND_TASK_TYPE, **changes: Any) -> InputError:
    """The error that these changes draw."""
    with pytest.raises(InputError) as caught:
        read(task_type, **changes)
    assert caught.value.message.startswith(f"{caught.value.field}: ")
    assert caught.value.message.isprintable()
    return caught.value
