"""Open gRPC channels to the gateway of the settings, and translate the errors of their calls.

The channels are plain, with TLS, with OAuth client credentials, or to Camunda 8 SaaS. This module reads no
environment variables; the settings have done so.

There are two channels, because a stream needs a small receive window. With gRPC's default window, a stream
whose reader has stopped receives thousands of jobs whose leases then expire
(``grpc.http2.lookahead_bytes``), and the window must not grow automatically (``grpc.http2.bdp_probe``).

The status of a failed call becomes an error of the port, with advice for the operator. The texts quoted are
those of Zeebe 8.6.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

import grpc
from pydantic import SecretStr
from pyzeebe import create_insecure_channel, create_secure_channel

from connector.auth.engine_token import EngineTokens
from connector.engine.port import (
    EngineBusyError,
    EngineDeniedError,
    EngineRefusedError,
    EngineUnavailableError,
    LeaseLostError,
    StreamingUnsupportedError,
)
from connector.errors import TokenError
from connector.net.outbound import DIRECT, Outbound
from connector.settings.model import EngineSettings

LOCAL_ADDRESS = "localhost:26500"

_CHANNEL_OPTIONS = (
    # Process variables may contain documents; the engine's own limits decide what is too large.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Pings detect a connection that a firewall has dropped; every 45 s, because the gateway allows one in 30
    # s.
    ("grpc.keepalive_timeout_ms", 10_000),
    # gRPC's default is two minutes, for which the worker would ignore an engine that is back.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
_STREAM_OPTIONS = (
    *_CHANNEL_OPTIONS,
    ("grpc.http2.lookahead_bytes", 16_384),
    ("grpc.http2.bdp_probe", 0),
)


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels to a gateway.

    Attributes:
        address: ``host:port``, for messages.
        commands: For calls with one answer.
        stream: For job streams.
        authorization: Adds access tokens to the calls, if they need one.
    """

    address: str
    commands: grpc.aio.Channel
    stream: grpc.aio.Channel
    authorization: Authorization | None = None

    async def close(self) -> None:
        """Close both channels and cancel their calls."""
        await self.stream.close(None)
        await self.commands.close(None)
        if self.authorization is not None:
            await self.authorization.aclose()


def connect(settings: EngineSettings, way: Outbound = DIRECT) -> Channels:
    """Create the channels; they connect at the first call, and again after each failure.

    Must be called in the event loop that uses them.

    Args:
        settings: Where the gateway is.
        way: Which proxy is for the token endpoint.

    Raises:
        OSError: ``ca_file`` cannot be read.
    """
    address = gateway_address(settings)
    authorization = Authorization(EngineTokens(settings, way)) if settings.client_id else None
    credentials = _credentials(settings, authorization)

    def channel(options: tuple[tuple[str, int], ...]) -> grpc.aio.Channel:
        if credentials is None:
            return create_insecure_channel(grpc_address=address, channel_options=options)
        return create_secure_channel(
            grpc_address=address, channel_options=options, channel_credentials=credentials
        )

    return Channels(address, channel(_CHANNEL_OPTIONS), channel(_STREAM_OPTIONS), authorization)


def gateway_address(settings: EngineSettings) -> str:
    """Return ``host:port`` of the gateway: the setting, else the SaaS cluster's, else the local default."""
    if settings.address:
        return settings.address
    if settings.cluster_id:
        return settings.saas_address
    return LOCAL_ADDRESS


def _credentials(
    settings: EngineSettings, authorization: Authorization | None
) -> grpc.ChannelCredentials | None:
    """Return credentials for TLS if it is set or a token is sent; None means clear text."""
    if not (settings.tls or authorization):
        return None
    authorities = settings.ca_file.read_bytes() if settings.ca_file else None
    credentials = grpc.ssl_channel_credentials(root_certificates=authorities)
    if authorization is None:
        return credentials
    return grpc.composite_channel_credentials(credentials, grpc.metadata_call_credentials(authorization))


class Authorization(grpc.AuthMetadataPlugin):
    """Adds an access token to each call.

    gRPC asks for it in its own threads and accepts the answer later.

    Args:
        tokens: Gives the tokens, on the running event loop.
    """

    def __init__(self, tokens: EngineTokens) -> None:
        self._tokens = tokens
        self._loop = asyncio.get_running_loop()
        self._given: SecretStr | None = None
        self._refused: SecretStr | None = None

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        """Answer for one call when there is a token."""
        del context  # all calls go to the same gateway

        def answer(asked: Future[str]) -> None:
            try:
                callback((("authorization", f"Bearer {asked.result()}"),), None)
            except (TokenError, CancelledError) as error:
                denied = isinstance(error, TokenError) and not error.retryable
                callback((), grpc.RpcError(f"{DENIED_MARK}: {error}" if denied else str(error)))

        asyncio.run_coroutine_threadsafe(self._token(), self._loop).add_done_callback(answer)

    async def _token(self) -> str:
        self._given = await self._tokens.token(self._refused)
        return self._given.get_secret_value()

    def forget(self) -> None:
        """Use a new token for the next call, because the gateway refused the current one."""
        self._refused = self._given

    async def aclose(self) -> None:
        """End together with the channels."""
        await self._tokens.aclose()


