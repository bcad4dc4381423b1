"""Java's own tool for keys and certificates, as Java people make them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def missing() -> str | None:
    """Say why it cannot be run here, or None when it can."""
    return None if shutil.which("keytool") else "keytool is not installed"


def generate(
    store: Path, kind: str, *, alias: str = "ann", password: str, more: list[str] | None = None
) -> Path:
    """Make a key with a certificate of its own for ann@example.test, in a new or present store.

    Args:
        kind: ``JKS``, ``JCEKS`` or ``PKCS12``.
        more: Further options, such as ``-keypass``.
    """
    certificate = ["-dname", "CN=Ann", "-ext", "san=email:ann@example.test", "-ext", "eku=emailProtection"]
    key = ["-alias", alias, "-keyalg", "RSA", "-keysize", "2048", "-validity", "90"]
    where = ["-keystore", str(store), "-storetype", kind, "-storepass", password]
    command = ["keytool", "-genkeypair", *key, *certificate, *where, *(more or [])]
    subprocess.run(command, check=True, capture_output=True)
    return store


def certificate(store: Path, password: str, alias: str = "ann") -> bytes:
    """Print the certificate of a key as PEM, as keytool reads it."""
    command = ["keytool", "-exportcert", "-rfc", "-alias", alias, "-keystore", str(store)]
    return subprocess.run([*command, "-storepass", password], check=True, capture_output=True).stdout


def converted(pkcs12: Path, store: Path, password: str) -> None:
    """Copy what a PKCS#12 file holds into a new JKS store; both have the same password."""
    source = ["-srckeystore", str(pkcs12), "-srcstoretype", "PKCS12", "-srcstorepass", password]
    target = ["-destkeystore", str(store), "-deststoretype", "JKS", "-deststorepass", password]
    subprocess.run(
        ["keytool", "-importkeystore", "-noprompt", *source, *target], check=True, capture_output=True
    )
