"""What an operator may say about signing and encryption: keys, recipients' certificates, DKIM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from connector.model.signing import Digest, Padding, Protection
from connector.settings.values import (
    Directory,
    DomainName,
    ReadableFile,
    Section,
    form,
    from_json,
    text_schema,
)

# A label, or several, of the DNS (RFC 6376 section 3.1).
SELECTOR = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
SELECTOR_WORDS = "letters, digits and hyphens, as r2026"

Selector = Annotated[str, Field(max_length=190), form(SELECTOR, SELECTOR_WORDS), text_schema(SELECTOR)]


class KeySettings(Section):
    """A private key."""

    file: ReadableFile = Field(
        description="The key with its certificates: PEM, PKCS#12 (.p12, .pfx) or JKS; read anew on a change."
    )
    key: ReadableFile | None = Field(
        None, description="The key in PEM, where the file holds its certificates only."
    )
    password: SecretStr | None = Field(None, description="Opens file and key; or secrets.NAME.")
    key_password: SecretStr | None = Field(
        None, description="Opens the key in a JKS file, where it is not the file's password."
    )
    alias: str | None = Field(None, description="Which key, where a JKS file has several.")


class DkimKeySettings(KeySettings):
    """A key for DKIM: RSA or Ed25519; it needs no certificate."""

    selector: Selector = Field(description="Name of the key: its record is SELECTOR._domainkey.DOMAIN.")


class DkimSettings(Section):
    """Signatures of a domain (RFC 6376, RFC 8463)."""

    domain: DomainName = Field(
        None, description="The domain that answers for the mails. Default: the sender's."
    )
    keys: Annotated[tuple[DkimKeySettings, ...], BeforeValidator(from_json)] = Field(
        (), description="The keys; each signs every mail. In the environment as JSON."
    )


class SigningSettings(Section):
    """Signatures and encryption by S/MIME (RFC 8551), and signatures by DKIM."""

    sign: Protection = Field(
        Protection.ON_REQUEST,
        description=(
            "`on-request`: when the task says smtpEmailSign; `when-possible`: every mail for whose sender a "
            "key is there; `require`: every mail, or it is not sent."
        ),
    )
    encrypt: Protection = Field(
        Protection.ON_REQUEST,
        description=(
            "`on-request`: when the task says smtpEmailEncrypt; `when-possible`: when every recipient has a "
            "certificate; `require`: every mail, or it is not sent."
        ),
    )
    keys: Annotated[tuple[KeySettings, ...], BeforeValidator(from_json)] = Field(
        (),
        description=(
            "The keys for S/MIME, with their certificates. Of those that are valid for the sender the one "
            "issued last signs. In the environment as JSON."
        ),
    )
    padding: Padding = Field(Padding.PKCS1, description="Padding of RSA signatures: `pkcs1` or `pss`.")
    digest: Digest | None = Field(
        None,
        description="`sha-256`, `sha-384` or `sha-512`. Default: as strong as the key.",
    )
    certificates: Directory | None = Field(
        None,
        description=(
            "Directory of the recipients' certificates, PEM or DER, found by the addresses in them. They are "
            "trusted as they are."
        ),
    )
    encrypt_to_sender: bool = Field(
        True, description="Encrypt for the sender as well, who then needs a certificate, too."
    )
    dkim: DkimSettings = DkimSettings()

    @model_validator(mode="after")
    def _complete(self) -> SigningSettings:
        for fault in self._faults():
            raise ValueError(fault)
        return self

    def _faults(self) -> Iterator[str]:
        if self.sign is not Protection.ON_REQUEST and not self.keys:
            yield f"sign {self.sign.value} needs keys"
        if self.encrypt is not Protection.ON_REQUEST and self.certificates is None:
            yield f"encrypt {self.encrypt.value} needs certificates, the directory of the recipients'"
        selectors = [key.selector for key in self.dkim.keys]
        if len(set(selectors)) < len(selectors):
            yield "dkim.keys has a selector twice"
