"""From settings to gRPC channels: plain, TLS, OAuth client credentials, Camunda 8 SaaS.

Settings enter, two open channels leave. Apart from the adapter, which only speaks on them. Nothing
here reads the environment: ``settings`` did.

Two channels, because a stream needs a small receive window and commands do not: with gRPC's default
window, a stream that its reader has stopped reading takes in thousands of jobs whose lease then runs out
(``grpc.http2.lookahead_bytes``), and the window must not grow by itself (``grpc.http2.bdp_probe``).
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
    # Process variables may hold documents; the engine's own limits decide what is too large.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A connection that a firewall forgot is noticed; pyzeebe adds a ping every 45 s (the gateway allows 30).
    ("grpc.keepalive_timeout_ms", 10_000),
    # gRPC's own limit is two minutes, which an engine that is back would be left alone.
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
    """The way to a gateway.

    Attributes:
        address: ``host:port``, for messages.
        commands: For everything that is answered.
        stream: For job streams only.
        authorization: Puts access tokens on the calls, if they need one.
    """

    address: str
    commands: grpc.aio.Channel
    stream: grpc.aio.Channel
    authorization: Authorization | None = None

    async def close(self) -> None:
        """Close both; calls under way are cancelled."""
        await self.stream.close(None)
        await self.commands.close(None)
        if self.authorization is not None:
            await self.authorization.aclose()


def connect(settings: EngineSettings) -> Channels:
    """Make the channels; they connect by themselves at the first call, and again after each break.

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
    """``host:port`` of the gateway: the one that is set, else the SaaS cluster's, else the local default."""
    if settings.address:
        return settings.address
    if settings.cluster_id:
        return settings.saas_address
    return LOCAL_ADDRESS


def _credentials(
    settings: EngineSettings, authorization: Authorization | None
) -> grpc.ChannelCredentials | None:
    """TLS when it is asked for, and whenever a token travels."""
    if not (settings.tls or authorization):
        return None
    authorities = settings.ca_file.read_bytes() if settings.ca_file else None
    credentials = grpc.ssl_channel_credentials(root_certificates=authorities)
    if authorization is None:
        return credentials
    return grpc.composite_channel_credentials(credentials, grpc.metadata_call_credentials(authorization))


class Authorization(grpc.AuthMetadataPlugin):
    """Puts an access token on each call.

    gRPC asks for it in threads of its own, and may be answered later.

    Args:
        tokens: Gives the tokens, on the event loop that runs now.
    """

    def __init__(self, tokens: EngineTokens) -> None:
        self._tokens = tokens
        self._loop = asyncio.get_running_loop()
        self._given: SecretStr | None = None
        self._refused: SecretStr | None = None

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        """Answer for one call once there is a token."""
        del context  # every call goes to the same gateway

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
        """Give another token with the next call: the gateway did not take the current one."""
        self._refused = self._given

    async def aclose(self) -> None:
        """End with the channels."""
        await self._tokens.aclose()
