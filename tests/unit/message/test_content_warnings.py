"""Mails that are lawful and probably not what was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.model.mail import ContentType, LoadedAttachment
from tests.unit.message.test_build import FILE, IMAGE, build_with, read

HTML = ContentType.HTML


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE html>\n<p>Hello",
        "<html><body>Hello</body></html>",
        "<p>Hello</p>",
        'See <a href="https://example.org">this</a>.',
        "Hello<br>world<br/>",
    ],
)
def test_a_text_that_looks_like_html_is_told(body: str) -> None:
    (warning,) = build_with(body).warnings
    assert warning.startswith("smtpEmailContent looks like HTML")
    assert "smtpEmailContentType" in warning


@pytest.mark.parametrize(
    "body", ["Hello", "", "a < b and c > d", "Doe <jane@example.org>", "<b> alone", "i<p"]
)
def test_other_text_is_only_text(body: str) -> None:
    assert build_with(body).warnings == ()


def test_html_without_markup_is_told() -> None:
    (warning,) = build_with("Hello\nJane, 1 < 2", content_type=HTML).warnings
    assert warning.startswith("smtpEmailContent is HTML without markup")
    assert build_with("<p>Hello", content_type=HTML).warnings == ()
    assert build_with("", content_type=HTML).warnings == ()


def test_an_image_without_its_place_and_a_place_without_its_image_are_told() -> None:
    assert build_with('<img src="cid:logo">', [IMAGE], content_type=HTML).warnings == ()
    assert build_with('<img src="cid:logo">', [FILE], content_type=HTML).warnings == (
        "smtpEmailContent shows cid:logo, and no attachment has that contentId",
    )
    assert build_with("<p>Hello</p>", [IMAGE], content_type=ContentType.MULTIPART).warnings == (
        'smtpEmailAttachments[1] is inline, and the body does not show it; write <img src="cid:logo">',
    )
    named = replace(IMAGE, content_id="logo+1@x")
    body = "<div style=\"background: url('CID:logo%2B1@x')\">"
    assert build_with(body, [named], content_type=HTML).warnings == ()


def test_a_header_that_no_line_holds_is_told() -> None:
    (warning,) = build_with(headers=(("X-Token", "w" * 2000),)).warnings
    assert warning.startswith("smtpEmailHeaders.X-Token ")
    assert build_with(headers=(("X-Json", '{"a":1},' * 300), ("X-Name", "Jürgen"))).warnings == ()


def test_ten_warnings_are_told_and_the_others_counted() -> None:
    body = "".join(f'<img src="cid:i{number}">' for number in range(12))
    warnings = build_with(body, content_type=HTML).warnings
    assert len(warnings) == 11
    assert warnings[-1] == "… and 2 more warnings"


def mail(data: bytes) -> LoadedAttachment:
    return LoadedAttachment("smtpEmailAttachments[1]", "m.eml", "message/rfc822", data)


HEAD = "From: a@x\nDate: Fri, 20 Nov 2026 21:50:33 +0100\n"


def test_a_whole_mail_is_attached_without_a_word() -> None:
    message = build_with(attachments=[mail(f"{HEAD}\nhello".encode())])
    assert (message.warnings, message.eight_bit) == ((), None)
    assert list(read(message).walk())[2].get_content_type() == "message/rfc822"


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"From: a@x\n\nhello", "it has no Date"),
        (b"Subject: x\n\nFrom: a@x", "it has no From and no Date"),
        (b"", "it is empty"),
        (f"{HEAD}\n{'w' * 999}".encode(), "more than 998 octets"),
    ],
)
def test_what_is_no_whole_mail_is_told(data: bytes, part: str) -> None:
    (warning,) = build_with(attachments=[mail(data)]).warnings
    assert warning.startswith("smtpEmailAttachments[1] is attached as ")
    assert "message/rfc822" in warning
    assert part in warning


def test_a_mail_with_8_bit_characters_has_a_form_for_each_server() -> None:
    data = f"{HEAD}Content-Type: text/plain; charset=utf-8\n\nGrüße".encode()
    message = build_with(attachments=[mail(data)])
    octets, eight_bit, warnings = message.form(eight_bit=True)
    assert (eight_bit, warnings) == (True, ())
    assert data.replace(b"\n", b"\r\n") in octets
    assert octets.count(b"Content-Transfer-Encoding: 8bit") == 2  # the part's, and that of what holds it
    octets, eight_bit, (warning,) = message.form(eight_bit=False)
    assert (octets.isascii(), eight_bit) == (True, False)
    assert "8BITMIME" in warning


def test_replaced_octets_have_no_8_bit_form() -> None:
    """Or a signed mail would go out unsigned."""
    message = build_with(attachments=[mail(f"{HEAD}\nGrüße".encode())])
    signed = replace(message, data=b"signed")
    octets, eight_bit, (warning,) = signed.form(eight_bit=True)
    assert (octets, eight_bit) == (b"signed", False)
    assert "only unsigned" in warning
