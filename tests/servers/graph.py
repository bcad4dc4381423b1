"""Microsoft Graph's mail on loopback: mailboxes that keep state, answers checked by schema, faults on demand.

In a thread of this process. Every request and every answer is checked against schemas of our own; what does
not fit is kept in :attr:`Graph.violations`, which :func:`graph_server` expects to be empty at the end. ::

    with graph_server("flow@example.test") as graph:
        token = graph.token("flow@example.test", "Mail.ReadWrite", "Mail.Send")
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.servers import graph_operations as operations
from tests.servers import graph_reading as reading
from tests.servers.failing import ServiceHandler
from tests.servers.graph_operations import Call, Operation, RefusedError, Reply
from tests.servers.graph_schemas import answer_fault, request_fault
from tests.servers.graph_state import Mailbox
from tests.servers.graph_world import Graph

_READ = frozenset({"Mail.Read", "Mail.ReadWrite"})
_WRITE = frozenset({"Mail.ReadWrite"})
_SEND = frozenset({"Mail.Send"})
_ANY = frozenset({"User.Read", "User.Read.All", *_READ, *_SEND})

Rule = tuple[str, re.Pattern[str], str, Operation, frozenset[str]]


def _rule(method: str, pattern: str, name: str, operation: Operation, permits: frozenset[str]) -> Rule:
    return method, re.compile(pattern.replace("{}", "([^/]+)")), name, operation, permits


RULES: list[Rule] = [
    _rule("GET", "/mailFolders", "listFolders", reading.list_folders, _READ),
    _rule("POST", "/mailFolders", "createFolder", reading.create_folder, _WRITE),
    _rule("GET", "/mailFolders/{}", "getFolder", reading.get_folder, _READ),
    _rule("GET", "/mailFolders/{}/childFolders", "childFolders", reading.child_folders, _READ),
    _rule("POST", "/mailFolders/{}/childFolders", "createFolder", reading.create_folder, _WRITE),
    _rule("GET", "/mailFolders/{}/messages", "listMessages", reading.list_messages, _READ),
    _rule("GET", "/messages", "listMessages", reading.list_messages, _READ),
    _rule("PATCH", "/messages/{}", "patchMessage", reading.patch_message, _WRITE),
    _rule("POST", "/messages/{}/move", "moveMessage", reading.move_message, _WRITE),
    _rule("POST", "/messages/{}/copy", "copyMessage", reading.copy_message, _WRITE),
    _rule("GET", r"/messages/{}/\$value", "messageMime", reading.message_mime, _READ),
    _rule("GET", "", "getUser", operations.get_user, _ANY),
    _rule("POST", "/messages", "createDraft", operations.create_draft, _WRITE),
    _rule("POST", "/messages/{}/send", "send", operations.send_draft, _SEND),
    _rule("POST", "/sendMail", "sendMail", operations.send_mail, _SEND),
    _rule("GET", "/messages/{}", "getMessage", operations.get_message, _READ),
    _rule("DELETE", "/messages/{}", "deleteMessage", operations.delete_message, _WRITE),
    _rule("POST", "/messages/{}/permanentDelete", "permanentDelete", operations.permanent_delete, _WRITE),
    _rule("POST", "/messages/{}/attachments", "addAttachment", operations.add_attachment, _WRITE),
    _rule("GET", "/messages/{}/attachments", "listAttachments", operations.list_attachments, _READ),
    _rule(
        "POST",
        "/messages/{}/attachments/createUploadSession",
        "createUploadSession",
        operations.create_upload_session,
        _WRITE,
    ),
]


class Handler(ServiceHandler):
    """Serves one connection."""

    server: Listener

    @property
    def graph(self) -> Graph:
        return self.server.graph

    @property
    def service(self) -> Graph:
        return self.graph

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        octets = self.body()
        if octets is None:
            return
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if parts.path == "/token":
            self._answer(Reply(200, {"access_token": self.graph.issued, "token_type": "Bearer"}))
        elif parts.path.startswith("/upload/"):
            self._upload(parts.path.rpartition("/")[2], octets, headers)
        else:
            self._serve(parts.path, dict(parse_qsl(parts.query)), octets, headers)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class's names

    def _upload(self, secret: str, octets: bytes, headers: Mapping[str, str]) -> None:
        out, method = self.graph.out, self.command
        name = {"PUT": "putChunk", "GET": "uploadStatus", "DELETE": "cancelUpload"}[method]
        done: dict[str, Callable[[], Reply]] = {
            "PUT": lambda: operations.put_chunk(secret, octets, headers, out),
            "GET": lambda: operations.upload_status(secret, headers, out),
            "DELETE": lambda: operations.cancel_upload(secret, headers, out),
        }
        self._performed(name, done[method], headers)

    def _serve(self, path: str, query: Mapping[str, str], octets: bytes, headers: Mapping[str, str]) -> None:
        found = _route(self.command, path)
        if found is None:
            self.graph.violations.append(f"no such operation: {self.command} {path}")
            self._answer(_refusal(RefusedError(404, "ResourceNotFound")))
            return
        owner, (_, _, name, operation, permits), parts = found

        def done() -> Reply:
            mailbox = self._mailbox(owner, permits, headers)
            body = self._body(name, octets, headers)
            call = Call(
                mailbox,
                parts,
                query,
                body,
                headers,
                f"{self.graph.base_url.removesuffix('/v1.0')}{path}",
                'IdType="ImmutableId"' in headers.get("prefer", ""),
            )
            return operation(call, self.graph.out)

        graph = self.graph
        with graph.lock:
            graph.under_way[owner] += 1
            graph.busiest = max(graph.busiest, graph.under_way[owner])
        try:
            self._performed(name, done, headers)
        finally:
            with graph.lock:
                graph.under_way[owner] -= 1

    def _performed(self, name: str, done: Callable[[], Reply], headers: Mapping[str, str]) -> None:
        graph = self.graph
        graph.before(name)
        with graph.lock:
            graph.asked.append(name)
            graph.requests.append(headers)
            fault = graph.fault_of(name)
            reply = Reply(200)
            if fault is None or fault.after:
                try:
                    reply = done()
                except RefusedError as error:
                    reply = _refusal(error)
                self._checked(name, reply)
        if fault is None:
            self._answer(reply)
        elif fault.status is None:
            self.close_connection = True  # without a word
        else:
            self._answer(_refusal(RefusedError(fault.status, fault.code, ""), fault.headers))

    def _checked(self, name: str, reply: Reply) -> None:
        if isinstance(reply.body, bytes):
            return
        if fault := answer_fault(name, reply.status, reply.body):
            self.graph.violations.append(f"answer of {name}: {fault}")

    def _mailbox(self, owner: str, permits: frozenset[str], headers: Mapping[str, str]) -> Mailbox:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        held = self.graph.tokens.get(token)
        if held is None:
            raise RefusedError(401, "InvalidAuthenticationToken", "Access token has expired or is not valid.")
        if owner == "me" and held.user is None:
            raise RefusedError(400, "BadRequest", "/me request is only valid with delegated authentication.")
        name = held.user if owner == "me" else unquote(owner)
        mailbox = self.graph.mailboxes.get(name or "")
        if mailbox is None:
            raise RefusedError(404, "ErrorInvalidUser", "The requested user is invalid.")
        shared = held.user is not None and held.user != mailbox.user
        allowed = {one.removesuffix(".Shared") for one in held.allowed} if shared else held.allowed
        if not permits & allowed or (shared and held.user not in mailbox.shared_with):
            raise RefusedError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        return mailbox

    def _body(self, name: str, octets: bytes, headers: Mapping[str, str]) -> Any:
        if len(octets) > 4 * 1024 * 1024:
            raise RefusedError(413, "RequestEntityTooLarge")
        if headers.get("content-type", "").startswith("text/plain"):
            return octets
        try:
            body = json.loads(octets) if octets else None
        except ValueError:
            raise RefusedError(400, "RequestBodyRead") from None
        if fault := request_fault(name, body):
            self.graph.violations.append(f"request of {name}: {fault}")
            raise RefusedError(400, "RequestBodyRead", fault)
        return body

    def _answer(self, reply: Reply) -> None:
        octets = reply.body if isinstance(reply.body, bytes) else b""
        if reply.body is not None and not isinstance(reply.body, bytes):
            octets = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("request-id", "11111111-2222-3333-4444-555555555555")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)


class Listener(ThreadingHTTPServer):
    """Accepts connections."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, graph: Graph, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.graph = graph
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients of these tests hang up in the middle


