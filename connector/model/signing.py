"""How the mails of an account are signed and encrypted, as its settings say. Nothing here reads a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr


class Protection(StrEnum):
    """How much an account wants its mails signed, or encrypted."""

    ON_REQUEST = "on-request"
    WHEN_POSSIBLE = "when-possible"
    REQUIRE = "require"


class Padding(StrEnum):
    """How an RSA signature is padded (RFC 8017 section 8)."""

    PKCS1 = "pkcs1"
    PSS = "pss"


class Digest(StrEnum):
    """A hash function of signatures, in the spelling of micalg (RFC 8551 section 3.5.3.2)."""

    SHA256 = "sha-256"
    SHA384 = "sha-384"
    SHA512 = "sha-512"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where a private key is.

    Attributes:
        file: PEM, PKCS#12 or JKS, with the certificate of the key and those that vouch for it.
        key: PEM of the key, where ``file`` holds the certificates only.
        password: Opens the key; of a PKCS#12 or JKS file, the file too.
        key_password: Opens the key in a JKS file, where it is not the file's password.
        alias: Which key of a Java key store.
    """

    file: Path
    key: Path | None = None
    password: SecretStr | None = None
    key_password: SecretStr | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class DomainKeyFile:
    """Where a key for DKIM is.

    Attributes:
        selector: Where below the domain its public key stands (RFC 6376 section 3.1).
        file: The private key; it needs no certificate.
    """

    selector: str
    file: KeyFile


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """How the mails of an account are protected, or one mail: then the task's wishes are in it.

    Attributes:
        account: The account's name; None where the task names a server.
        sign: Whether its mails are signed where the task does not say.
        encrypt: Whether they are encrypted.
        keys: The generations of its S/MIME key.
        padding: How RSA signatures are padded.
        digest: The hash function of signatures; None for one as strong as the key.
        certificates: Directory of the recipients' certificates.
        encrypt_to_sender: The sender can read what is encrypted, too.
        dkim: The keys that sign every mail for the domain.
        dkim_domain: The domain that answers for the mails; None for the sender's.
    """

    account: str | None = None
    sign: Protection = Protection.ON_REQUEST
    encrypt: Protection = Protection.ON_REQUEST
    keys: tuple[KeyFile, ...] = ()
    padding: Padding = Padding.PKCS1
    digest: Digest | None = None
    certificates: Path | None = None
    encrypt_to_sender: bool = True
    dkim: tuple[DomainKeyFile, ...] = ()
    dkim_domain: str | None = None

    @property
    def idle(self) -> bool:
        """Whether it leaves a mail as it is."""
        return not self.dkim and {self.sign, self.encrypt} == {Protection.ON_REQUEST}

    @property
    def passwords(self) -> tuple[str, ...]:
        """What opens the keys: never to be seen."""
        files = (*self.keys, *(key.file for key in self.dkim))
        given = (password for file in files for password in (file.password, file.key_password))
        return tuple(password.get_secret_value() for password in given if password is not None)


UNPROTECTED = SigningPolicy()
"""How mails go that have no account, and need neither key nor certificate."""
