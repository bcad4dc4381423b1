"""JSON Schemas of the part of Microsoft Graph that our double serves, written from its documentation.

An operation and a body enter; what is wrong with it leaves. Objects are closed: a member that the service
does not know is a mistake here, although the service would ignore it. A test in ``tests/unit/graph`` compares
them with Microsoft's own schema where that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_NUMBER: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_MOMENT: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
# The wire has standard base64, although the service's schema says Edm.Binary.
_BASE64: Schema = {"type": "string", "pattern": r"^[A-Za-z0-9+/]*={0,2}$"}


def _closed(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


ADDRESS = _closed({"name": _TEXT_OR_NULL, "address": _TEXT})
RECIPIENT = _closed({"emailAddress": ADDRESS}, "emailAddress")
BODY = _closed({"contentType": {"enum": ["text", "html"]}, "content": _TEXT})
HEADER = _closed({"name": _TEXT, "value": _TEXT}, "name", "value")
# Headers that a client sets must begin with X- (documentation of message).
OWN_HEADER = _closed({"name": {"type": "string", "pattern": "^[xX]-"}, "value": _TEXT}, "name", "value")
FLAG = _closed(
    {
        "flagStatus": {"enum": ["notFlagged", "complete", "flagged"]},
        "startDateTime": {"type": "object"},
        "dueDateTime": {"type": "object"},
        "completedDateTime": {"type": "object"},
    }
)
FILE = {
    "@odata.type": {"const": "#microsoft.graph.fileAttachment"},
    "name": _TEXT,
    "contentType": _TEXT_OR_NULL,
    "isInline": _FLAG,
    "contentId": _TEXT_OR_NULL,
    "contentBytes": _BASE64,
}
FILE_READ = {
    **FILE,
    "id": _TEXT,
    "size": _NUMBER,
    "lastModifiedDateTime": _MOMENT,
    "contentLocation": _TEXT_OR_NULL,
    "@odata.context": _TEXT,
    "@odata.mediaContentType": _TEXT,
}
_WRITTEN: dict[str, Schema] = {
    "subject": _TEXT,
    "body": BODY,
    "importance": {"enum": ["low", "normal", "high"]},
    "from": RECIPIENT,
    "sender": RECIPIENT,
    "toRecipients": _list(RECIPIENT),
    "ccRecipients": _list(RECIPIENT),
    "bccRecipients": _list(RECIPIENT),
    "replyTo": _list(RECIPIENT),
    "internetMessageId": _TEXT,
    "isReadReceiptRequested": _FLAG,
    "isDeliveryReceiptRequested": _FLAG,
    "categories": _list(_TEXT),
}
MESSAGE = _closed(
    {
        **_WRITTEN,
        "internetMessageHeaders": _list(OWN_HEADER),
        "attachments": _list(_closed(FILE, "@odata.type", "name", "contentBytes")),
    }
)
MESSAGE_READ = _closed(
    {
        **_WRITTEN,
        "from": {"anyOf": [RECIPIENT, {"type": "null"}]},
        "sender": {"anyOf": [RECIPIENT, {"type": "null"}]},
        "internetMessageHeaders": _list(HEADER),
        "attachments": _list(_closed(FILE_READ, "@odata.type", "id")),
        "id": _TEXT,
        "changeKey": _TEXT,
        "parentFolderId": _TEXT,
        "conversationId": _TEXT,
        "createdDateTime": _MOMENT,
        "lastModifiedDateTime": _MOMENT,
        "receivedDateTime": _MOMENT,
        "sentDateTime": _MOMENT,
        "bodyPreview": {"type": "string", "maxLength": 255},
        "hasAttachments": _FLAG,
        "isDraft": _FLAG,
        "isRead": _FLAG,
        "flag": FLAG,
        "@odata.context": _TEXT,
        "@odata.etag": _TEXT,
    },
    "id",
)
FOLDER = _closed(
    {
        "id": _TEXT,
        "displayName": _TEXT,
        "parentFolderId": _TEXT,
        "childFolderCount": _NUMBER,
        "unreadItemCount": _NUMBER,
        "totalItemCount": _NUMBER,
        "isHidden": _FLAG,
        "@odata.context": _TEXT,
    },
    "id",
)
SESSION = _closed(
    {
        "uploadUrl": _TEXT,
        "expirationDateTime": _MOMENT,
        "nextExpectedRanges": _list({"type": "string", "pattern": r"^\d+-\d*$"}),
        "@odata.context": _TEXT,
    },
    "uploadUrl",
    "expirationDateTime",
)
# The answers of the upload URL itself are spelt otherwise.
CHUNK_TAKEN = _closed(
    {
        "ExpirationDateTime": _MOMENT,
        "nextExpectedRanges": _list({"type": "string", "pattern": r"^\d+$"}),
        "@odata.context": _TEXT,
    },
)
USER = _closed(
    {
        "id": _TEXT,
        "displayName": _TEXT,
        "mail": _TEXT,
        "userPrincipalName": _TEXT,
        "@odata.context": _TEXT,
    }
)
ERROR = _closed(
    {
        "error": _closed(
            {
                "code": _TEXT,
                "message": _TEXT,
                "innerError": _closed({"request-id": _TEXT, "date": _TEXT, "client-request-id": _TEXT}),
            },
            "code",
            "message",
        )
    },
    "error",
)
ITEM = _closed(
    {
        "attachmentType": {"const": "file"},
        "name": _TEXT,
        "size": {"type": "integer", "minimum": 0, "maximum": 157_286_400},
        "contentType": _TEXT,
        "isInline": _FLAG,
        "contentId": _TEXT,
    },
    "attachmentType",
    "name",
    "size",
)


def _page(item: Schema) -> Schema:
    return _closed(
        {"value": _list(item), "@odata.nextLink": _TEXT, "@odata.context": _TEXT, "@odata.count": _NUMBER},
        "value",
    )


REQUESTS: Mapping[str, Schema | None] = {
    "createDraft": MESSAGE,
    "sendMail": _closed({"message": MESSAGE, "savetosentitems": _FLAG}, "message"),
    "send": None,
    "addAttachment": _closed(FILE, "@odata.type", "name", "contentBytes"),
    "createUploadSession": _closed({"attachmentitem": ITEM}, "attachmentitem"),
    "patchMessage": _closed({"isRead": _FLAG, "flag": FLAG}),
    "moveMessage": _closed({"destinationid": _TEXT}, "destinationid"),
    "copyMessage": _closed({"destinationid": _TEXT}, "destinationid"),
    "createFolder": _closed({"displayName": _TEXT, "isHidden": _FLAG}, "displayName"),
    "permanentDelete": None,
}
"""What may be in a body as JSON; the names of an action's own parameters count without regard to case."""

