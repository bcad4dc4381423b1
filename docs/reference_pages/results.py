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
        "the variable receives the whole response",
    ),
    "result_expression": ("resultExpression", "FEEL", "makes process variables of the response"),
    "error_expression": ("errorExpression", "FEEL", "decides what a failure, or a success, becomes"),
    "error_mapping": (
        "errorMapping",
        "a FEEL context or a JSON object",
        "BPMN error codes by [error code](error-codes.md); `*` stands for every other code",
    ),
    "retry_backoff": (
        "retryBackoff",
        "an ISO 8601 duration, such as `PT30S`",
        "the pause before a retry, in place of the worker's setting",
    ),
    "job_timeout": (
        "jobTimeout",
        "an ISO 8601 duration, from `PT1S` to `P1D`",
        "how long the engine keeps the job for a worker that no longer answers, in place of `worker.lease`",
    ),
}

_KEYS = {
    "status": "`SUCCESS`; `FAIL` where an error was [ignored](#going-on).",
    "message": "A sentence for people.",
    "messageId": "The mail's Message-ID, by which it can be found in the mail server's log.",
    "account": "The [account](../how-to/accounts.md) that sent it; null where the task gave the server.",
    "transport": "What carried it: `smtp`; `file` in a dry run.",
    "accepted": "The recipients that the server took.",
    "rejected": "Those it refused, each as `{address, code, enhancedCode, text}`.",
    "partial": "Whether some recipients do not get the mail; `rejected` lists them.",
    "reply": (
        "The server's reply; null when the mail was only "
        "[taken for sent](../explanation/no-mail-twice.md#when-the-outcome-is-not-known)."
    ),
    "sentAt": "When the server took it, in UTC.",
    "duplicate": (
        "True when an earlier attempt, or another job with the same `smtpEmailIdempotencyKey`, had sent the "
        "mail: [no mail twice](../explanation/no-mail-twice.md)."
    ),
    "warnings": (
        "What was asked for and could not be had, such as a delivery receipt on a server without DSN; inputs "
        "whose names look misspelt; and what is probably not meant, such as a text that looks like HTML."
    ),
}

_SOMETIMES = {
    "followUpAt": "Only with a follow-up: its moment, with the offset of the zone in which it is meant.",
}


def headers() -> str:
    """The task headers; one that has no row here is a KeyError."""
    rows = (_HEADERS[field.name] for field in fields(TaskHeaders))
    return table(
        ("Header", "Holds", "What it does"), ((f"`{name}`", holds, does) for name, holds, does in rows)
    )


def keys() -> str:
    """A response as the worker makes it, and its keys; one that has no row here is a KeyError."""
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
