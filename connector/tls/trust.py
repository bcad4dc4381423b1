"""Trust: the TLS context of a policy, out of the files that operators bring (PEM, PKCS#12, JKS).

A :class:`~connector.model.server.TlsPolicy` enters, a context leaves that always verifies, or an error that
names the setting whose file is unusable. There is no switch for "accept any certificate". The library for
PKCS#12 is loaded when a file needs it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import idna
from pydantic import SecretStr

from connector.model.server import TlsPolicy
from connector.model.signing import KeyFile
from connector.settings.values import FileStamp, file_stamp
from connector.tls import jks

_PEM = b"-----BEGIN "
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}  # no older one: RFC 8996
# A session has some kilobytes, with the server's certificate.
_MOST_HOSTS = 256


class UnreadableStoreError(Exception):
    """A store cannot be opened, or lacks what is wanted of it; the text says which."""


def trusted_certificates(file: Path, password: str) -> bytes:
    """Read the authorities of a trust store.

    Args:
        file: PKCS#12, which Java has written since version 9 under any file name, or JKS.
        password: The store's.

    Returns:
        The certificates as DER, one after the other.

    Raises:
        UnreadableStoreError: It is neither, the password is wrong, or there is no certificate in it.
        OSError: It cannot be read.
    """
    data = file.read_bytes()
    found = _from_jks(data, password) if data.startswith(jks.MAGIC) else _from_pkcs12(data, password)
    if not found:
        raise UnreadableStoreError("it holds no certificate of an authority")
    return b"".join(found)


def _from_jks(data: bytes, password: str) -> list[bytes]:
    try:
        return jks.trusted_certificates(data, password)
    except jks.WrongPasswordError:
        raise UnreadableStoreError("trust_store_password does not open it, or it is damaged") from None
    except jks.MalformedStoreError:
        raise UnreadableStoreError("it is not a valid JKS file") from None


def _from_pkcs12(data: bytes, password: str) -> list[bytes]:
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12  # noqa: PLC0415 - loads a library

    if data.startswith(_PEM):
        raise UnreadableStoreError("it is PEM: name it in ca_file")
    try:
        store = pkcs12.load_pkcs12(data, password.encode())
    except ValueError:
        raise UnreadableStoreError(
            "it is neither PKCS#12 nor JKS, or trust_store_password does not open it"
        ) from None
    # A certificate with a key is the holder's own, not an authority's.
    own = [store.cert] if store.cert is not None and store.key is None else []
    listed = [*own, *store.additional_certs]
    return [entry.certificate.public_bytes(Encoding.DER) for entry in listed]


@contextmanager
def client_pem(certificate: Path, key: Path | None, password: str) -> Iterator[tuple[Path, Path | None, str]]:
    """Give a client certificate as files of PEM, which is all that OpenSSL's loader takes.

    Args:
        certificate: PEM, PKCS#12 or JKS.
        key: PEM, where the certificate's file does not hold it.
        password: Of the key, or the PKCS#12 or JKS file.

    Yields:
        The file of the certificate and its chain, that of the key, and the key's passphrase.

    Raises:
        UnreadableStoreError: The file cannot be opened, or holds no key with its certificate.
        OSError: A file cannot be read.
    """
    if _PEM in certificate.read_bytes():
        yield certificate, key, password
        return
    # The key never touches a disk in clear: its passphrase lives as long as this block.
    passphrase = secrets.token_urlsafe()
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(_pem_of(KeyFile(certificate, key, SecretStr(password)), passphrase))
        file.flush()
        yield Path(file.name), None, passphrase


def _pem_of(source: KeyFile, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - loads a library

    from connector.tls.own_keys import UnreadableKeyError, read_key  # noqa: PLC0415 - loads a library

    try:
        own = read_key(source)
    except UnreadableKeyError as error:
        raise UnreadableStoreError(error.reason) from None
    if own.certificate is None:
        raise UnreadableStoreError("it holds no certificate of its key")
    key = own.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    chain = (own.certificate, *own.others)
    return key + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)


_Stamps = tuple[FileStamp | None, ...]


class UnusableTrustError(Exception):
    """A file of the policy cannot be used; the text says why.

    Args:
        key: The member of the policy that names it; empty for the system's own authorities.
        reason: Why, without a full stop.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


