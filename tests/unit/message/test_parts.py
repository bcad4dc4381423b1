from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from connector.errors import InputError
from connector.message.parts import attachment_part
from connector.model.mail import LoadedAttachment


def read(attachment: LoadedAttachment) -> EmailMessage:
    part = attachment_part(attachment)
    raw = part.header.encode("ascii") + b"\r\n" + b"".join(part.blocks)
    for line in part.header.split("\r\n"):
        assert len(line) <= 78 or line.count(" ") == 1  # the long media type of .docx has no place to fold
    return message_from_bytes(raw, policy=policy.default)


def attached(name: str = "a.bin", content_type: str | None = None, data: bytes = b"x") -> LoadedAttachment:
    return LoadedAttachment("smtpEmailAttachments[1]", name, content_type, data)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.pdf", "application/pdf"),
        ("A.PDF", "application/pdf"),
        ("a.txt", "text/plain"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.tar.gz", "application/gzip"),
        ("a.csv.gz", "application/gzip"),
        ("a.svgz", "application/gzip"),
        ("noextension", "application/octet-stream"),
        ("a.unheardof", "application/octet-stream"),
        ("data:text/html,x", "application/octet-stream"),
        ("", "application/octet-stream"),
        (".png", "application/octet-stream"),
    ],
)
def test_the_type_is_guessed_from_the_name(name: str, media_type: str) -> None:
    assert read(attached(name)).get_content_type() == media_type


@pytest.mark.parametrize(
    "name",
    [
        "a.pdf",
        "two words.pdf",
        "Überblick.pdf",
        "漢字" * 60 + ".pdf",
        'quo"te\\.pdf',
        "n" * 250,
        "a;b=c.pdf",
        "%41'.pdf",
    ],
)
def test_a_file_name_arrives_in_both_headers(name: str) -> None:
    part = read(attached(name))
    assert part.get_filename() == name
    assert part["Content-Type"].params["name"] == name
    assert part.get_content_disposition() == "attachment"


def test_octets_arrive_whatever_they_are() -> None:
    octets = bytes(range(256)) * 300
    assert read(attached(data=octets)).get_content() == octets
    assert read(attached(data=b"")).get_content() == b""
    lone = b"a\nb\r\nc\rd"
    assert read(attached("a.txt", data=lone)).get_payload(decode=True) == lone


@pytest.mark.parametrize(
    ("content_type", "written"),
    [
        ("application/pdf", "application/pdf"),
        (" Image/PNG ", "image/png"),
        ("text/csv; charset=iso-8859-1", "text/csv; charset=iso-8859-1"),
        ('text/csv;header="present, yes" ; charset=utf-8;', 'text/csv; header="present, yes"; charset=utf-8'),
        ("text/csv; name=other.csv; boundary=x", "text/csv"),
    ],
)
def test_a_given_type_is_written_anew(content_type: str, written: str) -> None:
    header = attachment_part(attached("", content_type)).header
    assert header.startswith(f"Content-Type: {written}\r\n")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "pdf",
        "a/b/c",
        "a b/c",
        "text/plain; charset",
        "text/plain x",
        "text/plain; a=b c",
        "ä/b",
        "multipart/mixed",
        "text/plain\r\nBcc: x@y",
        'text/plain; a="b\nc"',
        "text/plain\0",
        'text/plain; a="b',
        f"{'a' * 128}/b",
        f"a/{'b' * 128}",
        f"a/b; {'c' * 128}=d",
        f"a/b; c={'d' * 1000}",
    ],
)
def test_what_is_no_media_type_is_refused(content_type: str) -> None:
    with pytest.raises(InputError) as caught:
        attachment_part(attached(content_type=content_type))
    assert caught.value.field == "smtpEmailAttachments[1].contentType"


def test_the_longest_type_and_parameter_stay_within_a_line() -> None:
    longest = f"{'a' * 127}/{'b' * 127}; {'c' * 127}={'d' * 500}"
    part = attachment_part(attached(content_type=longest))
    assert max(map(len, part.header.split("\r\n"))) < 300
    assert message_from_bytes(part.header.encode()).get_param("c" * 127) == ("utf-8", "", "d" * 500)


def test_a_file_name_of_a_thousand_characters_is_the_longest() -> None:
    assert read(attached("漢" * 1000)).get_filename() == "漢" * 1000
    with pytest.raises(InputError, match="longer than 1,000 characters") as caught:
        attachment_part(attached("漢" * 1001))
    assert caught.value.field == "smtpEmailAttachments[1].name"


@pytest.mark.parametrize(
    ("data", "charset"), [(b"ascii", None), ("ü".encode(), "utf-8"), ("ü".encode("latin-1"), None)]
)
def test_text_says_that_it_is_utf_8_where_it_is(data: bytes, charset: str | None) -> None:
    assert read(attached("a.txt", data=data)).get_content_charset() == charset


def test_a_message_is_attached_without_an_encoding() -> None:
    part = read(attached("m.eml", data=b"Subject: inner\n\nhello\n"))
    assert part["Content-Transfer-Encoding"] == "7bit"
    inner = part.get_content()
    assert (inner["Subject"], inner.get_content()) == ("inner", "hello\r\n")


@pytest.mark.parametrize(
    "data", [b"", "Subject: ü\n\n".encode(), b"Subject: x\n\n" + b"y" * 999, b"a\rb", b"Subject: x\n\n\0"]
)
def test_a_message_that_is_not_7_bit_goes_as_a_file(data: bytes) -> None:
    part = read(attached("m.eml", data=data))
    assert part.get_content_type() == "application/octet-stream"
    assert part["Content-Transfer-Encoding"] == "base64"
    assert part.get_content() == data


def test_an_inline_image_has_its_content_id() -> None:
    part = read(LoadedAttachment("f", "l.png", None, b"x", inline=True, content_id="logo@example.com"))
    assert part["Content-ID"] == "<logo@example.com>"
    assert part.get_content_disposition() == "inline"


@pytest.mark.parametrize("content_id", ["", "a b", "<a>", "ä", "a\r\nBcc: x@y", "a\0", "x" * 201])
def test_a_content_id_that_html_cannot_name_is_refused(content_id: str) -> None:
    with pytest.raises(InputError) as caught:
        attachment_part(LoadedAttachment("f[0]", "l.png", None, b"x", inline=True, content_id=content_id))
    assert caught.value.field == "f[0].contentId"


@pytest.mark.parametrize("name", ["a\r\nb", "a\0.pdf", "a\u2028b", "cod\u202efdp.exe", "\ud800"])
def test_a_name_with_a_control_character_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        attachment_part(attached(name))
    assert caught.value.field == "smtpEmailAttachments[1].name"
