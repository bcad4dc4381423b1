"""One reader's stream of jobs: a bounded queue between the core, which pushes, and a connection.

A client that does not read gets nothing more: once so many octets wait for it, a push is refused and the job
goes to another stream or stays for polls. What has not been written when the stream ends goes back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from connector.devengine.commands import ActivatedJob

# As much as a gateway on grpc-java lets wait for a slow reader.
_ROOM = 32_768


class JobStream:
    """A stream that one client has opened.

    Args:
        encode: Makes the message of a job.
    """

    def __init__(self, encode: Callable[[ActivatedJob], bytes]) -> None:
        self._encode = encode
        self._waiting: deque[tuple[ActivatedJob, bytes]] = deque()
        self._octets = 0
        self._news = asyncio.Event()
        self._ended = False

    def push(self, job: ActivatedJob) -> bool:
        """Take a job for the client; False when there is no room for it."""
        message = self._encode(job)
        if self._ended or (self._waiting and self._octets + len(message) > _ROOM):
            return False
        self._waiting.append((job, message))
        self._octets += len(message)
        self._news.set()
        return True

    def end(self) -> None:
        """End the stream once what waits is written."""
        self._ended = True
        self._news.set()

    async def run(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write jobs until the stream is ended; a job counts as written when ``write`` has returned."""
        while self._waiting or not self._ended:
            while self._waiting:
                _, message = self._waiting[0]
                await write(message)
                self._waiting.popleft()
                self._octets -= len(message)
            if not self._ended:
                self._news.clear()
                await self._news.wait()

    def unwritten(self) -> list[ActivatedJob]:
        """The jobs that the client cannot have, oldest first."""
        return [job for job, _ in self._waiting]
