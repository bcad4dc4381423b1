"""A task for each form of content, and what a reader of its mail has to see."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import connector.mailtemplates
from connector.send.direct import send_mail
from connector.settings.model import Settings
from connector.testing.smtp import SmtpServer

EXAMPLES = Path(connector.mailtemplates.__file__).parent / "examples"
OCTETS = bytes(range(256)) * 40
LOGO = b"\x89PNG\r\n\x1a\n\x00\xff"
INNER = "From: x@y.test\r\nSubject: Inside\r\n\r\nFrom here on:  \r\n.\r\n"
INNER_8_BIT = INNER.replace("Inside", "=?utf-8?q?K=C3=B6ln?=").replace(
    "\r\n\r\n", "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
)  # fmt: skip
LONG_NAME = (
    "Übersicht der Rechnungen und Gutschriften für Jürgen Müller 'im' 4. Quartal; 100% \"neu\" – €.txt"
)
LONG_SUBJECT = "Über die Rechnung Nr. 4711 für Jürgen Müller & Söhne: 5 € mehr 🎉 " * 3 + "привет"

Pair = tuple[str | None, str]


class Holding(str):
    """Equal to every text that holds it."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in str(other)


@dataclass(frozen=True, slots=True)
class Seen:
    """A part as a reader sees it.

    Attributes:
        content: Decoded text with line feeds but for the last ones, octets, or the parts of a multipart.
        inner: The subject of an attached mail.
    """

    media_type: str
    content: str | bytes | tuple[Seen, ...]
    name: str | None = None
    disposition: str | None = None
    content_id: str | None = None
    method: str | None = None
    inner: str | None = None

    def __post_init__(self) -> None:
        if type(self.content) is str:
            object.__setattr__(self, "content", self.content.replace("\r\n", "\n").rstrip("\n"))


@dataclass(frozen=True, slots=True)
class Form:
    """What a task gives beside sender, recipient and subject, and what its mail then says."""

    task: Mapping[str, Any]
    content: Seen
    subject: str = "Your order 4711"
    sender: Pair = ("Order desk", "orders@example.test")
    to: tuple[Pair, ...] = (("Bob", "bob@example.test"),)
    cc: tuple[Pair, ...] = ()
    reply_to: tuple[Pair, ...] | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, Any]:
        """The inputs of the task but for the mail server."""
        return {
            "smtpEmailMailBoxName": "Order desk <orders@example.test>",
            "smtpEmailToRecipients": ["Bob <bob@example.test>"],
            "smtpEmailSubject": "Your order 4711",
            "smtpEmailContent": _TEXT,
            **self.task,
        }


_TEXT = "Hello Bob,\nyour order is on its way.\n"
_BLANKS = "blank \ntab\t\n  \nend  "
_LONG = "x" * 5000 + "\n" + "word " * 999
_HTML = "<html><body><h1>Hello Bob</h1><p>your order is <b>on its way</b>, 5 € less.</p></body></html>"
_FROM_HTML = "Hello Bob\n\nyour order is on its way, 5 € less.\n"
_SHOWN = f'{_HTML}<img alt="logo" src="cid:logo">'
_PLAIN = Seen("text/plain", _TEXT)
_IMAGE = Seen("image/png", LOGO, "logo.png", "inline", "<logo>")
_CSV = Seen("text/csv", "id;name\n1;Jürgen\n", "order.csv", "attachment")
_CALENDAR = Seen("text/calendar", Holding("\nDTSTART:20301202T093000Z\n"), method="REQUEST")
_OLD = Seen("message/rfc822", INNER.encode(), "old.eml", "attachment", inner="Inside")
_MEETING = {"uid": "case-7@example.test", "start": "2030-12-02T09:30:00Z", "end": "2030-12-02T10:00:00Z"}
_LOGO_FILE = {
    "name": "logo.png",
    "base64": base64.b64encode(LOGO).decode(),
    "inline": True,
    "contentId": "logo",
}
_CSV_FILE = {"name": "order.csv", "content": "id;name\n1;Jürgen\n"}
_BINARY_FILE = {"name": "all octets.bin", "base64": base64.b64encode(OCTETS).decode()}
_REMINDER = {"name": "Jane <b>", "task": "Sign", "due": "2026-12-01"}


