import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.errors import InputError
from connector.message.build import build, check_lines
from connector.model.addresses import Mailbox
from connector.model.envelope import Message
from connector.model.mail import (
    ContentType,
    DeliveryReceipt,
    Importance,
    InlineContent,
    LoadedAttachment,
    LoadedContent,
    SendRequest,
    Sensitivity,
)
from connector.model.server import Server
from connector.settings.model import MessageSettings

NOW = datetime(2026, 11, 20, 21, 50, 33, tzinfo=ZoneInfo("Europe/Berlin"))
REQUEST = SendRequest(
    route=Server("localhost", 25),
    sender=Mailbox("shop@example.com", "Shop"),
    to=(Mailbox("jane@example.org"),),
    cc=(),
    bcc=(),
    subject="Hello",
    content_type=ContentType.TEXT,
    content=InlineContent(""),
)
FILE = LoadedAttachment("smtpEmailAttachments[0]", "a.pdf", None, b"%PDF")
IMAGE = LoadedAttachment("smtpEmailAttachments[1]", "l.png", None, b"\x89PNG", inline=True, content_id="logo")


def build_with(
    body: str = "hello\n",
    attachments: Sequence[LoadedAttachment] = (),
    key: str = "key",
    settings: MessageSettings | None = None,
    **changes: Any,
) -> Message:
    content = LoadedContent(body, tuple(attachments))
    return build(replace(REQUEST, **changes), content, key, settings or MessageSettings(), NOW)


def read(message: Message) -> EmailMessage:
    return message_from_bytes(message.data, policy=policy.default)


def shape(part: MIMEPart) -> str:
    if not part.is_multipart() or part.get_content_maintype() == "message":
        return part.get_content_type()
    return f"{part.get_content_subtype()}({', '.join(shape(inner) for inner in part.iter_parts())})"


@pytest.mark.parametrize(
    ("kind", "attachments", "expected"),
    [
        (ContentType.TEXT, [], "text/plain"),
        (ContentType.TEXT, [FILE], "mixed(text/plain, application/pdf)"),
        (ContentType.HTML, [], "text/html"),
        (ContentType.HTML, [FILE], "mixed(text/html, application/pdf)"),
        (ContentType.HTML, [IMAGE], "related(text/html, image/png)"),
        (ContentType.HTML, [FILE, IMAGE], "mixed(related(text/html, image/png), application/pdf)"),
        (ContentType.MULTIPART, [], "alternative(text/plain, text/html)"),
        (ContentType.MULTIPART, [FILE], "mixed(alternative(text/plain, text/html), application/pdf)"),
        (ContentType.MULTIPART, [IMAGE], "alternative(text/plain, related(text/html, image/png))"),
        (
            ContentType.MULTIPART,
            [FILE, IMAGE],
            "mixed(alternative(text/plain, related(text/html, image/png)), application/pdf)",
        ),
    ],
)
def test_parts_nest_only_as_deep_as_they_must(
    kind: ContentType, attachments: list[LoadedAttachment], expected: str
) -> None:
    mail = read(build_with("<p>hi</p>", attachments, content_type=kind))
    assert shape(mail) == expected
    assert not any(part.defects for part in mail.walk())
    for part in mail.walk():
        if part.get_content_subtype() == "related":
            assert part["Content-Type"].params["type"] == "text/html"  # RFC 2387 section 3.1


def test_the_text_part_is_made_from_the_html() -> None:
    mail = read(build_with("<p>Dear <b>Jane</b></p><p>bye</p>", content_type=ContentType.MULTIPART))
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content() == "Dear Jane\r\n\r\nbye\r\n"


def test_an_inline_image_needs_html() -> None:
    with pytest.raises(InputError, match="html or multipart") as caught:
        build_with(attachments=[FILE, IMAGE])
    assert caught.value.field == "smtpEmailAttachments[1]"


