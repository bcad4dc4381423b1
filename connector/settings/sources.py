"""Load the settings from the command line, the environment, secret files and a YAML file.

Each value is kept with its source, and an error lists every fault under the name that the operator wrote. The
first source that has a value wins: command line, environment, secret file (named by ``NAME_FILE`` in the
environment), YAML, default. ADR 10 compares this with pydantic-settings.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from connector.settings.accounts import (
    DEFAULT_ACCOUNT,
    NOT_AVAILABLE,
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
from connector.settings.model import Settings

CONFIG_VARIABLE = "SMTP_CONNECTOR_CONFIG"
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
    value: Any
    source: str


def leaves(
    model: type[BaseModel] = Settings, prefix: str = "", *, accounts: Iterable[str] = ()
) -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting's dotted path with its definition, in the order of the tree.

    Args:
        model: The section to begin with.
        prefix: Its own path, with a dot at its end.
        accounts: The names for which the settings of an account are yielded.
    """
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        if path == "accounts":
            for account in accounts:
                yield from leaves(AccountSettings, f"{path}.{account}.")
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
    tree = _parsed(config) if config is not None else None
    given = {path: text for path, text in (overrides or {}).items() if text is not None}
    fields = dict(leaves(accounts=_account_names(tree, given)))
    found = _from_yaml(tree, config, fields) if config is not None else {}
    found |= _from_environment(environ, fields)
    found |= _from_command_line(given, fields)
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


def _account_names(tree: object, overrides: Iterable[str]) -> list[str]:
    """Return the accounts that may be set: those of the file and the command line, and the default.

    The environment adds none: there a misspelt name would look like a new account.
    """
    listed = tree.get("accounts") if isinstance(tree, dict) else None
    names = {DEFAULT_ACCOUNT: None} | dict.fromkeys(map(str, listed if isinstance(listed, dict) else ()))
    for path in overrides:
        section, _, name = path.rpartition(".")[0].partition(".")
        if section == "accounts" and name:
            names |= {name.partition(".")[0]: None}
    if faults := list(name_faults(names)):
        raise SettingsError("\n".join(faults))
    return list(names)


def _from_command_line(given: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> dict[str, _Value]:
    for path in given:
        if path not in fields:
            raise SettingsError(f"{path}: {_unknown(path, set(fields))}")
    return {path: _Value(_items(text, fields[path]), "command line") for path, text in given.items()}


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
        raise SettingsError("\n".join(sorted({_explain(e, found) for e in error.errors()}))) from None


def _explain(error: Any, found: Mapping[str, _Value]) -> str:
    path = ".".join(str(part) for part in error["loc"] if isinstance(part, str))
    source = next((item.source for known, item in found.items() if known == path), None)
    message = error["msg"].removeprefix("Value error, ")
    return f"{path} ({source}): {message}" if source else f"{path}: {message}"


# --- environment and secret files -------------------------------------------------------------------


def _from_environment(environ: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> dict[str, _Value]:
    aliases = [Alias(environment_names(path)[0], path) for path in fields] + list(ALIASES)
    _refuse_unknown(environ, {CONFIG_VARIABLE, *(alias.name for alias in aliases)})
    values: dict[str, list[_Value]] = {}
    _refuse_ambiguous(environ, fields)
    for alias in aliases:
        if variable := _one_variable(environ, alias.name):
            for path, text in interpret(alias, variable.value).items():
                values.setdefault(path, []).append(_Value(_items(text, fields[path]), variable.source))
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


def _items(text: str, field: FieldInfo) -> Any:
    """Split the text of a setting that is a list at its commas; a list of sections is JSON."""
    kind = get_args(field.annotation)[:1]
    if get_origin(field.annotation) is tuple and kind and not is_section(kind[0]):
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


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
    for name in sorted(environ):
        if not name.startswith(PREFIX) or kubernetes_wrote(name, environ[name]):
            continue
        if name not in known and (
            name == f"{CONFIG_VARIABLE}_FILE" or name.removesuffix("_FILE") not in known
        ):
            raise SettingsError(f"{name}: no such setting{_nearest(name, known)}")


# --- the YAML file ----------------------------------------------------------------------------------


def _parsed(file: Path) -> object:
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader with one more rule
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot read the settings file: {_reason(error)}") from None
    except (yaml.YAMLError, RecursionError) as error:
        # The place only: the problem, and the excerpt that str(error) shows, may hold a secret.
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = "a key is repeated" if isinstance(error, _DuplicateKeyError) else "not valid YAML"
        raise SettingsError(f"{file}: {what}{place}") from None


def _from_yaml(tree: object, file: Path, fields: Iterable[str]) -> dict[str, _Value]:
    return {path: _Value(value, str(file)) for path, value in _walk(tree, "", set(fields), file)}


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


def _walk(node: Any, path: str, paths: set[str], file: Path) -> Iterator[tuple[str, Any]]:
    if path in paths:
        if node is not None:
            yield path, node
        return
    known = {leaf for leaf in paths if not path or leaf.startswith(f"{path}.")}
    if not known:
        raise SettingsError(f"{file}: {path}: {_unknown(path, paths)}")
    if node is None and not _is_account(path):
        return
    below = list(_children(node, path, paths, file)) if isinstance(node, dict) else None
    if below is None or (not below and _is_account(path)):
        raise SettingsError(f"{file}: {path or 'the file'}: expected keys with values, such as {min(known)}")
    yield from below


def _children(node: dict[Any, Any], path: str, paths: set[str], file: Path) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        yield from _walk(value, f"{path}.{key}" if path else str(key), paths, file)


def _is_account(path: str) -> bool:
    """Whether this is the path of an account; one without a single key would be lost in silence."""
    return path.startswith("accounts.") and path.count(".") == 1


def _unknown(path: str, paths: set[str]) -> str:
    if path.startswith("accounts.") and path.rpartition(".")[2] in NOT_AVAILABLE:
        return "not available in this version; remove it"
    return f"no such setting{_nearest(path, paths | _sections(paths))}"


def _sections(paths: set[str]) -> set[str]:
    return {path[:at] for path in paths for at, character in enumerate(path) if character == "."}


def _nearest(name: str, known: set[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
