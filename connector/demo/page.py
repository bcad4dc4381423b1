"""The inbox in a browser: a small web server on the loopback interface.

Mails may be hostile, and so may other web pages open in the same browser. Therefore the server listens on
loopback only and accepts only its own ``Host`` (DNS rebinding); its policy loads nothing from elsewhere and
runs no script of a mail; the HTML body is in a sandbox; files are always downloads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import quote

from connector.demo import view
from connector.demo.inbox import Inbox, Mail

HOST = "127.0.0.1"
_SHUTDOWN_POLL = 0.05
_REQUEST_TIMEOUT = 10
_OWN = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STRANGE = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_MAIL_PATH = re.compile(r"/mail/(\d{1,9})(?:/(html|source|eml|part/(\d{1,6})))?")
_ASSETS = {"/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    content_type: str
    policy: str = _OWN
    filename: str | None = None


class InboxPage:
    """The web page of an inbox, served from its own threads while the context is open.

    Args:
        inbox: The inbox to show.
        smtp_address: The address of the inbox's mail server, shown on the page.
        port: Port to listen on; 0 takes a free one.
        on_start: Called in a thread of the server when the user asks for another process instance.

    Raises:
        OSError: The port is taken.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        smtp_address: str,
        port: int = 0,
        on_start: Callable[[], None] | None = None,
    ) -> None:
        self._inbox = inbox
        self._smtp_address = smtp_address
        self._on_start = on_start
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(_SHUTDOWN_POLL,), daemon=True)

    @property
    def port(self) -> int:
        """Return the port."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Return the address of the page."""
        return f"http://{HOST}:{self.port}/"

    def mail_url(self, mail: Mail) -> str:
        """Return the address of one mail."""
        return f"{self.url}mail/{mail.number}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def hosts(self) -> frozenset[str]:
        """Return the ``Host`` that a browser sends for our own address."""
        return frozenset({f"{HOST}:{self.port}", f"localhost:{self.port}"})

    def answer(self, path: str) -> _Answer | None:
        """Return the content at a path, if there is any."""
        if path == "/":
            return self._page(self._inbox.mails[-1] if self._inbox.mails else None)
        if path == "/state":
            return _Answer(json.dumps({"count": self._inbox.count}).encode(), "application/json")
        if path in _ASSETS:
            return _Answer((files(__package__) / path[1:]).read_bytes(), _ASSETS[path])
        return self._of_mail(path)

    def start(self) -> bool:
        """Ask for another process instance; return whether the demo can start one."""
        if self._on_start is None:
            return False
        self._on_start()
        return True

    def _page(self, shown: Mail | None) -> _Answer:
        html = view.page(
            self._inbox.mails,
            shown,
            smtp_address=self._smtp_address,
            can_start=self._on_start is not None,
        )
        return _Answer(html.encode(errors="replace"), "text/html; charset=utf-8")

    def _of_mail(self, path: str) -> _Answer | None:
        found = _MAIL_PATH.fullmatch(path)
        mail = self._inbox.get(int(found[1])) if found else None
        if found is None or mail is None:
            return None
        match found[2]:
            case None:
                return self._page(mail)
            case "html":
                html = view.body_document(mail).encode(errors="replace")
                return _Answer(html, "text/html; charset=utf-8", _STRANGE)
            case "source":
                return _Answer(mail.source, "text/plain; charset=utf-8", _STRANGE)
            case "eml":
                return _Answer(mail.source, "message/rfc822", _STRANGE, f"mail-{mail.number}.eml")
            case _:
                return _part(mail, int(found[3]))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        page = self

        class Handler(_Handler):
            inbox_page = page

        return Handler


def _part(mail: Mail, index: int) -> _Answer | None:
    part = next((part for part in mail.parts if part.index == index and not part.container), None)
    if part is None:
        return None
    # Always a download, so that the browser runs nothing, even if the mail claims another type.
    return _Answer(part.content, "application/octet-stream", _STRANGE, part.filename or f"part-{index}")


class _Handler(BaseHTTPRequestHandler):
    inbox_page: InboxPage
    server_version = "smtp-connector"
    sys_version = ""
    timeout = _REQUEST_TIMEOUT

    def do_GET(self) -> None:
        if not self._from_our_own_address():
            return
        answer = self.inbox_page.answer(self.path.partition("?")[0])
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._send(answer)

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def do_POST(self) -> None:
        if not self._from_our_own_address():
            return
        origin = self.headers.get("Origin", "").removeprefix("http://")
        if self.path != "/start" or origin not in self.inbox_page.hosts:  # another site's form
            self.send_error(HTTPStatus.FORBIDDEN)
        elif not self.inbox_page.start():
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _from_our_own_address(self) -> bool:
        """Refuse other host names, such as evil.example that resolves to 127.0.0.1."""
        if self.headers.get("Host") in self.inbox_page.hosts:
            return True
        self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        return False

    def _send(self, answer: _Answer) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Content-Security-Policy", answer.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "same-origin")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        if answer.filename is not None:
            # RFC 6266 with RFC 8187, so that no octet of the name can end the header or the parameter.
            name = quote(answer.filename, safe="", errors="replace")
            self.send_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the terminal shows the demo's story."""
