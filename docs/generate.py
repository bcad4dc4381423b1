"""Writes the reference pages and the README's tables from the code that they describe.

``python docs/generate.py`` rewrites them; ``tests/unit/test_docs.py`` fails when they are out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from connector.errors import ErrorCode
from connector.settings.accounts import AccountSettings
from connector.settings.environment import ALIASES
from connector.settings.model import Settings
from connector.settings.presets import PRESETS, Provider
from connector.settings.schema import as_text
from connector.settings.sources import environment_names, leaves
from connector.task.definitions import INFOSYS, NATIVE, Definition

ROOT = Path(__file__).parent.parent

_MEANINGS = {
    ErrorCode.INVALID_INPUT: "A variable fails validation; `error.variables` has `field` and `allowed`.",
    ErrorCode.SECRET_NOT_FOUND: "No provider has a secret of that name, or may read it.",
    ErrorCode.SECRET_NOT_ALLOWED: "The secret is bound to other hosts (`secrets.bind`), and went nowhere.",
    ErrorCode.SECRETS_UNAVAILABLE: "A secret provider cannot be reached or lets nobody in; nothing was sent.",
    ErrorCode.ACCOUNT_NOT_FOUND: (
        "No such account for this process; or neither `account` nor `authentication` is given, and there is "
        "no default."
    ),
    ErrorCode.ATTACHMENT_NOT_FOUND: "A file or URL that may be read is not there.",
    ErrorCode.ATTACHMENT_NOT_ALLOWED: "Outside `attachments.roots`, or a host not in `attachments.urls`.",
    ErrorCode.MESSAGE_TOO_LARGE: "Larger than a limit in the settings, or than the server's SIZE.",
    ErrorCode.EXPRESSION_ERROR: (
        "A task header cannot be understood, and nothing was sent; or an expression failed once the mail was "
        "out, and the message says so."
    ),
    ErrorCode.CONNECTION_FAILED: "No connection, or it broke before the message's last octet.",
    ErrorCode.CONNECTION_TIMEOUT: "The server took too long before the message's last octet.",
    ErrorCode.DNS_FAILED: "The host name cannot be resolved.",
    ErrorCode.TLS_FAILED: "The certificate or the handshake; no credentials went out.",
    ErrorCode.TLS_NOT_OFFERED: "STARTTLS is required and not offered; no credentials went out.",
    ErrorCode.AUTH_FAILED: "The server refuses the credentials, or offers no way to log in.",
    ErrorCode.AUTH_UNAVAILABLE: "The server cannot check credentials at the moment (454).",
    ErrorCode.SENDER_REJECTED: "5xx to MAIL.",
    ErrorCode.RECIPIENT_REJECTED: "5xx to RCPT for every recipient, or for one when all are required.",
    ErrorCode.MESSAGE_REJECTED: "5xx to DATA or to the message.",
    ErrorCode.TEMPORARILY_REJECTED: "4xx, such as greylisting (450) or a server that shuts down (421).",
    ErrorCode.RATE_LIMITED: "4xx that says too many mails or connections.",
    ErrorCode.DELIVERY_UNCERTAIN: (
        "The connection broke after the message's last octet, before the reply: perhaps delivered. Retried "
        "where `ledger.uncertain` or `smtpEmailWhenUncertain` says `resend`."
    ),
    ErrorCode.LEDGER_UNAVAILABLE: "The ledger cannot be written, so nothing was sent; retries are unchanged.",
    ErrorCode.WORKER_CRASHED: (
        "`ledger.max_crashes` attempts in a row ended with the worker's death; the job is not begun again."
    ),
    ErrorCode.CANCELLED: (
        "The worker stopped, lost the job, found another one sending the mail, or the account's `rate` left "
        "no room; retries are unchanged."
    ),
}

_ACCOUNTS = """\
# Settings of an account

Generated from the model that the worker itself reads its settings by. `NAME` is the account's: letters,
digits, `-` and `_`; in the environment in upper case, with `_` for `-`.
[How to name accounts](../how-to/accounts.md).

{settings}
## Presets

{presets}
"""

_NEGATED = {alias.name for alias in ALIASES if alias.negated}

_INPUTS = """\
# Inputs of a send task

Generated from the definitions that the worker itself reads variables by.

