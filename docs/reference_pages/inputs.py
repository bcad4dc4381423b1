"""``docs/reference/inputs.md``, the variables of a send task, and those of a mailbox task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connector.tasks.definitions import Definition
from connector.tasks.mailbox_inputs import MAILBOX
from connector.tasks.send_inputs import INFOSYS, NATIVE
from reference_pages.markdown import table

_PAGE = """\
# Inputs of a send task

Generated from the worker's own definitions.

Absent, null, `""` and `[]` mean that an input is not given. A list can be a list, one text, a text with
commas or semicolons, or a JSON list in a text. Case and quotes around choices and booleans are ignored. An
invalid choice is an error that names the variable, the value and the permitted values.

## `smtp-connector:send:1`

{native}
## `com.infosys.camundaconnectors.email:smtp:1`

The same inputs, with these differences:

{differing}"""

_HEAD = ("Variable", "Meaning", "Value")


def page() -> str:
    """Return the page: every input of our task type, and the differences of Infosys's."""
    differing = [infosys for infosys, native in zip(INFOSYS, NATIVE, strict=True) if infosys != native]
    return _PAGE.format(native=table(_HEAD, _rows(NATIVE)), differing=table(_HEAD, _rows(differing)))


def mailbox() -> str:
    """Every input of the mailbox task type."""
    return table(_HEAD, _rows(MAILBOX))


def _rows(definitions: Iterable[Definition], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for item in definitions:
        names = "<br>".join(f"`{prefix}{name}`" for name in item.names)
        yield names, _meaning(item), _value(item)
        yield from _rows(item.members, f"{prefix}{item.name}.")


def _meaning(item: Definition) -> str:
    required = "**Required.** " if item.required else ""
    absent = "" if item.available else " Not supported in this version: the worker refuses it."
    return f"{required}{item.meaning}{absent}"


def _value(item: Definition) -> str:
    """Return the kind of value, its permitted words, and its default."""
    words = ", ".join(f"`{word}`" for word in item.allowed)
    kind = f"{item.kind.value}: {words}" if words else item.kind.value
    return f"{kind}; default `{item.default}`" if item.default else kind
