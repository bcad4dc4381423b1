"""The settings of the model: ``settings.md``, ``accounts.md``, ``worker.yaml`` and the list of the README."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from connector.settings.accounts import AccountSettings
from connector.settings.environment import ALIASES, environment_names
from connector.settings.model import Settings
from connector.settings.presets import PRESETS, Provider
from connector.settings.sources import is_section, leaves
from reference_pages.markdown import table

_PAGE = """\
# Settings

Generated from the worker's own model. `smtp-connector settings` shows the settings in force and the source
of each.

The worker takes a setting from the first of these sources that has it:

1. the command line: `--set worker.max_jobs=64`;
2. the environment, under the names in the tables;
3. for secrets, a file whose path is in the environment variable with the suffix `_FILE`, such as
   `SMTP_CONNECTOR_LEDGER_URL_FILE`;
4. the YAML file that `--config` or `SMTP_CONNECTOR_CONFIG` names;
5. the default.

Unknown names, invalid values and contradictory variables are errors. Durations are seconds (`30`) or ISO
8601 (`PT30S`). Separate the items of lists in the environment by commas.

{sections}
## The environment

The worker also reads the variables that Camunda's clients and console use, so that you can use the same
environment:

{aliases}
These variables are not settings and cannot be set in the file:

| Variable | Meaning |
| --- | --- |
| `SMTP_CONNECTOR_CONFIG` | The YAML file, unless `--config` names one. |
| `SECRET_…` | A secret for diagrams and accounts: `SECRET_MAIL_PASSWORD` is \
`secrets.MAIL_PASSWORD`. `secrets.prefix` changes the prefix. |
"""

_ACCOUNTS = """\
# Settings of an account

Generated from the worker's own model. `NAME` is the account's name: letters, digits, `-` and `_`; in the
environment in upper case, with `_` for `-`. [Set up accounts](../how-to/accounts.md) shows examples.

{settings}
## Shared credentials

OAuth credentials that several accounts use, under a name of their own: an account then says `oauth: NAME`.
[Log in with OAuth2](../how-to/oauth.md) shows examples.

{credentials}
## Presets

{presets}"""

# The settings that most operators need, in the order in which they need them.
_COMMON = (
    "engine.address",
    "worker.max_jobs",
    "attachments.roots",
    "attachments.urls",
    "secrets.directory",
    "secrets.bind",
    "smtp.hosts",
    "smtp.ca_file",
    "message.time_zone",
    "ledger.path",
    "ledger.url",
    "health.listen",
    "pages.listen",
    "log.level",
)

# Defaults that differ from one machine to the next.
_OF_THE_MACHINE = {"worker.name": "this host's name", "message.time_zone": "this host's zone, or `UTC`"}

_FILE_HEAD = """\
# Every setting with its meaning and its default. Take away the first # of a line, and of the sections
# above it, to change a setting; what has nothing behind its colon is not set. NAME stands for a name of
# yours. Generated from the worker's own model.

"""

_HEAD = ("Setting", "Meaning", "Default", "Environment")
_NEGATED = {alias.name for alias in ALIASES if alias.negated}


def page() -> str:
    """Return the page of all settings except the accounts', and of the names that Camunda's clients use."""
    sections: dict[str, list[tuple[str, FieldInfo]]] = {}
    for path, field in leaves():
        sections.setdefault(path.rpartition(".")[0] or path, []).append((path, field))
    shown = "\n".join(_section(name, fields) for name, fields in sections.items())
    return _PAGE.format(sections=shown, aliases=table(("Variable", "Setting"), map(_alias, ALIASES)))


def accounts_page() -> str:
    """Return the page of an account's settings, and of the presets."""
    presets = (
        (f"`{name}`", _hosts(provider), str(provider.port), f"`{provider.security.value}`")
        for name, provider in PRESETS.items()
        if provider.security
    )
    return _ACCOUNTS.format(
        settings=table(_HEAD, _named("accounts")),
        credentials=table(_HEAD, _named("credentials")),
        presets=table(("Preset", "Host", "Port", "Security"), presets),
    )


