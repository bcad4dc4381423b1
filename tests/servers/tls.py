"""A server that ends a handshake as OpenSSL's servers do: with the alert that says why.

asyncio's own, which the SMTP server of the tests stands on, closes the connection without it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SECONDS = 10


@contextmanager
def handshaking(context: ssl.SSLContext, *, implicit: bool) -> Iterator[int]:
    """Serve one connection up to its handshake, at once or behind STARTTLS.

    Yields:
        The port.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(_SECONDS)
        thread = threading.Thread(target=_serve, args=(listening, context, implicit))
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            thread.join()


def _serve(listening: socket.socket, context: ssl.SSLContext, implicit: bool) -> None:
    connection, _ = listening.accept()
    connection.settimeout(_SECONDS)
    with connection:
        if not implicit:
            _offer_starttls(connection)
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
            with suppress(ssl.SSLError):
                tls.do_handshake()
            _drain(tls)


def _offer_starttls(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")
    for reply in (b"250-mail.example\r\n250 STARTTLS\r\n", b"220 go ahead\r\n"):
        connection.recv(1000)
        connection.sendall(reply)


def _drain(tls: ssl.SSLSocket) -> None:
    """Read what is still to come: closing before that would make a reset of it, before the alert."""
    with socket.socket(fileno=tls.detach()) as plain, suppress(OSError):
        plain.settimeout(_SECONDS)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(1000):
            pass
