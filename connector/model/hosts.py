"""The hosts that an operator lists, and the one spelling in which hosts are compared and dialled.

``smtp.hosts`` and ``secrets.bind`` list mail servers, ``attachments.urls`` lists where attachments come from.
A rule that decides where a credential may go must spell a host exactly as the connection will: the same name
in another case, with a dot at its end, in Unicode or in punycode is one host, and a name is never the address
that it resolves to.

For attachments a name is no protection: the owner of an allowed name's DNS could point it at 127.0.0.1 or at
a cloud's metadata service (DNS rebinding). So the host must be listed, and the address it resolves to must be
a public one, unless that address is listed itself; ``localhost`` stands for loopback.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

import idna

from connector.errors import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
"""Hosts that no network lies before."""

_HIGHEST_PORT = 65535
_MAX_HOSTNAME = 255  # RFC 1035 section 2.3.4; an IPv6 address with its zone fits as well

# Relay and submission (RFC 5321, RFC 8314), POP3 and IMAP with STARTTLS and over TLS: what an entry without a
# port stands for. No other, since on a shared host every user may open the high ones.
MAIL_PORTS: tuple[int, ...] = (25, 110, 143, 465, 587, 993, 995)

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
# The system's resolver reads these as an address in one of its old forms: `127.1`, `0x7f000001`.
_NUMERIC_LABEL = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
_WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):(\d{1,5})")


# The same few servers come with every job.
@lru_cache(maxsize=1024)
def canonical_host(text: str) -> str | None:
    """Give the one spelling of a host: ASCII, lower case, no dot at its end; None when it is no host.

    Args:
        text: A name, also in Unicode, or an address; brackets around an address are left out.

    Returns:
        The name in its ASCII form (RFC 5891), or the address as RFC 5952 has it.
    """
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return _canonical_name(text)


def _canonical_name(text: str) -> str | None:
    try:
        # UTS #46 folds what people type; RFC 5891 then gives the ASCII form. A name that is ASCII already
        # may have an underscore, as container networks allow, which IDNA does not.
        name = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
    name = name.removesuffix(".").lower()
    if not _NAME.fullmatch(name) or _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
        return None
    return name


def parse_host(text: str, field: str) -> str:
    """Read the host of a mail server as a person writes it.

    Args:
        text: A name, also in Unicode, or an IP address; blanks around it are dropped.
        field: The variable or setting to name in the error.

    Returns:
        The host as :func:`canonical_host` gives it.

    Raises:
        InputError: It is no host. The text is not quoted, because it may hold a secret.
    """
    name = text.strip(" ")
    if len(name) > _MAX_HOSTNAME:
        raise InputError(field, f"is longer than {_MAX_HOSTNAME} characters, which no host name is")
    if "://" in name:
        raise InputError(field, "must be the name alone, without smtp:// in front")
    if (host := canonical_host(name)) is not None:
        return host
    if re.fullmatch(r"[^:]+:\d+", name):
        raise InputError(field, "must be the name alone; the port belongs in port")
    raise InputError(field, "is no host name or IP address; write it as mail.example.com, without blanks")


class HostList:
    """The hosts that an operator lists, in :func:`canonical_host`'s spelling.

    Args:
        entries: ``host`` or ``host:port``; an IPv6 address with a port in brackets.

    Raises:
        ValueError: An entry is something else. It is named by its position and never quoted, because it may
            have a password in it.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = tuple(entries)
        self._hosts = frozenset(_read_entry(*numbered) for numbered in enumerate(self.entries, 1))

    def lists(self, host: str, port: int, usual: Collection[int] = MAIL_PORTS) -> bool:
        """Whether this server is in the list.

        Args:
            host: In any spelling.
            port: The port that is dialled.
            usual: The ports that an entry without one stands for.
        """
        name = canonical_host(host)
        return (name, port) in self._hosts or (port in usual and (name, None) in self._hosts)

    def admits(self, address: Address, port: int, usual: Collection[int]) -> bool:
        """Whether a connection may be made to this address, which a listed host resolved to."""
        if is_public(address) or self.lists(str(address), port, usual):
            return True
        return address in _LOOPBACK[address.version] and self.lists("localhost", port, usual)


@lru_cache(maxsize=16)
def listed(entries: tuple[str, ...]) -> HostList | None:
    """Give the list that a setting makes, the same one each time; None for none, which means any server."""
    return HostList(entries) if entries else None


def _read_entry(position: int, entry: str) -> tuple[str, int | None]:
    text, port = entry.strip(), None
    if found := _WITH_PORT.fullmatch(text):
        text, port = found[1], int(found[2])
    host = canonical_host(text)
    if host is None or not (port is None or 1 <= port <= _HIGHEST_PORT):
        fault = "is neither a host nor host:port"
        if "@" in entry:
            fault = "has a login in it; write the host alone"
        raise ValueError(f"entry {position} {fault}, as mail.example.com or mail.example.com:2525")
    return host, port


def is_protected(url: str) -> bool:
    """Whether no network can read what goes to a URL: it is https, or http on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:  # as "https://["
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in THIS_MACHINE)


# Attachments fetched by URL

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: all that is handed out
# Not `is_loopback`: from Python 3.13 on, it is also true for ::ffff:127.0.0.1.
_LOOPBACK = {4: ipaddress.ip_network("127.0.0.0/8"), 6: ipaddress.ip_network("::1")}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
_NEVER_PUBLIC = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890: protocol assignments, 192.0.0.192 among them
    ipaddress.IPv4Network("192.88.99.0/24"),  # RFC 7526: 6to4 relays
    ipaddress.IPv6Network("2001::/23"),  # RFC 2928: protocol assignments, Teredo among them
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),  # RFC 9637: documentation, too new for some Pythons
)


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
