"""What a request names, loaded in its order and within the limits of the mail."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from connector.errors import AttachmentError, ErrorCode, InputError
from connector.message.content.reader import ContentReader, decode_html
from connector.model.addresses import Mailbox
from connector.model.mail import (
    Attachment,
    ContentType,
    DataSource,
    FileContent,
    FileSource,
    InlineContent,
    LoadedAttachment,
    LoadedContent,
    SendRequest,
    UrlSource,
)
from connector.model.server import Server
from connector.settings.model import AttachmentSettings
from tests.servers.web import Answer, WebServer


def mail(*attachments: Attachment, content: InlineContent | FileContent | None = None) -> SendRequest:
    someone = Mailbox("demo@localhost")
    return SendRequest(
        route=Server("localhost", 25),
        sender=someone,
        to=(someone,),
        cc=(),
        bcc=(),
        subject="subject",
        content_type=ContentType.HTML,
        content=content or InlineContent("body"),
        attachments=attachments,
    )


async def load(request: SendRequest, **settings: object) -> LoadedContent:
    reader = ContentReader(AttachmentSettings.model_validate(settings))
    try:
        return await reader.load(request)
    finally:
        await reader.aclose()


def data(octets: bytes, **given: object) -> Attachment:
    return Attachment("smtpEmailAttachments[0]", DataSource(octets), **given)  # type: ignore[arg-type]


async def test_a_mail_that_names_nothing_is_loaded_as_it_is() -> None:
    assert await load(mail()) == LoadedContent("body", ())


async def test_every_source_is_loaded_in_the_order_of_the_task(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "offer.txt").write_bytes(b"offer")
    url = web.serve("/images/logo.png", b"PNG", Content_Type="image/png")
    request = mail(
        Attachment("a[0]", UrlSource(url)),
        Attachment("a[1]", FileSource("sub/offer.txt")),
        Attachment("a[2]", DataSource(b"1,2"), name="t.csv", content_type="text/csv"),
        Attachment("a[3]", UrlSource(url), name="mine.bin", content_type="application/x-mine"),
    )
    loaded = await load(request, roots=[tmp_path], urls=[web.host])
    assert loaded.attachments == (
        LoadedAttachment("a[0]", "logo.png", "image/png", b"PNG"),
        LoadedAttachment("a[1]", "offer.txt", None, b"offer"),
        LoadedAttachment("a[2]", "t.csv", "text/csv", b"1,2"),
        LoadedAttachment("a[3]", "mine.bin", "application/x-mine", b"PNG"),
    )


async def test_the_order_holds_when_the_first_is_the_last_to_arrive(web: WebServer) -> None:
    second_was_asked = threading.Event()

    def first(handler: BaseHTTPRequestHandler) -> None:
        second_was_asked.wait(10)
        answered(handler, b"first")

    def second(handler: BaseHTTPRequestHandler) -> None:
        second_was_asked.set()
        answered(handler, b"second")

    def answered(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)

    request = mail(
        Attachment("a[0]", UrlSource(web.answer("/1", first))),
        Attachment("a[1]", UrlSource(web.answer("/2", second))),
    )
    loaded = await load(request, urls=[web.host])
    assert [attachment.data for attachment in loaded.attachments] == [b"first", b"second"]


async def test_no_more_than_four_are_fetched_side_by_side(web: WebServer) -> None:
    lock, together, most = threading.Lock(), threading.Barrier(4), []
    running = 0

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal running
        with lock:
            running += 1
            most.append(running)
        together.wait(10)
        with lock:
            running -= 1
        handler.send_response(200)
        handler.end_headers()

    url = web.answer("/file", answer)
    await load(mail(*(Attachment(f"a[{n}]", UrlSource(url)) for n in range(8))), urls=[web.host])
    assert max(most) == 4


async def test_the_first_failure_ends_the_others(web: WebServer) -> None:
    """The slow fetch would take the test's time limit; the missing file must not wait for it."""

    def never(_: BaseHTTPRequestHandler) -> None:
        web.ending.wait()

    request = mail(
        Attachment("a[0]", UrlSource(web.answer("/never", never))),
        Attachment("a[1]", FileSource("absent.txt")),
    )
    with pytest.raises(AttachmentError) as caught:
        await load(request, urls=[web.host])
    assert caught.value.field == "a[1]"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_load_that_is_cancelled_ends(web: WebServer) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def never(_: BaseHTTPRequestHandler) -> None:
        loop.call_soon_threadsafe(asked.set)
        web.ending.wait()

    request = mail(Attachment("a[0]", UrlSource(web.answer("/never", never))))
    task = asyncio.create_task(load(request, urls=[web.host]))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("D:/Dump/Banner.bmp", "Banner.bmp"),
        ("a\\b.txt", "b.txt"),
        ("line\nfeed\u2028.txt", "linefeed.txt"),
        ("\u202egpj.exe", "gpj.exe"),
        ("\u00fcber.txt", "\u00fcber.txt"),
    ],
)
async def test_a_name_is_the_last_part_of_the_path_and_safe_in_a_header(
    tmp_path: Path, path: str, name: str
) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"x")
    (loaded,) = (await load(mail(Attachment("a[0]", FileSource(path))), roots=[tmp_path])).attachments
    assert loaded.name == name