def _route(method: str, path: str) -> tuple[str, Rule, tuple[str, ...]] | None:
    match = re.fullmatch(r"/v1\.0/(me|users/[^/]+)(/.*)?", path)
    if match is None:
        return None
    owner, rest = match[1].removeprefix("users/"), match[2] or ""
    for rule in RULES:
        if rule[0] == method and (inside := rule[1].fullmatch(rest)):
            return owner, rule, tuple(map(unquote, inside.groups()))
    return None


def _refusal(error: RefusedError, headers: Mapping[str, str] | None = None) -> Reply:
    inner = {"request-id": "11111111-2222-3333-4444-555555555555", "date": "2026-03-01T08:00:00"}
    body = {"error": {"code": error.code, "message": error.text, "innerError": inner}}
    return Reply(error.status, body, headers or {})


@contextmanager
def graph_server(*users: str, tls: ssl.SSLContext | None = None) -> Iterator[Graph]:
    """Run the service with a mailbox for each user, and expect that all it heard and said was well formed."""
    graph = Graph(mailboxes={user: Mailbox(user) for user in users})
    with Listener(graph, tls) as listener:
        graph.port = listener.server_address[1]
        graph.out.upload_base = f"http://localhost:{graph.port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield graph
        finally:
            listener.shutdown()
            thread.join()
    assert graph.violations == []
