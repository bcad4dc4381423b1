"""Bouncy Castle as a reader of S/MIME mails: its own MIME parser, its own cryptography."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.mail_certificates import Leaf

_PASSWORD = "changeit"  # of a test key only; Java reads arguments by the locale
_HOME = Path(__file__).parents[1] / "reader"


def missing() -> str | None:
    """Say why it cannot be run here, or None when it can."""
    if shutil.which("javac") is None:
        return "a Java development kit is not installed"
    if not list((_HOME / "lib").glob("bcpkix-*.jar")):
        return "Bouncy Castle is not there: see tests/reader/pom.xml"
    return None


def opened(mails: Mapping[str, bytes], reader: Leaf, root: Path, directory: Path) -> dict[str, bytes | str]:
    """Decrypt signed and encrypted mails, and check the signatures.

    Returns:
        By name the decoded content, as octets; for a mail that it refuses the reason, as text.
    """
    store = directory / "reader.p12"
    store.write_bytes(reader.pkcs12(_PASSWORD))
    for name, mail in mails.items():
        (directory / f"{name}.eml").write_bytes(mail)
    program = ["java", "-cp", f"{_HOME / 'lib'}/*", str(_HOME / "SmimeReader.java")]
    subprocess.run([*program, str(store), _PASSWORD, str(root), str(directory)], check=True)
    return {
        name: text.read_bytes()
        if (text := directory / f"{name}.text").exists()
        else (directory / f"{name}.fault").read_text("utf-8")
        for name in mails
    }