@pytest.mark.parametrize(
    ("path", "name"),
    [("/", "attachment"), ("/a/", "attachment"), ("/a%2Fb%5Cc.txt", "c.txt"), ("/x%0D%0ABcc:y", "xBcc:y")],
)
async def test_a_name_from_a_url_is_made_safe_too(web: WebServer, path: str, name: str) -> None:
    request = mail(Attachment("a[0]", UrlSource(web.serve(path, b"x"))))
    (loaded,) = (await load(request, urls=[web.host])).attachments
    assert loaded.name == name


async def test_inline_content_without_an_id_gets_its_name_as_one() -> None:
    request = mail(
        data(b"1", name="logo.png", inline=True),
        data(b"2", name="logo.png", inline=True),
        data(b"3", name="Gr\u00f6\u00dfe 1.png", inline=True),
        data(b"4", name="logo.png", inline=True, content_id="3-logo.png"),
        data(b"5", name="logo.png", inline=True),
        data(b"6", name="logo.png"),
    )
    loaded = await load(request)
    assert [attachment.content_id for attachment in loaded.attachments] == [
        "logo.png",
        "2-logo.png",
        "Gr--e-1.png",
        "3-logo.png",
        "4-logo.png",
        None,
    ]


async def test_too_many_are_refused_before_anything_is_read() -> None:
    with pytest.raises(AttachmentError, match=r"attachments\.max_count") as caught:
        await load(mail(*(Attachment(f"a[{n}]", FileSource("absent")) for n in range(3))), max_count=2)
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
    assert caught.value.field == "smtpEmailAttachments"


@pytest.mark.parametrize("setting", ["max_size", "max_total"])
async def test_sizes_are_counted_over_every_source(web: WebServer, tmp_path: Path, setting: str) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    request = mail(
        data(b"x" * 100),
        Attachment("a[1]", FileSource("file")),
        Attachment("a[2]", UrlSource(web.serve("/file", b"x" * 100))),
    )
    exact = {"max_size": 100, "max_total": 300}
    loaded = await load(request, roots=[tmp_path], urls=[web.host], **exact)
    assert [len(attachment.data) for attachment in loaded.attachments] == [100, 100, 100]
    with pytest.raises(AttachmentError, match=rf"attachments\.{setting}") as caught:
        await load(request, roots=[tmp_path], urls=[web.host], **{**exact, setting: exact[setting] - 1})
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("source", ["file", "url"])
async def test_an_attachment_costs_its_size_once(web: WebServer, tmp_path: Path, source: str) -> None:
    size = 8 * 1024 * 1024
    if source == "file":
        (tmp_path / "file").write_bytes(bytes(size))
        request = mail(Attachment("a[0]", FileSource("file")))
    else:
        request = mail(Attachment("a[0]", UrlSource(web.answer("/file", zeros(size)))))
    reader = ContentReader(AttachmentSettings(roots=(tmp_path,), urls=(web.host,)))
    tracemalloc.start()
    try:
        loaded = await reader.load(request)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await reader.aclose()
    assert len(loaded.attachments[0].data) == size
    assert peak < 1.5 * size + 4 * 1024 * 1024


