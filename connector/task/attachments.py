"""What a task attaches: named here, read when the message is built.

The items of ``smtpEmailAttachments`` enter; :class:`Attachment` values leave. Content that came with the job
is decoded; files and URLs are only named, since whether they may be read is the operator's to say.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from mimetypes import guess_type
from typing import Any
from urllib.parse import urlsplit

from connector.errors import InputError
from connector.message.text import check_name, check_text
from connector.task.definitions import ATTACHMENT, DOCUMENT_TYPES
from connector.task.inputs import Inputs
from connector.task.request import Attachment, DataSource, FileSource, UrlSource
from connector.task.values import Value, boolean, choice, from_json, is_blank, items, kind, text

_DOCUMENT_TYPE = "camunda.document.type"
_SOURCES = ("content", "base64", "path", "url")
_RESTRICTED_NAME = r"[A-Za-z0-9!#$&^_.+-]{1,64}"
# Those that mailers know; Python's codecs have others that take quadratic time (punycode) or are no charset.
_CHARSET = r"utf-8|utf-16(?:be|le)?|us-ascii|iso-8859-\d{1,2}|windows-125\d"
_MEDIA_TYPE = re.compile(
    rf"(?P<type>{_RESTRICTED_NAME}/{_RESTRICTED_NAME})(?:\s*;\s*charset=\"?(?P<charset>{_CHARSET})\"?)?",
    re.ASCII | re.IGNORECASE,
)
# Printable ASCII without angle brackets and blanks: what fits between < > (RFC 2392) in a header.
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")


def read_attachments(value: Value) -> tuple[Attachment, ...]:
    """Read the attachments of a task.

    Args:
        value: A list of paths and contexts, or one of them; paths also as one separated text.

    Returns:
        The attachments in the task's order.

    Raises:
        InputError: An item that is no attachment, or two inline ones with the same contentId.
    """
    data = from_json(value, "{}")
    listed = [Value(value.field, data)] if isinstance(data, dict) else items(value)
    attachments = tuple(map(_attachment, listed))
    seen: set[str] = set()
    for attachment in attachments:
        if attachment.content_id in seen:
            raise InputError(f"{attachment.field}.contentId", "another attachment has the same one")
        if attachment.content_id:
            seen.add(attachment.content_id)
    return attachments


def _attachment(value: Value) -> Attachment:
    if isinstance(value.data, str):
        return Attachment(value.field, FileSource(_path(value)))
    if not isinstance(value.data, dict):
        raise value.error(
            f"must be a path or a context with content, base64, path or url, not {kind(value.data)}"
        )
    inputs = Inputs(value.data, ATTACHMENT, value.field)
    if _DOCUMENT_TYPE in value.data:
        return _document(value, inputs)
    inputs.refuse_unknown()
    return _from_context(value, inputs, value.data)


def _from_context(value: Value, inputs: Inputs, data: dict[str, Any]) -> Attachment:
    sources = [source for source in _SOURCES if not is_blank(data.get(source))]
    # An empty file is a file: with nothing else to go by, a blank text is one.
    sources = sources or [source for source in ("content", "base64") if isinstance(data.get(source), str)]
    if len(sources) != 1:
        raise value.error(f"must have one of {', '.join(_SOURCES)}; it has {' and '.join(sources) or 'none'}")
    given = Value(f"{value.field}.{sources[0]}", data[sources[0]])
    match sources[0]:
        case "path":
            return _described(value, inputs, FileSource(_path(given)))
        case "url":
            return _described(value, inputs, UrlSource(_url(given)))
        case "base64":
            return _described(value, inputs, DataSource(_decoded(given)), _name(inputs, required=True))
        case _:
            return _text_file(value, inputs, text(given), _name(inputs, required=True))


def _document(value: Value, inputs: Inputs) -> Attachment:
    """A document reference as Camunda writes it; keys that it has beyond ours are its own."""
    kinds = dict(zip(DOCUMENT_TYPES, DOCUMENT_TYPES, strict=True))
    match choice(inputs.require(_DOCUMENT_TYPE), kinds):
        case "external":
            return _described(value, inputs, UrlSource(_url(inputs.require("url"))))
        case "inline":
            return _inline_document(value, inputs)
        case _:
            raise value.error(
                "documents in the engine's store are not available in this version; "
                "attach a document of type inline or external, or a context with base64"
            )


def _inline_document(value: Value, inputs: Inputs) -> Attachment:
    content = value.data.get("content")
    if content is None:
        inputs.require("content")
    name = _name(inputs) or "document"
    if isinstance(content, str):
        return _text_file(value, inputs, text(Value(f"{value.field}.content", content)), name)
    return _text_file(value, inputs, _as_json(value, content), name, "application/json")


def _as_json(value: Value, content: object) -> str:
    try:
        return text(Value(f"{value.field}.content", json.dumps(content, ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise value.error("the content cannot be written as JSON") from None


@dataclass(frozen=True, slots=True)
class _MediaType:
    """A media type and the charset that goes with it, if one was named."""

    name: str
    charset: str | None = None

    def __str__(self) -> str:
        return f"{self.name}; charset={self.charset}" if self.charset else self.name


def _text_file(
    value: Value, inputs: Inputs, content: str, name: str | None, fallback: str = "text/plain"
) -> Attachment:
    """Text in the charset that its media type names, UTF-8 otherwise; a text type always says which."""
    media_type = _media_type(inputs) or _MediaType(guess_type(name or "")[0] or fallback)
    charset = media_type.charset or "utf-8"
    if media_type.name.startswith("text/"):
        media_type = _MediaType(media_type.name, charset)
    try:
        data = content.encode(charset)
    except (LookupError, UnicodeError):
        raise InputError(
            f"{value.field}.contentType", f"the content cannot be written as {charset}; use utf-8"
        ) from None
    return _described(value, inputs, DataSource(data), name, media_type)


def _described(
    value: Value,
    inputs: Inputs,
    source: FileSource | DataSource | UrlSource,
    name: str | None = None,
    media_type: _MediaType | None = None,
) -> Attachment:
    media_type = media_type or _media_type(inputs)
    inline, content_id = _presentation(inputs)
    return Attachment(
        value.field,
        source,
        name or _name(inputs),
        str(media_type) if media_type else None,
        inline,
        content_id,
    )


def _presentation(inputs: Inputs) -> tuple[bool, str | None]:
    given = inputs.get("inline")
    inline = boolean(given) if given else False
    value = inputs.require("contentId", "the HTML names it after cid:") if inline else inputs.get("contentId")
    if value is None:
        return inline, None
    content_id = text(value).strip(" ").removeprefix("<").removesuffix(">")
    if not _CONTENT_ID.fullmatch(content_id):
        raise value.error("must be visible ASCII characters without < > and blanks, such as logo@invoice")
    return inline, content_id


def _name(inputs: Inputs, *, required: bool = False) -> str | None:
    value = inputs.require("name", "give the file a name") if required else inputs.get("name")
    return check_name(text(value), value.field) if value else None


def _media_type(inputs: Inputs) -> _MediaType | None:
    value = inputs.get("contentType")
    if value is None:
        return None
    match = _MEDIA_TYPE.fullmatch(text(value).strip(" "))
    if match is None:
        raise value.error("is no media type; write one such as application/pdf or text/csv; charset=utf-8")
    name = match["type"].lower()
    if name.startswith("multipart/"):
        # RFC 2045 section 6.4: no base64 around a multipart, and a file is not one part among others.
        raise value.error("a file cannot be a multipart; use application/octet-stream")
    return _MediaType(name, match["charset"])


def _path(value: Value) -> str:
    path = check_text(text(value), value.field).strip(" ")
    if not path:
        raise value.error("is empty; fill in a path")
    if re.match(r"https?://", path, re.IGNORECASE):
        raise value.error('is a URL, not a path; write {"url": "https://…", "name": "…"}')
    return path


def _url(value: Value) -> str:
    url = check_text(text(value), value.field).strip(" ")
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        raise value.error("is no URL; write one such as https://files.example.com/offer.pdf") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in url or not port_is_valid:
        raise value.error("must be a full http or https URL without blanks")
    if parts.username is not None:
        raise value.error("must not hold a user name or password")
    return url


def _decoded(value: Value) -> bytes:
    encoded = text(value)
    if encoded.lstrip().startswith("data:"):
        raise value.error("is a data: URL; give only what follows its comma")
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raise value.error("is no base64 (RFC 4648 section 4, with its = at the end)") from None
