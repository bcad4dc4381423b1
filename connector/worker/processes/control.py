"""How a supervisor and a worker process talk to each other, over a pair of sockets.

The supervisor asks in a line, ``checks 7`` or ``metrics 8``; the worker answers with a line of JSON that has
the same number. The worker begins with a line that has number 0: it is up, and signals reach it. When the
supervisor dies, in any way, the worker reads the end of the socket. It then drains and stops, as nothing else
would stop it.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from itertools import count

from connector.observe.health import CachedCheck, Check
from connector.observe.metrics import Metrics

UP = 0
# Names, in the environment of a worker process, its number for the log.
PROCESS_NUMBER = "_SMTP_CONNECTOR_PROCESS"
_ANSWER_SECONDS = 2.5
_LONGEST_LINE = 1 << 22


async def answer(
    descriptor: int, checks: Mapping[str, Check], metrics: Metrics, orphaned: asyncio.Event
) -> None:
    """Answer the supervisor until it is gone, which sets ``orphaned``; the worker's end.

    Args:
        descriptor: The worker's socket, inherited.
        checks: The conditions for this process to be ready, by name.
        metrics: The numbers of this process.
        orphaned: Set when the supervisor is gone.
    """
    cached = {name: CachedCheck(check) for name, check in checks.items()}
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    try:
        _say(writer, UP, None)
        while line := await reader.readline():
            kind, number = line.split()
            wanted = metrics.text().decode() if kind == b"metrics" else await _reasons(cached)
            _say(writer, int(number), wanted)
    except OSError:
        pass  # reset instead of closed: the supervisor is gone all the same
    finally:
        orphaned.set()
        writer.close()
        await asyncio.gather(*(check.cancel() for check in cached.values()))


def _say(writer: asyncio.StreamWriter, number: int, wanted: object) -> None:
    writer.write(json.dumps([number, wanted]).encode() + b"\n")


async def _reasons(checks: Mapping[str, CachedCheck]) -> list[str]:
    reasons = await asyncio.gather(*(check.reason() for check in checks.values()))
    return [f"{name}: {reason}" for name, reason in zip(checks, reasons, strict=True) if reason is not None]


class Control:
    """The supervisor's end of the sockets, for one worker process from its start to its end."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self._ours, self._theirs = socket.socketpair()
        self._numbers = count(UP + 1)
        self._asked: dict[int, asyncio.Future[object]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def descriptor(self) -> int:
        """The socket that the worker inherits."""
        return self._theirs.fileno()

    async def open(self) -> None:
        """Begin to listen, once the worker has its socket."""
        self._theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=self._ours, limit=_LONGEST_LINE)
        self._reading = asyncio.create_task(self._read(reader))

    async def ask(self, kind: str) -> object:
        """Ask for ``checks``, a list of failed ones with reasons, or ``metrics``, a text.

        Raises:
            TimeoutError: There is no answer within 2.5 seconds, or no process.
        """
        if self._writer is None or self._writer.is_closing():
            raise TimeoutError
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(f"{kind} {number}\n".encode())
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await future
        finally:
            del self._asked[number]

    async def close(self) -> None:
        """Close the sockets; the process has ended, or was never started."""
        if self._reading is None or self._writer is None:
            self._ours.close()
            self._theirs.close()
            return
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            number, wanted = json.loads(line)
            if number == UP:
                self.up.set()
            elif number in self._asked and not self._asked[number].done():
                self._asked[number].set_result(wanted)
