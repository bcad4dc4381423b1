"""A private rspamd that checks DKIM signatures and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_START = 60  # seconds that it has to answer its first ping

_CONFIG = """\
options {{
  filters = "dkim";
  dns {{ nameserver = ["127.0.0.1:{nameserver}:1"]; timeout = 5s; }}
  url_tld = "{directory}/tld.dat";
  pidfile = "{directory}/rspamd.pid";
  tempdir = "{directory}";
  hs_cache_dir = "{directory}";
  control_socket = "{directory}/control.sock mode=0600";
  disable_hyperscan = true;
}}
logging {{ type = "file"; filename = "{directory}/rspamd.log"; level = "error"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
dkim {{ trusted_only = false; }}
"""


@dataclass(frozen=True, slots=True)
class Rspamd:
    """A running server."""

    port: int

    def results(self, mail: bytes) -> dict[str, str]:
        """Verify the signatures of a mail; ``pass`` or ``fail`` by selector."""
        found = json.loads(self._post("/checkv2", mail))["symbols"]
        symbols = {"R_DKIM_ALLOW": "pass", "R_DKIM_REJECT": "fail"}
        return {
            option.partition(":s=")[2]: result
            for symbol, result in symbols.items()
            for option in found.get(symbol, {}).get("options", [])
        }

    def _post(self, path: str, data: bytes) -> bytes:
        request = Request(f"http://127.0.0.1:{self.port}{path}", data=data, method="POST")
        with urlopen(request, timeout=30) as response:
            return bytes(response.read())


def missing() -> str | None:
    """Say why it cannot be run here, or None when it can."""
    return None if shutil.which("rspamd", path=_PATH) else "rspamd is not installed"


@contextmanager
def running(nameserver: int) -> Iterator[Rspamd]:
    """Run an rspamd until the block ends.

    Args:
        nameserver: The port on 127.0.0.1 where it looks keys up.
    """
    with tempfile.TemporaryDirectory(prefix="rspamd-") as name:
        directory, port = Path(name), _free_port()
        config = directory / "rspamd.conf"
        config.write_text(_CONFIG.format(directory=directory, nameserver=nameserver, port=port))
        (directory / "tld.dat").write_text("test\n")  # the whole list takes it a minute
        # -i: it may run as root, which the tests of Postfix need.
        command = ["rspamd", "-f", "-i", "-c", str(config)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PATH": _PATH}
        )
        try:
            _wait_for_ping(process, port)
            yield Rspamd(port)
        finally:
            process.terminate()
            process.wait()


def _wait_for_ping(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError("rspamd did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
