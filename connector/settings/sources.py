"""Load the settings from the command line, the environment, secret files and a YAML file.

Each value is kept with its source, and an error lists every fault under the name that the operator wrote. The
first source that has a value wins: command line, environment, secret file (named by ``NAME_FILE`` in the
environment), YAML, default. ADR 10 compares this with pydantic-settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from connector.settings.accounts import (
    DEFAULT_ACCOUNT,
    AccountSettings,
    name_faults,
)
from connector.settings.environment import (
    ALIASES,
    PREFIX,
    Alias,
    environment_names,
    interpret,
    kubernetes_wrote,
)
from connector.settings.java_properties import java_property
from connector.settings.model import Settings
from connector.settings.nearest import nearest
from connector.settings.oauth import CredentialSettings
from connector.settings.text_values import read_text
from connector.settings.wording import wording
from connector.settings.yaml_file import Document, YamlError, in_place, read, walk, without_key

CONFIG_VARIABLE = "SMTP_CONNECTOR_CONFIG"
_ADDRESS = "engine.address"
_FILE = "_FILE"  # the environment variable that names a file with the value


class SettingsError(Exception):
    """The settings cannot be used; the message has one line for each fault."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force.

    Attributes:
        sources: The source of each setting that is not at its default, by dotted path.
        files: The files that were read; the settings may change when one of them does.
    """

    settings: Settings
    sources: Mapping[str, str]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Value:
    """A value as it was found.

    Attributes:
        line: Its line in the settings file.
        implied: Another setting says it: an address with ``grpcs://`` says that TLS is used.
    """

    value: Any
    source: str
    line: int | None = None
    implied: bool = False

    @property
    def place(self) -> str:
        """The source, and the line where it is known."""
        return f"{self.source}, line {self.line}" if self.line else self.source


def leaves(
    model: type[BaseModel] = Settings,
    prefix: str = "",
    *,
    accounts: Iterable[str] = (),
    credentials: Iterable[str] = (),
) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting's dotted path with its definition, in the order of the tree.

    Args:
        model: The section to begin with.
        prefix: Its own path, with a dot at its end.
        accounts: The names for which the settings of an account are yielded.
        credentials: The same for OAuth credentials.
    """
    named: dict[str, tuple[type[BaseModel], Iterable[str]]] = {
        "accounts": (AccountSettings, accounts),
        "credentials": (CredentialSettings, credentials),
    }
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        if path in named:
            section, names = named[path]
            for one in names:
                yield from leaves(section, f"{path}.{one}.")
        elif is_section(field.annotation):
            yield from leaves(field.annotation, f"{path}.")
        else:
            yield path, field


