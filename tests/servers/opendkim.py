"""opendkim as a verifier of DKIM signatures: no server and no DNS, but the whole of its checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_RESULT = re.compile(r"dkim=(\w+)[^;]*header\.a=(\S+) header\.s=(\w+)")


def missing() -> str | None:
    """Say why it cannot be run here, or None when it can."""
    return None if shutil.which("opendkim", path=_PATH) else "opendkim is not installed"


def results(mail: bytes, records: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Verify the signatures of a mail.

    Args:
        records: The TXT records of names such as ``s._domainkey.example.test``.
        directory: For its files.

    Returns:
        ``pass`` or ``fail`` by selector.
    """
    keys, config, message = directory / "keys", directory / "opendkim.conf", directory / "mail.eml"
    keys.write_text("".join(f"{name} {text}\n" for name, text in records.items()))
    config.write_text(f"Mode v\nTestPublicKeys {keys}\n")
    message.write_bytes(mail)
    command = ["opendkim", "-x", str(config), "-t", str(message), "-vv"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PATH": _PATH}
    )
    return {selector: result for result, _, selector in _RESULT.findall(ran.stdout)}
