"""What a task attaches, in every form a diagram can write it."""

import base64
from typing import Any

import pytest

from connector.model.mail import Attachment, DataSource, FileSource, UrlSource
from tests.unit.tasks.task_inputs import read, refused

FIELD = "smtpEmailAttachments"
PNG = base64.b64encode(b"\x89PNG").decode()


def attach(data: Any) -> tuple[Attachment, ...]:
    return read(smtpEmailAttachments=data, smtpEmailContentType="html").attachments


def attach_one(data: Any) -> Attachment:
    (attachment,) = attach([data])
    return attachment


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        (["/srv/a.pdf", "b, c.pdf"], ["/srv/a.pdf", "b, c.pdf"]),
        ("/srv/a.pdf", ["/srv/a.pdf"]),
        ("a.pdf, b.pdf;c.pdf", ["a.pdf", "b.pdf", "c.pdf"]),
        ('"b, c.pdf"', ["b, c.pdf"]),
        ('["a.pdf", {"path": "b.pdf"}]', ["a.pdf", "b.pdf"]),
        ({"path": "a.pdf"}, ["a.pdf"]),
        ('{"path": "a.pdf"}', ["a.pdf"]),
        (["a.pdf", "", None], ["a.pdf"]),
        ([], []),
    ],
)
def test_paths(data: Any, paths: list[str]) -> None:
    assert [attachment.source for attachment in attach(data)] == [FileSource(path) for path in paths]


@pytest.mark.parametrize("path", ["file://C:/reports/a.pdf", "FILE://C:/reports/a.pdf", "C:/reports/a.pdf"])
def test_a_path_may_be_written_as_infosys_documents_it(path: str) -> None:
    assert attach([path])[0].source == FileSource("C:/reports/a.pdf")


def test_an_attachment_is_named_by_its_place() -> None:
    assert [attachment.field for attachment in attach(["a", "", "b"])] == [f"{FIELD}[1]", f"{FIELD}[3]"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {"name": "a.bin", "contentType": "application/octet-stream", "base64": PNG},
            Attachment(f"{FIELD}[1]", DataSource(b"\x89PNG"), "a.bin", "application/octet-stream"),
        ),
        (
            {"name": "a.png", "base64": f" {PNG[:3]}\r\n{PNG[3:]} "},
            Attachment(f"{FIELD}[1]", DataSource(b"\x89PNG"), "a.png"),
        ),
        (
            {"name": "a.csv", "contentType": "Text/CSV", "content": "ä"},
            Attachment(f"{FIELD}[1]", DataSource("ä".encode()), "a.csv", "Text/CSV"),
        ),
        (
            {"name": "a.csv", "contentType": "text/csv; charset=ISO-8859-1", "content": "ä"},
            Attachment(f"{FIELD}[1]", DataSource(b"\xe4"), "a.csv", "text/csv; charset=ISO-8859-1"),
        ),
        (
            {"name": "a.csv", "content": "ä"},
            Attachment(f"{FIELD}[1]", DataSource("ä".encode()), "a.csv"),
        ),
        (
            {"name": "noext", "content": ""},
            Attachment(f"{FIELD}[1]", DataSource(b""), "noext"),
        ),
        (
            {"name": "a.txt", "content": "x", "base64": "", "path": None, "url": ""},
            Attachment(f"{FIELD}[1]", DataSource(b"x"), "a.txt"),
        ),
        (
            {"name": "C:\\reports\\a.csv", "content": "x"},
            Attachment(f"{FIELD}[1]", DataSource(b"x"), "a.csv"),
        ),
        (
            {"path": "/srv/a", "name": "../../b.pdf/"},
            Attachment(f"{FIELD}[1]", FileSource("/srv/a"), "b.pdf"),
        ),
        (
            {"path": "/srv/a", "name": "b.pdf"},
            Attachment(f"{FIELD}[1]", FileSource("/srv/a"), "b.pdf"),
        ),
        (
            {
                "url": "https://files.example.com:8443/a?b=c",
                "name": "b.pdf",
                "contentType": "application/pdf",
            },
            Attachment(
                f"{FIELD}[1]",
                UrlSource("https://files.example.com:8443/a?b=c"),
                "b.pdf",
                "application/pdf",
            ),
        ),
        (
            {"name": "l.png", "base64": PNG, "inline": "${true}", "contentId": "<logo@x>"},
            Attachment(
                f"{FIELD}[1]", DataSource(b"\x89PNG"), "l.png", None, inline=True, content_id="logo@x"
            ),
        ),
        (
            {"name": "l.png", "base64": PNG, "inline": True},
            Attachment(f"{FIELD}[1]", DataSource(b"\x89PNG"), "l.png", inline=True),
        ),
        (
            {"name": "l.png", "base64": PNG, "inline": False},
            Attachment(f"{FIELD}[1]", DataSource(b"\x89PNG"), "l.png"),
        ),
    ],
)
def test_contexts(data: Any, expected: Attachment) -> None:
    assert attach_one(data) == expected


