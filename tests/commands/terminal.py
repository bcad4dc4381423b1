"""A command as a person runs it: a process of its own, its output and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

# As on a wide terminal without colours; nothing is left in the home directory.
_PLAIN = {"NO_COLOR": "1", "COLUMNS": "200", "SMTP_CONNECTOR_LEDGER_KIND": "memory"}
_SECONDS = 30.0


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str

    @property
    def outcome(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.stdout)
        return parsed


class Dialogue:
    """A command that goes on while a person does something elsewhere."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = ""

    async def heard(self, pattern: str) -> re.Match[str]:
        """Wait until the command has printed this."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_SECONDS):
            while (match := re.search(pattern, self._said)) is None:
                if not (octets := await self._process.stdout.read(4096)):
                    raise AssertionError(f"it ended without {pattern!r}: {self._said}")
                self._said += octets.decode()
        return match

    def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def ended(self) -> Finished:
        async with asyncio.timeout(_SECONDS):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return Finished(self._process.returncode, self._said + out.decode(), err.decode())


@asynccontextmanager
async def dialogue(*arguments: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[Dialogue]:
    process = await _started(arguments, {"PYTHONUNBUFFERED": "1", **(environ or {})})
    try:
        yield Dialogue(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def command(*arguments: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Finished:
    process = await _started(arguments, environ or {})
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def _started(arguments: tuple[str, ...], environ: Mapping[str, str]) -> asyncio.subprocess.Process:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "connector",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **_PLAIN, **environ},
    )