def is_section(annotation: object) -> TypeGuard[type[BaseModel]]:
    """Whether a setting is a branch of the tree, with settings of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def load(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    overrides: Mapping[str, str | None] | None = None,
) -> Loaded:
    """Read the settings from all sources.

    Args:
        environ: The process environment.
        config: The YAML file; without it the one that ``SMTP_CONNECTOR_CONFIG`` names, if any.
        overrides: The settings of the command line, by dotted path; None means not given.

    Raises:
        SettingsError: A value is invalid, a key is unknown, two names contradict each other, or a file
            cannot be read.
    """
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    document = _document(config) if config is not None else None
    given = {path: text for path, text in (overrides or {}).items() if text is not None}
    tree = document.tree if document else None
    accounts = _names("accounts", tree, given, (DEFAULT_ACCOUNT,))
    fields = dict(leaves(accounts=accounts, credentials=_names("credentials", tree, given)))
    found = _merged(
        [
            lambda: _from_yaml(document, fields) if document is not None else {},
            lambda: _from_environment(environ, fields),
            lambda: _from_command_line(given, fields),
        ]
    )
    secret_files = (Path(text) for name, text in environ.items() if text and _is_secret_file(name))
    files = (*([config] if config is not None else []), *secret_files)
    return Loaded(_validate(found), {path: item.source for path, item in found.items()}, files)


def load_settings(
    environ: Mapping[str, str] = os.environ,
    *,
    config: Path | None = None,
    overrides: Mapping[str, str | None] | None = None,
) -> Settings:
    """Load the settings as ``smtp-connector`` does.

    Args:
        environ: The environment; its variables are those of the reference, ``ZEEBE_ADDRESS`` among them.
        config: The YAML file; by default the one that ``SMTP_CONNECTOR_CONFIG`` names, if any.
        overrides: Single settings by dotted path, which win over all other sources.

    Raises:
        SettingsError: The settings cannot be used; the message has one line for each fault.
    """
    return load(environ, config=config, overrides=overrides).settings


def _document(file: Path) -> Document:
    try:
        return read(file)
    except YamlError as error:
        raise SettingsError(str(error)) from None


def _merged(sources: Iterable[Callable[[], dict[str, _Value]]]) -> dict[str, _Value]:
    """Read the sources, of which a later one wins, and tell the faults of all at once."""
    found: dict[str, _Value] = {}
    faults: list[str] = []
    for source in sources:
        try:
            values = source()
        except SettingsError as error:
            faults.append(str(error))
            continue
        if _ADDRESS in values:  # what the former address said of TLS is not about this one
            found = {path: item for path, item in found.items() if not item.implied}
        found |= values
    if faults:
        raise SettingsError("\n".join(faults))
    return found


def _names(section: str, tree: object, overrides: Iterable[str], known: Iterable[str] = ()) -> list[str]:
    """Return the names that may be set in a section: those of the file and the command line, and the known.

    The environment adds none: there a misspelt name would look like a new one.
    """
    listed = tree.get(section) if isinstance(tree, dict) else None
    names = dict.fromkeys((*known, *map(str, listed if isinstance(listed, dict) else ())))
    for path in overrides:
        first, _, name = path.rpartition(".")[0].partition(".")
        if first == section and name:
            names |= {name.partition(".")[0]: None}
    if faults := list(name_faults(names, section)):
        raise SettingsError("\n".join(faults))
    return list(names)


def _from_command_line(given: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> dict[str, _Value]:
    given = {in_place(path, fields) or path: given[path] for path in given}
    if faults := [f"{path}: {_unknown(path, set(fields))}" for path in given if path not in fields]:
        raise SettingsError("\n".join(faults))
    return _together(
        (name, _Value(read_text(value, fields[name]), "command line", implied=name != path))
        for path, text in given.items()
        for name, value in (interpret(Alias("", path), text) if path == _ADDRESS else {path: text}).items()
    )


def _together(values: Iterable[tuple[str, _Value]]) -> dict[str, _Value]:
    """Put the values of one source in a map; two that contradict each other are an error."""
    by_path: dict[str, list[_Value]] = {}
    for path, value in values:
        by_path.setdefault(path, []).append(value)
    return {path: _agreed(path, candidates) for path, candidates in by_path.items()}


def _validate(found: Mapping[str, _Value]) -> Settings:
    tree: dict[str, Any] = {}
    for path, item in found.items():
        *sections, key = path.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[key] = item.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        # Never `str(error)`: it would show the value, which may be a secret.
        faults = {line for fault in _causes(error.errors()) for line in _explain(fault, found)}
        raise SettingsError("\n".join(sorted(faults))) from None


def _causes(errors: list[Any]) -> Iterator[Any]:
    """Leave out that a list is too short where it is so because its items are wrong."""
    for error in errors:
        loc = error["loc"]
        if error["type"] != "too_short" or not any(
            other["loc"][: len(loc)] == loc for other in errors if other is not error
        ):
            yield error


def _explain(error: Any, found: Mapping[str, _Value]) -> Iterator[str]:
    path, entry = _place(error["loc"])
    source = next((item.place for known, item in found.items() if known == path), None)
    for message in wording(error).splitlines():
        told = f"{entry}: {message}" if entry else message
        yield f"{path} ({source}): {told}" if source else f"{path}: {told}" if path else told


def _place(loc: tuple[str | int, ...]) -> tuple[str, str]:
    """Split the place of a fault into the setting and the entry in its list, as ``entry 2, file``."""
    at = next((at for at, part in enumerate(loc) if isinstance(part, int)), len(loc))
    entry = [f"entry {part + 1}" if isinstance(part, int) else part for part in loc[at:]]
    return ".".join(map(str, loc[:at])), ", ".join(entry)


# --- environment and secret files -------------------------------------------------------------------


def _from_environment(environ: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> dict[str, _Value]:
    aliases = [Alias(environment_names(path)[0], path) for path in fields] + list(ALIASES)
    aliases += [Alias(environment_names(short)[0], path) for path in fields if (short := without_key(path))]
    _refuse_unknown(environ, {CONFIG_VARIABLE, *(alias.name for alias in aliases)})
    values: dict[str, list[_Value]] = {}
    _refuse_ambiguous(environ, fields)
    for alias in aliases:
        if variable := _one_variable(environ, alias.name):
            for path, text in interpret(alias, variable.value).items():
                implied = path != alias.path
                value = _Value(read_text(text, fields[path]), variable.source, implied=implied)
                values.setdefault(path, []).append(value)
    return {path: _agreed(path, candidates) for path, candidates in values.items()}


def _is_secret_file(name: str) -> bool:
    known = (PREFIX, *(alias.name for alias in ALIASES))
    return name.endswith(_FILE) and name.startswith(known)


def _one_variable(environ: Mapping[str, str], name: str) -> _Value | None:
    """Read one variable, or the secret file that its ``_FILE`` twin names; blank means not set."""
    text, file = environ.get(name, "").strip(), environ.get(f"{name}{_FILE}", "").strip()
    if text and file:
        raise SettingsError(f"{name} and {name}_FILE are both set: keep one of them")
    if not file:
        return _Value(text, name) if text else None
    try:
        text = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: cannot read {file}: {_reason(error)}") from None
    return _Value(text, f"{name}_FILE")


def _agreed(path: str, values: list[_Value]) -> _Value:
    first = values[0]
    for other in values[1:]:
        if other.value != first.value:
            raise SettingsError(
                f"{first.source} and {other.source} contradict each other: both set {path}; keep one of them"
            )
    return first


def _refuse_ambiguous(environ: Mapping[str, str], paths: Iterable[str]) -> None:
    """Refuse a variable for two settings, as one account's name may end like another's setting."""
    meant: dict[str, str] = {}
    for path in paths:
        name = environment_names(path)[0]
        other = meant.setdefault(name, path)
        if other != path and (environ.get(name) or environ.get(f"{name}_FILE")):
            raise SettingsError(
                f"{name} could mean {other} or {path}: set it in the file, or rename an account"
            )


def _refuse_unknown(environ: Mapping[str, str], known: set[str]) -> None:
    unknown = [
        name
        for name in sorted(environ)
        if name.startswith(PREFIX)
        and not kubernetes_wrote(name, environ[name])
        and name not in known
        and (name == f"{CONFIG_VARIABLE}_FILE" or name.removesuffix("_FILE") not in known)
    ]
    if unknown:
        raise SettingsError(
            "\n".join(f"{name}: no such setting{nearest(name, known, '_')}" for name in unknown)
        )


# --- the YAML file ----------------------------------------------------------------------------------


def _from_yaml(document: Document, fields: Mapping[str, FieldInfo]) -> dict[str, _Value]:
    paths = frozenset(fields)
    found = list(walk(document, paths, lambda path: _unknown(path, set(paths))))
    if faults := [item for item in found if isinstance(item, str)]:
        raise SettingsError("\n".join(faults))
    values = [_read(*item, document, fields) for item in found if not isinstance(item, str)]
    return _together(item for items in values for item in items)


def _read(
    path: str, value: Any, document: Document, fields: Mapping[str, FieldInfo]
) -> list[tuple[str, _Value]]:
    """Read a value of the file; text has the forms that the environment has."""
    line = document.lines.get(path) or document.lines.get(without_key(path) or "")
    source = str(document.file)
    if not isinstance(value, str):
        return [(path, _Value(value, source, line))]
    spelt = interpret(Alias("", path), value) if path == _ADDRESS else {path: value}
    return [
        (name, _Value(read_text(text, fields[name]), source, line, implied=name != path))
        for name, text in spelt.items()
    ]


def _unknown(path: str, paths: set[str]) -> str:
    if instead := java_property(path):
        return instead
    sections = _sections(paths)
    if path in sections:
        return "is a section of settings; name the setting in it"
    return f"no such setting{nearest(path, paths | sections)}"


def _sections(paths: set[str]) -> set[str]:
    return {path[:at] for path in paths for at, character in enumerate(path) if character == "."}


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