def complete_file() -> str:
    """Return a settings file with every setting: none is in force before its line loses its first ``#``."""
    lines = list(_FILE_HEAD.splitlines())
    at: list[str] = []
    for path, field in leaves(accounts=["NAME"], credentials=["NAME"]):
        *sections, name = path.split(".")
        common = next((n for n, (a, b) in enumerate(zip(at, sections, strict=False)) if a != b), None)
        kept = min(len(at), len(sections)) if common is None else common
        lines += [f"#{'  ' * depth}{sections[depth]}:" for depth in range(kept, len(sections))]
        lines += _in_file(path, field, name, "  " * len(sections))
        at = sections
    return "\n".join(lines) + "\n"


def _in_file(path: str, field: FieldInfo, name: str, indent: str) -> Iterator[str]:
    about = textwrap.wrap(field.description or "", 100 - len(indent))
    yield from (f"#{indent}# {line}" for line in about)
    yield f"#{indent}{name}: {_in_yaml(path, field)}".rstrip()


def _in_yaml(path: str, field: FieldInfo) -> str:
    default = {} if field.default_factory is dict else field.default
    if path in _OF_THE_MACHINE or default in (None, PydanticUndefined):
        return ""
    return json.dumps(_of_the_tree(path), ensure_ascii=False)


def _named(section: str) -> Iterator[tuple[str, str, str, str]]:
    """Return a row for each setting of a section whose name the operator chooses."""
    for path, field in leaves(accounts=["NAME"], credentials=["NAME"]):
        if path.startswith(f"{section}.NAME."):
            yield _row(path, field)
            yield from _members(path, field)


def common() -> str:
    """Return the README's list of common settings; an unknown name is a KeyError."""
    fields = dict(leaves())
    rows = ((f"`{path}`", fields[path].description or "", _default(path, fields[path])) for path in _COMMON)
    return table(("Setting", "Meaning", "Default"), rows)


def _section(name: str, fields: Iterable[tuple[str, FieldInfo]]) -> str:
    about = (_model(name).__doc__ or "").strip().partition("\n")[0]
    rows = (row for path, field in fields for row in (_row(path, field), *_entries(name, path, field)))
    return f"## `{name}`\n\n{about}\n\n{table(_HEAD, rows)}"


def _entries(section: str, path: str, field: FieldInfo) -> Iterator[tuple[str, str, str, str]]:
    """Return a row for each key of the entries, where the whole section is a list."""
    return _members(path, field) if path == section else iter(())


def _model(section: str) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for part in section.split("."):
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        annotation = fields[part].annotation
        annotation = next(filter(is_section, get_args(annotation)), annotation)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            raise TypeError(f"{section} is no section of the settings")
        model = annotation
    return model


def _row(path: str, field: FieldInfo) -> tuple[str, str, str, str]:
    names = "<br>".join(
        f"`{name}`{' (the opposite)' if name in _NEGATED else ''}" for name in environment_names(path)
    )
    return f"`{path}`", field.description or "", _default(path, field), names


def _members(path: str, field: FieldInfo) -> Iterator[tuple[str, str, str, str]]:
    """Return a row for each key of the sections in a list; those have no names in the environment."""
    for section in filter(is_section, get_args(field.annotation)):
        for name, member in section.model_fields.items():
            default = "required" if member.is_required() else ""
            yield f"`{path}[].{name}`", member.description or "", default, ""


def _alias(alias: Any) -> tuple[str, str]:
    return f"`{alias.name}`", f"`{alias.path}`{', the opposite' if alias.negated else ''}"


def _default(path: str, field: FieldInfo) -> str:
    default = {} if field.default_factory is dict else field.default
    if default is PydanticUndefined:
        return _OF_THE_MACHINE[path]
    if default in (None, (), {}, ""):
        return ""
    tree = _of_the_tree(path)
    shown = tree if isinstance(tree, list) else [tree]
    return ", ".join(f"`{str(item).lower() if isinstance(item, bool) else item}`" for item in shown)


def _of_the_tree(path: str) -> Any:
    # An account needs a host before it has defaults.
    accounts = {"NAME": AccountSettings(host="localhost")}
    tree: Any = Settings(accounts=accounts).model_dump(mode="json", by_alias=True)
    tree["credentials"]["NAME"] = tree["accounts"]["NAME"]["oauth"]
    for part in path.split("."):
        tree = tree[part]
    return tree


def _hosts(provider: Provider) -> str:
    """List the hosts of a provider, by region if it has several."""
    by_region = ", ".join(f"`{host}` ({region})" for region, host in provider.regions)
    return by_region or f"`{provider.host}`"
