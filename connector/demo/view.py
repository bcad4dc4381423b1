"""Render the inbox page as HTML.

All functions are pure. Every value of a mail passes :func:`html.escape`, except the HTML body, which is a
separate document that the page shows in a sandbox.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import parseaddr
from html import escape
from urllib.parse import quote

from connector.demo.inbox import Mail, Part
from connector.mailtemplates.support import findings

_SOURCE_SHOWN = 200_000  # octets; a link leads to the rest
_PROMINENT = ("From", "To", "Cc", "Reply-To", "In-Reply-To", "References")
_ICON = quote(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 18 18"><rect x="1" y="3.5" width="16" height="11" '
    'rx="2" fill="#0f766e"/><path d="m2.5 5.5 6.5 5 6.5-5" fill="none" stroke="#fff" '
    'stroke-width="1.6"/></svg>'
)


def page(mails: Sequence[Mail], shown: Mail | None, *, smtp_address: str, can_start: bool) -> str:
    """Return the page: the list of mails and one mail, or instructions while there is none.

    Args:
        mails: The latest last.
        shown: The mail to show.
        smtp_address: The address of the inbox's mail server.
        can_start: Whether to show a button that starts another process instance.
    """
    title = f"{shown.subject} · Inbox" if shown else "Inbox"
    start = '<form method="post" action="/start"><button>Start another process</button></form>'
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="data:image/svg+xml,{_ICON}">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body data-count="{mails[-1].number if mails else 0}">
<header class="bar">
<a class="brand" href="/"><span class="mark" aria-hidden="true"></span>Inbox
<small>smtp-connector demo</small></a>
<span class="where">SMTP <code>{escape(smtp_address)}</code></span>
<a class="news" id="news" href="/" hidden>New mail</a>
{start if can_start else ""}
</header>
<div class="columns">
<nav class="list" aria-label="Mails">{_list(mails, shown)}</nav>
<main>{_mail(shown) if shown else _empty(smtp_address)}</main>
</div>
</body>
</html>
"""


def body_document(mail: Mail) -> str:
    """Return the HTML body as a document, with its inline images (RFC 2392) as data URLs."""
    html = mail.html or ""
    for part in mail.parts:
        if part.content_id and part.content_type.startswith("image/"):
            data = f"data:{part.content_type};base64,{b64encode(part.content).decode()}"
            html = html.replace(f"cid:{part.content_id}", data)
    return html


def _empty(smtp_address: str) -> str:
    return (
        '<section class="empty"><span class="mark" aria-hidden="true"></span><h1>No mail yet</h1>'
        "<p>The process is running. This page shows the mail when it arrives.</p>"
        f"<p class='quiet'>Other mail programs may also send to <code>{escape(smtp_address)}</code>; "
        "every mail stays here, for any recipient.</p></section>"
    )


def _list(mails: Sequence[Mail], shown: Mail | None) -> str:
    if not mails:
        return '<p class="quiet">Nothing received.</p>'
    return f"<ol>{''.join(_entry(mail, current=mail == shown) for mail in reversed(mails))}</ol>"


