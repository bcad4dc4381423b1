"""TLS to mail servers: the handshake, on a connection that spoke in clear until then.

A context enters, an encrypted link leaves, or an error that says what to change.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl

import idna

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.server import Server
from connector.tls.tls_faults import explain, explain_later
from connector.transport.smtp.conversation import Conversation
from connector.transport.smtp.link import ClearTextBeforeTlsError


def host_to_verify(hostname: str) -> str:
    """The host as certificates spell it: an IP literal without brackets, or a name in its ASCII form.

    Raises:
        UnicodeError: It is no host name.
    """
    bare = hostname.removeprefix("[").removesuffix("]").removesuffix(".")
    if not bare:
        raise UnicodeError("the host name is empty")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare if bare.isascii() else idna.encode(bare, uts46=True).decode()


async def encrypt(talk: Conversation, context: ssl.SSLContext, server: Server, phase: Phase) -> None:
    """Do the TLS handshake.

    Args:
        talk: The conversation, in clear so far.
        context: From :func:`~connector.tls.trust.build_context`.
        server: Whose certificate it has to be.
        phase: What came before: ``STARTTLS``, or ``TLS`` from the first octet.

    Raises:
        TransportError: ``TLS_FAILED`` for what a person has to change, ``CONNECTION_*`` otherwise.
    """
    limit = talk.seconds(Phase.TLS)
    with talk.step(Phase.TLS):
        try:
            async with asyncio.timeout(limit):
                await talk.link.start_tls(context, host_to_verify(server.hostname), limit + 1)
        except (ssl.SSLError, ClearTextBeforeTlsError, ConnectionResetError) as error:
            if _is_tcp_reset(error):
                raise
            raise _failed(server, explain(error, phase, server)) from error


def _is_tcp_reset(error: Exception) -> bool:
    """Whether the network broke the handshake; asyncio reports the server's orderly end without an errno."""
    return isinstance(error, ConnectionResetError) and error.errno is not None


def refused_later(error: TransportError, server: Server) -> TransportError | None:
    """The error in place of one for a connection that broke because the server refuses our certificate."""
    fault = explain_later(error.__cause__, server)
    return _failed(server, fault) if fault else None


def _failed(server: Server, fault: str) -> TransportError:
    return TransportError(
        ErrorCode.TLS_FAILED,
        f"TLS with {server} failed: {fault} No credentials were sent.",
        phase=Phase.TLS,
        server=str(server),
    )
