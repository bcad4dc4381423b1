"""Open gRPC channels to the gateway of the settings: plain, TLS, OAuth client credentials, Camunda 8 SaaS.

This module reads no environment variables; the settings have done so.

There are two channels, because a stream needs a small receive window. With gRPC's default window, a stream
whose reader has stopped receives thousands of jobs whose leases then expire
(``grpc.http2.lookahead_bytes``), and the window must not grow automatically (``grpc.http2.bdp_probe``).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

import grpc
from pydantic import SecretStr
from pyzeebe import create_insecure_channel, create_secure_channel

from connector.auth.engine_token import EngineTokens
from connector.engine.grpc_status import DENIED_MARK
from connector.errors import TokenError
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


def connect(settings: EngineSettings) -> Channels:
    """Create the channels; they connect at the first call, and again after each failure.

    Must be called in the event loop that uses them.

    Raises:
        OSError: ``ca_file`` cannot be read.
    """
    address = gateway_address(settings)
    authorization = Authorization(EngineTokens(settings)) if settings.client_id else None
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
    """Return whether to use TLS: if it is set, and whenever a token is sent."""
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
