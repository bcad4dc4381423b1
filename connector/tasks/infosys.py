r"""The send task of the Infosys SMTP connector: its diagrams run unchanged.

The inputs are the native ones under the same names; read from that connector's public sources, it differs in
what it demands and in a few habits, which the :class:`Dialect` lists. Its text bodies hold the two characters
``\n`` for a line break, since a properties panel keeps one line, and its HTML bodies are always files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector.model.mail import SendRequest
from connector.tasks.definitions import Definitions, Kind
from connector.tasks.native import NativeTask
from connector.tasks.port import ReadContext
from connector.tasks.request import Dialect
from connector.tasks.send_inputs import INFOSYS


class InfosysTask(NativeTask):
    """A send task that reads and answers as that connector does.

    Its variables were bound by Jackson, which takes a number or a boolean where it wants a text, and its
    result has one key; ours are beside it.
    """

    def idempotency_key(self, variables: Mapping[str, Any]) -> str | None:
        """See :meth:`NativeTask.idempotency_key`."""
        return super().idempotency_key(_with_texts(variables, self.definitions))

    def read(self, variables: Mapping[str, Any], context: ReadContext) -> SendRequest:
        """See :meth:`NativeTask.read`."""
        return super().read(_with_texts(variables, self.definitions), context)

    def response(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the key ``response`` in front, with the words that it had there."""
        return {"response": described["message"], **described}


def _with_texts(variables: Mapping[str, Any], definitions: Definitions) -> Mapping[str, Any]:
    """Write numbers and booleans as texts where the definitions want texts, also inside a context."""
    written = dict(variables)
    for definition in definitions:
        for name in definition.names:
            value = variables.get(name)
            if definition.kind is Kind.TEXT and isinstance(value, bool | int | float):
                written[name] = json.dumps(value)
            elif definition.kind is Kind.CONTEXT and isinstance(value, dict):
                written[name] = _with_texts(value, definition.members)
    return written


TASK = InfosysTask(
    Dialect(
        definitions=INFOSYS,
        foreign=True,
        bare_local_parts=True,
        escaped_newlines=True,
        html_is_path=True,
    )
)