def zeros(size: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        for _ in range(size // 65536):
            handler.wfile.write(bytes(65536))

    return answer


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("<p>gr\u00fc\u00df</p>".encode(), "<p>gr\u00fc\u00df</p>"),
        ("<p>gr\u00fc\u00df</p>".encode("utf-8-sig"), "<p>gr\u00fc\u00df</p>"),
        ("<p>gr\u00fc\u00df</p>".encode("utf-16"), "<p>gr\u00fc\u00df</p>"),
        (b"<meta charset=iso-8859-1><p>\xfc", "<meta charset=iso-8859-1><p>\u00fc"),
        (
            b'<META http-equiv="Content-Type" content="text/html; charset=windows-1252">\x80',
            '<META http-equiv="Content-Type" content="text/html; charset=windows-1252">\u20ac',
        ),
        ('<meta charset="utf-16">\u00fc'.encode(), '<meta charset="utf-16">\u00fc'),
        ('<meta charset="UTF-16LE">\u00fc'.encode(), '<meta charset="UTF-16LE">\u00fc'),
        ("<meta charset=Shift_JIS>\u3042".encode("shift_jis"), "<meta charset=Shift_JIS>\u3042"),
        (b"", ""),
    ],
)
async def test_an_html_body_is_read_in_its_encoding(tmp_path: Path, octets: bytes, text: str) -> None:
    (tmp_path / "body.html").write_bytes(octets)
    assert (await load(mail(content=FileContent("body.html")), roots=[tmp_path])).body == text


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"<p>t0ken \xfc", r"is not UTF-8 text \(byte 9\)"),
        (b"<meta charset=ascii>t0ken \xfc", "is not ASCII text"),
        (b"<meta charset=klingon>t0ken", "unknown charset 'klingon'"),
        (b"<meta charset=zlib>t0ken", "unknown charset 'zlib'"),
        # Python has a codec of this name, in which a mere 80 KB take more than a second.
        (b"<meta charset=punycode>t0ken", "unknown charset 'punycode'"),
        (b"\xff\xfe\x00", "is not UTF-16LE text"),
    ],
)
async def test_a_body_that_cannot_be_decoded_is_named_and_never_shown(
    tmp_path: Path, octets: bytes, said: str
) -> None:
    (tmp_path / "body.html").write_bytes(octets)
    with pytest.raises(InputError, match=said) as caught:
        await load(mail(content=FileContent("body.html")), roots=[tmp_path])
    assert caught.value.field == "smtpEmailContent"
    assert caught.value.__cause__ is None
    assert "t0ken" not in str(caught.value)


async def test_a_body_is_decoded_where_it_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def decode(octets: bytes, field: str) -> str:
        threads.append(threading.current_thread())
        return decode_html(octets, field)

    monkeypatch.setattr("connector.message.content.reader.decode_html", decode)
    (tmp_path / "body.html").write_bytes(b"<p>")
    assert (await load(mail(content=FileContent("body.html")), roots=[tmp_path])).body == "<p>"
    assert threads[0] is not threading.current_thread()


async def test_a_body_outside_of_the_roots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AttachmentError) as caught:
        await load(mail(content=FileContent("/etc/passwd")), roots=[tmp_path])
    assert caught.value.code is ErrorCode.ATTACHMENT_NOT_ALLOWED
    assert caught.value.field == "smtpEmailContent"


async def test_a_body_has_the_limit_of_an_attachment(tmp_path: Path) -> None:
    (tmp_path / "body.html").write_bytes(b"x" * 11)
    with pytest.raises(AttachmentError, match="max_size"):
        await load(mail(content=FileContent("body.html")), roots=[tmp_path], max_size=10)


def test_a_wrong_host_in_the_settings_is_found_at_the_start() -> None:
    with pytest.raises(ValueError, match="entry 1 is neither a host nor host:port"):
        ContentReader(AttachmentSettings(urls=("https://files.example.com/",)))
