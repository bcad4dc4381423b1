"""Read the settings file: values by dotted path, each with its line, and every fault of the file at once.

The line of a value is known only while the document is a graph of nodes, so this module keeps that graph
until the paths are known.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

# What a text says in the place of a section: ``oauth: NAME``, ``copy: sent-folder``.
_IN_PLACE = (".oauth.credential", "copy.to")
_DEEPEST = 8  # levels; an alias may point to what contains it


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was read.

    Attributes:
        lines: The line of each key, by dotted path.
    """

    file: Path
    tree: object
    lines: Mapping[str, int] = field(default_factory=dict)

    def place(self, path: str) -> str:
        """Name the file, and the line where it is known."""
        line = self.lines.get(path)
        return f"{self.file}, line {line}" if line else str(self.file)


class YamlError(Exception):
    """The file cannot be read; the message says why and never quotes its text."""


class _DuplicateKeyError(yaml.MarkedYAMLError):
    """A key is repeated, which YAML forbids; PyYAML would take the last value."""

    def __init__(self, key: yaml.Node) -> None:
        super().__init__(problem_mark=key.start_mark)


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a repeated key."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise _DuplicateKeyError(key)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read(file: Path) -> Document:
    """Read a YAML file.

    Raises:
        YamlError: There is none, or it is not valid.
    """
    try:
        text = file.read_text(encoding="utf-8")
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(file, None)
        return Document(file, loader.construct_document(node), dict(_lines(node, "", 0)))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise YamlError(f"{file}: cannot read the settings file: {reason}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError(f"{file}: {_fault(error, text)}") from None


def in_place(path: str, paths: Container[str]) -> str | None:
    """Return the setting that a text in the place of this section means; None where it is no such section."""
    found = (f"{path}.{name.rpartition('.')[2]}" for name in _IN_PLACE)
    return next((meant for meant in found if meant in paths and without_key(meant)), None)


def without_key(path: str) -> str | None:
    """Return the section in whose place a text says this setting; None where it is another one."""
    return path.rpartition(".")[0] if path.endswith(_IN_PLACE) else None


def walk(
    document: Document, paths: frozenset[str], unknown: Callable[[str], str]
) -> Iterator[tuple[str, Any] | str]:
    """Yield each setting of the file as path and value, and each fault as a line of text.

    Args:
        document: The file.
        paths: Every setting's dotted path.
        unknown: Says what is wrong with a path that is no setting.
    """
    yield from _Walk(document, paths, unknown).below(document.tree, "")


@dataclass(frozen=True, slots=True)
class _Walk:
    document: Document
    paths: frozenset[str]
    unknown: Callable[[str], str]

    def below(self, node: Any, path: str) -> Iterator[tuple[str, Any] | str]:
        if path in self.paths:
            if node is not None:
                yield path, node
            return
        if isinstance(node, str) and (meant := in_place(path, self.paths)):
            yield meant, node
            return
        known = {leaf for leaf in self.paths if not path or leaf.startswith(f"{path}.")}
        if not known:
            yield f"{self.document.place(path)}: {path}: {self.unknown(path)}"
            return
        found = list(self._children(node, path)) if isinstance(node, dict) else []
        yield from found
        if (_is_named(path) and not found) or not isinstance(node, dict | None):
            where = f"{path}: " if path else ""
            example = min(known, key=lambda leaf: (leaf.count("."), leaf))
            yield f"{self.document.place(path)}: {where}expected keys with values, such as {example}"

    def _children(self, node: dict[Any, Any], path: str) -> Iterator[tuple[str, Any] | str]:
        for key, value in node.items():
            yield from self.below(value, f"{path}.{key}" if path else str(key))


def _is_named(path: str) -> bool:
    """Whether this is the path of an account or of credentials; without a key it would be lost in silence."""
    return path.startswith(("accounts.", "credentials.")) and path.count(".") == 1


def _lines(node: yaml.Node, path: str, depth: int) -> Iterator[tuple[str, int]]:
    if not isinstance(node, yaml.MappingNode) or depth > _DEEPEST:
        return
    for key, value in node.value:
        below = f"{path}.{key.value}" if path else str(key.value)
        yield below, key.start_mark.line + 1
        yield from _lines(value, below, depth + 1)


def _fault(error: Exception, text: str) -> str:
    """Say what is wrong and where; the problem's own words, and its excerpt, may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    if isinstance(error, _DuplicateKeyError):
        return f"a key is repeated{place}; keep one of them"
    lines = text.splitlines()
    if mark and any("\t" in _indent(line) for line in lines[max(0, mark.line - 1) : mark.line + 1]):
        return f"not valid YAML{place}: a tab stands at the beginning of the line; indent with blanks"
    return f"not valid YAML{place}"


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
