r"""The send task of the Infosys SMTP connector: its diagrams run unchanged.

The inputs are the native ones under the same names; read from that connector's public sources, it differs in
what it demands and in a few habits, which the :class:`Dialect` lists. Its text bodies hold the two characters
``\n`` for a line break, since a properties panel keeps one line, and its HTML bodies are always files.
"""

from __future__ import annotations

from connector.tasks.definitions import INFOSYS
from connector.tasks.smtp import Dialect, SendReader

READER = SendReader(
    Dialect(
        definitions=INFOSYS,
        foreign=True,
        bare_local_parts=True,
        escaped_newlines=True,
        html_is_path=True,
    )
)