@pytest.mark.parametrize(
    ("data", "source", "name", "content_type"),
    [
        (
            {"camunda.document.type": "external", "url": "http://files.example.com/a", "name": "b"},
            UrlSource("http://files.example.com/a"),
            "b",
            None,
        ),
        (
            {"camunda.document.type": "inline", "content": "a,b", "name": "d.csv", "contentType": "text/csv"},
            DataSource(b"a,b"),
            "d.csv",
            "text/csv",
        ),
        (
            {"camunda.document.type": "inline", "content": {"a": "ä"}, "name": "d.json"},
            DataSource('{"a": "ä"}'.encode()),
            "d.json",
            None,
        ),
        (
            {"camunda.document.type": "INLINE", "content": 42},
            DataSource(b"42"),
            "document.json",
            None,
        ),
        (
            {"camunda.document.type": "inline", "content": "", "metadata": {"size": 0}},
            DataSource(b""),
            "document.txt",
            None,
        ),
    ],
)
def test_camunda_documents(data: Any, source: Any, name: str, content_type: str | None) -> None:
    assert attach_one(data) == Attachment(f"{FIELD}[1]", source, name, content_type)


def test_a_document_can_be_shown_in_the_body() -> None:
    document = {"camunda.document.type": "external", "url": "https://x.example/l.png"}
    attachment = attach_one({**document, "inline": True, "contentId": "logo"})
    assert (attachment.inline, attachment.content_id) == (True, "logo")


