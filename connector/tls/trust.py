"""The TLS context of a policy: authorities and client certificate, out of the files that operators bring.

A :class:`~connector.model.server.TlsPolicy` enters, a context leaves that always verifies, or an error that
names the setting whose file is unusable. There is no switch for "accept any certificate".
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import idna
from pydantic import SecretStr

from connector.model.server import TlsPolicy
from connector.settings.values import FileStamp, file_stamp
from connector.tls.keystores import UnreadableStoreError, client_pem, trusted_certificates

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}  # no older one: RFC 8996
# A session has some kilobytes, with the server's certificate.
_MOST_HOSTS = 256
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
