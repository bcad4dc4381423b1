"""Serve health probes of an orchestrator and metrics for Prometheus over HTTP.

``/health/live`` answers 200 while the event loop runs: that loop serves the answer, so a worker that hangs
does not answer. ``/health/ready`` runs named checks and answers 200, or 503 with a reason for each failed
check. Faults outside the worker, in the engine or the ledger, affect readiness only, because a restart of
the worker would not repair them.

``/metrics`` answers with the worker's counters.

The server implements the part of HTTP/1.1 (RFC 9112) that probes need: one GET or HEAD for each connection,
limited in size, time and number.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from time import monotonic
from types import TracebackType
from typing import Self

import structlog

from connector.model.causes import reason_of
from connector.observe.metrics import CONTENT_TYPE

_log = structlog.get_logger(__name__)

_REQUEST_SECONDS = 5.0
_REQUEST_OCTETS = 8192
_CONNECTIONS = 32
# Kubernetes probes give up after timeoutSeconds, 1 by default; give them 3 to read the reason as well.
_CHECK_SECONDS = 2.0
_FRESH_SECONDS = 1.0

Check = Callable[[], Awaitable[None]]


class CachedCheck:
    """One check, shared by all probes: one run at a time, whose result is valid for a second.

    A run that takes too long is not cancelled; later probes wait for the same run. On a disk that hangs, each
    new run would block another thread.
    """

    def __init__(self, check: Check) -> None:
        self._check = check
        self._running: asyncio.Task[None] | None = None
        self._reason: str | None = None
        self._good_until = 0.0

    async def reason(self) -> str | None:
        """Return what is wrong, or None."""
        if self._running is None:
            if monotonic() < self._good_until:
                return self._reason
            self._running = asyncio.create_task(self._run())
        done, _ = await asyncio.wait({self._running}, timeout=_CHECK_SECONDS)
        return self._reason if done else f"no answer within {_CHECK_SECONDS:.0f} s"

    async def cancel(self) -> None:
        """Cancel a run that is in progress."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        try:
            await self._check()
        except Exception as error:  # noqa: BLE001 - any exception means that the check has failed
            self._reason = str(error) or reason_of(error)
        else:
            self._reason = None
        finally:
            self._good_until = monotonic() + _FRESH_SECONDS
            self._running = None


class Health:
    """Answers probes while the asynchronous context manager is open.

    Args:
        listen: ``host:port``; port 0 takes a free one.
        checks: The conditions for the worker to be ready, by name. A check returns if its condition holds,
            and otherwise raises an exception, whose text is part of the answer.
        mask: Masks the secrets in that text.
        live: A condition for the worker to be alive, in addition to a running event loop.
        metrics: Gives the metrics as Prometheus reads them.
    """

    def __init__(
        self,
        listen: str,
        checks: Mapping[str, Check],
        mask: Callable[[str], str],
        *,
        live: Check | None = None,
        metrics: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        host, _, port = listen.rpartition(":")
        self._host = host.strip("[]")
        self.port = int(port)
        self._metrics = metrics
        self._live = {} if live is None else {"worker": CachedCheck(live)}
        self._checks = {name: CachedCheck(check) for name, check in checks.items()}
        self._mask = mask
        self._connections: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Task[None], None] = {}  # without a whole request yet, the oldest first
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Listen; ``port`` is then the real one.

        Raises:
            OSError: The address cannot be listened on.
        """
        self._server = await asyncio.start_server(
            self._connected, self._host, self.port, limit=_REQUEST_OCTETS
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening, and drop the connections that are being answered."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.gather(*(check.cancel() for check in (*self._checks.values(), *self._live.values())))

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= _CONNECTIONS:
            if not self._silent:
                writer.transport.abort()
                return
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.cancel()
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        self._silent[connection] = None
        connection.add_done_callback(self._left)

    def _left(self, connection: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        self._silent.pop(connection, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                self._silent.pop(asyncio.current_task(), None)  # type: ignore[arg-type]
                writer.write(await self._response(head))
                await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_message(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            pass  # the client has left, or sends nothing
        finally:
            writer.close()

    async def _response(self, head: bytes) -> bytes:
        match head.partition(b"\r\n")[0].split(b" "):
            case [b"GET" | b"HEAD" as method, target, b"HTTP/1.1" | b"HTTP/1.0"]:
                response = await self._answer(target.partition(b"?")[0])
                return response if method == b"GET" else response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            case [_, _, b"HTTP/1.1" | b"HTTP/1.0"]:
                return _message(HTTPStatus.METHOD_NOT_ALLOWED, extra=b"Allow: GET, HEAD\r\n")
        return _message(HTTPStatus.BAD_REQUEST)

    async def _answer(self, path: bytes) -> bytes:
        match path:
            case b"/health/live":
                return await self._state(self._live)
            case b"/health/ready":
                return await self._state(self._checks)
            case b"/metrics" if self._metrics is not None:
                return await self._measured(self._metrics)
        return _message(HTTPStatus.NOT_FOUND)

    async def _measured(self, metrics: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            return _answer(HTTPStatus.OK, await metrics(), CONTENT_TYPE)
        except Exception:  # noqa: BLE001 - an empty answer would say nothing
            _log.exception("metrics not given")
            return _message(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _state(self, of: Mapping[str, CachedCheck]) -> bytes:
        if not of:
            return _message(HTTPStatus.OK, {"status": "ok"})
        reasons = await asyncio.gather(*(check.reason() for check in of.values()))
        checks: dict[str, object] = {
            name: {"ok": True} if reason is None else {"ok": False, "reason": self._mask(reason)}
            for name, reason in zip(of, reasons, strict=True)
        }
        if any(reason is not None for reason in reasons):
            return _message(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unavailable", "checks": checks})
        return _message(HTTPStatus.OK, {"status": "ok", "checks": checks})


def _message(status: HTTPStatus, body: Mapping[str, object] | None = None, extra: bytes = b"") -> bytes:
    content = json.dumps(body if body is not None else {"status": status.phrase}).encode() + b"\n"
    return _answer(status, content, "application/json", extra)


def _answer(status: HTTPStatus, content: bytes, kind: str, extra: bytes = b"") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {kind}\r\n"
        f"Content-Length: {len(content)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n"
    )
    return head.encode() + extra + b"\r\n" + content
