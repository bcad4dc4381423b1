"""What the pipeline needs of a task type: its inputs, a reader for them, and the shape of its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from connector.accounts.accounts import Accounts, Origin
from connector.model.hosts import HostList
from connector.model.mail import SendRequest
from connector.settings.model import MessageSettings
from connector.tasks.definitions import Definition
from connector.tasks.records import BulkRecord


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What reading depends on beside the job.

    Attributes:
        settings: The zone and the working hours in which follow-ups are meant.
        now: The current time, with its zone.
        foreign_starttls_optional: On other vendors' task types, ``auto`` does without TLS when the server
            offers none.
        accounts: What ``account`` may name.
        origin: Where the job comes from, which decides about its accounts.
        hosts: The mail servers that ``authentication`` may name; None for any.
        token_hosts: Where ``authentication.oauth`` may ask for tokens; None for any, by https.
        participants: Addresses by role, for roles that the task does not name itself.
        record: The record that the mail is for; None for a task that sends one mail.
    """

    settings: MessageSettings
    now: datetime
    accounts: Accounts
    origin: Origin
    foreign_starttls_optional: bool = False
    hosts: HostList | None = None
    token_hosts: HostList | None = None
    participants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    record: BulkRecord | None = None


class SendTask(Protocol):
    """One task type that sends a mail: what goes in, and what the process gets back."""

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The inputs of the task type."""
        ...

    @property
    def variable_names(self) -> tuple[str, ...]:
        """The names of all inputs, aliases included."""
        ...

    def idempotency_key(self, variables: Mapping[str, Any]) -> str | None:
        """The task's own name for its mail, from the variables as the process wrote them.

        Raises:
            InputError: It is no name.
        """
        ...

    def records(self, variables: Mapping[str, Any]) -> Iterator[BulkRecord] | None:
        """The records of a task that sends one mail for each; None where it sends one mail.

        Raises:
            InputError: While they are gone through: the list or the form of a record is wrong.
        """
        ...

    def read(self, variables: Mapping[str, Any], context: ReadContext) -> SendRequest:
        """Read a job's variables, secrets already resolved.

        Raises:
            InputError: A variable that is missing or wrong; it names the variable and what would be right.
            AccountError: No server is named, or an account that does not exist.
        """
        ...

    def response(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the response in the shape that the task type promises.

        Args:
            described: The native response, of this attempt or as the ledger recorded it.
        """
        ...
