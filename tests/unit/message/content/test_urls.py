"""Fetching from real servers on loopback: what is allowed, what is refused, and what an error may say."""

from __future__ import annotations

import gzip
import socket
import ssl
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import trustme

from connector.errors import AttachmentError, ErrorCode
from connector.message.content.rooted_files import Allowance
from connector.message.content.urls import Fetched, Resolve, UrlFetcher, resolve_host
from connector.settings.model import AttachmentSettings
from tests.servers.web import WebServer, web_server

FIELD = "smtpEmailAttachments[0]"


class Names:
    """A resolver whose answers a test writes; what it is not told is unknown."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): iter(answer) for name, answer in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            return await resolve_host(host, port)
        return next(self.answers[host])


async def fetch(
    url: str,
    *hosts: str,
    resolve: Resolve = resolve_host,
    tls: ssl.SSLContext | None = None,
    timeout: float = 30,  # noqa: ASYNC109 - the setting under test
    max_size: int = 1000,
) -> Fetched:
    settings = AttachmentSettings(urls=hosts, max_size=max_size, url_timeout=timedelta(seconds=timeout))
    fetcher = UrlFetcher(settings, resolve=resolve, tls=tls)
    try:
        return await fetcher.fetch(url, Allowance(settings).portion(FIELD))
    finally:
        await fetcher.aclose()


async def refused(code: ErrorCode, url: str, *hosts: str, **options: Any) -> str:
    with pytest.raises(AttachmentError) as caught:
        await fetch(url, *hosts, **options)
    assert caught.value.code is code
    assert caught.value.field == FIELD
    assert "t0ken" not in str(caught.value)
    return str(caught.value)


async def test_octets_name_and_type_come_from_the_server(web: WebServer) -> None:
    url = web.serve("/files/Offer%20%C3%A4.pdf", b"%PDF", Content_Type="application/PDF; x=1")
    assert await fetch(f"{url}?sig=t0ken#part", web.host) == Fetched(
        b"%PDF", "Offer \u00e4.pdf", "application/pdf"
    )
    ((path, headers),) = web.requests
    assert path == "/files/Offer%20%C3%A4.pdf?sig=t0ken"
    assert headers["Host"] == web.host
    assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/octet-stream",
        "multipart/mixed; boundary=x",
        "message/rfc822",
        "nonsense",
        "",
        f"{'a' * 128}/b",
        f"a/{'b' * 3000}",
    ],
)
async def test_a_type_that_says_nothing_or_would_nest_is_not_taken(web: WebServer, content_type: str) -> None:
    url = web.serve("/file", b"x", Content_Type=content_type)
    assert (await fetch(url, web.host)).content_type is None


async def test_a_host_that_is_not_listed_is_never_asked(web: WebServer) -> None:
    url = web.serve("/file", b"x")
    for hosts in ((), ("files.example.com",), ("127.0.0.1",), (f"localhost:{web.port}",)):
        said = await refused(ErrorCode.ATTACHMENT_NOT_ALLOWED, f"{url}?sig=t0ken", *hosts)
        assert "attachments.urls" in said
        assert web.host in said
    assert web.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://files.example.com/x",
        "gopher://files.example.com/x",
        "//files.example.com/x",
        "https:///x",
        "files.example.com/x",
        "https://files.example.com\u0000/t0ken",
        "https://files.example.com:t0ken/",
        "https://user:t0ken@files.example.com/x",
        "https://t0ken@files.example.com/x",
        "https://files.example.com@evil.example/x",
        "https://evil.example\\@files.example.com:1/x",
        "https://files.example.com.evil.example/x",
        "http://0x7f000001/x",
        "http://2130706433/x",
    ],
)
async def test_what_is_no_plain_url_of_a_listed_host_is_refused(url: str) -> None:
    names = Names()
    await refused(ErrorCode.ATTACHMENT_NOT_ALLOWED, url, "files.example.com", resolve=names)
    assert names.asked == []


async def test_a_listed_name_on_a_private_address_is_refused(web: WebServer) -> None:
    web.serve("/file", b"x")
    url = f"http://files.example.com:{web.port}/file?sig=t0ken"
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1"):
        names = Names(files_example_com=[[address]])
        said = await refused(
            ErrorCode.ATTACHMENT_NOT_ALLOWED, url, f"files.example.com:{web.port}", resolve=names
        )
        assert "attachments.urls" in said
    assert web.requests == []


@pytest.mark.parametrize("entry", ["127.0.0.1", "localhost"])
async def test_a_private_address_that_is_listed_itself_is_fetched_from(web: WebServer, entry: str) -> None:
    web.serve("/file", b"x")
    names = Names(files_example_com=[["127.0.0.1"]])
    hosts = (f"files.example.com:{web.port}", f"{entry}:{web.port}")
    await fetch(f"http://files.example.com:{web.port}/file", *hosts, resolve=names)
    assert web.requests[0][1]["Host"] == f"files.example.com:{web.port}"


async def test_the_connection_goes_to_the_address_that_was_checked(web: WebServer) -> None:
    """DNS rebinding: the second look-up would answer otherwise, so there must be none."""
    web.serve("/file", b"x")
    names = Names(files_example_com=[["127.0.0.1"], ["10.0.0.1"]])
    hosts = (f"files.example.com:{web.port}", web.host)
    assert (await fetch(f"http://files.example.com:{web.port}/file", *hosts, resolve=names)).data == b"x"
    assert names.asked == ["files.example.com"]


async def test_of_several_addresses_the_allowed_ones_are_tried_in_turn(web: WebServer) -> None:
    web.serve("/file", b"x")
    names = Names(files_example_com=[["10.0.0.1", "127.0.0.2", "127.0.0.1"]])
    hosts = (f"files.example.com:{web.port}", f"localhost:{web.port}")
    # Nothing listens on 127.0.0.2, and 10.0.0.1 must not even be tried.
    await fetch(f"http://files.example.com:{web.port}/file", *hosts, resolve=names)
    assert len(web.requests) == 1


async def test_a_redirect_to_a_listed_host_is_followed(web: WebServer) -> None:
    web.serve("/start", status=302, Location="/next/file.txt")
    web.serve("/next/file.txt", b"there")
    url = f"http://{web.host}/start"
    assert await fetch(url, web.host) == Fetched(b"there", "file.txt", None)


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/secret?t0ken",
        "http://10.0.0.1/t0ken",
        "http://[::1]:{port}/secret",
        "//169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://x:t0ken@127.0.0.1:{port}/secret",
        "http://files.example.com:{port}/secret",
        "http://:t0ken/",
    ],
)
async def test_a_redirect_passes_the_same_gate(web: WebServer, location: str) -> None:
    web.serve("/secret", b"not yours")
    url = web.serve("/start", status=307, Location=location.format(port=web.port))
    names = Names(files_example_com=[["10.0.0.7"]])
    hosts = (web.host, f"files.example.com:{web.port}")
    await refused(ErrorCode.ATTACHMENT_NOT_ALLOWED, url, *hosts, resolve=names)
    assert [path for path, _ in web.requests] == ["/start"]


async def test_redirects_end(web: WebServer) -> None:
    url = web.serve("/loop", status=301, Location="/loop")
    said = await refused(ErrorCode.ATTACHMENT_NOT_ALLOWED, url, web.host)
    assert "redirected more than 3 times" in said
    assert len(web.requests) == 4


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, ErrorCode.ATTACHMENT_NOT_FOUND),
        (410, ErrorCode.ATTACHMENT_NOT_FOUND),
        (401, ErrorCode.ATTACHMENT_NOT_ALLOWED),
        (403, ErrorCode.ATTACHMENT_NOT_ALLOWED),
        (408, ErrorCode.CONNECTION_FAILED),
        (429, ErrorCode.RATE_LIMITED),
        (500, ErrorCode.CONNECTION_FAILED),
        (503, ErrorCode.CONNECTION_FAILED),
        (206, ErrorCode.CONNECTION_FAILED),
        (304, ErrorCode.CONNECTION_FAILED),
    ],
)
async def test_a_status_has_its_code(web: WebServer, status: int, code: ErrorCode) -> None:
    url = web.serve("/file", b"" if status == 304 else b"t0ken", status=status)
    assert str(status) in await refused(code, url, web.host)


async def test_a_length_beyond_the_limit_is_refused_before_the_body(web: WebServer) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1001")
        handler.end_headers()
        web.ending.wait()  # the body never comes: whoever waits for it hangs

    url = web.answer("/file", endless)
    said = await refused(ErrorCode.MESSAGE_TOO_LARGE, url, web.host)
    assert "attachments.max_size" in said


async def test_a_stream_without_a_length_is_stopped_at_the_limit(web: WebServer) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not web.ending.is_set():
            handler.wfile.write(b"x" * 1000)

    await refused(ErrorCode.MESSAGE_TOO_LARGE, web.answer("/file", endless), web.host)


async def test_a_content_at_the_limit_arrives(web: WebServer) -> None:
    assert len((await fetch(web.serve("/file", b"x" * 1000), web.host)).data) == 1000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
async def test_a_bomb_is_never_unpacked(web: WebServer, encoding: str) -> None:
    bomb = gzip.compress(bytes(1_000_000))
    url = web.serve("/file", bomb, Content_Encoding=encoding)
    said = await refused(ErrorCode.ATTACHMENT_NOT_ALLOWED, url, web.host, max_size=10_000)
    assert "compressed" in said


async def test_a_server_that_never_answers_times_out(web: WebServer) -> None:
    def silent(_: BaseHTTPRequestHandler) -> None:
        web.ending.wait()

    url = web.answer("/file", silent)
    said = await refused(ErrorCode.CONNECTION_TIMEOUT, url, web.host, timeout=0.2)
    assert "attachments.url_timeout" in said


async def test_a_server_that_trickles_times_out_in_total(web: WebServer) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not web.ending.wait(0.01):
            handler.wfile.write(b"x")

    await refused(
        ErrorCode.CONNECTION_TIMEOUT, web.answer("/file", trickle), web.host, timeout=0.2, max_size=10**9
    )


async def test_a_body_that_breaks_off_is_not_taken_for_a_file(web: WebServer) -> None:
    url = web.serve("/file", b"half", Content_Length="8")
    assert "broke off" in await refused(ErrorCode.CONNECTION_FAILED, url, web.host)


async def test_an_answer_that_is_not_http_fails(web: WebServer) -> None:
    def banner(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 t0ken ESMTP\r\n")

    await refused(ErrorCode.CONNECTION_FAILED, web.answer("/file", banner), web.host)


async def test_nobody_listening_is_a_failed_connection(web: WebServer) -> None:
    # 127.0.0.2 is loopback as well, and the server is bound to 127.0.0.1 only.
    url = f"http://127.0.0.2:{web.port}/file"
    assert ErrorCode.CONNECTION_FAILED.retryable
    await refused(ErrorCode.CONNECTION_FAILED, url, f"127.0.0.2:{web.port}")


async def test_a_name_without_an_address_is_a_failed_look_up() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    said = await refused(
        ErrorCode.DNS_FAILED, "https://files.example.com/x", "files.example.com", resolve=unknown
    )
    assert "its host name is not known" in said


async def test_the_environment_has_no_say(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:9")
    assert (await fetch(web.serve("/file", b"x"), web.host)).data == b"x"


async def test_no_cookie_is_kept_between_mails(web: WebServer) -> None:
    url = web.serve("/file", b"x", Set_Cookie="id=1")
    settings = AttachmentSettings(urls=(web.host,))
    fetcher = UrlFetcher(settings)
    for _ in range(2):
        await fetcher.fetch(url, Allowance(settings).portion(FIELD))
    await fetcher.aclose()
    assert all("Cookie" not in headers for _, headers in web.requests)


def contexts(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for these names, and a client's that trusts its issuer."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_tls_is_checked_against_the_name_and_not_the_address() -> None:
    server, client = contexts("files.example.com")
    with web_server(server) as web:
        web.serve("/file", b"x")
        url = f"https://files.example.com:{web.port}/file"
        hosts = (f"files.example.com:{web.port}", web.host)
        names = Names(files_example_com=[["127.0.0.1"]])
        assert (await fetch(url, *hosts, resolve=names, tls=client)).data == b"x"


@pytest.mark.parametrize("certified", ["other.example.com", "127.0.0.1"])
async def test_a_certificate_for_another_name_is_refused(certified: str) -> None:
    server, client = contexts(certified)
    with web_server(server) as web:
        url = f"https://files.example.com:{web.port}/file"
        hosts = (f"files.example.com:{web.port}", web.host)
        names = Names(files_example_com=[["127.0.0.1"]])
        said = await refused(ErrorCode.TLS_FAILED, url, *hosts, resolve=names, tls=client)
        assert "files.example.com" in said
        assert web.requests == []


async def test_an_unknown_authority_is_refused() -> None:
    server, _ = contexts("127.0.0.1")
    with web_server(server) as web:
        await refused(ErrorCode.TLS_FAILED, f"https://{web.host}/file", web.host)


async def test_a_redirect_never_leaves_tls() -> None:
    server, client = contexts("127.0.0.1")
    with web_server(server) as web, web_server() as plain:
        url = web.serve("/start", status=302, Location=plain.serve("/file", b"x"))
        said = await refused(ErrorCode.ATTACHMENT_NOT_ALLOWED, url, web.host, plain.host, tls=client)
        assert "from https" in said
        assert plain.requests == []
