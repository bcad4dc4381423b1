"""A mail of each form of content, read by two parsers that are not ours: Jakarta Mail's and Dovecot's."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_string
from email.header import decode_header, make_header
from email.policy import compat32
from email.utils import collapse_rfc2231_value
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from imapclient.response_parser import parse_fetch_response  # type: ignore[import-untyped]

from tests.forms import FORMS, Pair, Seen, sent
from tests.servers.dovecot import PASSWORD, Dovecot

_READER = Path(__file__).parents[1] / "reader"


@dataclass(frozen=True, slots=True)
class Read:
    """A mail as a reader sees it; the people are those in From, To, Cc and Reply-To."""

    subject: str
    people: tuple[tuple[Pair, ...], ...]
    fields: Mapping[str, str]
    content: Seen


@pytest.fixture(scope="module")
def mails() -> dict[str, bytes]:
    """Each form as a mail server gets it."""
    return asyncio.run(sent())


@pytest.fixture(scope="module")
def by_jakarta(mails: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    if shutil.which("javac") is None or not list((_READER / "lib").glob("angus-mail-*.jar")):
        if os.environ.get("CI"):
            pytest.fail("CI must have Jakarta Mail: see tests/reader/pom.xml")
        pytest.skip("Jakarta Mail is not there: see tests/reader/pom.xml")
    directory = tmp_path_factory.mktemp("mails")
    for name, mail in mails.items():
        (directory / f"{name}.eml").write_bytes(mail)
    program = ["java", "-cp", f"{_READER / 'lib'}/*", str(_READER / "MailReader.java"), str(directory)]
    subprocess.run(program, check=True, timeout=100)
    return {name: _from_java(json.loads((directory / f"{name}.json").read_text("utf-8"))) for name in mails}


def _from_java(mail: dict[str, Any]) -> Read:
    keys = ("from", "to", "cc", "reply_to")
    people = tuple(tuple((name, address) for name, address in mail[key]) for key in keys)
    return Read(mail["subject"], people, dict(mail["fields"]), _java_part(mail["content"]))


def _java_part(part: dict[str, Any]) -> Seen:
    content: str | bytes | tuple[Seen, ...]
    if "parts" in part:
        content = tuple(map(_java_part, part["parts"]))
    else:
        content = part["text"] if "text" in part else base64.b64decode(part["octets"])
    name, disposition, content_id, method = (part[key] for key in ("name", "disposition", "id", "method"))
    return Seen(part["type"], content, name, disposition, content_id, method, part.get("inner"))


@pytest.fixture(scope="module")
def by_dovecot(mails: Mapping[str, bytes], dovecot: Dovecot) -> dict[str, Read]:
    with imaplib.IMAP4("127.0.0.1", dovecot.ports["imap"]) as imap:
        imap.authenticate("PLAIN", lambda _: f"\0user-{uuid4().hex[:12]}\0{PASSWORD}".encode())
        for mail in mails.values():
            imap.append("INBOX", "", None, mail)
        imap.select("INBOX", readonly=True)
        return {name: _DovecotMail(imap, number).read() for number, name in enumerate(mails, 1)}


@dataclass(frozen=True, slots=True)
class _DovecotMail:
    imap: imaplib.IMAP4
    number: int

    def read(self) -> Read:
        told = self._fetch("ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER]")
        envelope = told[b"ENVELOPE"]
        header = message_from_string(told[b"BODY[HEADER]"].decode(), policy=compat32)
        fields = {name: str(value).replace("\r\n", "") for name, value in header.items()}
        people = tuple(map(_people, (envelope.from_, envelope.to, envelope.cc, envelope.reply_to)))
        return Read(_decoded(envelope.subject), people, fields, self._part(told[b"BODYSTRUCTURE"]))

    def _fetch(self, what: str) -> dict[bytes, Any]:
        status, answer = self.imap.fetch(str(self.number), f"({what})")
        assert status == "OK", answer
        return cast("dict[bytes, Any]", parse_fetch_response(answer, uid_is_key=False)[self.number])

    def _part(self, part: Any, place: str = "") -> Seen:
        if part.is_multipart:
            under = f"{place}." if place else ""
            parts = (self._part(one, f"{under}{number}") for number, one in enumerate(part[0], 1))
            return Seen(f"multipart/{part[1].decode().lower()}", tuple(parts))
        kind = f"{part[0].decode()}/{part[1].decode()}".lower()
        parameters = _parameters(part[2])
        octets = self._octets(place or "1", part)
        content = octets.decode(parameters.get("charset", "utf-8")) if kind.startswith("text/") else octets
        inner = _decoded(part[7][1]) if kind == "message/rfc822" else None
        disposition = part[_DISPOSITION + _MORE.get(kind.partition("/")[0], 0)] or (None, None)
        name = _parameters(disposition[1]).get("filename", parameters.get("name"))
        described = (name, _text(disposition[0]), _text(part[3]), parameters.get("method"))
        return Seen(kind, content, *described, inner)

    def _octets(self, place: str, part: Any) -> bytes:
        """Have Dovecot decode a part (RFC 3516), whose size it has told."""
        if part[0].lower() == b"message":
            return cast("bytes", self._fetch(f"BODY.PEEK[{place}]")[f"BODY[{place}]".encode()])
        _, answer = self.imap.fetch(str(self.number), f"(BINARY.PEEK[{place}])")
        return b"".join(piece[1] for piece in answer if isinstance(piece, tuple))


# Where BODYSTRUCTURE has the disposition, and what stands before it for some types (RFC 9051 section 7.5.2).
_DISPOSITION = 8
_MORE = {"text": 1, "message": 3}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _decoded(value: bytes) -> str:
    return str(make_header(decode_header(value.decode())))


def _people(addresses: Any) -> tuple[Pair, ...]:
    return tuple(
        (_decoded(one.name) if one.name else None, f"{one.mailbox.decode()}@{one.host.decode()}")
        for one in addresses or ()
    )


def _parameters(pairs: Any) -> dict[str, str]:
    """Decode parameters, which Dovecot gives as they were written (RFC 2231)."""
    words = [word.decode() for word in pairs or ()]
    written = "".join(f'; {name}="{value}"' for name, value in zip(words[::2], words[1::2], strict=True))
    message = message_from_string(f"Content-Type: a/b{written}\n\n", policy=compat32)
    return {name: collapse_rfc2231_value(value) for name, value in message.get_params([])[1:]}


@pytest.fixture(params=["jakarta", "dovecot"])
def reader(request: pytest.FixtureRequest) -> dict[str, Read]:
    return cast("dict[str, Read]", request.getfixturevalue(f"by_{request.param}"))


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", FORMS)
def test_a_foreign_parser_sees_what_the_task_says(reader: Mapping[str, Read], name: str) -> None:
    form, mail = FORMS[name], reader[name]
    assert mail.subject == form.subject
    sender = (form.sender,)
    assert mail.people == (sender, form.to, form.cc, form.reply_to or sender)  # RFC 3501 section 7.4.2
    assert {key: mail.fields.get(key) for key in form.fields} == form.fields
    assert mail.content == form.content


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", FORMS)
def test_both_parsers_see_the_same(
    by_jakarta: Mapping[str, Read], by_dovecot: Mapping[str, Read], name: str
) -> None:
    assert by_jakarta[name] == by_dovecot[name]
