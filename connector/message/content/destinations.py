"""Which hosts and addresses an attachment may be fetched from.

The entries of ``attachments.urls`` enter, answers to "this host?" and "this address?" leave. Apart from the
fetching, so that the rules that keep a task from reaching into the operator's network can be read, and
tested, without a network.

Two questions, because a name is no protection: who owns the DNS of an allowed name could point it at
127.0.0.1 or at a cloud's metadata service (DNS rebinding). So the host must be listed, and the address it
resolves to must be a public one, unless that address is listed itself; ``localhost`` stands for loopback.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

import idna

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: all that is handed out to anybody
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
_NEVER_PUBLIC = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments, 192.0.0.192 among them
    ipaddress.IPv4Network("192.88.99.0/24"),  # RFC 7526: 6to4 relays
    ipaddress.IPv6Network("2001::/23"),  # RFC 2928: protocol assignments, Teredo among them
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),  # RFC 9637: documentation, too new for some Pythons
)


class AllowedHosts:
    """The hosts of ``attachments.urls``.

    Args:
        entries: ``host`` or ``host:port``; an IPv6 address with a port in brackets. Without a port the
            default port of the URL's scheme is meant, and no other.

    Raises:
        ValueError: An entry is something else.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = frozenset(_parse(entry) for entry in entries)

    def lists(self, host: str, port: int, default_port: int) -> bool:
        """Whether a URL with this host may be fetched at all.

        Args:
            host: In its ASCII form, lower case; an IPv6 address without brackets.
            port: The port that the URL means.
            default_port: The default port of its scheme.
        """
        host = _canonical(host)
        return (host, port) in self._entries or (port == default_port and (host, None) in self._entries)

    def admits(self, address: Address, port: int, default_port: int) -> bool:
        """Whether a connection may be made to this address, which an allowed host resolved to."""
        if is_public(address) or self.lists(str(address), port, default_port):
            return True
        return address.is_loopback and self.lists("localhost", port, default_port)


def is_public(address: Address) -> bool:
    """Return whether the address belongs to the public Internet.

    False for private, loopback, link-local, multicast, reserved, documentation and carrier-grade NAT
    addresses, and for IPv6 addresses that carry such an IPv4 address in them (mapped, 6to4, NAT64).
    """
    if any(address in network for network in _NEVER_PUBLIC if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    embedded = _embedded(address)
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_UNICAST and address.is_global


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _parse(entry: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(
            f"//{entry.strip()}" if entry.count(":") < 2 or "[" in entry else f"//[{entry.strip()}]"
        )
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, None
    if not host or parts is None or parts.netloc.rpartition("@")[1] or parts.path or parts.query:
        message = f"attachments.urls: {entry!r} is neither a host nor host:port, as files.example.com:8443"
        raise ValueError(message)
    return _canonical(host), port


def _canonical(host: str) -> str:
    """One spelling for one host: addresses as RFC 5952 has them, names in lower-case ASCII (RFC 5891)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host.lower()).decode("ascii")
    except idna.IDNAError as error:
        message = f"attachments.urls: {host!r} is no valid host name: {error}"
        raise ValueError(message) from error
