"""Services that keep secrets, on loopback, as their public interfaces are documented.

Vault's KV engine with its logins, AWS Secrets Manager, Azure Key Vault and Google Secret Manager: each is a
:class:`SecretStore`, whose contents and faults a test sets, behind a few lines of that service's HTTP.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class SecretStore:
    """What one service holds, and how it misbehaves.

    Attributes:
        values: Secrets by the service's own name of them.
        denied: Names that the worker may not read.
        down: Every request is answered with 503.
        going: Cleared, requests wait before they are answered.
        read: The names that were asked for, in order.
        logins: How often somebody logged in.
        tokens: The tokens that are good.
    """

    values: dict[str, Any] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    down: bool = False
    going: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    read: list[str] = field(default_factory=list)
    logins: list[Any] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    stop: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.going.set()

    def find(self, name: str) -> Any:
        """Read a secret, waiting while the service is held."""
        self.read.append(name)
        self.arrived.set()
        self.going.wait(30)
        return self.values.get(name)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Service = Callable[[SecretStore, Request], Reply]


@contextmanager
def secret_store(service: Service, tls: ssl.SSLContext | None = None) -> Iterator[SecretStore]:
    """Run a service on a free port."""
    store = SecretStore()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            store.headers.append(headers)
            request = Request(self.command, self.path.partition("?")[0], headers, body)
            reply = Reply(503) if store.down else service(store, request)
            content = b"" if reply.body is None else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    class Listener(ThreadingHTTPServer):
        daemon_threads = True  # clients keep their connections
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # clients of these tests hang up in the middle

    with Listener(("127.0.0.1", 0), Handler) as listener:
        store.port = listener.server_address[1]
        if tls is not None:
            listener.socket = tls.wrap_socket(listener.socket, server_side=True)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def stop() -> None:
            store.going.set()
            listener.shutdown()
            listener.server_close()
            thread.join()

        store.stop = stop
        try:
            yield store
        finally:
            stop()


def vault(store: SecretStore, request: Request) -> Reply:
    """KV version 2 at ``secret``, version 1 at ``kv``, AppRole and Kubernetes logins.

    Secrets are named ``path/field``. The replies are those of Vault's API documentation, and were compared
    with OpenBao 2.6's by ``tests/contract/test_vault.py``.
    """
    if request.path.startswith("/v1/auth/"):
        return _vault_login(store, json.loads(request.body))
    mount, _, path = request.path.removeprefix("/v1/").partition("/")
    if mount not in {"secret", "kv"}:
        return Reply(404, {"errors": [f'no handler for route "{mount}/{path}". route entry not found.']})
    if request.headers.get("x-vault-token") not in store.tokens:
        return Reply(403, {"errors": ["permission denied"]})
    return _vault_read(store, mount, path)


def _vault_read(store: SecretStore, mount: str, path: str) -> Reply:
    if mount == "secret" and not path.startswith("data/"):
        words = "Invalid path for a versioned K/V secrets engine."
        return Reply(404, {"data": None, "warnings": [words]})
    secret = path.removeprefix("data/") if mount == "secret" else path
    store.find(secret)
    if any(name.startswith(f"{secret}/") for name in store.denied):
        return Reply(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
    fields = {
        name.rpartition("/")[2]: value
        for name, value in store.values.items()
        if name.rpartition("/")[0] == secret
    }
    if not fields:
        return Reply(404, {"errors": []})
    return Reply(200, {"data": {"data": fields, "metadata": {"version": 1}} if mount == "secret" else fields})


def _vault_login(store: SecretStore, credentials: dict[str, str]) -> Reply:
    if credentials not in (
        {"role_id": "worker", "secret_id": "vault-secret-id"},
        {"role": "worker", "jwt": "service-account-jwt"},
    ):
        return Reply(400, {"errors": ["invalid role or secret ID"]})
    store.logins.append(credentials)
    token = f"hvs.token-{len(store.logins)}"
    store.tokens.add(token)
    return Reply(200, {"auth": {"client_token": token, "lease_duration": 3600, "renewable": True}})


def aws(store: SecretStore, request: Request) -> Reply:
    """GetSecretValue of AWS Secrets Manager (JSON 1.1)."""
    assert request.headers["x-amz-target"] == "secretsmanager.GetSecretValue"
    name = json.loads(request.body)["SecretId"]
    value = store.find(name)
    if name in store.denied:
        role = "arn:aws:sts::1:assumed-role/worker"
        return Reply(400, {"__type": "AccessDeniedException", "Message": f"User: {role} is not authorized"})
    if value is None:
        words = "Secrets Manager can't find the specified secret."
        return Reply(400, {"__type": "ResourceNotFoundException", "Message": words})
    kept = (
        {"SecretString": value}
        if isinstance(value, str)
        else {"SecretBinary": base64.b64encode(value).decode()}
    )
    return Reply(200, {"Name": name, "VersionId": "1", "VersionStages": ["AWSCURRENT"], **kept})


def azure(store: SecretStore, request: Request) -> Reply:
    """Get Secret of Azure Key Vault, with its challenge for a token."""
    if "authorization" not in request.headers:
        # A resource whose subdomain the vault is, as the library demands: 127.0.0.1 ends in ".0.0.1".
        resource = f"https://{request.headers['host'].partition('.')[2]}"
        challenge = f'Bearer authorization="https://login.example/tenant", resource="{resource}"'
        return Reply(401, {"error": {"code": "Unauthorized"}}, {"WWW-Authenticate": challenge})
    name = request.path.split("/")[2]
    value = store.find(name)
    if name in store.denied:
        return Reply(403, {"error": {"code": "Forbidden", "message": "Caller is not authorized"}})
    if value is None:
        return Reply(404, {"error": {"code": "SecretNotFound", "message": f"{name} was not found"}})
    return Reply(200, {"value": value, "id": f"https://127.0.0.1:{store.port}/secrets/{name}/1"})


def google(store: SecretStore, request: Request) -> Reply:
    """AccessSecretVersion of Google Secret Manager, and the token endpoint."""
    if request.path == "/token":
        store.logins.append(request.body)
        return Reply(200, {"access_token": "google-access-token", "expires_in": 3600, "token_type": "Bearer"})
    if request.headers.get("authorization") != "Bearer google-access-token":
        return Reply(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
    name = request.path.split("/")[5]
    value = store.find(name)
    if name in store.denied:
        return Reply(403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}})
    if value is None:
        return Reply(404, {"error": {"code": 404, "status": "NOT_FOUND"}})
    octets = value if isinstance(value, bytes) else value.encode()
    return Reply(200, {"name": request.path, "payload": {"data": base64.b64encode(octets).decode()}})
