"""Secrets from the environment variables of the worker that start with a prefix."""

from __future__ import annotations

import re
from collections.abc import Mapping

from connector.secrets.port import usable

_NOT_IN_VARIABLES = re.compile(r"[/.-]")


class EnvironmentSecrets:
    """Looks up ``TOKEN`` as ``SECRET_TOKEN``, exactly so written.

    A name that shells do not allow has a second spelling, tried after the exact one: upper case, with ``_``
    for ``/``, ``.`` and ``-``. So ``mail/relay.password`` is found as ``SECRET_MAIL_RELAY_PASSWORD``.

    Args:
        environ: The environment.
        prefix: Without it a task could name any variable of the worker, its own credentials included.
    """

    def __init__(self, environ: Mapping[str, str], prefix: str) -> None:
        self._environ = environ
        self._prefix = prefix

    @property
    def place(self) -> str:
        """The variables that are looked at."""
        return f"environment variables {self._prefix}*"

    async def get(self, name: str) -> str | None:
        """Return the value of the first spelling that is set."""
        for spelling in (name, _NOT_IN_VARIABLES.sub("_", name).upper()):
            variable = self._prefix + spelling
            if (value := self._environ.get(variable)) is not None:
                return usable(value, f"the environment variable {variable}")
        return None
