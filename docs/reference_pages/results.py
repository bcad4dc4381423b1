"""The two tables of ``docs/reference/results-and-errors.md``: task headers, and the keys of a response."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime

from connector.errors import Rejection, Reply
from connector.model.receipt import Receipt
from connector.send.outcome import response
from connector.tasks.headers import TaskHeaders
from reference_pages.markdown import table

# By the field of TaskHeaders: the header, what it holds, what it does.
_HEADERS = {
    "result_variable": (
        "resultVariable",
        "a variable's name",
        "stores the whole response in the variable",
    ),
    "result_expression": ("resultExpression", "FEEL", "sets process variables from the response"),
    "error_expression": ("errorExpression", "FEEL", "decides the outcome after an error or a success"),
    "error_mapping": (
        "errorMapping",
        "a FEEL context or a JSON object",
        "names a BPMN error for each [error code](error-codes.md); `*` stands for all other codes",
    ),
    "retry_backoff": (
        "retryBackoff",
        "an ISO 8601 duration, such as `PT30S`",
        "the pause before a retry, instead of the worker's setting",
    ),
    "job_timeout": (
        "jobTimeout",
        "an ISO 8601 duration, from `PT1S` to `P1D`",
        "how long the engine reserves the job for a worker, instead of `worker.lease`",
    ),
}

_KEYS = {
    "status": "`SUCCESS`, or `FAIL` if an error was [ignored](#ignored-errors).",
    "message": "A sentence for readers.",
    "messageId": "The mail's Message-ID, with which you find it in the mail server's log.",
    "account": "The [account](../how-to/accounts.md) that sent it; null if the task gave the server.",
    "transport": "`smtp`, `graph` for Microsoft Graph, `acs` for Azure Communication Services, or `file` in "
    "a dry run.",
    "accepted": "The recipients that the server accepted.",
    "rejected": "The recipients that it refused, each as `{address, code, enhancedCode, text}`.",
    "partial": "Whether some recipients did not get the mail; `rejected` lists them.",
    "reply": (
        "The server's reply; null if the mail was only "
        "[assumed to be sent](../explanation/no-mail-twice.md#when-the-outcome-is-not-known)."
    ),
    "sentAt": "When the server accepted the mail, in UTC.",
    "duplicate": (
        "True if an earlier attempt, or another job with the same `smtpEmailIdempotencyKey`, had sent the "
        "mail: [no mail twice](../explanation/no-mail-twice.md)."
    ),
    "warnings": (
        "Requests that the server does not support, such as a delivery receipt without DSN; inputs whose "
        "names look misspelt; and probable mistakes, such as a text that looks like HTML."
    ),
}

_SOMETIMES = {
    "copy": (
        "Only with [a copy](../how-to/accounts.md#copies-of-what-was-sent): where it is, as "
        "`{to, folder, id}`, with `id` a `mailboxMessage` for mailbox tasks."
    ),
    "followUpAt": "Only with a follow-up: its time, with the offset of its time zone.",
}


def headers() -> str:
    """Return the table of task headers; a header without a row here is a KeyError."""
    rows = (_HEADERS[field.name] for field in fields(TaskHeaders))
    return table(("Header", "Value", "Effect"), ((f"`{name}`", holds, does) for name, holds, does in rows))


def keys() -> str:
    """Return an example response and the table of its keys; a key without a row here is a KeyError."""
    example = _example()
    shown = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in example.items())
    rows = [(f"`{key}`", _KEYS[key]) for key in example]
    rows += [(f"`{key}`", meaning) for key, meaning in _SOMETIMES.items()]
    return f"```json\n{{{shown}}}\n```\n\n{table(('Key', 'Meaning'), rows)}"


def _example() -> dict[str, object]:
    refused = Rejection("joe@example.org", Reply(550, "5.1.1 no such user"))
    receipt = Receipt(
        Reply(250, "2.0.0 Ok: queued as 4F1"),
        ("jane@example.org",),
        (refused,),
    )
    when = datetime(2026, 11, 20, 20, 50, 33, tzinfo=UTC)
    return response("<b3f1c0d2@example.com>", receipt, when, str)
