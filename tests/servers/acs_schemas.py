"""JSON Schemas of the mail part of Azure Communication Services, written from its REST reference.

The version of that is 2025-09-01, with the `contentId` that its clients of that date send.

An operation and a body enter; what is wrong with it leaves. Objects are closed, as in the Graph double.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_LINE: Schema = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]*$"}
_WORD: Schema = {"type": "string", "minLength": 1}
_BASE64: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9+/]*={0,2}$"}
_UUID: Schema = {
    "type": "string",
    "pattern": r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
}


def _closed(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _list(item: Schema, most: int | None = None) -> Schema:
    return {"type": "array", "items": item, **({} if most is None else {"maxItems": most})}


ADDRESS = _closed({"address": _WORD, "displayName": _LINE}, "address")
ATTACHMENT = _closed(
    {"name": _WORD, "contentType": _WORD, "contentInBase64": _BASE64, "contentId": _WORD},
    *("name", "contentType", "contentInBase64"),
)
CONTENT = {
    **_closed({"subject": _LINE, "plainText": _TEXT, "html": _TEXT}, "subject"),
    "anyOf": [{"required": ["plainText"]}, {"required": ["html"]}],
}
MESSAGE = _closed(
    {
        "senderAddress": {"type": "string", "pattern": r"^[^<>\s]+@[^<>\s]+$"},
        "recipients": _closed({"to": _list(ADDRESS), "cc": _list(ADDRESS), "bcc": _list(ADDRESS)}, "to"),
        "content": CONTENT,
        "replyTo": _list(ADDRESS),
        "headers": {"type": "object", "additionalProperties": _LINE},
        "attachments": _list(ATTACHMENT),
        "userEngagementTrackingDisabled": {"type": "boolean"},
    },
    *("senderAddress", "recipients", "content"),
)
_ERROR = _closed(
    {"code": _WORD, "message": _TEXT, "target": _TEXT, "details": {"type": "array"}}, "code", "message"
)
RESULT = _closed(
    {
        "id": _UUID,
        "status": {"enum": ["NotStarted", "Running", "Succeeded", "Failed", "Canceled"]},
        "error": _ERROR,
    },
    *("id", "status"),
)
ERROR = _closed({"error": _ERROR}, "error")


def request_fault(operation: str, body: object) -> str | None:
    """Say what is wrong with a request's body, or None."""
    if operation == "state":
        return None if body is None else "a body where there is none"
    return _fault(MESSAGE, body)


def answer_fault(status: int, body: object) -> str | None:
    """Say what is wrong with an answer's body, or None."""
    return _fault(ERROR if status >= 400 else RESULT, body)


def _fault(schema: Schema, body: object) -> str | None:
    try:
        jsonschema.validate(body, schema)
    except jsonschema.ValidationError as error:
        return f"{error.json_path}: {error.message[:200]}"
    return None
