"""A forward proxy on loopback: it knows hosts that no DNS knows, and remembers what was asked of it."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_SECONDS = 10.0


@dataclass
class ForwardProxy:
    """A running proxy.

    Attributes:
        hosts: The port on this machine that stands for each host; others answer 502.
        login: User name and password that it wants.
        asked: ``METHOD host:port`` of every request that it passed on.
        refused: How many came without the login.
    """

    hosts: Mapping[str, int]
    login: tuple[str, str] | None = None
    port: int = 0
    asked: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._request, args=(client,), daemon=True).start()

    def _request(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(_SECONDS)
            head, rest = _head(client)
            if not head:
                return
            method, target, version = head[0].split()
            if self.login and f"Basic {_basic(*self.login)}" not in "\n".join(head):
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            host = parts.hostname or ""
            self.asked.append(f"{method} {host}:{parts.port or (443 if method == 'CONNECT' else 80)}")
            if host not in self.hosts:
                client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self.hosts[host]), _SECONDS) as server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                    kept = [
                        line for line in head[1:] if not line.lower().startswith(("proxy-", "connection:"))
                    ]
                    lines = [f"{method} {path} {version}", *kept, "Connection: close", "", ""]
                    server.sendall("\r\n".join(lines).encode("latin-1"))
                server.sendall(rest)
                back = threading.Thread(target=_pass, args=(server, client), daemon=True)
                back.start()
                _pass(client, server)
                back.join(_SECONDS)


def _head(client: socket.socket) -> tuple[list[str], bytes]:
    octets = b""
    while b"\r\n\r\n" not in octets:
        if not (piece := client.recv(65536)):
            return [], b""
        octets += piece
    head, _, rest = octets.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while octets := source.recv(65536):
            target.sendall(octets)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _basic(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


@contextmanager
def running(hosts: Mapping[str, int], login: tuple[str, str] | None = None) -> Iterator[ForwardProxy]:
    """Run a proxy on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = ForwardProxy(hosts, login, listener.getsockname()[1])
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        yield proxy
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
