"""Measure the package's structure: ``python -m benchmarks.structure [CHECKOUT] [--without NAMES] [--list]``.

Reads the source of any checkout of this project without importing it, so that two commits can be compared:
``git worktree add ../before COMMIT && python -m benchmarks.structure ../before``. ``--without`` names
packages or modules below ``connector`` to leave out, such as features that the other commit does not have:
``--without devengine,signing,check.domain``. ``--list`` shows the modules behind the figures.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median, quantiles

from benchmarks.figures import Row, show

PACKAGE = "connector"
# Modules of the package that belong to no subpackage by design: the entry points and the error tree.
AT_THE_TOP = frozenset({f"{PACKAGE}.errors", f"{PACKAGE}.__main__", PACKAGE})
# The development engine is a separate program, so the worker's figures are easier to compare without it.
APART = "devengine"
WORDS = re.compile(r"\b(?:who|what|which)ever\b|\b(?:no|some)body\b", re.IGNORECASE)  # whoever, nobody, …
_PROSE = frozenset({".py", ".md", ".yaml", ".yml", ".html", ".json", ".bpmn", ".sh", ".toml"})
_PROSE_IN = (
    PACKAGE,
    "docs",
    "element-templates",
    "bpmn-examples",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
)


@dataclass(frozen=True, slots=True)
class Module:
    """One source file of the package.

    Attributes:
        name: Dotted, a package's ``__init__`` by the package's name.
        imports: The project's modules that it imports, anywhere in the file.
    """

    name: str
    lines: int
    imports: frozenset[str]
    functions: tuple[int, ...]
    is_package: bool


def modules(checkout: Path) -> dict[str, Module]:
    """Read every module of the package, by name."""
    sources = {_name(file, checkout): file for file in sorted((checkout / PACKAGE).rglob("*.py"))}
    return {name: _read(name, file, sources) for name, file in sources.items()}


def package_of(module: str) -> str:
    """Give the package below ``connector`` that a module belongs to; a loose module stands for itself."""
    return ".".join(module.split(".")[:2])


def arrows(found: Mapping[str, Module]) -> dict[tuple[str, str], set[str]]:
    """Give the imports between packages, each with the modules that have them."""
    between: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module in found.values():
        for imported in module.imports:
            if package_of(imported) != package_of(module.name):
                between[package_of(module.name), package_of(imported)].add(module.name)
    return dict(between)


def mutual(found: Mapping[str, Module]) -> list[tuple[str, str]]:
    """Give the pairs of packages that import each other."""
    between = arrows(found)
    packages = sorted({package for pair in between for package in pair})
    return [
        (one, other)
        for one, other in combinations(packages, 2)
        if {(one, other), (other, one)} <= between.keys()
    ]


def importers(found: Mapping[str, Module]) -> dict[str, set[str]]:
    """Give the modules that import each module; ``__init__`` files and entry points are no modules here."""
    by: dict[str, set[str]] = {name: set() for name, module in found.items() if not module.is_package}
    for module in found.values():
        for imported in module.imports & by.keys():
            by[imported].add(module.name)
    return by


def loose(found: Mapping[str, Module]) -> list[str]:
    """Give the modules at the top of the package that should be in one of its packages."""
    return sorted(
        name
        for name, module in found.items()
        if not module.is_package and name.count(".") == 1 and name not in AT_THE_TOP
    )


def words(checkout: Path) -> dict[str, int]:
    """Count the vague pronouns in code and documents, by file."""
    counted = {
        str(file.relative_to(checkout)): len(WORDS.findall(file.read_text("utf-8")))
        for file in _prose(checkout)
    }
    return {name: count for name, count in counted.items() if count}


def _prose(checkout: Path) -> Iterator[Path]:
    for place in _PROSE_IN:
        for file in (checkout / place).rglob("*") if (checkout / place).is_dir() else [checkout / place]:
            if file.suffix in _PROSE and file.is_file():
                yield file


def _name(file: Path, checkout: Path) -> str:
    parts = file.relative_to(checkout).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read(name: str, file: Path, known: Iterable[str]) -> Module:
    text = file.read_text("utf-8")
    tree = ast.parse(text)
    lengths = tuple(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    known = set(known)
    imported = frozenset(
        target for node in ast.walk(tree) for target in _imported(node, known) if target != name
    )
    return Module(name, text.count("\n"), imported, lengths, file.name == "__init__.py")


def _imported(node: ast.AST, known: set[str]) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names if alias.name in known)
        case ast.ImportFrom(module=str(source), level=0) if source in known:
            below = {f"{source}.{alias.name}" for alias in node.names}
            yield from below & known
            if below - known:
                yield source


def without(found: Mapping[str, Module], names: Iterable[str]) -> dict[str, Module]:
    """Leave out packages and modules, named below ``connector``."""
    absent = [f"{PACKAGE}.{name}" for name in names]
    return {
        name: module
        for name, module in found.items()
        if not any(name == one or name.startswith(f"{one}.") for one in absent)
    }


def measured(checkout: Path, left_out: Sequence[str]) -> list[Row]:
    """Measure a checkout, as a whole and without some of its packages."""
    found = modules(checkout)
    part = without(found, left_out)
    return [
        *_structure("whole package", found),
        *_structure("part", part),
        *_style(part),
        _pronouns(checkout),
    ]


def _structure(of: str, found: Mapping[str, Module]) -> Iterator[Row]:
    by = importers(found)
    figures: dict[str, int] = {
        "modules": len(by),
        "modules with exactly one importer": sum(len(names) == 1 for names in by.values()),
        "packages": len({package_of(name) for name in found} - {PACKAGE}),
        "pairs of packages that import each other": len(mutual(found)),
        "loose modules beside errors.py": len(loose(found)),
        "lines of code": sum(module.lines for module in found.values()),
    }
    for figure, value in figures.items():
        yield {"of": of, "figure": figure, "value": value}


def _style(found: Mapping[str, Module]) -> Iterator[Row]:
    functions = [length for module in found.values() for length in module.functions]
    files = [module.lines for module in found.values() if not module.is_package]
    figures: dict[str, float] = {
        "lines of a function, median": median(functions),
        "lines of a function, nine in ten": quantiles(functions, n=10)[-1],
        "lines of a file, median": median(files),
        "lines of a file, nine in ten": quantiles(files, n=10)[-1],
    }
    for figure, value in figures.items():
        yield {"of": "part", "figure": figure, "value": int(value)}


def _pronouns(checkout: Path) -> Row:
    return {"of": "code and documents", "figure": "vague pronouns", "value": sum(words(checkout).values())}


def main() -> None:
    """Print the figures, and with ``--list`` the modules behind them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.structure")
    parser.add_argument("checkout", nargs="?", default=".", type=Path)
    parser.add_argument("--without", default=APART, metavar="NAMES")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    checkout, left_out = given.checkout.resolve(), given.without.split(",")
    show(f"Structure of {checkout.name} (part: without {given.without})", measured(checkout, left_out))
    if given.list:
        _list(checkout, left_out)


def _list(checkout: Path, left_out: Sequence[str]) -> None:
    found = without(modules(checkout), left_out)
    print("\nPairs of packages that import each other:")
    between = arrows(found)
    for one, other in mutual(found):
        print(f"  {one} -> {other}: {', '.join(sorted(between[one, other]))}")
        print(f"  {other} -> {one}: {', '.join(sorted(between[other, one]))}")
    print("\nModules with exactly one importer:")
    for name, by in importers(found).items():
        if len(by) == 1:
            print(f"  {name} ({found[name].lines} lines) <- {next(iter(by))}")
    print("\nVague pronouns:")
    for name, count in words(checkout).items():
        print(f"  {count:3} {name}")


if __name__ == "__main__":
    main()