def _entry(mail: Mail, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return (
        f'<li><a href="/mail/{mail.number}"{mark}><span class="who">{escape(_who(mail))}</span>'
        f'{_time(mail.received_at)}<span class="what">{escape(mail.subject)}</span></a></li>'
    )


def _who(mail: Mail) -> str:
    name, address = parseaddr(mail.header("From"))
    return name or address or mail.envelope_sender


def _mail(mail: Mail) -> str:
    return (
        f"<article><h1>{escape(mail.subject)}</h1>{_badges(mail)}{_people(mail)}{_invitation(mail)}"
        f"{_attachments(mail)}{_body(mail)}{_not_shown(mail)}"
        f"{_fold('Headers', _headers(mail), len(mail.headers))}"
        f"{_fold('Parts', _tree(mail), len(mail.parts))}"
        f"{_fold('Source', _source(mail), _size(len(mail.source)))}</article>"
    )


def _badges(mail: Mail) -> str:
    wanted = (
        ("Importance", "Importance", "importance"),
        ("Sensitivity", "Sensitivity", "sensitivity"),
        ("X-Message-Flag", "Flag", "flag"),
        ("Reply-By", "Reply by", "flag"),
        ("Disposition-Notification-To", "Read receipt to", "receipt"),
    )
    found = [(label, mail.header(name), kind) for name, label, kind in wanted if mail.header(name)]
    badges = (f'<li class="{kind}"><b>{label}</b> {escape(value)}</li>' for label, value, kind in found)
    return f'<ul class="badges">{"".join(badges)}</ul>' if found else ""


def _people(mail: Mail) -> str:
    rows = [(name, mail.header(name)) for name in _PROMINENT if mail.header(name)]
    rows.append(("Size", _size(len(mail.source))))
    rows.append(("Received", mail.received_at.strftime("%Y-%m-%d %H:%M:%S %Z").strip()))
    rows.append(("Envelope", f"{mail.envelope_sender} → {', '.join(mail.envelope_recipients)}"))
    return _definitions(rows, "people")


def _definitions(rows: Iterable[tuple[str, str]], kind: str) -> str:
    items = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="{kind}">{"".join(items)}</dl>'


def _invitation(mail: Mail) -> str:
    event = mail.invitation
    if event is None:
        return ""
    wanted = (
        "SUMMARY",
        "DTSTART",
        "DTEND",
        "LOCATION",
        "DESCRIPTION",
        "ORGANIZER",
        "ATTENDEE",
        "UID",
        "SEQUENCE",
    )
    labels = ("What", "Begins", "Ends", "Where", "About", "Organizer", "Invited", "UID", "Sequence")
    rows = [(label, event[name]) for label, name in zip(labels, wanted, strict=True) if event.get(name)]
    kind = {"REQUEST": "Invitation", "CANCEL": "Cancellation"}.get(event.get("METHOD", ""), "Calendar entry")
    return f'<section class="invitation"><h2>{kind}</h2>{_definitions(rows, "people")}</section>'


def _not_shown(mail: Mail) -> str:
    """List what mail programs do not show of the HTML body."""
    found = findings(mail.html) if mail.html is not None else ()
    items = "".join(f"<li>{escape(str(one))}</li>" for one in found)
    return _fold("Not shown by every mail program", f"<ul>{items}</ul>", len(found)) if found else ""


def _body(mail: Mail) -> str:
    """Return the HTML body in frames without permissions (its own policy forbids loads), and the text.

    One frame is as wide as the page lets it be, one as wide as a phone.
    """
    views = [
        f'<section class="body {kind}"><h2>{title}</h2><iframe sandbox title="The HTML body, {kind}" '
        f'src="/mail/{mail.number}/html"></iframe></section>'
        for kind, title in (("desktop", "HTML"), ("phone", "HTML on a phone"))
        if mail.html is not None
    ]
    if mail.text is not None:
        views.append(f'<section class="body"><h2>Text</h2><pre>{escape(mail.text)}</pre></section>')
    return f'<div class="bodies">{"".join(views)}</div>'


def _attachments(mail: Mail) -> str:
    items = (
        f'<li><a href="/mail/{mail.number}/part/{part.index}" download>{escape(_name(part))}</a> '
        f'<span class="quiet">{escape(part.content_type)}, {_size(len(part.content))}</span></li>'
        for part in mail.attachments
    )
    return f'<ul class="attachments">{"".join(items)}</ul>' if mail.attachments else ""


def _headers(mail: Mail) -> str:
    return _definitions(mail.headers, "headers")


def _tree(mail: Mail) -> str:
    items = (
        f'<li class="depth-{min(part.depth, 6)}"><code>{escape(part.content_type)}</code> '
        f'<span class="quiet">{escape(_details(part))}</span>{_download(mail, part)}</li>'
        for part in mail.parts
    )
    return f'<ul class="tree">{"".join(items)}</ul>'


def _details(part: Part) -> str:
    known = (
        part.charset,
        part.encoding,
        part.disposition,
        part.filename,
        f"cid:{part.content_id}" if part.content_id else None,
        None if part.container else _size(len(part.content)),
    )
    return " · ".join(detail for detail in known if detail)


def _download(mail: Mail, part: Part) -> str:
    if part.container:
        return ""
    return f' <a href="/mail/{mail.number}/part/{part.index}" download>download</a>'


def _source(mail: Mail) -> str:
    shown = mail.source[:_SOURCE_SHOWN].decode("utf-8", errors="replace")
    more = "" if len(mail.source) <= _SOURCE_SHOWN else '<p class="quiet">The rest is in the file.</p>'
    return (
        f'<p><a href="/mail/{mail.number}/source">open as text</a> · '
        f'<a href="/mail/{mail.number}/eml" download>download as .eml</a></p>'
        f"<pre>{escape(shown)}</pre>{more}"
    )


def _fold(title: str, content: str, note: object) -> str:
    return f'<details><summary>{title} <span class="quiet">{note}</span></summary>{content}</details>'


def _name(part: Part) -> str:
    return part.filename or f"part-{part.index}"


def _time(moment: datetime) -> str:
    local = moment.astimezone()
    return f'<time datetime="{escape(moment.isoformat())}">{local:%H:%M:%S}</time>'


def _size(octets: int) -> str:
    return f"{octets} B" if octets < 1024 else f"{octets / 1024:.1f} KB"
