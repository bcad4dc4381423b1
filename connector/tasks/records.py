"""The records of a bulk task: one mail each, with recipients, data and attachments of its own.

``smtpEmailRecipientsData`` enters; one :class:`BulkRecord` after the other leaves, named and of the right
form. A fault of the list as a whole is found here, before anything is sent; what is wrong with one record's
addresses or data is found when its mail is read, and fails that mail only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import InputError
from connector.model.addresses import Mailbox
from connector.model.text import invisible
from connector.secrets.lookalikes import refuse_reference
from connector.tasks.inputs import Inputs, Value, from_json, kind, mapping, not_whole
from connector.tasks.send_inputs import RECORD

RECORDS = "smtpEmailRecipientsData"
RECORD_RECIPIENTS = ("to", "cc", "bcc")
_MOST = 10_000
_LONGEST_KEY = 100


@dataclass(frozen=True, slots=True)
class BulkRecord:
    """One mail of a bulk task.

    Attributes:
        position: Its place in the list, from 1.
        field: The same, as ``smtpEmailRecipientsData[7]``.
        name: Its key, or its position where it has none; no two records of a task have the same.
        data: Its keys and values.
    """

    position: int
    field: str
    name: str
    data: Mapping[str, Any]

    @property
    def inputs(self) -> Inputs:
        """Its keys, as they are read.

        Raises:
            InputError: An address or a path is a reference to a secret, which does not resolve here.
        """
        for name in (*RECORD_RECIPIENTS, "attachments"):
            refuse_reference(f"{self.field}.{name}", self.data.get(name))
        return Inputs(self.data, RECORD, self.field)


def read_records(value: Value) -> Iterator[BulkRecord]:
    """Read the records one after the other, so that a long list need not be read at once.

    Raises:
        InputError: The list, a record's form or its key is wrong, or two records have the same key.
    """
    data = from_json(value, "[]")
    if not isinstance(data, list):
        raise value.error(f"must be a list of contexts, as [{{to: …}}], not {kind(data)}")
    if len(data) > _MOST:
        raise value.error(f"has more than {_MOST:,} records; spread them over several tasks")
    seen: dict[str, int] = {}
    for position, item in enumerate(data, 1):
        record = _record(Value(f"{value.field}[{position}]", item), position)
        first = seen.setdefault(record.name, position)
        if first != position:
            raise InputError(
                f"{record.field}.key",
                f"{value.field}[{first}] has the same key; give each record a key of its own (one without a "
                "key has its position)",
            )
        yield record


def recipients_of(
    record: Inputs, read: Callable[[Value | None], tuple[Mailbox, ...]]
) -> tuple[tuple[Mailbox, ...], ...]:
    """Read the recipients of a record: to, cc and bcc.

    Args:
        record: Its keys.
        read: Reads a list of addresses.

    Raises:
        InputError: It has none, or an item is no address.
    """
    given = tuple(read(record.get(name)) for name in RECORD_RECIPIENTS)
    if not any(given):
        value = record.require(RECORD_RECIPIENTS[0], "fill in at least one recipient")
        raise value.error("has only blank items; fill in at least one recipient")
    return given


def data_of(record: Inputs | None, *, template: bool = True) -> Mapping[str, Any]:
    """Return what a record gives its template.

    Raises:
        InputError: It is no context, or there is no template for it.
    """
    value = record.get("data") if record is not None else None
    if value is None:
        return {}
    if not template:
        raise value.error("needs smtpEmailTemplate; remove it, or name a template")
    return mapping(value)


def _record(value: Value, position: int) -> BulkRecord:
    if not isinstance(value.data, dict):
        keys = ", ".join(member.name for member in RECORD)
        raise value.error(f"must be a context with {keys}, not {kind(value.data)}")
    inputs = Inputs(value.data, RECORD, value.field)
    inputs.refuse_unknown()
    key = inputs.get("key")
    return BulkRecord(position, value.field, str(position) if key is None else _name(key), value.data)


def _name(key: Value) -> str:
    written = key.data
    if isinstance(written, int) and not isinstance(written, bool):
        return str(written)
    if not isinstance(written, str):
        raise key.error(f"must be text or a whole number{not_whole(written)}")
    name = written.strip(" ")
    if hidden := invisible(name[:_LONGEST_KEY]):
        raise key.error(f"holds {hidden}; remove it")
    if len(name) > _LONGEST_KEY:
        raise key.error(f"must be at most {_LONGEST_KEY} printable characters")
    return name