def test_a_content_id_is_given_once() -> None:
    other = replace(IMAGE, field="smtpEmailAttachments[2]")
    with pytest.raises(InputError) as caught:
        build_with(attachments=[IMAGE, other], content_type=ContentType.HTML)
    assert caught.value.field == "smtpEmailAttachments[2].contentId"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("plain\r\n", "7bit"),
        ("", "7bit"),
        ("tab\there\n\n\nthere", "7bit"),
        ("x" * 78, "7bit"),
        ("x" * 79, "quoted-printable"),
        ("blank at end \nx", "quoted-printable"),
        ("From me\n", "quoted-printable"),
        ("a\n.\nb", "quoted-printable"),
        ("nul \0", "quoted-printable"),
        ("one ü in many letters", "quoted-printable"),
        ("line\u2028separator, and a good deal of ASCII", "quoted-printable"),
        ("漢字漢字", "base64"),
    ],
)
def test_the_body_arrives_in_the_encoding_that_suits_it(body: str, encoding: str) -> None:
    for kind in (ContentType.TEXT, ContentType.HTML):
        message = build_with(body, content_type=kind)
        mail = read(message)
        assert mail["Content-Transfer-Encoding"] == encoding
        assert mail.get_content_charset() == "utf-8"
        payload = mail.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode().replace("\r\n", "\n").rstrip("\n") == body.replace("\r\n", "\n").rstrip("\n")
        assert message.data.endswith(b"\r\n")


def test_every_line_end_becomes_crlf() -> None:
    assert build_with("a\nb\rc\r\nd\n\re").data.endswith(b"\r\n\r\na\r\nb\r\nc\r\nd\r\n\r\ne\r\n")


def test_half_a_surrogate_pair_in_the_body_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        build_with("ok\ud800")
    assert caught.value.field == "smtpEmailContent"


def test_recipients_are_named_once_and_bcc_nowhere() -> None:
    message = build_with(
        to=(Mailbox("jane@x", "Jane"), Mailbox("joe@x")),
        cc=(Mailbox("jane@x"), Mailbox("Jane@x")),
        bcc=(Mailbox("hidden@x", "Hidden"), Mailbox("joe@x")),
    )
    assert message.envelope.recipients == ("jane@x", "joe@x", "Jane@x", "hidden@x")
    assert message.envelope.sender == "shop@example.com"
    assert b"idden" not in message.data
    mail = read(message)
    assert (mail["To"], mail["Cc"], mail["Bcc"]) == ("Jane <jane@x>, joe@x", "jane@x, Jane@x", None)


def test_a_mail_to_bcc_alone_names_nobody() -> None:
    message = build_with(to=(), bcc=(Mailbox("hidden@x"),))
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in message.data
    assert message.envelope.recipients == ("hidden@x",)


def test_the_date_keeps_its_zone() -> None:
    assert b"\r\nDate: Fri, 20 Nov 2026 21:50:33 +0100\r\n" in build_with().data


@pytest.mark.parametrize(
    ("importance", "values"),
    [
        (Importance.HIGH, ("high", "1", "urgent")),
        (Importance.NORMAL, ("normal", "3", "normal")),
        (Importance.LOW, ("low", "5", "non-urgent")),
        (None, (None, None, None)),
    ],
)
def test_importance_is_said_in_every_dialect(
    importance: Importance | None, values: tuple[str | None, ...]
) -> None:
    mail = read(build_with(importance=importance))
    assert (mail["Importance"], mail["X-Priority"], mail["Priority"]) == values
    assert "X-MSMail-Priority" not in mail  # spam filters score it


@pytest.mark.parametrize(
    ("sensitivity", "value"),
    [
        (Sensitivity.NORMAL, None),
        (Sensitivity.PERSONAL, "Personal"),
        (Sensitivity.PRIVATE, "Private"),
        (Sensitivity.CONFIDENTIAL, "Company-Confidential"),
    ],
)
def test_sensitivity_uses_the_registered_words(sensitivity: Sensitivity, value: str | None) -> None:
    assert read(build_with(sensitivity=sensitivity))["Sensitivity"] == value


