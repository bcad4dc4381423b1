"""What a task attaches: named here, read when the message is built.

The items of ``smtpEmailAttachments`` enter; :class:`Attachment` values leave. Content that came with the job
is decoded; files and URLs are only named, since whether they may be read is the operator's to say.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

from connector.errors import InputError
from connector.message.encoding import is_known_charset
from connector.model.mail import Attachment, DataSource, FileSource, UrlSource
from connector.model.text import MAX_NAME, base_name, check_length, check_name, check_text
from connector.tasks.inputs import Inputs, Value, boolean, choice, from_json, is_blank, items, kind, text
from connector.tasks.send_inputs import ATTACHMENT, DOCUMENT_TYPES

_DOCUMENT_TYPE = "camunda.document.type"
_MAX_ITEMS = 1_000  # attachments.max_count, 50 at first, decides; this bounds the reading
_MAX_URL = 8_000  # RFC 9110 section 4.1
_MAX_PATH = 4_096  # PATH_MAX
_SOURCES = ("content", "base64", "path", "url")
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w-]{1,40})\"?\s*(?:;|$)", re.ASCII | re.IGNORECASE)


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
    listed = [Value(value.field, data)] if isinstance(data, dict) else items(value, most=_MAX_ITEMS)
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
            content = _decoded(given)
        case _:
            content = _encoded(inputs, text(given))
    if not base_name(text(named := inputs.require("name", "give the file a name")).strip(" ")):
        raise named.error("is a directory; give the file a name")
    return _described(value, inputs, DataSource(content))


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
    content = Value(f"{value.field}.content", value.data.get("content"))
    if content.data is None:
        inputs.require("content")
    if isinstance(content.data, str):
        return _described(value, inputs, DataSource(_encoded(inputs, text(content))), "document.txt")
    return _described(value, inputs, DataSource(_as_json(content).encode()), "document.json")


def _as_json(content: Value) -> str:
    try:
        return text(Value(content.field, json.dumps(content.data, ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise content.error("cannot be written as JSON") from None


def _encoded(inputs: Inputs, content: str) -> bytes:
    """Text in the charset that its media type names, otherwise in UTF-8."""
    value = inputs.get("contentType")
    if value is None or "charset" not in check_length(text(value), value.field, MAX_NAME).lower():
        return content.encode()
    charset = _CHARSET.search(value.data)
    try:
        if charset and is_known_charset(charset[1]):
            return content.encode(charset[1])
    except UnicodeError:
        pass
    raise value.error("the content cannot be written in this charset; use charset=utf-8")


def _described(
    value: Value, inputs: Inputs, source: FileSource | DataSource | UrlSource, name: str | None = None
) -> Attachment:
    inline = inputs.get("inline")
    content_id = _line(inputs, "contentId")
    return Attachment(
        value.field,
        source,
        base_name(_line(inputs, "name") or "") or name,
        _line(inputs, "contentType"),
        boolean(inline) if inline else False,
        content_id and content_id.removeprefix("<").removesuffix(">"),
    )


def _line(inputs: Inputs, name: str) -> str | None:
    """Text for the part's header; its grammar is checked where it is written."""
    value = inputs.get(name)
    if value is None:
        return None
    return check_name(check_length(text(value), value.field, MAX_NAME), value.field).strip(" ")


def _path(value: Value) -> str:
    path = check_text(check_length(text(value), value.field, _MAX_PATH), value.field).strip(" ")
    if not path:
        raise value.error("is empty; fill in a path")
    if re.match(r"https?://", path, re.IGNORECASE):
        raise value.error('is a URL, not a path; write {"url": "https://…", "name": "…"}')
    # Infosys's documentation writes paths as file://C:/reports/a.pdf; nothing in them is percent-encoded.
    return re.sub("^file://", "", path, count=1, flags=re.IGNORECASE)


def _url(value: Value) -> str:
    url = check_text(check_length(text(value), value.field, _MAX_URL), value.field).strip(" ")
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        raise value.error("is not a URL; write one such as https://files.example.com/offer.pdf") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in url or not port_is_valid:
        raise value.error("must be a full http or https URL without blanks")
    if parts.username is not None:
        raise value.error("must not contain a user name or password")
    return url


def _decoded(value: Value) -> bytes:
    encoded = text(value)
    if encoded.lstrip().startswith("data:"):
        raise value.error("is a data: URL; give only what follows its comma")
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raise value.error("is not base64 (RFC 4648 section 4, with its = at the end)") from None
