"""S/MIME (RFC 8551): a message signed, or encrypted, as another message.

The fields that describe the content move inside, all others stay outside as they are. DER comes from the
library; the MIME around it is ours, because its own has a preamble and an old media type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from connector.message.encoding import base64, base64_size
from connector.model.signing import Digest, Padding

_FIELD = re.compile(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*")
_CONTENT = b"content-"
_BLOCK = 1 << 16
_ROOM = 1 << 14  # octets for a signature with its chain, and the fields around it

_DETACHED = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]

_Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: dict[Digest, type[_Hash]] = {
    Digest.SHA256: hashes.SHA256,
    Digest.SHA384: hashes.SHA384,
    Digest.SHA512: hashes.SHA512,
}
# As strong as the curve (RFC 5753 section 7); SHA-256 for every other key.
_OF_CURVE = {"secp384r1": Digest.SHA384, "secp521r1": Digest.SHA512}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs.

    Attributes:
        key: The private key.
        certificate: Its certificate.
        chain: The certificates that vouch for it, which a reader needs and may not have.
        padding: How an RSA signature is padded.
        digest: The hash function; by default as strong as the key.
    """

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    padding: Padding = Padding.PKCS1
    digest: Digest | None = None


def sign(message: bytes, signer: Signer) -> bytes:
    """Sign a message (RFC 8551 section 3.5.3, multipart/signed by RFC 1847).

    Args:
        message: 7-bit content, lines ended by CRLF, so that no server on the way has to encode it anew.
        signer: Whose signature.

    Returns:
        The message with its content as the first of two parts, unchanged, and the signature as the second.

    Raises:
        ValueError: The content is not 7-bit.
    """
    outer, inner, body = _split(message)
    if not (inner.isascii() and _is_ascii(body)):
        raise ValueError("8-bit content, which a server on the way may encode anew, cannot be signed")
    digest = _digest(signer)
    boundary = _boundary(inner, body)
    # The room is made beforehand: what grows may hold twice what it has.
    signed = BytesIO(bytes(len(message) + _ROOM))
    signed.write(outer)
    signed.write(_multipart_header(digest, boundary))
    begin = signed.tell()
    for piece in (inner, b"\r\n", body):
        signed.write(piece)
    with signed.getbuffer() as written, written[begin : signed.tell()] as entity:
        signature = _signature(entity, signer, digest)
    signed.write(f"\r\n--{boundary}\r\n".encode("ascii"))
    _write(signed, _object("application/pkcs7-signature", "smime.p7s"), signature)
    signed.write(f"--{boundary}--\r\n".encode("ascii"))
    signed.truncate()
    return signed.getvalue()


def encrypt(message: bytes, certificates: Iterable[x509.Certificate]) -> bytes:
    """Encrypt a message with AES-256 in CBC mode (RFC 8551 section 3.3).

    Args:
        message: Lines ended by CRLF.
        certificates: Of everyone who shall be able to read it; with RSA keys.

    Returns:
        A message whose content only they can read. Its header fields, the subject among them, stay as they
        are.
    """
    outer, inner, body = _split(message)
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(b"".join((inner, b"\r\n", body)))
    builder = builder.set_content_encryption_algorithm(AES256)
    for certificate in _distinct(certificates):
        builder = builder.add_recipient(certificate)
    envelope = builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    encrypted = BytesIO(bytes(len(outer) + base64_size(envelope) + _ROOM))
    encrypted.write(outer)
    _write(encrypted, _object("application/pkcs7-mime; smime-type=enveloped-data", "smime.p7m"), envelope)
    encrypted.truncate()
    return encrypted.getvalue()


def _split(message: bytes) -> tuple[bytes, bytes, memoryview]:
    """Take a message apart: the fields that stay outside, those of the content, and its body."""
    end = message.index(b"\r\n\r\n") + 2
    fields = _FIELD.findall(message[:end])
    content = [one for one in fields if one[: len(_CONTENT)].lower() == _CONTENT]
    others = [one for one in fields if one[: len(_CONTENT)].lower() != _CONTENT]
    return b"".join(others), b"".join(content), memoryview(message)[end + 2 :]


def _is_ascii(data: memoryview) -> bool:
    """Look through it block by block, without a copy of the whole."""
    return all(bytes(data[at : at + _BLOCK]).isascii() for at in range(0, len(data), _BLOCK))


def _boundary(inner: bytes, body: memoryview) -> str:
    """Name a boundary that the content cannot hold: it is the content's own digest."""
    digest = sha256(inner)
    digest.update(body)
    return f"=_s_{digest.hexdigest()[:24]}"


def _multipart_header(digest: Digest, boundary: str) -> bytes:
    return (
        'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        f' micalg={digest}; boundary="{boundary}"\r\n\r\n--{boundary}\r\n'
    ).encode("ascii")


def _object(media_type: str, name: str) -> bytes:
    return (
        f"Content-Type: {media_type}; name={name}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; filename={name}\r\n\r\n"
    ).encode("ascii")


def _write(target: BytesIO, header: bytes, content: bytes) -> None:
    target.write(header)
    for block in base64(content):
        target.write(block)
    target.write(b"\r\n")


def _digest(signer: Signer) -> Digest:
    if signer.digest is None and isinstance(signer.key, ec.EllipticCurvePrivateKey):
        return _OF_CURVE.get(signer.key.curve.name, Digest.SHA256)
    return signer.digest or Digest.SHA256


def _signature(entity: memoryview, signer: Signer, digest: Digest) -> bytes:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(entity)
    function = _HASHES[digest]()
    rsa_padding = _padding(signer, function) if isinstance(signer.key, rsa.RSAPrivateKey) else None
    builder = builder.add_signer(signer.certificate, signer.key, function, rsa_padding=rsa_padding)
    for certificate in signer.chain:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, _DETACHED)


def _padding(signer: Signer, function: _Hash) -> padding.PKCS1v15 | padding.PSS:
    if signer.padding is Padding.PKCS1:
        return padding.PKCS1v15()
    # RFC 4056 section 3: the same hash function, and a salt of its length.
    return padding.PSS(padding.MGF1(function), padding.PSS.DIGEST_LENGTH)


def _distinct(certificates: Iterable[x509.Certificate]) -> Sequence[x509.Certificate]:
    return list(dict.fromkeys(certificates))