def test_receipts_follow_up_and_reply_to() -> None:
    message = build_with(
        read_receipt=Mailbox("shop@example.com"),
        delivery_receipt=(DeliveryReceipt.SUCCESS, DeliveryReceipt.DELAY),
        follow_up=datetime(2026, 11, 23, 17, 0, tzinfo=UTC),
        reply_to=(Mailbox("a@x", "A, B"), Mailbox("b@x")),
    )
    mail = read(message)
    assert mail["Disposition-Notification-To"] == "<shop@example.com>"
    assert mail["X-Message-Flag"] == "Follow up"
    assert mail["Reply-By"] == "Mon, 23 Nov 2026 17:00:00 +0000"
    assert mail["Reply-To"] == '"A, B" <a@x>, b@x'
    assert message.envelope.notify == ("SUCCESS", "DELAY")
    assert message.message_id.startswith(f"<{message.envelope.envelope_id}@")


def test_every_address_is_in_angle_brackets() -> None:
    message = build_with(
        to=(Mailbox("a@x"), Mailbox("b@x", "B")),
        cc=(Mailbox("mailBoxName"),),
        reply_to=(Mailbox("c@x"),),
        read_receipt=Mailbox("d@x"),
    )
    for line in (b"To: <a@x>, B <b@x>", b"Cc: <mailBoxName>", b"Reply-To: <c@x>"):
        assert b"\r\n" + line + b"\r\n" in message.data
    assert b"\r\nDisposition-Notification-To: <d@x>\r\n" in message.data


def test_never_excludes_other_reports() -> None:
    assert build_with(delivery_receipt=(DeliveryReceipt.NEVER,)).envelope.notify == ("NEVER",)
    with pytest.raises(InputError, match="smtpEmailDeliveryReceipt"):
        build_with(delivery_receipt=(DeliveryReceipt.NEVER, DeliveryReceipt.DELAY))


def test_without_a_receipt_nothing_is_asked_of_the_server() -> None:
    assert (build_with().envelope.notify, build_with().envelope.envelope_id) == ((), "")


def test_an_answer_refers_to_its_parent() -> None:
    mail = read(build_with(in_reply_to="p@x"))
    assert (mail["In-Reply-To"], mail["References"]) == ("<p@x>", "<p@x>")
    mail = read(build_with(in_reply_to="<p@x>", references=("a@x", "<p@x>")))
    assert (mail["In-Reply-To"], mail["References"]) == ("<p@x>", "<a@x> <p@x>")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"in_reply_to": "no id"}, "smtpEmailInReplyTo"),
        ({"references": ("a@x", "b")}, "smtpEmailReferences[1]"),
        ({"subject": "a\nb"}, "smtpEmailSubject"),
        ({"sender": Mailbox("a@x", "a\r\nBcc: b@x")}, "smtpEmailMailBoxName"),
        ({"to": (Mailbox("a@x\0"),)}, "smtpEmailToRecipients"),
        ({"cc": (Mailbox("a@x", "\x85"),)}, "smtpEmailCcRecipients"),
        ({"reply_to": (Mailbox("a@x", "\u2028"),)}, "smtpEmailDirectReplyTo"),
        ({"headers": (("X-Foo", "a\r\nb"),)}, "smtpEmailHeaders.X-Foo"),
        ({"headers": (("Bcc", "a@x"),)}, "smtpEmailHeaders.Bcc"),
        ({"headers": (("X-Foo", "1"), ("x-foo", "2"))}, "smtpEmailHeaders.x-foo"),
    ],
)
def test_the_variable_at_fault_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        build_with(**changes)
    assert caught.value.field == field


def test_an_extra_header_is_added_unless_a_variable_sets_it() -> None:
    mail = read(build_with(headers=(("X-Priority", "2"), ("Auto-Submitted", "auto-generated"))))
    assert (mail["X-Priority"], mail["Auto-Submitted"]) == ("2", "auto-generated")
    with pytest.raises(InputError, match="smtpEmailImportance sets this header already"):
        build_with(headers=(("x-priority", "2"),), importance=Importance.HIGH)
    with pytest.raises(InputError, match="smtpEmailFollowUp"):
        build_with(headers=(("Reply-By", "x"),), follow_up=NOW)