class Sessions:
    """The latest TLS session with each host, so that the next connection costs a fraction of a handshake.

    A connection that stands is remembered by its host, and the next handshake with that host offers its
    session (RFC 8446 section 2.2, RFC 5077). A server that does not want it does a full handshake instead. A
    resumed session shows no certificate: it carries the verdict of the first handshake on. So a session is
    for one context only, which stands for one policy, and for one host name; a changed file of authorities
    makes a new context, which has no sessions.

    Args:
        context: A client's; from now on it offers them.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._latest: OrderedDict[str, ssl.SSLSession] = OrderedDict()
        self._wrap_bio = context.wrap_bio
        # asyncio takes no session for a handshake, but asks its context for the TLS object.
        context.wrap_bio = self._resuming  # type: ignore[assignment, method-assign]

    def remember(self, connection: ssl.SSLObject) -> None:
        """Keep the session of a connection on which something was read: TLS 1.3 sends tickets late."""
        host, session = connection.server_hostname, connection.session
        if host is None or session is None:
            return
        self._latest[host] = session
        self._latest.move_to_end(host)
        if len(self._latest) > _MOST_HOSTS:
            self._latest.popitem(last=False)

    def forget(self) -> None:
        """Let the next handshakes be full ones, as after one that failed."""
        self._latest.clear()

    def _resuming(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *,
        server_side: bool,
        server_hostname: str,
    ) -> ssl.SSLObject:
        session = self._latest.get(server_hostname)
        return self._wrap_bio(incoming, outgoing, server_side, server_hostname, session)


@dataclass(frozen=True, slots=True)
class Trust:
    """What handshakes by one policy have in common.

    Attributes:
        context: Whom to trust, and our own certificate.
        sessions: What was agreed in earlier ones.
    """

    context: ssl.SSLContext
    sessions: Sessions


class Contexts:
    """The contexts that were made; one is made anew when a file of its policy has changed.

    So a renewed certificate is used for the next connection.
    """

    def __init__(self) -> None:
        self._made: dict[TlsPolicy, tuple[_Stamps, Trust]] = {}
        self._making = asyncio.Lock()

    async def get(self, policy: TlsPolicy) -> Trust:
        """The context of a policy, and its sessions; files are read off the event loop.

        Raises:
            UnusableTrustError: One of them cannot be used.
        """
        stamps = await asyncio.to_thread(_stamps, policy) if policy.files else ()
        async with self._making:  # or every mail of the first moment would make one
            made = self._made.get(policy)
            if made is None or made[0] != stamps:
                context = await asyncio.to_thread(build_context, policy)
                made = self._made[policy] = stamps, Trust(context, Sessions(context))
        return made[1]


def _stamps(policy: TlsPolicy) -> _Stamps:
    return tuple(file_stamp(file) for file in policy.files)


def build_context(policy: TlsPolicy) -> ssl.SSLContext:
    """Make the context of a policy; takes some 20 ms.

    Raises:
        UnusableTrustError: A file cannot be used.
    """
    context = _trusting(policy)
    context.minimum_version = _VERSIONS[policy.min_version]
    if policy.client_cert is not None:
        _present(context, policy, policy.client_cert)
    return context


def _trusting(policy: TlsPolicy) -> ssl.SSLContext:
    try:
        if policy.trust_store is not None:
            certificates = trusted_certificates(policy.trust_store, _text(policy.trust_store_password))
            return ssl.create_default_context(cadata=certificates)
        # Without a file the system's authorities, which SSL_CERT_FILE can move.
        return ssl.create_default_context(cafile=str(policy.ca_file) if policy.ca_file else None)
    except UnreadableStoreError as error:
        raise UnusableTrustError("trust_store", str(error)) from error
    except OSError as error:
        key = "trust_store" if policy.trust_store else "ca_file" if policy.ca_file else ""
        reason = None if isinstance(error, ssl.SSLError) else error.strerror
        raise UnusableTrustError(key, reason or "it holds no certificate in PEM form") from error


def _present(context: ssl.SSLContext, policy: TlsPolicy, certificate: Path) -> None:
    """Let the context answer a server that asks who we are."""
    password = _text(policy.client_key_password)
    try:
        with client_pem(certificate, policy.client_key, password) as (chain, key, passphrase):
            # Never None: OpenSSL would ask for the passphrase at the terminal.
            context.load_cert_chain(chain, key, passphrase)
    except UnreadableStoreError as error:
        raise UnusableTrustError("client_cert", str(error)) from error
    except ssl.SSLError as error:
        raise UnusableTrustError("client_cert", _key_fault(error)) from error
    except OSError as error:
        raise UnusableTrustError("client_cert", error.strerror or "it cannot be read") from error


def _key_fault(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "client_key is the key of another certificate"
    return "it is not a PEM certificate with its key, or client_key_password does not open the key"


def _text(password: SecretStr | None) -> str:
    return password.get_secret_value() if password else ""


def host_to_verify(hostname: str) -> str:
    """The host as certificates spell it: an IP literal without brackets, or a name in its ASCII form.

    Raises:
        UnicodeError: It is no host name.
    """
    bare = hostname.removeprefix("[").removesuffix("]").removesuffix(".")
    if not bare:
        raise UnicodeError("the host name is empty")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare if bare.isascii() else idna.encode(bare, uts46=True).decode()
