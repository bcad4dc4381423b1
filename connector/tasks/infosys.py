r"""The send task of the Infosys SMTP connector: its diagrams run unchanged.

The inputs are the native ones under the same names; read from that connector's public sources, it differs in
what it demands and in a few habits, which the :class:`Dialect` lists. Its text bodies hold the two characters
``\n`` for a line break, since a properties panel keeps one line, and its HTML bodies are always files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.tasks.definitions import INFOSYS
from connector.tasks.native import Dialect, NativeTask


class InfosysTask(NativeTask):
    """A send task with the result of that connector: its one key, and ours beside it."""

    def response(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the key ``response`` in front, with the words that it had there."""
        return {"response": described["message"], **described}


TASK = InfosysTask(
    Dialect(
        definitions=INFOSYS,
        foreign=True,
        bare_local_parts=True,
        escaped_newlines=True,
        html_is_path=True,
    )
)
