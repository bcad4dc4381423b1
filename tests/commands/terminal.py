"""A command as a person runs it: a process of its own, its output and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# As on a wide terminal without colours; nothing is left in the home directory.
_PLAIN = {"NO_COLOR": "1", "COLUMNS": "200", "SMTP_CONNECTOR_LEDGER_KIND": "memory"}


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str

    @property
    def outcome(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.stdout)
        return parsed


async def command(*arguments: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Finished:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "connector",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **_PLAIN, **(environ or {})},
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())
