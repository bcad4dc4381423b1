"""The record in the DNS that publishes a key for DKIM (RFC 6376 section 3.6.1, RFC 8463 section 4)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from connector.signing.dkim import DomainKey

_STRING = 255  # octets of one string of a TXT record (RFC 1035 section 3.3)


def name_of(key: DomainKey) -> str:
    """Name the place of the record."""
    return f"{key.selector}._domainkey.{key.domain}"


def text_of(key: DomainKey) -> str:
    """Write the record's text."""
    kind = "rsa" if isinstance(key.key, rsa.RSAPrivateKey) else "ed25519"
    return f"v=DKIM1; k={kind}; p={b64encode(_public(key)).decode('ascii')}"


def zone_line(key: DomainKey) -> str:
    """Write the record as a line of a zone file, in strings of the length that the DNS allows."""
    text = text_of(key)
    strings = " ".join(f'"{text[at : at + _STRING]}"' for at in range(0, len(text), _STRING))
    return f"{name_of(key)}. IN TXT ( {strings} )"


def record_fault(texts: Sequence[str], key: DomainKey) -> str | None:
    """Say why a verifier would not accept the signatures of a key; None if it would.

    Args:
        texts: The TXT records that the DNS has at the key's place.
        key: The private key.
    """
    if not texts:
        return f"the DNS has no TXT record at {name_of(key)}"
    if len(texts) > 1:
        return f"the DNS has {len(texts)} TXT records at {name_of(key)}, not one"
    tags = _tags(texts[0])
    if tags.get("v", "DKIM1") != "DKIM1":
        return "the record is not one of DKIM: v= is not DKIM1"
    kind = "rsa" if isinstance(key.key, rsa.RSAPrivateKey) else "ed25519"
    if tags.get("k", "rsa") != kind:
        return f"the record is for a key of another kind (k={tags.get('k', 'rsa')}), the file has {kind}"
    if not tags.get("p"):
        return "the record says that the key was revoked (an empty p=)" if "p" in tags else "it lacks p="
    return _restriction(tags) or _difference(tags["p"], key)


def _restriction(tags: dict[str, str]) -> str | None:
    if "sha256" not in tags.get("h", "sha256").split(":"):
        return f"the record does not allow SHA-256 (h={tags['h']})"
    if not {"email", "*"} & set(tags.get("s", "*").split(":")):
        return f"the record is not for mail (s={tags['s']})"
    return None


def _difference(published: str, key: DomainKey) -> str | None:
    try:
        data = b64decode(published, validate=True)
    except (Base64Error, ValueError):
        return "p= of the record is not base64; a part of it may be missing"
    if data == _public(key) or _is_same_rsa(data, key):
        return None
    return "the record publishes another key than the file's"


def _is_same_rsa(data: bytes, key: DomainKey) -> bool:
    """Whether it is the same key in the other form, which RFC 6376 allows: RSAPublicKey alone."""
    if not isinstance(key.key, rsa.RSAPrivateKey):
        return False
    try:
        found = load_der_public_key(data)
    except ValueError:
        return False
    return found == key.key.public_key()


def _tags(text: str) -> dict[str, str]:
    pairs = (tag.partition("=") for tag in text.split(";"))
    return {name.strip(): re.sub(r"\s", "", value) for name, _, value in pairs if name.strip()}


def _public(key: DomainKey) -> bytes:
    public = key.key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
