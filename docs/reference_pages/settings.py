"""``docs/reference/settings.md``, ``accounts.md`` and the README's short list: the settings of the model."""

from __future__ import annotations

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

Generated from the model that the worker itself reads its settings by. `smtp-connector settings` shows those
in force and where each comes from.

A setting is looked for, first hit wins:

1. on the command line: `--set worker.max_jobs=64`;
2. in the environment, under the names in the tables;
3. in a file whose path the environment variable with `_FILE` at its end holds, such as
   `SMTP_CONNECTOR_LEDGER_URL_FILE`: for secrets;
4. in the YAML file that `--config` or `SMTP_CONNECTOR_CONFIG` names;

and then has its default. An unknown name, a bad value, or two variables that contradict each other are
errors. Durations are seconds (`30`) or ISO 8601 (`PT30S`). Lists in the environment have commas.

{sections}
## The environment

Beside our own names the worker reads those that Camunda's clients and console use, so that an environment
made for them serves it as well:

{aliases}
These are no settings, and have no place in the file:

| Variable | Meaning |
| --- | --- |
| `SMTP_CONNECTOR_CONFIG` | The YAML file, where `--config` names none. |
| `SECRET_…` | The secrets that diagrams and accounts name: `SECRET_MAIL_PASSWORD` is \
`secrets.MAIL_PASSWORD`. `secrets.prefix` changes the beginning. |
"""

_ACCOUNTS = """\
# Settings of an account

Generated from the model that the worker itself reads its settings by. `NAME` is the account's: letters,
digits, `-` and `_`; in the environment in upper case, with `_` for `-`.
[How to name accounts](../how-to/accounts.md).

{settings}
## Presets

{presets}"""

# What most operators set, in the order in which they come to it.
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
    "log.level",
)

# Defaults that differ from one machine to the next.
_OF_THE_MACHINE = {"worker.name": "this host's name", "message.time_zone": "this host's zone, or `UTC`"}

_HEAD = ("Setting", "Meaning", "Default", "Environment")
_NEGATED = {alias.name for alias in ALIASES if alias.negated}


def page() -> str:
    """Every setting but the accounts', by section; the names that Camunda's clients use."""
    sections: dict[str, list[tuple[str, FieldInfo]]] = {}
    for path, field in leaves():
        sections.setdefault(path.rpartition(".")[0], []).append((path, field))
    shown = "\n".join(_section(name, fields) for name, fields in sections.items())
    return _PAGE.format(sections=shown, aliases=table(("Variable", "Setting"), map(_alias, ALIASES)))


def accounts_page() -> str:
    """Every setting of an account, and the presets."""
    presets = (
        (f"`{name}`", _hosts(provider), str(provider.port), f"`{provider.security.value}`")
        for name, provider in PRESETS.items()
        if provider.security
    )
    named = [(path, field) for path, field in leaves(accounts=["NAME"]) if "NAME" in path]
    rows = (row for path, field in named for row in (_row(path, field), *_members(path, field)))
    return _ACCOUNTS.format(
        settings=table(_HEAD, rows), presets=table(("Preset", "Host", "Port", "Security"), presets)
    )


def common() -> str:
    """The README's list: what most people set. A name that is no setting is a KeyError."""
    fields = dict(leaves())
    rows = ((f"`{path}`", fields[path].description or "", _default(path, fields[path])) for path in _COMMON)
    return table(("Setting", "Meaning", "Default"), rows)


def _section(name: str, fields: Iterable[tuple[str, FieldInfo]]) -> str:
    about = (_model(name).__doc__ or "").strip().partition("\n")[0]
    return f"## `{name}`\n\n{about}\n\n{table(_HEAD, (_row(path, field) for path, field in fields))}"


def _model(section: str) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for part in section.split("."):
        annotation = model.model_fields[part].annotation
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
    """Give a row to each key of the sections in a list; they have no names in the environment."""
    for section in filter(is_section, get_args(field.annotation)):
        for name, member in section.model_fields.items():
            default = "must be given" if member.is_required() else ""
            yield f"`{path}[].{name}`", member.description or "", default, ""


def _alias(alias: Any) -> tuple[str, str]:
    return f"`{alias.name}`", f"`{alias.path}`{', the opposite' if alias.negated else ''}"


def _default(path: str, field: FieldInfo) -> str:
    default = {} if field.default_factory is dict else field.default
    if default is PydanticUndefined:
        return _OF_THE_MACHINE[path]
    if default in (None, (), {}, ""):
        return ""
    # An account has no defaults without the one thing that it needs.
    accounts = {"NAME": AccountSettings(host="localhost")}
    tree: Any = Settings(accounts=accounts).model_dump(mode="json")
    for part in path.split("."):
        tree = tree[part]
    shown = tree if isinstance(tree, list) else [tree]
    return ", ".join(f"`{str(item).lower() if isinstance(item, bool) else item}`" for item in shown)


def _hosts(provider: Provider) -> str:
    """List the hosts of a provider, by region where it has several."""
    by_region = ", ".join(f"`{host}` ({region})" for region, host in provider.regions)
    return by_region or f"`{provider.host}`"