Absent, null, `""` and `[]` mean not given. A list may be a list, one text, a text with commas or
semicolons, or a JSON list in a text. Choices and booleans are read in any case, quoted or not. A value
outside its set is an error that names the variable, the value and the set.

## `smtp-connector:send:1`

{native}
## `com.infosys.camundaconnectors.email:smtp:1`

The same, with these differences:

{differing}"""


def main() -> None:
    """Rewrite every generated page."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """Give every generated file with the text that it should have."""
    readme = ROOT / "README.md"
    text = _replaced(readme.read_text(encoding="utf-8"), "settings", _settings())
    return {
        readme: _replaced(text, "error codes", _error_codes()),
        ROOT / "docs/reference/inputs.md": _inputs(),
        ROOT / "docs/reference/accounts.md": _accounts(),
        ROOT / "docs/reference/settings.schema.json": as_text(),
    }


def _replaced(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"README.md has no place for the table of {name}: {begin} … {end}")
    return pattern.sub(lambda _: f"{begin}\n{table}{end}", text)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _settings() -> str:
    return _table(("Setting", "Environment", "Default", "Meaning"), _setting_rows())


def _setting_rows() -> Iterator[tuple[str, str, str, str]]:
    for path, field in leaves():
        yield _setting_row(path, field)


def _setting_row(path: str, field: FieldInfo) -> tuple[str, str, str, str]:
    names = "<br>".join(
        f"`{name}`{' (the opposite)' if name in _NEGATED else ''}" for name in environment_names(path)
    )
    return f"`{path}`", names, _default(path, field), field.description or ""


def _default(path: str, field: FieldInfo) -> str:
    default = {} if field.default_factory is dict else field.default
    if default is PydanticUndefined:
        return "this host's name"
    if default in (None, (), {}, ""):
        return ""
    # An account has no defaults without the one thing that it needs.
    accounts = {"NAME": AccountSettings(host="localhost")}
    tree: Any = Settings(accounts=accounts).model_dump(mode="json")
    for part in path.split("."):
        tree = tree[part]
    shown = tree if isinstance(tree, list) else [tree]
    return ", ".join(f"`{str(item).lower() if isinstance(item, bool) else item}`" for item in shown)


def _accounts() -> str:
    presets = (
        (f"`{name}`", _hosts(provider), str(provider.port), f"`{provider.security.value}`")
        for name, provider in PRESETS.items()
        if provider.security
    )
    rows = (_setting_row(path, field) for path, field in leaves(accounts=["NAME"]) if "NAME" in path)
    return _ACCOUNTS.format(
        settings=_table(("Setting", "Environment", "Default", "Meaning"), rows),
        presets=_table(("Preset", "Host", "Port", "Security"), presets),
    )


def _hosts(provider: Provider) -> str:
    """List the hosts of a provider, by region where it has several."""
    by_region = ", ".join(f"`{host}` ({region})" for region, host in provider.regions)
    return by_region or f"`{provider.host}`"


def _error_codes() -> str:
    return _table(
        ("Code", "When", "Tried again"),
        ((f"`{code}`", _MEANINGS[code], "yes" if code.retryable else "no") for code in ErrorCode),
    )


def _inputs() -> str:
    return _INPUTS.format(native=_definitions(NATIVE), differing=_definitions(_differing()))


def _differing() -> list[Definition]:
    return [infosys for infosys, native in zip(INFOSYS, NATIVE, strict=True) if infosys != native]


def _definitions(definitions: Iterable[Definition], prefix: str = "") -> str:
    head = ("Variable", "Required", "Kind", "Allowed", "Default", "Meaning")
    return _table(head, _definition_rows(definitions, prefix))


def _definition_rows(definitions: Iterable[Definition], prefix: str) -> Iterator[tuple[str, ...]]:
    for item in definitions:
        yield (
            "<br>".join(f"`{prefix}{name}`" for name in item.names),
            "yes" if item.required else "",
            item.kind.value,
            ", ".join(f"`{word}`" for word in item.allowed),
            f"`{item.default}`" if item.default else "",
            item.meaning
            if item.available
            else f"{item.meaning} Not in this version: refused, never ignored.",
        )
        yield from _definition_rows(item.members, f"{prefix}{item.name}.")


if __name__ == "__main__":
    main()