ANSWERS: Mapping[str, Schema | None] = {
    "createDraft": MESSAGE_READ,
    "sendMail": None,
    "send": None,
    "getMessage": MESSAGE_READ,
    "patchMessage": MESSAGE_READ,
    "listMessages": _page(MESSAGE_READ),
    "moveMessage": MESSAGE_READ,
    "copyMessage": MESSAGE_READ,
    "deleteMessage": None,
    "permanentDelete": None,
    "addAttachment": _closed(FILE_READ, "@odata.type", "id"),
    "listAttachments": _page(_closed(FILE_READ, "@odata.type", "id")),
    "createUploadSession": SESSION,
    "putChunk": CHUNK_TAKEN,
    "uploadStatus": CHUNK_TAKEN,
    "cancelUpload": None,
    "listFolders": _page(FOLDER),
    "childFolders": _page(FOLDER),
    "getFolder": FOLDER,
    "createFolder": FOLDER,
    "getUser": USER,
}
_ACTIONS = frozenset({"sendMail", "createUploadSession", "moveMessage", "copyMessage"})


def request_fault(operation: str, body: object) -> str | None:
    """Say what is wrong with a request's body, or None."""
    if operation in _ACTIONS and isinstance(body, dict):
        body = {name.lower(): value for name, value in body.items()}
    return _fault(REQUESTS.get(operation), body)


def answer_fault(operation: str, status: int, body: object) -> str | None:
    """Say what is wrong with an answer's body, or None."""
    return _fault(ERROR if status >= 400 else ANSWERS.get(operation), body)


def _fault(schema: Schema | None, body: object) -> str | None:
    if schema is None:
        return None if body is None else "a body where there is none"
    try:
        jsonschema.validate(body, schema)
    except jsonschema.ValidationError as error:
        return f"{error.json_path}: {error.message[:200]}"
    return None
