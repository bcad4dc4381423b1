"""OpenSSL's own tool as a reader of S/MIME mails."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from tests.mail_certificates import Leaf


class RefusedError(Exception):
    """OpenSSL does not accept the mail; the text is what it says."""


def verified(mail: bytes, root: Path) -> bytes:
    """Check a signed mail as a reader that trusts the root does.

    Returns:
        What was signed, with its own header.
    """
    return _cms(["-verify", "-purpose", "smimesign", "-CAfile", str(root)], mail)


def decrypted(mail: bytes, receiver: Leaf, directory: Path) -> bytes:
    """Open an encrypted mail.

    Returns:
        What was encrypted, with its own header.
    """
    key, certificate = directory / "receiver.key", directory / "receiver.pem"
    key.write_bytes(receiver.key_pem)
    certificate.write_bytes(receiver.certificate.public_bytes(Encoding.PEM))
    return _cms(["-decrypt", "-inkey", str(key), "-recip", str(certificate)], mail)


def described(mail: bytes) -> str:
    """Print the structure of the signature or the envelope."""
    return _cms(["-cmsout", "-print", "-noout"], mail).decode("utf-8", "replace")


def _cms(arguments: list[str], mail: bytes) -> bytes:
    command = ["openssl", "cms", *arguments, "-inform", "SMIME"]
    ran = subprocess.run(command, input=mail, capture_output=True, check=False)
    if ran.returncode:
        raise RefusedError(ran.stderr.decode("utf-8", "replace"))
    return ran.stdout
