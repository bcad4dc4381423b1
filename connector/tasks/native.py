"""The native send task: every ``smtpEmail…`` variable into one :class:`SendRequest`.

Variables enter, secrets already resolved; a checked request leaves, or the error of the first variable that
is wrong. Another task type with the same inputs differs by its
:class:`~connector.tasks.request.Dialect`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from connector.errors import InputError
from connector.model.mail import SendRequest
from connector.model.text import invisible
from connector.settings.accounts import MessageDefaults
from connector.tasks.definitions import Definitions
from connector.tasks.input_advice import RECIPIENTS, misspelling_warnings, null_warnings
from connector.tasks.inputs import Inputs, is_blank, text
from connector.tasks.mail_fields import configured_participants, read_participants
from connector.tasks.port import ReadContext
from connector.tasks.records import RECORDS, BulkRecord, read_records
from connector.tasks.request import Dialect, RequestReader
from connector.tasks.route import read_route
from connector.tasks.send_inputs import NATIVE, NOT_BUILT

_NO_DEFAULTS = MessageDefaults()
_MAX_KEY = 200
_KEY = Definitions(NATIVE.by_name["smtpEmailIdempotencyKey"])
_RECORDS = Definitions(*(NATIVE.by_name[name] for name in (RECORDS, *RECIPIENTS)))


class NativeTask:
    """The native send task, or one that differs by its dialect; a :class:`~connector.tasks.port.SendTask`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    @property
    def definitions(self) -> Definitions:
        """The inputs of the task type."""
        return self._dialect.definitions

    @cached_property
    def variable_names(self) -> tuple[str, ...]:
        """The names of all inputs, aliases included."""
        return tuple(name for definition in self.definitions for name in definition.names)

    def idempotency_key(self, variables: Mapping[str, Any]) -> str | None:
        """The task's own name for its mail, if it gives one.

        Raises:
            InputError: It is not printable, or too long.
        """
        value = Inputs(variables, _KEY).get("smtpEmailIdempotencyKey")
        if value is None:
            return None
        key = text(value).strip(" ")
        if hidden := invisible(key[:_MAX_KEY]):
            raise value.error(f"holds {hidden}; remove it")
        if len(key) > _MAX_KEY:
            raise value.error(f"must be at most {_MAX_KEY} printable characters")
        return key

    def records(self, variables: Mapping[str, Any]) -> Iterator[BulkRecord] | None:
        """The records of a bulk task; an empty list with no recipients beside it is a bulk of none."""
        inputs = Inputs(variables, _RECORDS)
        value = inputs.get(RECORDS)
        if value is not None:
            return read_records(value)
        return iter(()) if variables.get(RECORDS) == [] and not inputs.given(*RECIPIENTS) else None

    def read(self, variables: Mapping[str, Any], context: ReadContext) -> SendRequest:
        """Read a job's variables.

        Args:
            variables: All variables that the task sees; those that are no inputs are ignored, with a warning
                where one looks like a misspelt input.
            context: What reading depends on beside them.

        Raises:
            InputError: A variable that is missing or wrong.
            AccountError: No server is named, or an account that does not exist.
        """
        inputs = Inputs(variables, self._dialect.definitions)
        inputs.refuse_unavailable()
        _refuse_not_built(variables)
        route, account = read_route(inputs, context, foreign=self._dialect.foreign)
        defaults = account.defaults if account else _NO_DEFAULTS
        participants = inputs.get("smtpEmailParticipants")
        local = self._dialect.bare_local_parts
        own = read_participants(participants, allow_local=local) if participants else {}
        roles = {**configured_participants(context.participants), **own}
        record = context.record.inputs if context.record else None
        task = RequestReader(
            variables, inputs, self._dialect, context, route, account, defaults, roles, record
        )
        warnings = misspelling_warnings(variables, self.variable_names)
        return task.request((*warnings, *null_warnings(inputs, bulk=record is not None)))

    def response(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the native response as it is."""
        return described


TASK = NativeTask(Dialect())


def _refuse_not_built(variables: Mapping[str, Any]) -> None:
    for name in NOT_BUILT:
        if not is_blank(variables.get(name)):
            raise InputError(name, "is not available in this version; remove it")