@pytest.mark.parametrize(
    ("data", "field", "part"),
    [
        (5, "", "must be a path or a context"),
        (True, "", "must be a path or a context"),
        (["a"], "", "must be a path or a context"),
        ({"name": "a.txt"}, "", "it has none"),
        ({"name": "a", "content": "CANARY", "base64": "CANARY"}, "", "it has content and base64"),
        ({"content": "CANARY"}, ".name", "is missing"),
        ({"base64": PNG, "name": ""}, ".name", "is empty"),
        ({"name": "a", "content": 5}, ".content", "must be text"),
        ({"name": "a", "content": {"CANARY": 1}}, ".content", "must be text"),
        ({"name": "a", "content": "CANARY\ud800"}, ".content", "surrogate"),
        ({"name": "a", "base64": "CANARY!"}, ".base64", "not base64"),
        ({"name": "a", "base64": "QUI"}, ".base64", "not base64"),
        ({"name": "a", "base64": "_-8="}, ".base64", "not base64"),
        ({"name": "a", "base64": "QQ==QQ=="}, ".base64", "not base64"),
        ({"name": "a", "base64": "Qä=="}, ".base64", "not base64"),
        ({"name": "a", "base64": "data:image/png;base64,CANARY"}, ".base64", "data: URL"),
        ({"name": "a", "base64": 5}, ".base64", "must be text"),
        ({"name": "a\r\nBcc: x", "content": "x"}, ".name", "line break"),
        ({"name": "a\u202efdp.exe", "content": "x"}, ".name", "text direction"),
        ({"name": 5, "content": "x"}, ".name", "must be text"),
        ({"name": "a", "content": "x", "contentType": "a/b\r\nX: y"}, ".contentType", "line break"),
        (
            {"name": "a", "content": "x", "contentType": "text/plain; charset=punycode"},
            ".contentType",
            "utf-8",
        ),
        ({"name": "a", "content": "ж", "contentType": "text/x; charset=us-ascii"}, ".contentType", "utf-8"),
        ({"path": "a\x00b"}, ".path", "U+0000"),
        ({"path": 5}, ".path", "must be text"),
        ({"path": "https://x.example/a"}, ".path", '{"url"'),
        ("https://x.example/a", "", '{"url"'),
        ("a\nb", "", "line break"),
        ({"url": "file:///etc/passwd"}, ".url", "http or https"),
        ({"url": "//x.example/a"}, ".url", "http or https"),
        ({"url": "https:///a"}, ".url", "http or https"),
        ({"url": "https://x.example/a b"}, ".url", "without blanks"),
        ({"url": "https://x.example:99999/a"}, ".url", "not a URL"),
        ({"url": "https://[::1/a"}, ".url", "not a URL"),
        ({"url": "https://u:CANARY@x.example/a"}, ".url", "user name"),
        ({"url": "https://x.example/\r\nHost: y"}, ".url", "line break"),
        ({"name": "a", "base64": PNG, "inline": "maybe"}, ".inline", "not a boolean"),
        ({"name": "a", "base64": PNG, "inline": True, "contentId": "a\r\n"}, ".contentId", "line break"),
        ({"name": "a", "conten": "CANARY"}, "", "did you mean content?"),
        ({"camunda.document.type": "camunda", "documentId": "7"}, "", "not available"),
        ({"camunda.document.type": "cloud"}, ".camunda.document.type", "camunda, inline, external"),
        ({"camunda.document.type": None, "content": "x"}, ".camunda.document.type", "is null"),
        ({"camunda.document.type": "inline"}, ".content", "is missing"),
        ({"camunda.document.type": "inline", "content": None}, ".content", "is null"),
        ({"camunda.document.type": "external", "name": "x"}, ".url", "is missing"),
    ],
)
def test_what_is_no_attachment(data: Any, field: str, part: str) -> None:
    error = refused(smtpEmailAttachments=[data], smtpEmailContentType="html")
    assert error.field == f"{FIELD}[1]{field}"
    assert part in error.message
    assert "CANARY" not in error.message


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("p" * 4_097, ""),
        ({"path": "p" * 4_097}, ".path"),
        ({"url": "https://x.example/" + "p" * 8_000}, ".url"),
        ({"name": "n" * 1_001, "content": "x"}, ".name"),
        ({"name": "a", "content": "x", "contentId": "i" * 1_001}, ".contentId"),
        ({"name": "a", "content": "x", "contentType": "t" * 1_001}, ".contentType"),
        ({"name": "a", "content": "x", "contentType": "charset" + " " * 1_001}, ".contentType"),
    ],
)
def test_a_text_that_no_attachment_needs_so_long(data: Any, field: str) -> None:
    error = refused(smtpEmailAttachments=[data])
    assert error.field == f"{FIELD}[1]{field}"
    assert "longer than" in error.message


@pytest.mark.parametrize("data", [["a.pdf"] * 1_001, "a.pdf," * 1_001, "," * 1_000_000])
def test_more_files_than_any_mail_has(data: Any) -> None:
    assert "more than 1,000 items" in refused(smtpEmailAttachments=data).message


@pytest.mark.parametrize("data", [5, True, '["a.pdf",]', '{"path": }'])
def test_what_is_no_list_of_attachments(data: Any) -> None:
    assert refused(smtpEmailAttachments=data).field == FIELD


def test_two_images_cannot_share_an_id() -> None:
    image = {"name": "l.png", "base64": PNG, "inline": True, "contentId": "logo"}
    error = refused(smtpEmailAttachments=[image, image], smtpEmailContentType="html")
    assert error.field == f"{FIELD}[2].contentId"


def test_a_name_of_separators_only_is_none() -> None:
    assert "is a directory" in refused(smtpEmailAttachments=[{"name": "/", "content": "x"}]).message
