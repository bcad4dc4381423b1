"""Every pinned package can be installed on the oldest Python that the project promises."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text.partition("==")[0]).lower()


def test_no_pinned_package_needs_a_later_patch_of_python() -> None:
    """Debian 12 has Python 3.11.2: a package that asks for 3.11.5 stops the installation there."""
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    pinned = {_name(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    needs = {
        _name(one.name): one.metadata["Requires-Python"]
        for one in distributions()
        if _name(one.name) in pinned and one.metadata["Requires-Python"]
    }
    assert len(needs) > 20, "no packages were found to look at"
    assert {name: need for name, need in needs.items() if oldest not in SpecifierSet(need)} == {}
