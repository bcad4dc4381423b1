"""A private OpenBao, or Vault, in its development mode: on loopback, in memory, gone when it ends.

No registry that the tests install from has either, so they run on it where somebody has put it; everywhere
else on the double in ``secret_stores`` alone, which is held to the same list.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

ROOT_TOKEN = "root-token-of-the-tests"


def binary() -> str | None:
    """Find the program: what OPENBAO names, or ``bao`` or ``vault`` on the path."""
    return os.environ.get("OPENBAO") or shutil.which("bao") or shutil.which("vault")


class OpenBao:
    """A running server, as its operator sees it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = httpx2.Client(base_url=address, headers={"X-Vault-Token": ROOT_TOKEN}, trust_env=False)

    def write(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Write to a path of its interface."""
        reply = self._client.post(f"/v1/{path}", json=dict(content))
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json() if reply.content else {}
        return answer

    def read(self, path: str) -> dict[str, Any]:
        """Read from a path of its interface."""
        answer: dict[str, Any] = self._client.get(f"/v1/{path}").raise_for_status().json()
        return answer

    def delete(self, path: str) -> None:
        """Delete a path of its interface."""
        self._client.delete(f"/v1/{path}").raise_for_status()

    def answers(self) -> bool:
        """Whether it is up and unsealed."""
        try:
            return self._client.get("/v1/sys/health").status_code == 200
        except httpx2.TransportError:
            return False

    def close(self) -> None:
        """Close the operator's connections."""
        self._client.close()


@contextmanager
def running() -> Iterator[OpenBao]:
    """Run a server with KV version 2 at ``secret`` and version 1 at ``kv``."""
    program = binary()
    assert program is not None, "put bao on the path, or name it in OPENBAO"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        program,
        "server",
        "-dev",
        f"-dev-root-token-id={ROOT_TOKEN}",
        f"-dev-listen-address={address}",
        "-dev-no-store-token",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = OpenBao(f"http://{address}")
    try:
        deadline = time.monotonic() + 30
        while not server.answers():
            assert process.poll() is None, "it ended at once"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.05)
        server.write("sys/mounts/kv", {"type": "kv", "options": {"version": "1"}})
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(10)
