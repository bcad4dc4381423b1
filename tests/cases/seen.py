"""What a case has seen, as JSON-like values, and whether it is what the case expects."""

from __future__ import annotations

import email
import json
import quopri
import re
from base64 import b64decode
from collections.abc import Mapping
from email import policy
from email.message import EmailMessage
from typing import Any

from connector.model.job import Complete, Fail, Outcome, Throw
from tests.cases.scripted_smtp import Mail, ScriptedServer

_WORD = re.compile(r"=\?([^?]+)\?([bqBQ])\?([^?]*)\?=")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


def described_outcome(outcome: Outcome) -> dict[str, Any]:
    """Give an outcome as ``smtp-connector send`` prints it."""
    match outcome:
        case Complete(variables):
            return {"outcome": "complete", "variables": variables}
        case Throw(code, message, variables):
            return {"outcome": "bpmnError", "code": code, "message": message, "variables": variables}
        case Fail(message, retries, backoff, variables, error):
            shown = {"message": message, "retries": retries, "retryBackoff": backoff, "error": error}
            return {"outcome": "fail", "code": error and error["code"], "variables": variables, **shown}


def described_server(server: ScriptedServer) -> dict[str, Any]:
    """Give what a server has heard and taken."""
    return {
        "mails": len(server.mails),
        "connections": len(server.talks),
        "commands": [line for talk in server.talks for line in talk.commands],
        "recipients": [address for mail in server.mails for address in mail.recipients],
        "transactions": [mail.recipients for mail in server.mails],
        "senders": [mail.sender for mail in server.mails],
        "mail_lines": [mail.mail_line for mail in server.mails],
    }


def described_mail(mail: Mail) -> dict[str, Any]:
    """Give a mail as octets and as a foreign parser reads it."""
    message = email.message_from_bytes(mail.data, policy=policy.default)
    raw = mail.data.decode("utf-8", "surrogateescape")
    head = raw.partition("\r\n\r\n")[0]
    return {
        "raw": raw,
        "head": head,
        "words": all(map(_is_whole, _WORD.finditer(head))),
        "longest": max(map(len, mail.data.split(b"\r\n"))),
        "ascii": mail.data.isascii(),
        "bare": _BARE.search(mail.data) is not None,
        "names": [line.partition(":")[0] for line in re.split(r"\r\n(?![ \t])", head)],
        "headers": {name.lower(): str(value) for name, value in message.items()},
        "addresses": {
            name: [str(address) for address in message[name].addresses]
            for name in ("from", "to", "cc", "reply-to")
            if message[name] is not None
        },
        "structure": [part.get_content_type() for part in message.walk()],
        "parts": [_described_part(part) for part in message.walk() if not part.is_multipart()],
    }


def _described_part(part: EmailMessage) -> dict[str, Any]:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return {
        "type": part.get_content_type(),
        "filename": part.get_filename(),
        "parameters": dict((part.get_params(failobj=[]) or [])[1:]),
        "disposition": part.get_content_disposition(),
        "encoding": part.get("Content-Transfer-Encoding"),
        "text": payload.decode(part.get_content_charset() or "utf-8", "replace"),
        "length": len(payload),
    }


def _is_whole(word: re.Match[str]) -> bool:
    """Whether an encoded-word holds whole characters."""
    charset, kind, text = word.groups()
    try:
        octets = b64decode(text) if kind in "bB" else quopri.decodestring(text.replace("_", " "))
        octets.decode(charset)
    except ValueError:
        return False
    return True


def differences(seen: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Tell what is not as expected, a line for each; a key is a path of dots into what was seen."""
    found = {path: _at(seen, path) for path in expected}
    return [
        f"{path}: wanted {wanted!r}, saw {found[path]!r}"
        for path, wanted in expected.items()
        if not _agrees(found[path], wanted)
    ]


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _agrees(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and wanted and all(key.startswith("$") for key in wanted):
        return all(_holds(check, value, argument) for check, argument in wanted.items())
    return bool(value == wanted)


def _holds(check: str, value: Any, argument: Any) -> bool:  # noqa: PLR0911 - a table
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    parts = [argument] if isinstance(argument, str) else argument
    match check:
        case "$contains":
            return all(part.lower() in text.lower() for part in parts)
        case "$not_contains":
            return all(part.lower() not in text.lower() for part in parts)
        case "$regex":
            return re.search(argument, text, re.DOTALL) is not None
        case "$not_regex":
            return re.search(argument, text, re.DOTALL) is None
        case "$in":
            return value in argument
        case "$not":
            return bool(value != argument)
        case "$max":
            return value is not None and bool(value <= argument)
        case "$sorted":
            return sorted(value or ()) == sorted(argument)
        case _:
            raise ValueError(check)
