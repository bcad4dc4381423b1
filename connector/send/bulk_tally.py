"""What became of the mails of a bulk task, in a size that the engine takes.

Each record's response or error enters when it is known; the response of the task leaves, or the error that
says what is left to do. Apart from the sending because the shapes are promised to modelers (contract section
9), and because ten thousand failures must neither fill the memory nor exceed the engine's limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from connector.errors import BulkError, ConnectorError, ErrorCode, Phase
from connector.tasks.records import RECORDS, BulkRecord

# Above so many records only those that failed are listed.
_ALL_LISTED = 1_000
# The engine takes about 2 MB of variables, the other results of the task included.
_LARGEST = 1_200_000
# So many failures an error lists: all its texts are masked at once.
_IN_AN_ERROR = 100
# So long may a message be, in characters, for the first failures, for the next, and for all others.
_LONG, _SHORT, _SHORTEST = (200, 500), (1_000, 200), 60
_MOST_WARNINGS = 20
_EMPTY = "smtpEmailRecipientsData is empty; there was nothing to send"


_OF_A_RECORD = frozenset(
    {
        ErrorCode.RECIPIENT_REJECTED,
        ErrorCode.MESSAGE_REJECTED,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.TEMPLATE_ERROR,
        ErrorCode.ENCRYPTION_FAILED,
        ErrorCode.DELIVERY_UNCERTAIN,
        ErrorCode.WORKER_CRASHED,
    }
)
_OF_THE_CONNECTION = frozenset(
    {
        ErrorCode.CONNECTION_FAILED,
        ErrorCode.CONNECTION_TIMEOUT,
        ErrorCode.DNS_FAILED,
        ErrorCode.TEMPORARILY_REJECTED,
    }
)
_ABOUT_THE_MAIL = frozenset(phase.value for phase in (Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.DOT))


class Concern(Enum):
    """Whom a failure concerns beside the mail that it happened to."""

    NO_OTHER = "no other mail"
    PERHAPS_OTHERS = "the others, if their connections fail too"
    ALL = "all mails of the task"


def concern(error: ConnectorError, record: BulkRecord) -> Concern:
    """Whom a failure of a record's mail concerns: a wrong password fails every mail, an address only its own.

    What a field of the task holds is the same for all records; a field of the record is its own.
    """
    about_the_mail = error.variables.get("phase") in _ABOUT_THE_MAIL
    if error.code in _OF_THE_CONNECTION and not about_the_mail:
        return Concern.PERHAPS_OTHERS
    field = error.variables.get("field")
    if field is None:
        own = error.code in _OF_A_RECORD or error.code in _OF_THE_CONNECTION
    else:
        own = str(field).startswith(record.field)
    return Concern.NO_OTHER if own else Concern.ALL


class Tally:
    """Counts and lists the mails of one attempt at a bulk task.

    Args:
        total: How many records there are.

    Attributes:
        sent: Mails that are out, by this attempt or earlier ones.
        failed: Mails that are not.
        later: The first failure that a retry may cure, with the name of its record.
        doubtful: The first that may or may not have been delivered.
        refused: The first that is for good.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.sent = self.failed = self._duplicates = 0
        self.later: tuple[str, ConnectorError] | None = None
        self.doubtful: tuple[str, ConnectorError] | None = None
        self.refused: tuple[str, ConnectorError] | None = None
        self._mails: list[tuple[int, dict[str, Any]]] = []
        self._room = _LARGEST
        self._left_out = 0
        self._partial = False
        self._warnings: dict[str, None] = {} if total else {_EMPTY: None}
        self._first: Mapping[str, Any] = {}

    @property
    def waiting(self) -> int:
        """How many records were not tried yet, or have to be tried again."""
        return self.total - self.sent - self.failed

    @property
    def facts(self) -> dict[str, Any]:
        """What the log says."""
        counts = {"records": self.total, "sent": self.sent, "failed": self.failed}
        return {**counts, "duplicate": self._duplicates} if self._duplicates else counts

    def add(self, record: BulkRecord, response: Mapping[str, Any]) -> None:
        """Add a mail that is out."""
        self._first = self._first or response
        self.sent += 1
        self._duplicates += bool(response["duplicate"])
        for warning in response["warnings"][:_MOST_WARNINGS]:
            if len(self._warnings) < _MOST_WARNINGS:
                self._warnings[warning] = None
        refused = response["rejected"]
        self._partial = self._partial or bool(refused)
        if refused or self.total <= _ALL_LISTED:
            mail = {"key": record.name, "status": "SUCCESS", "messageId": response["messageId"]}
            self._list(record, {**mail, "rejected": refused} if refused else mail)

    def fail(self, record: BulkRecord, error: ConnectorError) -> None:
        """Add a mail that is not, or of which it is not known."""
        self.failed += 1
        named = record.name, error
        if error.retryable:
            self.later = self.later or named
        elif error.code is ErrorCode.DELIVERY_UNCERTAIN:
            self.doubtful = self.doubtful or named
        else:
            self.refused = self.refused or named
        message = error.message[: self._longest()]
        self._list(
            record, {"key": record.name, "status": "FAIL", "code": error.code.value, "message": message}
        )

    def response(self) -> dict[str, Any]:
        """Describe the task, in the order of the native response."""
        message = f"{self.sent:,} of {self.total:,} mails were sent" if self.failed else _sent(self.sent)
        return {
            "status": "SUCCESS",
            "message": message,
            "account": self._first.get("account"),
            "transport": self._first.get("transport"),
            "sent": self.sent,
            "failed": self.failed,
            "mails": [mail for _, mail in sorted(self._mails, key=lambda listed: listed[0])],
            "partial": self._partial or self.failed > 0,
            "sentAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "duplicate": self.sent > 0 and self._duplicates == self.sent,
            "warnings": [*self._warnings, *self._cut()],
        }

    def error(
        self, cause: ConnectorError, name: str | None = None, code: ErrorCode | None = None
    ) -> BulkError:
        """Say what is left to do.

        Args:
            cause: Why a mail was not sent.
            name: Its record; None where the cause is no fault of a record.
            code: In place of the cause's.
        """
        done = "No mail was sent."
        if self.sent:
            done = f"{self.sent:,} of {self.total:,} mails were sent; a retry sends only the others."
        # A fault of an input names the record already.
        named = name is None or cause.message.startswith(f"{RECORDS}[")
        said = cause.message.removesuffix(" Nothing was sent.")  # of one mail, where others were
        first = said if named else f"Record {name}: {said}"
        failures = [mail for _, mail in self._mails if mail["status"] == "FAIL"][:_IN_AN_ERROR]
        result = {"sent": self.sent, "failed": self.total - self.sent, "mails": failures}
        if self.sent:
            result["partial"] = True
        return BulkError(cause, f"{done} {first}" if name else f"{first.rstrip('.')}. {done}", result, code)

    def _list(self, record: BulkRecord, mail: dict[str, Any]) -> None:
        size = len(json.dumps(mail)) + 2
        if size > self._room:
            self._left_out += 1
            return
        self._room -= size
        self._mails.append((record.position, mail))

    def _longest(self) -> int:
        for number, length in (_LONG, _SHORT):
            if self.failed <= number:
                return length
        return _SHORTEST

    def _cut(self) -> Iterator[str]:
        if self._left_out:
            yield (
                f"mails lacks {self._left_out:,} records: the engine takes no larger result; sent and failed "
                "count them"
            )


def _sent(number: int) -> str:
    return "1 mail was sent" if number == 1 else f"{number:,} mails were sent"
