"""Whatever text a task brings: it arrives exactly as it was, or the variable at fault is named.

The standard library's parser, which had no part in the writing, reads every message back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.errors import InputError
from connector.message.build import build
from connector.message.header import mailboxes as header_of
from connector.message.html_text import text_from_html
from connector.model import addresses
from connector.model.addresses import Mailbox, parse_mailbox, split_list
from connector.model.envelope import Message
from connector.model.mail import ContentType, InlineContent, LoadedAttachment, LoadedContent, SendRequest
from connector.model.server import Server
from connector.settings.model import MessageSettings

NOW = datetime(2026, 11, 20, 20, 50, 33, tzinfo=UTC)
SETTINGS = MessageSettings()

# What writers and parsers of mail trip over, so that it is drawn often.
TRICKY = " \"\\<>()[]@,;:=?_%'*./-~abcAZ09äß\u00a0\u200b\u200d\u3000\ufeff\ufffeé́😀漢"
BIDI = "\u202a\u202e\u2066\u2069"
BAD = "\r\n\0\t\x0b\x1b\x1f\x7f\x80\x85\x9f\u2028\u2029\ud800\udfff"
INJECTION = ("\r\nBcc: victim@example.org", "\nX-Injected: 1", "\r\n\r\nbody", "\r\n.\r\nMAIL FROM:<x@y>")

# U+001C to U+001F are bad already; "=?" would make a reader see encoded-words, so it is drawn.
printable = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters=BIDI)
one_line = st.lists(
    st.one_of(
        st.sampled_from(TRICKY), printable, st.sampled_from(["=?utf-8?q?=0A?=", "?=", "a" * 80, " " * 80])
    ),
    max_size=40,
).map(lambda pieces: "".join(pieces)[:1000])  # the longest name
body_text = st.lists(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(TRICKY),
        st.sampled_from(
            [
                "\r\n",
                "\n",
                "\r",
                "\n.\n",
                "\nFrom ",
                "--=_m_",
                "\0",
                "\u2028",
                "x" * 76,
                "y" * 1200,
                " \n",
                "ü" * 80,
            ]
        ),
    ),
    max_size=40,
).map("".join)


@dataclass(frozen=True)
class Texts:
    """Every text of a mail that a stranger may have chosen."""

    subject: str
    sender: str
    to: str
    reply_to: str
    header: str
    file: str
    image: str
    body: str
    content_type: ContentType


texts = st.builds(
    Texts,
    subject=one_line,
    sender=one_line,
    to=one_line,
    reply_to=one_line,
    header=one_line,
    file=one_line,
    image=one_line,
    body=body_text,
    content_type=st.sampled_from(ContentType),
)
HEADER_FIELDS = ("subject", "sender", "to", "reply_to", "header", "file", "image")
poison = st.one_of(st.sampled_from(BAD), st.sampled_from(INJECTION))


def named(name: str, address: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def message_of(chosen: Texts) -> Message:
    html = chosen.content_type is not ContentType.TEXT
    request = SendRequest(
        route=Server("localhost", 25),
        sender=parse_mailbox(named(chosen.sender, "sender@example.com"), "smtpEmailMailBoxName"),
        to=(
            parse_mailbox(named(chosen.to, "to@example.com"), "smtpEmailToRecipients[0]"),
            parse_mailbox("second@bücher.example", "smtpEmailToRecipients[1]"),
        ),
        cc=(),
        bcc=(parse_mailbox("hidden@example.com", "smtpEmailBccRecipients"),),
        subject=chosen.subject,
        content_type=chosen.content_type,
        content=InlineContent(chosen.body),
        reply_to=(parse_mailbox(named(chosen.reply_to, "reply@example.com"), "smtpEmailDirectReplyTo"),),
        headers=(("X-Case", chosen.header),),
    )
    attachments = (
        LoadedAttachment(
            "smtpEmailAttachments[0]", chosen.file, None, chosen.body.encode("utf-16", "replace")
        ),
        LoadedAttachment(
            "smtpEmailAttachments[1]", chosen.image, "image/png", b"\x89PNG", html, "logo" if html else None
        ),
    )
    return build(request, LoadedContent(chosen.body, attachments), "key", SETTINGS, NOW)


def parsed(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


def mailboxes(data: bytes, name: str) -> list[tuple[str, str]]:
    """Read addresses by the older parser; the newer one leaves blanks between the encoded-words of a name."""
    unfolded = str(message_from_bytes(data)[name]).replace("\r\n ", " ")
    return [(str(make_header(decode_header(shown))), address) for shown, address in getaddresses([unfolded])]


def file_name(part: EmailMessage) -> str:
    """Read a file name; get_filename() would strip it."""
    return str(part["Content-Disposition"].params.get("filename", ""))


def check_octets(data: bytes) -> None:
    assert data.isascii()
    assert data.endswith(b"\r\n")
    rest = data.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
    lines = data.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert b"." not in lines
    assert not any(line.startswith(b"From ") for line in lines)
    assert b"\0" not in data


def check_round_trip(chosen: Texts) -> None:
    message = message_of(chosen)
    check_octets(message.data)
    mail = parsed(message.data)
    assert Counter(mail.keys()) == Counter(
        ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "X-Case", "MIME-Version", "Content-Type"]
    )
    assert b"hidden@" not in message.data
    assert mail["Subject"] == chosen.subject
    assert mail["X-Case"] == chosen.header
    assert mailboxes(message.data, "From") == [(chosen.sender.strip(), "sender@example.com")]
    assert mailboxes(message.data, "To") == [
        (chosen.to.strip(), "to@example.com"),
        ("", "second@xn--bcher-kva.example"),
    ]
    assert mailboxes(message.data, "Reply-To") == [(chosen.reply_to.strip(), "reply@example.com")]
    assert [box.addr_spec for box in mail["To"].addresses] == [
        "to@example.com",
        "second@xn--bcher-kva.example",
    ]
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    files = {part.get_content_type(): part for part in leaves}
    assert len(leaves) == (4 if chosen.content_type is ContentType.MULTIPART else 3)
    image = files["image/png"]
    assert file_name(image) == chosen.image
    assert image.get_content() == b"\x89PNG"
    shown = files["text/plain" if chosen.content_type is ContentType.TEXT else "text/html"]
    payload = cast("bytes", shown.get_payload(decode=True))
    assert payload.decode() == chosen.body.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    last = leaves[-1] if chosen.content_type is not ContentType.TEXT else leaves[1]
    assert file_name(last) == chosen.file
    assert last.get_payload(decode=True) == chosen.body.encode("utf-16", "replace")


@pytest.fixture(params=[100, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[..., None]], None]:
    """Run a property, with the number of examples that the run asks for."""
    profile = settings(max_examples=request.param, suppress_health_check=list(HealthCheck), database=None)
    return lambda check: profile(check)()


def test_every_text_arrives_exactly(run: Callable[[Callable[..., None]], None]) -> None:
    run(given(texts)(check_round_trip))


def check_poison(chosen: Texts, field: str, bad: str, position: int) -> None:
    text = getattr(chosen, field)
    position %= len(text) + 1
    poisoned = replace(chosen, **{field: text[:position] + bad + text[position:]})
    with pytest.raises(InputError) as caught:
        message_of(poisoned)
    assert caught.value.field.startswith("smtpEmail")
    assert not any(line_end in caught.value.message for line_end in "\r\n\0\u2028")


def test_a_control_character_is_refused_in_every_field(run: Callable[[Callable[..., None]], None]) -> None:
    run(given(texts, st.sampled_from(HEADER_FIELDS), poison, st.integers(0, 1000))(check_poison))


address_text = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", "B1", "@", "@x", ".", " ", '"', "\\", "<", ">", ",", ";", ":", "(", ")", "[", "]", "ü"]
        ),
        st.sampled_from(["[127.0.0.1]", "[IPv6:::1]", "xn--", "\u3002", "\uff20", "\u00ad", "a@example.com"]),
        st.characters(),
        st.sampled_from(BAD),
    ),
    max_size=10,
).map("".join)


def read_mailbox(text: str) -> Mailbox | InputError:
    try:
        return parse_mailbox(text, "to")
    except InputError as error:
        return error


def check_address(text: str) -> None:
    box = read_mailbox(text)
    if isinstance(box, InputError):
        assert box.field == "to"
        assert box.message.isprintable()
        return
    assert box.address.count("@") == 1 or box.address.startswith('"')
    assert box.domain.isascii()
    assert box.domain == box.domain.lower() or box.domain.startswith("[")
    assert len(box.address.encode()) <= 254
    assert parse_mailbox(f"<{box.address}>", "to") == Mailbox(box.address)
    if not box.needs_smtputf8:
        assert mailboxes(header_of("To", (box, box)).encode("ascii"), "To") == [(box.name, box.address)] * 2


def test_an_address_is_refused_or_names_one_recipient(run: Callable[[Callable[..., None]], None]) -> None:
    run(given(address_text)(check_address))


def check_list(names: list[str], separator: str) -> None:
    items = [named(name, "a@example.com") for name in names]
    assert list(split_list(f" {separator} ".join(items))) == items


def test_a_list_of_quoted_names_falls_into_its_items(run: Callable[[Callable[..., None]], None]) -> None:
    run(given(st.lists(one_line, max_size=5), st.sampled_from(",;"))(check_list))


html_source = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.sampled_from(
            ["<p>", "</p>", "<ul>", "<ol>", "<li>", "</ul>", "<a href='x'>", "</a>", "<pre>", "<!--", "-->"]
        ),
        st.sampled_from(
            ["<", ">", '"', "'", "&#", "&amp", "<td>", "<tr>", "<script>", "</script", "<br>", "<img alt="]
        ),
    ),
    max_size=40,
).map("".join)


def check_html(html: str) -> None:
    text = text_from_html(html)
    assert text == "" or text.endswith("\n")


def test_any_html_becomes_text(run: Callable[[Callable[..., None]], None]) -> None:
    run(given(html_source)(check_html))


def outcome(text: str) -> Mailbox | str:
    try:
        return parse_mailbox(text, "field")
    except InputError as error:
        return str(error)


# Near what the short way reads, and across its borders: blanks, quotes, lengths, punycode, a missing bracket.
nearly_usual = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(
            ["", "Jane ", "Jane  Doe", "J. ", "O'Hara - X", " Jane", '"Jane" ', "a" * 70, "Jäne ", "x@y "]
        ),
        st.sampled_from(["<", "", " <", "<<", "< "]),
        st.sampled_from(["jane", "j.d+x", "j..d", ".j", "j.", "a" * 64, "a" * 65, "ä", "j d", '"j d"', ""]),
        st.sampled_from(["@", "", "@@"]),
        st.sampled_from(
            [
                "example.org",
                "EXAMPLE.Org",
                "localhost",
                "xn--bcher-kva.example",
                "XN--x",
                "a-.b",
                "-a",
                "1.2.3.4",
                "[::1]",
                "bücher.example",
                "a..b",
                "a." * 30 + "b",
                "b" * 63,
                "b" * 64,
                "",
            ]
        ),
        st.sampled_from([">", "", "> ", ">>", " >", "\n"]),
    ),
)


@given(st.one_of(nearly_usual, one_line))
def test_the_short_way_of_reading_a_mailbox_agrees_with_the_long_one(text: str) -> None:
    short = outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addresses, "_USUAL_LENGTH", -1)
        assert outcome(text) == short


def test_the_short_way_is_taken_by_what_people_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_parse_address", None)
    assert parse_mailbox("Jane Doe <jane.doe@Example.org>", "f") == Mailbox(
        "jane.doe@example.org", "Jane Doe"
    )
    assert parse_mailbox("jane@localhost", "f") == Mailbox("jane@localhost")