def _mail_file(content: str) -> dict[str, str]:
    return {"name": "old.eml", "contentType": "message/rfc822", "content": content}


def _several(kind: str, *parts: Seen) -> Seen:
    return Seen(f"multipart/{kind}", parts)


def _html(content: str = _HTML, text: str = _FROM_HTML) -> Seen:
    return _several("alternative", Seen("text/plain", text), Seen("text/html", content))


def _with(name: str, value: Any, **fields: str) -> Form:
    return Form({name: value}, _PLAIN, fields={key.replace("_", "-"): told for key, told in fields.items()})


_BODY = "smtpEmailContent"
_FILES = "smtpEmailAttachments"
_AS_HTML = {_BODY: _HTML, "smtpEmailContentType": "html"}
_AS_BOTH = {_BODY: _HTML, "smtpEmailContentType": "multipart"}
_PICTURED = {_BODY: _SHOWN, "smtpEmailContentType": "multipart"}

FORMS = {
    "text": Form({}, _PLAIN),
    "8-bit text": Form({_BODY: "Grüße, 5 €\n" * 20}, Seen("text/plain", "Grüße, 5 €\n" * 20)),
    "other alphabet": Form({_BODY: "привет мир\n" * 20}, Seen("text/plain", "привет мир\n" * 20)),
    "dots and From": Form({_BODY: ".\n..\n.x\nFrom y\n--\n"}, Seen("text/plain", ".\n..\n.x\nFrom y\n--\n")),
    "trailing blanks": Form({_BODY: _BLANKS}, Seen("text/plain", _BLANKS)),
    "long lines": Form({_BODY: _LONG}, Seen("text/plain", _LONG)),
    "html": Form(_AS_HTML, Seen("text/html", _HTML)),
    "html and text made from it": Form(_AS_BOTH, _html()),
    "html and text by hand": Form({**_AS_HTML, "smtpEmailTextContent": "By hand\n"}, _html(text="By hand\n")),
    "empty text": Form({**_AS_BOTH, _BODY: "<i></i>"}, _html("<i></i>", "")),
    "inline image": Form(
        {**_PICTURED, _FILES: [_LOGO_FILE]},
        _several(
            "alternative",
            Seen("text/plain", f"{_FROM_HTML}\nlogo\n"),
            _several("related", Seen("text/html", _SHOWN), _IMAGE),
        ),
    ),
    "attachments": Form(
        {_FILES: [_CSV_FILE, _BINARY_FILE]},
        _several(
            "mixed", _PLAIN, _CSV, Seen("application/octet-stream", OCTETS, "all octets.bin", "attachment")
        ),
    ),
    "attached mail": Form({_FILES: [_mail_file(INNER)]}, _several("mixed", _PLAIN, _OLD)),
    "attached 8-bit mail": Form(
        {_FILES: [_mail_file(INNER_8_BIT)]},
        _several(
            "mixed",
            _PLAIN,
            Seen("message/rfc822", INNER_8_BIT.encode(), "old.eml", "attachment", inner="Köln"),
        ),
    ),
    "invitation": Form(
        {"smtpEmailInvitation": _MEETING},
        _several("alternative", _PLAIN, _CALENDAR),
    ),
    "all parts": Form(
        {**_PICTURED, "smtpEmailInvitation": _MEETING, _FILES: [_LOGO_FILE, _CSV_FILE, _mail_file(INNER)]},
        _several(
            "mixed",
            _several(
                "alternative",
                Seen("text/plain", f"{_FROM_HTML}\nlogo\n"),
                _several("related", Seen("text/html", _SHOWN), _IMAGE),
                _CALENDAR,
            ),
            _CSV,
            _OLD,
        ),
    ),
    "names beyond ASCII": Form(
        {
            "smtpEmailSubject": LONG_SUBJECT,
            "smtpEmailMailBoxName": "Jürgen Müller <orders@example.test>",
            "smtpEmailToRecipients": ['"Doe, \\"Jo\\"" <jo@example.test>', "Зоя 🎉 <zoe@example.test>"],
            "smtpEmailCcRecipients": [f"{'Ünë ' * 30}<une@example.test>", "cyd@bücher.test"],
            _FILES: [{"name": LONG_NAME, "content": "a"}],
        },
        _several("mixed", _PLAIN, Seen("text/plain", "a", LONG_NAME, "attachment")),
        subject=LONG_SUBJECT,
        sender=("Jürgen Müller", "orders@example.test"),
        to=(('Doe, "Jo"', "jo@example.test"), ("Зоя 🎉", "zoe@example.test")),
        cc=(("Ünë " * 29 + "Ünë", "une@example.test"), (None, "cyd@xn--bcher-kva.test")),
    ),
    "addresses beyond ASCII": Form(
        {"smtpEmailToRecipients": ["Jürgen <jürgen@example.test>"]},
        _PLAIN,
        to=(("Jürgen", "jürgen@example.test"),),
    ),
    "template": Form(
        {
            "smtpEmailTemplate": "reminder", "smtpEmailTemplateData": _REMINDER, "smtpEmailLocale": "de",
            _BODY: None, "smtpEmailSubject": None,
        },
        _several(
            "alternative",
            Seen("text/plain", Holding("Jane <b>,\n\nDies ist noch offen und fällig")),
            Seen("text/html", Holding("<bdi>Jane &lt;b&gt;</bdi>")),
        ),
        subject="Erinnerung: Sign bis 01.12.2026",
    ),
    "replies": Form(
        {
            "smtpEmailDirectReplyTo": ['"Sales, Köln" <sales@example.test>'],
            "smtpEmailInReplyTo": ["<2.second@example.test>"],
            "smtpEmailReferences": [f"<{number}.first@example.test>" for number in range(30)],
        },
        _PLAIN,
        reply_to=(("Sales, Köln", "sales@example.test"),),
        fields={
            "In-Reply-To": "<2.second@example.test>",
            "References": " ".join(f"<{number}.first@example.test>" for number in range(30)),
        },
    ),
    "unsubscribe": _with(
        "smtpEmailUnsubscribe",
        {"url": "https://example.test/leave", "oneClick": True},
        List_Unsubscribe="<https://example.test/leave>",
        List_Unsubscribe_Post="List-Unsubscribe=One-Click",
    ),
    "follow-up": _with(
        "smtpEmailFollowUp",
        "2030-12-02T09:30:00+01:00",
        Reply_By="Mon, 02 Dec 2030 08:30:00 +0000",
        X_Message_Flag="Follow up",
    ),
    "importance": _with(
        "smtpEmailImportance", "high", Importance="high", X_Priority="1", Priority="urgent"
    ),
    "sensitivity": _with("smtpEmailSensitivity", "confidential", Sensitivity="Company-Confidential"),
    "read receipt": _with(
        "smtpEmailReadReceipt", True, Disposition_Notification_To="Order desk <orders@example.test>"
    ),
    "own header": _with("smtpEmailHeaders", {"X-Case": "4711 " * 60 + "end"}, X_Case="4711 " * 60 + "end"),
}  # fmt: skip


async def sent() -> dict[str, bytes]:
    """Give the mail of each form as a mail server gets it."""
    async with SmtpServer() as server:
        settings = Settings.model_validate(
            {"templates": {"directory": EXAMPLES}, "ledger": {"kind": "memory"}}
        )
        login = {"hostname": server.hostname, "port": server.port, "security": "none"}
        for form in FORMS.values():
            await send_mail({"authentication": login, **form.variables}, settings, environ={})
        return {name: mail.data for name, mail in zip(FORMS, server.received, strict=True)}
