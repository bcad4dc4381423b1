"""The package's layout: which package may import which, and where a module may be."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.structure import Module, arrows, loose, modules, mutual

CHECKOUT = Path(__file__).parents[2]

# What each package may import, lowest first; "" is `connector` itself, the public names. A new package
# needs a line here.
_VALUES = {"errors", "model", "settings"}
_TO_SERVERS = _VALUES | {"net", "secrets", "tls", "auth"}
_STAGES = {"tasks", "ledger", "secrets", "accounts", "message", "mailtemplates", "signing", "transport"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "feel": set(),
    "model": {"errors"},
    "settings": {"errors", "model"},
    "net": _VALUES,
    "secrets": _VALUES | {"net"},
    "ledger": _VALUES,
    "tls": _VALUES,
    "auth": _VALUES | {"net", "secrets", "tls", "ledger"},  # tokens may be kept in the ledger's PostgreSQL
    "webapi": _TO_SERVERS,
    "graph": _TO_SERVERS | {"webapi"},
    "acs": _TO_SERVERS | {"webapi"},
    "accounts": _TO_SERVERS,
    "message": _VALUES | {"net", "tls"},
    "mailtemplates": _VALUES,
    "signing": _VALUES | {"message", "secrets", "tls"},
    "transport": _TO_SERVERS | {"graph", "acs", "webapi"},
    "mailbox": _TO_SERVERS | {"graph", "message"},
    "observe": _VALUES | {"secrets", "ledger"},
    "tasks": _VALUES | {"accounts", "feel", "message", "mailbox", "secrets"},
    "send": _VALUES
    | _STAGES
    | {"acs", "auth", "feel", "graph", "mailbox", "net", "observe", "tls", "webapi"},
    "engine": _VALUES | {"auth", "net", "tls"},
    "inbound": _TO_SERVERS | {"accounts", "engine", "feel", "ledger", "mailbox", "observe", "tasks"},
    "worker": _TO_SERVERS
    | {
        "accounts",
        "engine",
        "inbound",
        "ledger",
        "mailbox",
        "observe",
        "pages",
        "send",
        "tasks",
        "transport",
    },
    "check": _TO_SERVERS
    | {
        "accounts",
        "engine",
        "acs",
        "graph",
        "ledger",
        "mailbox",
        "message",
        "observe",
        "signing",
        "tasks",
        "transport",
    }
    | {"devengine", "feel"},  # diagrams are read as the development engine reads them
    "pages": _TO_SERVERS | {"accounts", "check"},
    "modeler": {"model", "settings", "tasks"},
    "testing": _VALUES
    | {"devengine", "engine", "ledger", "mailbox", "secrets", "send", "transport", "worker"},
    "devengine": {"engine", "errors", "feel", "model", "settings"},
    "demo": _TO_SERVERS
    | {
        "accounts",
        "devengine",
        "engine",
        "ledger",
        "mailtemplates",
        "observe",
        "send",
        "tasks",
        "testing",
        "worker",
    },
    "cli": _TO_SERVERS
    | _STAGES
    | {
        "check",
        "demo",
        "devengine",
        "engine",
        "feel",
        "inbound",
        "mailbox",
        "modeler",
        "observe",
        "send",
        "testing",
        "worker",
    },
    "__main__": {"cli"},
    "": {"errors", "model", "settings", "ledger", "send", "worker"},
}

# The packages that one mail passes. Each calls its interface `port`.
SEND_PATH = (
    "model",
    "tasks",
    "ledger",
    "secrets",
    "accounts",
    "message",
    "mailtemplates",
    "signing",
    "transport",
    "tls",
    "auth",
    "send",
)


@pytest.fixture(scope="module")
def package() -> dict[str, Module]:
    return modules(CHECKOUT)


def _short(name: str) -> str:
    return name.removeprefix("connector").removeprefix(".")


def test_packages_import_downwards(package: dict[str, Module]) -> None:
    used = {(_short(one), _short(other)): by for (one, other), by in arrows(package).items()}
    assert {pair: by for pair, by in used.items() if pair[1] not in ALLOWED.get(pair[0], set())} == {}


def test_no_packages_import_each_other(package: dict[str, Module]) -> None:
    assert set(mutual(package)) == set()


def test_the_table_has_no_circle() -> None:
    above: set[str] = set()
    while left := {name for name in ALLOWED if name not in above}:
        free = {name for name in left if ALLOWED[name] - {"", name} <= above or name == ""}
        assert free, f"these packages may import each other: {left}"
        above |= free


def test_nothing_loose_at_the_top(package: dict[str, Module]) -> None:
    assert loose(package) == []


def test_no_file_name_twice_on_the_send_path(package: dict[str, Module]) -> None:
    by_name: dict[str, list[str]] = defaultdict(list)
    for name, module in package.items():
        parts = name.split(".")
        if len(parts) > 2 and parts[1] in SEND_PATH and not module.is_package:
            by_name[parts[-1]].append(name)
    twice = {name: files for name, files in by_name.items() if len(files) > 1}
    assert {name: files for name, files in twice.items() if name != "port"} == {}


def test_every_package_has_its_line(package: dict[str, Module]) -> None:
    names = {_short(name).partition(".")[0] for name in package}
    assert names <= ALLOWED.keys()