# What a failed call means

# gRPC reports a failed token only as text, in the details of an UNAVAILABLE.
DENIED_MARK = "the token endpoint refused"

# RESOURCE_EXHAUSTED "gRPC message exceeds maximum size 4194304: 5242903" (a request above 4 MB), and
# UNKNOWN "Command 'COMPLETE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': " (variables of about 2 MB).
_TOO_LARGE = ("exceeds maximum size", "larger than max", "EXCEEDED_BATCH_RECORD_SIZE")

_FRAME_TYPE = re.compile(r"Expected SETTINGS frame as the first frame, got frame type (\d+)")

_MEANING: dict[grpc.StatusCode, type[Exception]] = {
    grpc.StatusCode.NOT_FOUND: LeaseLostError,
    # "… but it is in state 'FAILED'", "… but it is not active".
    grpc.StatusCode.FAILED_PRECONDITION: LeaseLostError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: EngineBusyError,
    grpc.StatusCode.INVALID_ARGUMENT: EngineRefusedError,
    grpc.StatusCode.OUT_OF_RANGE: EngineRefusedError,
    grpc.StatusCode.UNAUTHENTICATED: EngineDeniedError,
    grpc.StatusCode.PERMISSION_DENIED: EngineDeniedError,
}
# Zeebe answers so under load, and as long as a job with more variables than fit in a message is the next.
_LARGE_JOB = (
    "; if this lasts, one job may be larger than 4 MB: let its task take fewer variables by input mappings, "
    "or remove the large one from its process instance"
)
_ADVICE = {
    grpc.StatusCode.UNAUTHENTICATED: "; check engine.client_id, client_secret, oauth_url and audience",
    grpc.StatusCode.PERMISSION_DENIED: (
        "; grant this client the permission to read and update process instances, "
        "and access to the tenants of engine.tenant_ids"
    ),
}


def port_error(
    error: grpc.aio.AioRpcError, address: str, *, streaming: bool = False, polling: bool = False
) -> Exception:
    """Return the port's error for a failed call.

    Args:
        error: The error of the call.
        address: The gateway, for the message.
        streaming: Whether the call opened a job stream, which old gateways do not support.
        polling: Whether the call asked for jobs; a job larger than one message is not back-pressure.
    """
    code, said = error.code(), error.details() or "no details"
    if any(mark in said for mark in _TOO_LARGE):
        return EngineRefusedError(f"larger than the engine accepts: {said}")
    if DENIED_MARK in said:
        return EngineDeniedError(said)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return _unimplemented(address, said, streaming=streaming)
    if polling and code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return EngineBusyError(said + _LARGE_JOB)
    if (meaning := _MEANING.get(code)) is not None:
        return meaning(said + _ADVICE.get(code, ""))
    return EngineUnavailableError(f"{address} {_other_protocol(said) or _why(code, said)}")


def _why(code: grpc.StatusCode, said: str) -> str:
    """What gRPC says of a failed call, without the address and the layers that it has passed.

    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:26500: Failed to connect to
    remote host: Connection refused"; "DNS resolution failed for zeebe:26500: C-ares status is not
    ARES_SUCCESS qtype=A name=zeebe is_balancer=0: Domain name not found", or with another resolver "errors
    resolving zeebe:26500: [field:hostname lookup error:address lookup failed for zeebe:26500: Domain …]".
    """
    if code is not grpc.StatusCode.UNAVAILABLE:
        return f"answered {code.name}: {said}"
    if "DNS resolution failed" in said or "lookup" in said:
        return "cannot be reached: its host name is not known"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return "has a certificate that is not trusted here; see engine.ca_file"
    return f"cannot be reached: {said.rpartition(': ')[2] if said.startswith('failed to connect') else said}"


def _other_protocol(said: str) -> str | None:
    """Tell what answers in the place of a gateway, as far as gRPC's words show it; None for a gateway.

    gRPC takes the fourth octet of what arrives for the type of a frame (RFC 9113 section 4.1).
    """
    if "WRONG_VERSION_NUMBER" in said:
        return (
            "does not speak TLS; set engine.tls to false if it is the gateway's gRPC port (26500 by default)"
        )
    if (frame := _FRAME_TYPE.search(said)) is None and "http1" not in said.lower():
        return None
    kind = "h" if frame is None else chr(int(frame[1]) & 0xFF)
    advice = "set engine.address to the gateway's gRPC port, 26500 by default"
    if kind in " -":  # "220 mail.example.com ESMTP", "220-…"
        return f"is a mail server, not a Zeebe gateway; {advice}"
    if kind in "hPO":  # "HTTP/1.1 400", "<!DOCTYPE html>"
        return f"is a web server or a REST interface, not the gateway's gRPC port; {advice}"
    return f"is not a Zeebe gateway; {advice}"


def _unimplemented(address: str, said: str, *, streaming: bool) -> Exception:
    if streaming:
        return StreamingUnsupportedError(f"{address} does not stream jobs (Zeebe 8.4 and later do): {said}")
    return EngineDeniedError(
        f"{address} answers, but is not a Zeebe gateway; check engine.address (its gRPC port is 26500 by "
        f"default): {said}"
    )
