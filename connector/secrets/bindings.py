"""Which hosts a secret may go to.

``secrets.bind`` and the name of a secret enter, yes or no leaves. Apart from the look-up, so that the rule
that keeps a diagram from mailing the worker's passwords to a server of its own can be read alone.

Names are compared as the least careful provider reads them: the environment upper-cases them and has ``_``
for ``/``, ``.`` and ``-``, Azure has ``-`` for all of them, a file system takes ``a//b`` and ``a/./b`` for
``a/b``. Otherwise the secret ``MAIL_PASSWORD`` would be bound and ``mail-password``, the same one, would not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from connector.model.hosts import MailHosts

_SEPARATORS = re.compile(r"[/._-]+")


class Bindings:
    """The hosts to which secrets are bound.

    Args:
        bind: Mail servers by name; ``*`` in a name stands for anything. Where several names fit a secret,
            a host must be in the list of each.

    Raises:
        ValueError: An entry is no mail server.
    """

    def __init__(self, bind: Mapping[str, Sequence[str]]) -> None:
        self._entries = tuple((_folded(pattern), MailHosts(hosts)) for pattern, hosts in bind.items())

    def binds(self, name: str) -> bool:
        """Whether the secret is bound to any hosts."""
        return any(True for _ in self._lists(name))

    def permits(self, name: str, host: str, port: int) -> bool:
        """Whether the secret may go to this server.

        Args:
            name: The secret, as the task wrote it.
            host: As :func:`~connector.model.hosts.canonical_host` gives it.
            port: The port that is dialled.
        """
        return all(hosts.lists(host, port) for hosts in self._lists(name))

    def _lists(self, name: str) -> Iterator[MailHosts]:
        folded = _folded(name)
        return (hosts for pattern, hosts in self._entries if fnmatchcase(folded, pattern))


def _folded(name: str) -> str:
    return _SEPARATORS.sub("_", name).strip("_").upper()
