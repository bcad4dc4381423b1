"""Processes that refresh a token and are killed (SIGKILL) at a step of it.

Run as a program: it imports once, then forks a process for each line that it reads, ``STEP STORE PLACE``, and
answers with the steps that the process took. Each forked one dies just before its step of that number; 0
lets it live.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from connector.auth import file_store
from connector.auth.endpoint import EndpointClient
from connector.auth.postgres_store import PostgresStore
from connector.auth.sealing import Seal
from connector.auth.store import TokenStore
from tests import oauth
from tests.servers.authorization import AuthorizationServer

ANSWERED = "the answer is here"
"""The step after which what happens next decides about the grant."""


class Steps:
    """Counts the steps of this process, tells them, and dies at one."""

    def __init__(self, fatal: int, told: int) -> None:
        self._fatal = fatal
        self._told = told
        self._count = 0

    def take(self, name: str) -> None:
        self._count += 1
        if self._count == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(self._told, f"{name}\n".encode())

    def watch(self, owner: Any, name: str) -> None:
        """Count the calls of a function."""
        original: Callable[..., Any] = getattr(owner, name)

        def watched(*arguments: Any, **more: Any) -> Any:
            self.take(name)
            return original(*arguments, **more)

        setattr(owner, name, watched)


class _Files:
    """The functions of ``os`` that the store uses, apart from everyone else's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


async def refresh(server: AuthorizationServer, store: TokenStore, place: str) -> None:
    async with oauth.source(oauth.by_consent(server, place=place), store) as tokens:
        await tokens.token()
    await store.aclose()


def _watch(steps: Steps) -> None:
    files = _Files()
    for name in ("open", "write", "fsync"):
        steps.watch(files, name)
    setattr(file_store, "os", files)  # noqa: B010 - a name of its own, not exported
    for name in ("replace", "unlink"):
        steps.watch(Path, name)
    for name in ("execute", "fetchrow"):
        steps.watch(asyncpg.Connection, name)
    post = EndpointClient.post

    async def watched(self: EndpointClient, url: str, form: Any) -> Any:
        steps.take("ask")
        answer = await post(self, url, form)
        steps.take(ANSWERED)
        return answer

    EndpointClient.post = watched  # type: ignore[method-assign]


def _child(step: int, store: str, place: str, told: int) -> None:
    _watch(Steps(step, told))
    port, keys = int(os.environ["AUTHORIZATION_PORT"]), os.environ["STORE_KEYS"]
    server = AuthorizationServer(None, port)  # type: ignore[arg-type]  # only its addresses count here

    async def seal() -> Seal:
        return Seal(keys)

    opened = (
        PostgresStore(store, seal) if store.startswith("postgresql:") else oauth.file_store(Path(store), keys)
    )
    asyncio.run(refresh(server, opened, place))


def main() -> None:
    for line in sys.stdin:
        step, store, place = line.split()
        reading, telling = os.pipe()
        if (process := os.fork()) == 0:
            try:
                _child(int(step), store, place, telling)
            finally:
                os._exit(0)
        os.close(telling)
        with os.fdopen(reading) as steps:
            taken = steps.read().splitlines()
        killed = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
        print(json.dumps({"killed": killed, "taken": taken}), flush=True)  # noqa: T201 - this program's answer


if __name__ == "__main__":
    main()
