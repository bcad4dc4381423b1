"""The records that publish keys for DKIM, as an operator writes them."""

from __future__ import annotations

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.mail_certificates import Key


def record_of(own: Key) -> str:
    """Write the TXT record of a key (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
    public = own.public_key()
    if isinstance(own, Ed25519PrivateKey):
        data = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={b64encode(data).decode()}"
    data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={b64encode(data).decode()}"