def test_the_same_mail_has_the_same_bytes_and_another_key_another_id() -> None:
    assert build_with(attachments=[FILE]) == build_with(attachments=[FILE])
    ids = {build_with(key=key).message_id for key in ("1", "2", "ü", "")}
    assert len(ids) == 4


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 57 * 256, 57 * 256 + 1])
def test_the_room_made_for_a_message_is_what_it_takes(size: int) -> None:
    attachment = replace(FILE, data=bytes(size))
    message = build_with(attachments=[attachment, IMAGE], content_type=ContentType.MULTIPART)
    (attached,) = [part for part in read(message).walk() if part.get_filename() == "a.pdf"]
    assert attached.get_content() == bytes(size)
    assert b"\0" not in message.data
    assert message.data.endswith(b"--\r\n")


def test_an_attachment_is_never_there_in_base64_twice() -> None:
    attachment = replace(FILE, data=bytes(4_000_000))
    tracemalloc.start()
    try:
        message = build_with(attachments=[attachment])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.1 * len(message.data)


@pytest.mark.parametrize(
    ("address", "setting", "domain"),
    [
        ("a@bücher.example", None, "xn--bcher-kva.example"),
        ("a@[127.0.0.1]", None, "localhost"),
        ("mailBoxName", None, "localhost"),
        ("a@x", "Mail.Bücher.example", "mail.xn--bcher-kva.example"),
    ],
)
def test_the_message_id_has_a_domain_that_any_server_takes(
    address: str, setting: str | None, domain: str
) -> None:
    sender = Mailbox(address.replace("bücher", "xn--bcher-kva"))
    message = build_with(sender=sender, settings=MessageSettings(message_id_domain=setting))
    assert message.message_id.endswith(f"@{domain}>")
    assert read(message)["Message-ID"] == message.message_id


def test_smtputf8_is_asked_for_only_when_a_local_part_needs_it() -> None:
    plain = build_with(sender=Mailbox("shop@example.com", "Lädchen"), subject="Grüße")
    assert not plain.envelope.smtputf8
    assert plain.data.isascii()
    for place in ("to", "cc", "bcc", "reply_to"):
        changes: dict[str, Any] = {place: (Mailbox("jürgen@x", "Jörg"),)}
        message = build_with(**changes)
        assert message.envelope.smtputf8
        assert ("jürgen@x".encode() in message.data) == (place != "bcc")
        assert "Jörg".encode() not in message.data


def test_an_attached_message_that_holds_the_boundary_does_not_end_the_part() -> None:
    first = build_with(attachments=[FILE])
    forwarded = LoadedAttachment("f", "m.eml", None, first.data)
    mail = read(build_with(attachments=[forwarded, FILE]))
    assert shape(mail) == "mixed(text/plain, message/rfc822, application/pdf)"
    assert shape(list(mail.iter_parts())[1].get_content()) == "mixed(text/plain, application/pdf)"


def test_the_request_decides_whether_all_recipients_must_be_taken() -> None:
    assert build_with(require_all_recipients=True).require_all_recipients
    assert not build_with().require_all_recipients


def test_a_subject_of_ten_thousand_characters_is_the_longest() -> None:
    assert read(build_with(subject="ü" * 10_000))["Subject"] == "ü" * 10_000
    with pytest.raises(InputError, match="longer than 10,000 characters") as caught:
        build_with(subject="s" * 10_001)
    assert caught.value.field == "smtpEmailSubject"


@pytest.mark.parametrize(
    "data", [b"\r\n", b"x" * 998 + b"\r\n", (b"\r\n" + b"x" * 998 + b"\r\n" + b"y" * 500 + b"\r\n") * 3]
)
def test_lines_of_998_octets_may_leave(data: bytes) -> None:
    check_lines(data)


@pytest.mark.parametrize("line", [b"x" * 999 + b"\r\n", b"x" * 999, b"x" * 997 + b"\r" + b"y" * 10 + b"\r\n"])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"y" * 998 + b"\r\n", b"y\r\n" * 700])
def test_a_longer_line_never_leaves(before: bytes, line: bytes) -> None:
    with pytest.raises(ValueError, match="longer than 998 octets"):
        check_lines(before + line)


def test_every_message_is_checked_for_its_lines() -> None:
    """The address was bounded where it is read; here somebody has forgotten it."""
    with pytest.raises(ValueError, match="longer than 998 octets"):
        build_with(sender=Mailbox(f"{'a' * 1000}@example.com"))
