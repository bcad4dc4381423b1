"""``docs/reference/python.md`` and ``testing.md``: what programs may import, from its docstrings."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import connector
from connector import errors, testing
from connector.testing import fixtures, plugin
from reference_pages.markdown import code

_PYTHON = """\
# Python API

Everything that a program may import is in `connector` and in [`connector.testing`](testing.md). All other
modules are private: they may change in any version. Names are loaded at their first use, so
`import connector` costs nothing.

```python
from connector import Worker, load_settings

await Worker(load_settings()).run()
```

A program without an engine sends single mails:

```python
from connector import ConnectorError, load_settings, send_mail

inputs = {{
    "account": "sales",
    "smtpEmailToRecipients": "ada@example.com",
    "smtpEmailSubject": "Your order 4711",
    "smtpEmailContent": "It is on its way.",
}}
try:
    response = await send_mail(inputs, load_settings())
except ConnectorError as error:
    print(error.code, error.message)
```

{entries}
## Errors

Each error has a `code` of the [table of error codes](error-codes.md), a `message` that says what to change,
and `variables` with the details that a process gets as `error.variables`.

```text
{tree}```
"""
_TESTING = """\
# Testing

`connector.testing` is for tests of processes that use the connector. [Test your
process](../how-to/test-your-process.md) shows the parts together. A running worker uses nothing of it.

- **A whole diagram**: [`Bpmn`](#bpmn), [`Run`](#run), [`Inbox`](#inbox), [`Mail`](#mail)
- **One job**: [`FakeEngine`](#fakeengine), [`SmtpServer`](#smtpserver), [`Behaviour`](#behaviour),
  [`ImapServer`](#imapserver)
- **A program beside an engine**: [`LocalEngine`](#localengine)

## Fixtures for pytest

pytest has these wherever the package is installed; they need `pytest-asyncio`:

{plugin}
These are for tests of single jobs:

```python
pytest_plugins = ["connector.testing.fixtures"]
```

{fixtures}
{entries}"""
# What a diagram is tested with; the rest follows by name.
_PROCESS = ("Bpmn", "Run", "Incident", "Inbox", "Mail", "Attachment", "ProcessTestError")
# What others give out, and no reader makes.
_GIVEN = {"Run", "Mail", "Inbox", "Incident", "Attachment"}
_OUTCOMES = ("Complete", "Fail", "Job", "Throw")

_SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Yields")
_ROLE = re.compile(r":(?:class|meth|func|mod|attr|data):`~?([^`]+)`")


def python_page() -> str:
    """Describe ``connector``: functions and classes, then the tree of errors."""
    names = [name for name in connector.__all__ if not name.endswith("Error") and name != "__version__"]
    return _PYTHON.format(entries=_entries(connector, names), tree=_tree(errors.ConnectorError))


def testing_page() -> str:
    """Describe ``connector.testing`` and its fixtures."""
    elsewhere = {*_PROCESS, *_OUTCOMES, "Outcome"}
    names = [*_PROCESS, *(name for name in testing.__all__ if name not in elsewhere), *_OUTCOMES]
    return _TESTING.format(
        plugin=_fixtures(plugin, "bpmn", "bpmn_settings"),
        fixtures=_fixtures(fixtures, "fake_engine", "smtp_server", "imap_server", "run_worker"),
        entries=_entries(testing, names),
    )


def _fixtures(module: ModuleType, *names: str) -> str:
    described = ((name, inspect.getdoc(_wrapped(getattr(module, name))) or "") for name in names)
    return "".join(f"- `{name}`: {_inline(text)}\n" for name, text in described)


def _wrapped(fixture: Any) -> Any:
    return inspect.unwrap(getattr(fixture, "_fixture_function", fixture))


def _entries(module: ModuleType, names: Iterable[str]) -> str:
    return "\n".join(_entry(name, getattr(module, name)) for name in names)


def _entry(name: str, item: Any) -> str:
    blocks = [f"## `{name}`"]
    if inspect.isclass(item) and issubclass(item, enum.Enum):
        members = ", ".join(code(member.name) for member in item)
        return "\n\n".join([*blocks, *_described(item), f"Members: {members}."]) + "\n"
    is_made = not _is_settings(item) and name not in _GIVEN and not _is_error(item)
    if callable(item) and is_made:
        blocks.append(f"```text\n{_signature(name, item)}\n```")
    blocks += (text for text in _described(item) if is_made or not text.startswith("Args"))
    if inspect.isclass(item) and not _is_settings(item):
        blocks += _members(item)
    return "\n\n".join(blocks) + "\n"


def _is_error(item: Any) -> bool:
    return inspect.isclass(item) and issubclass(item, Exception)


def _is_settings(item: Any) -> bool:
    """Whether the class is the tree of settings, which has a reference of its own."""
    return hasattr(item, "model_fields")


def _members(item: type) -> Iterator[str]:
    for name, member in vars(item).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        if (inspect.getdoc(member) or "").startswith("See :meth:"):  # a port's, for the worker
            continue
        shown = name if isinstance(member, property) else _signature(name, member)
        yield f"**`{shown}`**"
        yield from _described(member.fget if isinstance(member, property) else member)


def _signature(name: str, item: Any) -> str:
    signature = inspect.signature(item)
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_default(parameter))
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    prefix = "await " if inspect.iscoroutinefunction(item) else ""
    text = str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    return f"{prefix}{name}{text}"


class _Shown:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _default(parameter: inspect.Parameter) -> Any:
    """Show a default as it is written; one that is no plain value as ``…``."""
    plain = parameter.default is None or isinstance(parameter.default, str | int | float | bytes | tuple)
    return parameter.default if plain or parameter.default is parameter.empty else _Shown("…")


def _described(item: Any) -> Iterator[str]:
    """Turn a docstring into paragraphs, its sections into lists."""
    for block in re.split(r"\n{2,}", inspect.getdoc(item) or ""):
        head, _, rest = block.partition("\n")
        if head.rstrip(":") in _SECTIONS and head.endswith(":"):
            yield f"{head}\n\n{_items(rest)}"
        elif not _is_code(block):
            yield _inline(block)


def _is_code(block: str) -> bool:
    return all(line.startswith("    ") for line in block.split("\n"))


def _items(text: str) -> str:
    """Make a list of ``name: meaning`` entries, or a paragraph where there is no name."""
    entries: list[str] = []
    for line in text.split("\n"):
        if line.startswith("     ") and entries:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line.strip())
    listed = (re.match(r"(\w+): (.*)", entry) for entry in entries)
    found = [(match[1], match[2]) for match in listed if match]
    if len(found) < len(entries):
        return _inline(" ".join(entries))
    return "\n".join(f"- `{name}`: {_inline(meaning)}" for name, meaning in found)


def _inline(text: str) -> str:
    text = _ROLE.sub(lambda match: code(match[1].removeprefix("connector.").rpartition(".")[2]), text)
    return re.sub(r"\s*::$", ".", " ".join(text.split())).replace("``", "`")


def _tree(root: type[Exception], indent: str = "") -> str:
    """Draw the classes below an error, each with the first sentence of its docstring."""
    below = [child for child in root.__subclasses__() if child.__module__ == errors.__name__]
    if root.__name__.startswith("_"):
        return "".join(_tree(child, indent) for child in below)
    summary = (inspect.getdoc(root) or "").partition("\n")[0]
    children = "".join(_tree(child, f"{indent}  ") for child in below)
    return f"{f'{indent}{root.__name__}':<30} {summary}\n{children}"
