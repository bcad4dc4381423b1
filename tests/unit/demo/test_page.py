"""The inbox page over HTTP, and what it refuses."""

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event

import pytest

from connector.demo.inbox import Inbox
from connector.demo.page import InboxPage
from connector.testing.smtp import ReceivedMail

Wrap = Callable[..., ReceivedMail]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: str


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def started() -> Event:
    return Event()


@pytest.fixture
def page(inbox: Inbox, started: Event) -> Iterator[InboxPage]:
    with InboxPage(inbox, smtp_address="127.0.0.1:2525", on_start=started.set) as page:
        yield page


def _ask(page: InboxPage, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())
    finally:
        connection.close()


def test_an_empty_inbox_says_so(page: InboxPage) -> None:
    answer = _ask(page, "/")
    assert answer.status == 200
    assert "No mail yet" in answer.body
    assert "127.0.0.1:2525" in answer.body


def test_the_latest_mail_is_shown_first(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    inbox.add(received(b"Subject: first\r\n\r\n1\r\n"))
    inbox.add(received(b"Subject: second\r\n\r\n2\r\n"))
    assert "<h1>second</h1>" in _ask(page, "/").body
    assert "<h1>first</h1>" in _ask(page, "/mail/1").body
    assert _ask(page, "/state").body == '{"count": 2}'


def test_a_mail_is_shown_with_all_it_has(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    mail = inbox.add(received())
    body = _ask(page, page.mail_url(mail).removeprefix(page.url.rstrip("/"))).body
    assert "A long subject, grüße" in body
    assert "orders@example.com → ada@example.com, audit@example.com" in body
    assert "multipart/alternative" in body
    assert '<iframe sandbox title="The HTML body, desktop"' in body
    assert "Grüße" in body


def test_what_it_answers_is_shown_beside_its_people(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    inbox.add(received(b"Subject: Re: x\r\nIn-Reply-To: <1@x>\r\nReferences: <0@x> <1@x>\r\n\r\n2\r\n"))
    people = _ask(page, "/").body.partition('<dl class="people">')[2].partition("</dl>")[0]
    assert "<dt>In-Reply-To</dt><dd>&lt;1@x&gt;</dd>" in people
    assert "<dt>References</dt><dd>&lt;0@x&gt; &lt;1@x&gt;</dd>" in people


def test_nothing_of_a_mail_becomes_markup_of_the_page(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    attack = b"<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    inbox.add(
        received(
            b"From: "
            + attack
            + b"\r\nSubject: "
            + attack
            + b"\r\nImportance: "
            + attack
            + b"\r\nContent-Type: text/plain\r\nContent-ID: "
            + attack
            + b'\r\nContent-Disposition: attachment; filename="'
            + attack.replace(b'"', b"")
            + b'"\r\n\r\n'
            + attack
            + b"\r\n"
        )
    )
    body = _ask(page, "/mail/1").body
    assert "<script>alert" not in body
    assert "<img" not in body


def test_the_page_loads_nothing_from_elsewhere(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    inbox.add(received())
    answer = _ask(page, "/")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_html_body_may_do_nothing(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    inbox.add(received())
    answer = _ask(page, "/mail/1/html")
    policy = dict(
        directive.strip().partition(" ")[::2]
        for directive in answer.headers["Content-Security-Policy"].split(";")
    )
    assert policy["sandbox"] == "", "no allow-scripts, no allow-same-origin"
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "data:", "no tracker is loaded"
    assert "script-src" not in policy
    assert 'src="data:image/png;base64,iVBORw=="' in answer.body, "cid: is put in"


def test_an_attachment_is_only_ever_a_download(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    inbox.add(received())
    answer = _ask(page, "/mail/1/part/6")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=UTF-8''b%C3%B6seX%3A%20y.html"
    assert "X" not in answer.headers


def test_the_source_is_what_came(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    mail = inbox.add(received())
    answer = _ask(page, "/mail/1/source")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.body.encode() == mail.source
    assert _ask(page, "/mail/1/eml").headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "path",
    [
        "/mail/2",
        "/mail/1/part/99",
        "/mail/1/part/0",
        "/mail/1/other",
        "/../run.py",
        "/page.py",
        "/mail/",
    ],
)
def test_what_is_not_there_is_not_found(page: InboxPage, inbox: Inbox, received: Wrap, path: str) -> None:
    inbox.add(received())
    assert _ask(page, path).status == 404


@pytest.mark.parametrize("path", ["/page.css", "/page.js"])
def test_its_own_files_are_served(page: InboxPage, path: str) -> None:
    answer = _ask(page, path)
    assert answer.status == 200
    assert len(answer.body) > 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", ""])
def test_another_host_name_is_refused(page: InboxPage, started: Event, method: str, host: str) -> None:
    """DNS rebinding: the page of evil.example has its name resolve to 127.0.0.1."""
    assert _ask(page, "/state", method, Host=host).status == 421
    assert not started.is_set()


def test_localhost_is_one_of_its_names(page: InboxPage) -> None:
    assert _ask(page, "/state", Host=f"localhost:{page.port}").status == 200


def test_the_button_starts_a_process(page: InboxPage, started: Event) -> None:
    answer = _ask(page, "/start", "POST", Origin=f"http://127.0.0.1:{page.port}")
    assert answer.status == 303
    assert started.is_set()


@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Origin": "https://evil.example"}])
def test_the_form_of_another_site_starts_nothing(
    page: InboxPage, started: Event, headers: dict[str, str]
) -> None:
    assert _ask(page, "/start", "POST", **headers).status == 403
    assert not started.is_set()


def test_a_page_without_a_process_offers_no_button(inbox: Inbox) -> None:
    with InboxPage(inbox, smtp_address="127.0.0.1:2525") as page:
        assert "<button" not in _ask(page, "/").body
        origin = f"http://127.0.0.1:{page.port}"
        assert _ask(page, "/start", "POST", Origin=origin).status == 404


def test_head_gives_no_body(page: InboxPage) -> None:
    answer = _ask(page, "/", "HEAD")
    assert answer.status == 200
    assert answer.body == ""


def test_a_port_that_is_taken_is_an_error(page: InboxPage, inbox: Inbox) -> None:
    with pytest.raises(OSError, match="in use"):
        InboxPage(inbox, smtp_address="", port=page.port)


def test_an_invitation_is_shown_with_its_fields(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    calendar = (
        "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:case-7@example.com\r\nSEQUENCE:2\r\n"
        "DTSTART:20261201T083000Z\r\nDTEND;TZID=Europe/Berlin:20261201T100000\r\n"
        "SUMMARY:Kick\\, off\\; <b>now\r\n </b>\r\nORGANIZER;CN=Ann:mailto:ann@example.com\r\n"
        "ATTENDEE:mailto:bob@example.com\r\nATTENDEE:mailto:eve@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    head = "Subject: Kick-off\r\nContent-Type: text/calendar; charset=utf-8; method=CANCEL\r\n\r\n"
    inbox.add(received((head + calendar).encode()))
    body = _ask(page, "/").body
    for shown in (
        "<h2>Cancellation</h2>",
        "Kick, off; &lt;b&gt;now&lt;/b&gt;",
        "20261201T083000Z",
        "20261201T100000 (Europe/Berlin)",
        "ann@example.com",
        "bob@example.com, eve@example.com",
        "case-7@example.com",
    ):
        assert shown in body


def test_both_parts_of_a_mail_and_two_widths_are_shown(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    inbox.add(received())
    body = _ask(page, "/").body
    assert body.count('src="/mail/1/html"') == 2
    assert "<h2>HTML on a phone</h2>" in body
    assert "<h2>Text</h2><pre>Grüße" in body


def test_what_mail_programs_do_not_show_is_listed(page: InboxPage, inbox: Inbox, received: Wrap) -> None:
    inbox.add(received(b"Content-Type: text/html\r\n\r\n<video></video>"))
    assert "&lt;video&gt; is not shown by Outlook" in _ask(page, "/").body
