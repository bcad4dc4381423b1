"""The mail servers that an operator lists, and the one spelling in which hosts are compared and dialled.

``smtp.hosts`` and ``secrets.bind`` enter, answers to "this host, this port?" leave. Apart from the reading of
a task, because settings and secrets ask too, and because whatever decides where a credential may go must
spell a host exactly as the connection will: the same name with another case, a dot at its end, in Unicode or
in punycode is one host, and a name is never the address that it resolves to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

import idna

# Relay, submission over TLS and submission (RFC 5321, RFC 8314): what an entry without a port stands for.
# No other, since on a shared host anybody may open the high ones.
MAIL_PORTS: tuple[int, ...] = (25, 465, 587)

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


class MailHosts:
    """A list of mail servers.

    Args:
        entries: ``host`` or ``host:port``; an IPv6 address with a port in brackets. Without a port, 25, 465
            and 587 are meant.

    Raises:
        ValueError: An entry is something else.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self.entries = tuple(entries)
        self._servers = frozenset(server for entry in self.entries for server in _servers(entry))

    def lists(self, host: str, port: int) -> bool:
        """Whether this server is in the list.

        Args:
            host: As :func:`canonical_host` gives it.
            port: The port that is dialled.
        """
        return (host, port) in self._servers


@lru_cache(maxsize=16)
def listed(entries: tuple[str, ...]) -> MailHosts | None:
    """Give the list that a setting makes, the same one each time; None for none, which means any server."""
    return MailHosts(entries) if entries else None


def _servers(entry: str) -> tuple[tuple[str, int], ...]:
    text, ports = entry.strip(), MAIL_PORTS
    if found := _WITH_PORT.fullmatch(text):
        text, ports = found[1], (int(found[2]),)
    host = canonical_host(text)
    if host is None or not all(1 <= port <= 65535 for port in ports):
        message = f"{entry!r} is neither a host nor host:port, as smtp.example.com or smtp.example.com:2525"
        raise ValueError(message)
    return tuple((host, port) for port in ports)
